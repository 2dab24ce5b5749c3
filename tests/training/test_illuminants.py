import colorsys

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import relative_error
from keras_equivariant.training.data.images import LabelledImages, Split
from keras_equivariant.training.input import augmentations, batches, coloured_light
from keras_equivariant.training.input.augmentations import get_augmentation
from keras_equivariant.training.input.preprocessing import fit_preprocessing
from keras_equivariant.training.recipes import get_recipe, with_jitter
from keras_equivariant.training.tasks.classification import errors
from keras_equivariant.training.tasks.classification.evaluation import get_evaluation
from small_tasks import quickly

from keras_equivariant import zoo
from keras_equivariant.layers import ApplyGamma, InverseLogRGB, LogRGB, OffsetAdapter, RandomIlluminant, RemoveGamma


def images(count=6, size=16, low=0.0):
    return np.random.default_rng(0).uniform(low, 1, (count, size, size, 3)).astype("float32")


@pytest.fixture
def few_lights(monkeypatch):
    monkeypatch.setattr(errors, "SATURATIONS", (0.0, 0.5, 0.9))
    with quickly():
        yield


def test_log_rgb_is_standardised_for_each_colour():
    x = images() * np.array([1, 0.5, 0.2], "float32")
    preprocess = fit_preprocessing("log_rgb", x)
    y = np.asarray(preprocess(x), "float64")
    np.testing.assert_allclose(y.mean((0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(y.std((0, 1, 2)), 1, atol=1e-4)
    np.testing.assert_allclose(next(iter(tf.data.Dataset.from_tensors(x).map(preprocess))), y, atol=1e-5)


def test_light_is_an_offset_after_the_preprocessing():
    x = images(low=0.3)
    preprocess = fit_preprocessing("log_rgb", x)
    lit = RandomIlluminant(0.8, in_prediction=True, seed=1)(x)
    offsets = np.asarray(preprocess(np.asarray(lit))) - np.asarray(preprocess(x))
    np.testing.assert_allclose(offsets, np.broadcast_to(offsets[:, :1, :1], offsets.shape), atol=1e-3)
    assert np.abs(offsets).max() > 0.3


def test_jitter_changes_what_it_says():
    x = images(3, 4)
    neutral = np.array([[1, 1, 1, 0]] * 3, "float32")
    np.testing.assert_allclose(augmentations.jitter(x, neutral), x, atol=1e-5)
    turned = augmentations.jitter(x, neutral + np.array([0, 0, -0.5, 0.25], "float32")).numpy()
    for before, after in zip(x.reshape(-1, 3), turned.reshape(-1, 3), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*before)
        np.testing.assert_allclose(after, colorsys.hsv_to_rgb((hue + 0.25) % 1, 0.5 * saturation, value), atol=1e-4)
    np.testing.assert_allclose(augmentations.jitter(x, neutral * [[0.5, 1, 1, 0]]), x / 2, atol=1e-5)
    grey = (x @ np.array([0.2989, 0.587, 0.114], "float32")).mean((1, 2))[:, None, None, None]
    for contrast in (0.0, 0.6, 1.3):
        found = augmentations.jitter(x, neutral * [[1, contrast, 1, 0]])
        expected = np.clip(grey + contrast * (x - grey), 0, 1)
        np.testing.assert_allclose(found, expected, atol=1e-4, err_msg="about the mean grey of each image")
    drawn = augmentations.draw_jitter(tf.constant([1, 2], tf.int64), 1000).numpy()
    np.testing.assert_array_equal(drawn, augmentations.draw_jitter(tf.constant([1, 2], tf.int64), 1000))
    assert drawn[:, :3].min() > 0.6 and drawn[:, :3].max() < 1.4 and np.abs(drawn[:, 3]).max() < 0.1
    assert np.unique(drawn[:, 0]).size > 900


def test_amounts_of_jitter():
    config = {"brightness": 0.1, "contrast": 0.2, "saturation": 0.3, "hue": 0.05}
    recipe = with_jitter(get_recipe("cifar10_light_jitter"), list(config.values()))
    assert recipe.augmentation == ({"class_name": "colour_jitter", "config": config}, "shift_and_flip")
    augmentation = get_augmentation(recipe.augmentation[0])
    drawn = augmentation.draw(tf.constant([1, 2], tf.int64), 2000).numpy() - [1, 1, 1, 0]
    np.testing.assert_allclose(drawn.max(0), list(config.values()), rtol=0.02)
    np.testing.assert_allclose(drawn.min(0), -np.array(list(config.values())), rtol=0.02)
    default = get_augmentation("colour_jitter").draw(tf.constant([1, 2], tf.int64), 9)
    np.testing.assert_array_equal(default, augmentations.draw_jitter(tf.constant([1, 2], tf.int64), 9))
    with pytest.raises(ValueError, match="`jitter` must go with a recipe that has.*Received: recipe='cifar10_light'"):
        with_jitter(get_recipe("cifar10_light"), [0, 0, 0, 0])
    for bad, message in (({"hue": 0.6}, "`hue`.*from 0 to 0.5"), ({"glow": 1}, "'colour_jitter' must be among")):
        with pytest.raises(ValueError, match=message):
            get_augmentation({"class_name": "colour_jitter", "config": bad})
    with pytest.raises(ValueError, match="Arguments of 'flip' must be among"):
        get_augmentation({"class_name": "flip", "config": {"hue": 0.1}})


def test_an_offset_equivariant_network_errs_alike_under_any_light(few_lights):
    x = images(40, 16, low=0.3)
    model = zoo.offset_resnet20((16, 16, 3), 4, (3, 6, 9), 1)
    preprocess = fit_preprocessing("log_rgb", x)
    labels = np.asarray(model(np.asarray(preprocess(x)))).argmax(axis=1)
    labels[:10] = (labels[:10] + 1) % 4
    data = LabelledImages(Split(x, labels), Split(x, labels), 4)
    found = get_evaluation("saturations").test(model, data, preprocess)
    assert found["test_error"] == 25
    assert list(found["test_error_by_saturation"]) == [str(s) for s in errors.SATURATIONS]
    assert {found["test_error_by_saturation"][s] for s in ("0.0", "0.5", "0.9")} == {25}
    assert "adapted_error_by_saturation" not in found


def test_bytes_and_floats_are_lit_alike():
    x = (255 * images(4)).astype("uint8")
    lit = [
        next(iter(batches.lit_batches(Split(v, np.arange(4)), lambda images: images, 4, 0.5)))[0]
        for v in (x, x.astype("float32") / 255)
    ]
    assert relative_error(*lit) < 1e-6
    assert relative_error(lit[0], x / 255) > 0.1


def test_an_ordinary_model_in_an_adapter(few_lights):
    """`SameLight` and the model are the invariant `OffsetAdapter` around the model of logarithms."""
    x = images(40, 16, low=0.3)
    model = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(4)])
    preprocess = fit_preprocessing("standardise", x)
    logs = fit_preprocessing("log_rgb", x)
    inputs = keras.Input((16, 16, 3))
    y = ApplyGamma()(InverseLogRGB()(keras.layers.Rescaling(1.0, list(logs.mean))(inputs)))
    y = keras.layers.Rescaling(1 / np.array(preprocess.deviation), preprocess.background)(keras.ops.clip(y, 0, 1))
    adapted = OffsetAdapter(keras.Model(inputs, model(y)), invariant=True)
    expected = np.asarray(adapted(np.asarray(LogRGB()(RemoveGamma()(x)))))
    same_light = coloured_light.SameLight(preprocess, logs.mean)
    assert relative_error(model(same_light(x)), expected) < 1e-4
    labels = expected.argmax(axis=1)
    labels[:10] = (labels[:10] + 1) % 4
    found = get_evaluation("saturations").test(model, LabelledImages(Split(x, labels), Split(x, labels), 4), preprocess)
    assert {found["adapted_error_by_saturation"][s] for s in ("0.0", "0.5")} == {25}
    assert found["test_error_by_saturation"]["0.5"] > 30, "the model itself sees the light"
    assert found["test_error_by_saturation"].keys() == found["adapted_error_by_saturation"].keys()


def test_the_recipes_are_those_of_the_paper():
    steps = 50_000 // 128
    for name in ("cifar10_light", "cifar10_light_original", "cifar10_light_jitter"):
        recipe = get_recipe(name)
        assert abs(recipe.epochs * steps - 64_000) < steps
        assert [
            abs(epoch * steps - n) < steps for epoch, n in zip(recipe.schedule["epochs"], (32_000, 48_000), strict=True)
        ] == [
            True,
            True,
        ]
        assert recipe.schedule["of"] == recipe.epochs
        assert isinstance(keras.optimizers.get(recipe.optimizer), keras.optimizers.SGD)
