"""One's own pictures for `model.fit`, on every backend."""

import dataclasses

import keras
import numpy as np
import pytest
from keras_equivariant.training import from_folder, ready_to_fit
from keras_equivariant.training.input.batches import in_tf_data
from PIL import Image

KINDS = ("bright", "dark")


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for kind, (name, count) in enumerate(zip(KINDS, (20, 8), strict=True)):
        (tmp_path / name).mkdir()
        for i in range(count):
            pixels = rng.integers(0, 100, (9 + i % 3, 12, 3)) + 150 * (1 - kind)
            Image.fromarray(pixels.astype("uint8")).save(tmp_path / name / f"{i}.png")
    return tmp_path


def test_three_lines_are_enough(folder):
    model, batches, test = ready_to_fit(from_folder(folder, size=8, symmetry="p1", epochs=2))
    history = model.fit(**batches, verbose=0).history
    assert len(history["loss"]) == 2 == len(history["val_loss"])
    assert set(model.evaluate(test, verbose=0, return_dict=True)) == {"loss", "accuracy"}


def test_the_batches_are_those_of_the_recipe(folder):
    own = from_folder(folder, size=8, symmetry="p1", epochs=2)
    model, batches, test = ready_to_fit(own)
    assert batches["epochs"] == 2 and batches["steps_per_epoch"] == len(own.data.train) // own.recipe.batch_size
    assert batches["class_weight"] == dict(enumerate(own.recipe.class_weights)) and batches["class_weight"][1] > 1
    assert hasattr(batches["x"], "element_spec") if in_tf_data() else isinstance(batches["x"], keras.utils.PyDataset)
    for given, split in ((batches["validation_data"], own.data.validation), (test, own.data.test)):
        images, labels = (np.concatenate([np.asarray(part) for part in parts]) for parts in zip(*given, strict=True))
        np.testing.assert_array_equal(labels, split.labels)
        train = own.data.train.scaled_images()
        mean, deviation = train.mean((0, 1, 2)), train.std((0, 1, 2))
        np.testing.assert_allclose(images, (split.scaled_images() - mean) / deviation, atol=1e-4)
    assert model.output_shape == (None, 2)


def test_a_recipe_of_another_task_is_refused(folder):
    own = from_folder(folder, size=8)
    with pytest.raises(ValueError, match="`preprocessing` must be one of"):
        ready_to_fit(dataclasses.replace(own, recipe=dataclasses.replace(own.recipe, preprocessing="none")))
