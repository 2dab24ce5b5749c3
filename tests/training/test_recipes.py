"""Every recipe trains, on made-up images of the format of its own."""

import itertools

import numpy as np
import pytest

import zoo
from training.data import LabelledImages, Split, list_datasets
from training.evaluations import evaluate, list_evaluations
from training.fit import build_model
from training.pipelines import training_batches
from training.preprocessing import fit_preprocessing, list_preprocessings
from training.recipes import Recipe, get_recipe, list_recipes

STEPS = 2


@pytest.mark.parametrize("name", list_recipes())
def test_two_steps(name, tensorflow_backend):
    recipe = get_recipe(name, batch_size=4)
    assert recipe.model in zoo.list_models()
    assert recipe.dataset in list_datasets()
    assert recipe.preprocessing in list_preprocessings()
    assert recipe.evaluation in list_evaluations()
    model = build_model(recipe, STEPS)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (8, *model.input_shape[1:]), dtype="uint8")
    split = Split(images, rng.integers(0, model.output_shape[-1], 8).astype("int32"))
    data = LabelledImages(split, split, classes=model.output_shape[-1])
    # Whitening has its own tests; fitting it takes long, whatever the number of images.
    preprocessing = "standardise" if recipe.preprocessing == "contrast_zca" else recipe.preprocessing
    preprocess = fit_preprocessing(preprocessing, data.train.scaled_images())
    batches = training_batches(data.train, preprocess, recipe.augmentation, recipe.batch_size, recipe.seed)
    before = model.get_weights()
    history = model.fit(batches, steps_per_epoch=STEPS, epochs=1, verbose=0, shuffle=False).history
    assert np.isfinite(history["loss"]).all()
    assert any((old != new).any() for old, new in zip(before, model.get_weights(), strict=True))
    metrics = evaluate(recipe.evaluation, model, data, preprocess)
    assert 0 <= metrics["test_error"] <= 100


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
        optimizer = build_model(recipe, steps=10).optimizer
        rates = []
        for epoch in range(4):
            optimizer.iterations.assign(10 * epoch + (1 if kind == "steps" else 0))
            rates.append(float(optimizer.learning_rate))
        np.testing.assert_allclose(rates, expected, rtol=1e-5)
