"""Automatic colour balancing, against the formula, and what it leaves of a coloured light."""

import keras
import numpy as np
import pytest
from keras_equivariant.training.input.balance import EstimatedLight
from keras_equivariant.training.input.preprocessing import (
    fit_preprocessing,
    load_preprocessing,
    save_preprocessing,
)
from keras_equivariant.training.recipes import get_recipe
from keras_equivariant.training.tasks import get_task

from keras_equivariant.layers import ApplyGamma, RandomIlluminant, RemoveGamma

pytestmark = pytest.mark.usefixtures("tensorflow_backend")
POWERS = {"grey_world": 1, "shades_of_grey": 6}


def images(count=6, low=0.2, high=0.7):
    return np.random.default_rng(0).uniform(low, high, (count, 8, 8, 3)).astype("float32")


def balanced(image, power):
    """One image by the formula, in sRGB."""
    linear = np.where(image <= 0.04045, image / 12.92, ((image + 0.055) / 1.055) ** 2.4).astype("float64")
    light = [np.mean(linear[..., c] ** power) ** (1 / power) for c in range(3)]
    linear = np.stack([linear[..., c] * max(light) / light[c] for c in range(3)], axis=-1).clip(0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("name", POWERS)
def test_formula(name):
    x = images() * np.array([1, 0.8, 0.5], "float32")
    preprocess = fit_preprocessing(name, x)
    expected = np.stack([balanced(image, POWERS[name]) for image in x])
    mean, deviation = expected.mean((0, 1, 2)), expected.std((0, 1, 2))
    np.testing.assert_allclose(preprocess(x), (expected - mean) / deviation, atol=1e-3)
    np.testing.assert_allclose(preprocess.background, -mean / deviation, rtol=1e-4)


@pytest.mark.parametrize("name", POWERS)
def test_the_light_is_gone(name):
    x = images()
    preprocess = fit_preprocessing(name, x)
    neutral = balanced(x[0], POWERS[name])
    assert neutral.max() < 1, "nothing is clipped"
    lit = np.asarray(RandomIlluminant(0.5, in_prediction=True, seed=1)(x))
    assert np.abs(lit - x).max() > 0.1
    difference = np.asarray(preprocess(lit)) - np.asarray(preprocess(x))
    standardised = np.asarray(preprocess(x)).std()
    # What is left is one gain for all colours: grey comes out a little brighter or darker, but grey.
    assert np.abs(difference).mean() < 0.15 * standardised
    linear = [
        np.asarray(RemoveGamma()(np.clip(np.asarray(preprocess(v)) * preprocess.deviation + preprocess.mean, 0, 1)))
        for v in (x, lit)
    ]
    ratios = (linear[1] / linear[0]).reshape(6, -1)
    np.testing.assert_allclose(ratios, ratios[:, :1] * np.ones_like(ratios), rtol=0.01)


@pytest.fixture
def estimator(tmp_path):
    """A run whose network says the mean colour of the image."""
    inputs = keras.Input((16, 16, 3))
    (tmp_path / "run").mkdir()
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(inputs))
    model.save(tmp_path / "run" / "model.keras")
    return str(tmp_path / "run")


def test_an_estimate_by_a_network_is_kept_with_the_run(estimator, tmp_path):
    x = images()
    preprocess = fit_preprocessing("estimated_light", x, estimator)
    np.testing.assert_allclose(preprocess(x), fit_preprocessing("grey_world", x)(x), atol=2e-2)
    save_preprocessing(tmp_path / "preprocessing.npz", preprocess)
    (tmp_path / "run" / "model.keras").unlink()
    loaded = load_preprocessing(tmp_path / "preprocessing.npz", "estimated_light")
    np.testing.assert_array_equal(loaded(x), preprocess(x))
    import tensorflow as tf

    (batch,) = tf.data.Dataset.from_tensors(x).map(loaded)
    np.testing.assert_allclose(batch, preprocess(x), atol=1e-5)


def test_hidden_pixels_do_not_change_the_estimate(estimator):
    x = np.full((1, 16, 16, 3), 0.5, "float32") * np.array([1, 0.8, 0.6], "float32")
    hidden = x.copy()
    hidden[:, :5] = 0
    preprocess = EstimatedLight.fit([x + images(1)[:, :1, :1]], estimator)
    np.testing.assert_allclose(np.asarray(preprocess(hidden))[:, 8:], np.asarray(preprocess(x))[:, 8:], atol=1e-4)


def test_what_is_refused(tmp_path, estimator):
    task = get_task("classification")
    for changes in ({"estimator": estimator}, {"preprocessing": "estimated_light"}):
        with pytest.raises(ValueError, match="`estimator` must go with the preprocessing 'estimated_light'"):
            task.check(get_recipe("cifar10_light_balanced", **changes))
    with pytest.raises(ValueError, match="`estimator` must be the folder of a finished run. Received"):
        fit_preprocessing("estimated_light", images(), str(tmp_path / "nothing"))
    inputs = keras.Input((16, 16, 3))
    keras.Model(inputs, ApplyGamma()(inputs)).save(tmp_path / "run" / "model.keras")
    with pytest.raises(ValueError, match="`estimator` must be a run that estimates the light"):
        fit_preprocessing("estimated_light", images(), estimator)
    recipe = get_recipe("cifar10_light_balanced")
    assert recipe.model == "resnet20" and recipe.preprocessing == "grey_world" and recipe.published["resnet20"] == 9.19
    assert recipe.schedule == get_recipe("cifar10_light").schedule
