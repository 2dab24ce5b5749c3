"""Every recipe trains, on made-up images of the format of its own."""

import dataclasses
import itertools
import os

import numpy as np
import pytest
from keras_equivariant.training.data import list_datasets, rotated_mnist
from keras_equivariant.training.data.streamed import StreamedSplit
from keras_equivariant.training.input.pipelines import training_batches
from keras_equivariant.training.input.preprocessing import fit_preprocessing, list_preprocessings
from keras_equivariant.training.model.optimizer import build_optimizer
from keras_equivariant.training.recipes import Recipe, get_recipe, list_recipes
from keras_equivariant.training.tasks import get_task
from keras_equivariant.training.tasks.classification import errors
from keras_equivariant.training.tasks.classification.evaluation import evaluate, list_evaluations
from made_up_data import prepare_cifar10, prepare_imagenet, prepare_mnist
from runs import compiled_model

from keras_equivariant import zoo

# Those for other tasks have tests of their own.
CLASSIFIERS = [name for name in list_recipes() if get_recipe(name).task == "classification"]
STEPS, BATCH_SIZE = 2, 4
SIZE = 32  # of what is cut out of photographs, to save time
# What makes a model quick to compile; the whole ones have tests of their own.
LARGE = {"input_shape": (SIZE, SIZE, 3), "filters": 6, "blocks": (1, 1, 1, 1)}
SMALL = {
    "p4m_all_cnn_c": {"filters": (2, 4)},
    "p4m_resnet44": {"filters": (2, 3, 4), "blocks": 1},
    "resnet20": {"blocks": 1},
    "offset_resnet20": {"blocks": 1},
    "resnet50": LARGE,
    "offset_resnet50": LARGE,
}
PREPARED = {"cifar10": prepare_cifar10, "mnist": prepare_mnist, "imagenet2012": prepare_imagenet}
REAL = os.environ.get("KERAS_EQUIVARIANT_TFDS")


@pytest.mark.parametrize("optimizer", [{"class_name": "Adam", "config": {}}, {"class_name": "Adam"}, [], {}])
def test_an_optimizer_that_says_too_little(optimizer):
    recipe = get_recipe("rotated_digits", optimizer=optimizer)
    with pytest.raises(ValueError, match="`optimizer` and `schedule` must be .*Received: optimizer="):
        build_optimizer(recipe, 10)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Prepared data sets, made up, of the form of the real ones."""
    path = tmp_path_factory.mktemp("tfds")
    for prepare in PREPARED.values():
        prepare(path)
    return path


@pytest.fixture
def little_to_test(monkeypatch):
    monkeypatch.setattr(errors, "SATURATIONS", (0.0, 1.0))
    monkeypatch.setattr(rotated_mnist, "_TRAIN", 40)
    monkeypatch.setattr(rotated_mnist, "_TEST", 20)


def two_steps(recipe, data, count=None):
    """Trains and tests a small model by a recipe, on all images or on a few; returns the test's metrics."""
    arguments = {**recipe.model_arguments, **SMALL.get(recipe.model, {})}
    recipe = dataclasses.replace(recipe, model_arguments=arguments)
    if isinstance(data.train, StreamedSplit):
        train, test = (dataclasses.replace(split, size=SIZE) for split in (data.train, data.test))
    else:
        train, test = data.train.first(count), data.test.first(count)
    data = dataclasses.replace(data, train=train, test=test)
    model = compiled_model(recipe, data, STEPS)
    # Whitening has its own tests; fitting it takes long, whatever the number of images.
    preprocessing = "standardise" if recipe.preprocessing == "contrast_zca" else recipe.preprocessing
    preprocess = fit_preprocessing(preprocessing, data.train.first().scaled_images())
    batches = training_batches(data.train, preprocess, recipe.augmentation, recipe.batch_size, recipe.seed)
    before = model.get_weights()
    model.run_eagerly = True  # which takes less time than to trace the graph of a step
    history = model.fit(batches, steps_per_epoch=STEPS, epochs=1, verbose=0, shuffle=False).history
    assert np.isfinite(history["loss"]).all()
    assert any((old != new).any() for old, new in zip(before, model.get_weights(), strict=True))
    return evaluate(recipe.evaluation, model, data, preprocess)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_two_steps(name, folder, little_to_test, tensorflow_backend):
    recipe = get_recipe(name, batch_size=BATCH_SIZE)
    assert recipe.model in zoo.list_models()
    assert recipe.dataset in list_datasets()
    assert recipe.preprocessing in list_preprocessings()
    assert recipe.evaluation in list_evaluations()
    metrics = two_steps(recipe, get_task(recipe.task).load(recipe, folder), 20)
    assert 0 <= metrics["test_error"] <= 100


@pytest.mark.skipif(REAL is None, reason="needs a folder of prepared TFDS data sets")
@pytest.mark.parametrize("name", [name for name in CLASSIFIERS if get_recipe(name).dataset in ("mnist", "cifar10")])
def test_two_steps_on_real_data(name, tensorflow_backend):
    recipe = get_recipe(name, batch_size=BATCH_SIZE)
    data = get_task(recipe.task).load(recipe, REAL)
    sizes = {"mnist": (60000, 10000), "cifar10": (50000, 10000)}
    assert (len(data.train), len(data.test)) == sizes[recipe.dataset]
    assert np.bincount(data.test.labels).min() >= 800
    metrics = two_steps(recipe, data, 50)
    assert metrics["test_error"] in np.arange(0, 101, 2)  # of 50 images


def test_changes():
    assert get_recipe("rotated_digits", epochs=None, seed=3).seed == 3
    assert get_recipe("rotated_digits").epochs == 60
    with pytest.raises(ValueError, match=r"`recipe` must be one of \['rotated_digits'"):
        get_recipe("nothing")


@pytest.mark.parametrize(
    "field, value", [("epochs", 0), ("batch_size", 0), ("seed", -1), ("seed", 2**31), ("precision", "half")]
)
def test_bad_values(field, value):
    with pytest.raises(ValueError, match=f"`{field}` must be .*Received: {field}={value!r}"):
        get_recipe("rotated_digits", **{field: value})
    with pytest.raises(ValueError, match=f"Received: {field}={value!r}"):
        fields = {"model": "p4cnn", "dataset": "digits", "epochs": 1, "batch_size": 1, "optimizer": {}}
        Recipe(name="x", description="x", **{**fields, field: value})


def test_learning_rates():
    schedules = {
        None: [1.0, 1.0, 1.0, 1.0],
        "cosine": [1.0, 0.5 + 0.5**0.5 / 2, 0.5, 0.5 - 0.5**0.5 / 2],
        "steps": [1.0, 0.1, 0.1, 0.01],
    }
    for (kind, expected), of in itertools.product(schedules.items(), (4, 40)):
        recipe = Recipe(
            name="x",
            description="x",
            model="p4cnn",
            dataset="digits",
            epochs=4,
            batch_size=1,
            optimizer={"class_name": "SGD", "config": {"learning_rate": 1.0}},
            schedule=kind and {"kind": kind, "epochs": [of // 4, 3 * of // 4], "of": of, "factor": 0.1},
        )
        optimizer = build_optimizer(recipe, steps=10)
        rates = []
        for epoch in range(4):
            optimizer.iterations.assign(10 * epoch + (1 if kind == "steps" else 0))
            rates.append(float(optimizer.learning_rate))
        np.testing.assert_allclose(rates, expected, rtol=1e-5)
