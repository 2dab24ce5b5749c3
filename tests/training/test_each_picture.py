"""Pictures of mixed kinds, each standardised by itself, however it is cut."""

import numpy as np
import pytest
from helpers import random_array, relative_error, to_numpy
from keras_equivariant.training.export.formats import export, load
from keras_equivariant.training.input.preprocessing import StandardiseEach, of_picture
from keras_equivariant.training.runs.export import assemble
from keras_equivariant.training.tasks.segmentation import TASK, tiles
from keras_equivariant.training.tasks.segmentation.crops import Crops, training_batches
from keras_equivariant.training.tasks.segmentation.evaluation import predict_masks
from networks import create_with_random_statistics

pytestmark = pytest.mark.usefixtures("tensorflow_backend")
EACH = StandardiseEach()


def standardised(picture):
    values = picture.astype("float64")
    return (values - values.mean((0, 1))) / np.sqrt(values.var((0, 1)) + 1e-4)


def mixed_kinds():
    """A dark and a bright picture of random colours, in bytes."""
    rng = np.random.default_rng(0)
    return [rng.integers(2, 30, (300, 10, 3), "uint8"), rng.integers(150, 250, (8, 14, 3), "uint8")]


def test_the_formula_for_batches_and_for_parts():
    batch = np.stack([random_array(6, 7, 3) / 9, random_array(6, 7, 3, seed=1) + 5, np.full((6, 7, 3), 0.25)])
    batch = batch.astype("float32")
    expected = np.stack([standardised(picture) for picture in batch])
    assert relative_error(EACH(batch), expected) < 1e-5
    assert not expected[2].any()  # an even picture stays even
    for picture, whole in zip(batch, expected, strict=True):
        prepare = of_picture(EACH, iter([picture[None, :2], picture[None, 2:]]))
        assert np.abs(prepare(picture[3:5]) - whole[3:5]).max() < 1e-5


@pytest.mark.parametrize("augmentation", [(), ("square_symmetries",)])
def test_a_crop_is_standardised_by_its_whole_picture(augmentation):
    images = mixed_kinds()
    expected = [standardised(image / 255) for image in images]
    # The class of a pixel is its place in its picture, so that it can be looked up.
    classes = [10_000 * i + np.arange(image[..., 0].size).reshape(image.shape[:2]) for i, image in enumerate(images)]
    crops = Crops(images, [one.astype("int32") for one in classes], (5, 5))
    seen = set()
    for x, places in training_batches(crops, EACH, augmentation, 4, 0).take(20).as_numpy_iterator():
        for crop, place in zip(x, places, strict=True):
            number = place.max() // 10_000
            seen.add(number)
            flat = expected[number].reshape(-1, 3)
            np.testing.assert_allclose(crop, flat[place - 10_000 * number], atol=1e-4)
    assert seen == {0, 1}


def test_a_picture_in_tiles_is_standardised_as_a_whole():
    model = create_with_random_statistics("p4m_unet", input_shape=(None, None, 3), filters=2, depth=1, classes=3)
    dark, bright = mixed_kinds()
    image = np.concatenate([dark, np.repeat(bright, 2, axis=0)[:, :10]])  # higher than a tile
    whole = to_numpy(model(standardised(image / 255)[None].astype("float32")))[0]
    expected = predict_masks(model, image / np.float32(255), EACH, True)
    others = predict_masks(model, standardised(image / 255).astype("float32"), None, True)
    for found, other in zip(expected, others, strict=True):
        assert (found != other).mean() < 1e-3
    said = TASK.predict(model, image, EACH, ["background", "cell"])
    np.testing.assert_array_equal(said.mask, expected[1])
    scores = tiles.scores(model, image, lambda part: of_picture(EACH, [image[None] / 255])(part / 255))
    assert relative_error(scores, whole) < 1e-4


@pytest.mark.filterwarnings("ignore")  # of the converters, about their own code
@pytest.mark.parametrize("file_format, name", [("saved_model", "m"), ("litert", "m.tflite")])
def test_exported_for_any_size(file_format, name, tmp_path):
    if file_format == "litert":
        pytest.importorskip("ai_edge_litert")
    model = create_with_random_statistics("unet", input_shape=(None, None, 1), filters=2, depth=1, classes=3)
    made = assemble(model, EACH)
    images = abs(random_array(2, 6, 8, 1)).clip(0, 1)
    assert export(made, tmp_path / name, file_format, images, to_numpy(model(EACH(images)))) < 1e-4
    run = load(tmp_path / name, file_format)
    other = abs(random_array(1, 12, 4, 1, seed=1)).clip(0, 1)
    assert relative_error(run(other), to_numpy(model(EACH(other)))) < 1e-4
