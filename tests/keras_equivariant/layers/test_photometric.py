import colorsys

import keras
import numpy as np
import pytest
from helpers import DTYPES, TOLERANCES, relative_error, to_numpy

from keras_equivariant.layers.photometric import ApplyGamma, InverseLogRGB, LogRGB, RandomIlluminant, RemoveGamma


def images(*shape, dtype="float32", seed=0):
    return np.random.default_rng(seed).uniform(size=shape).astype(dtype)


def srgb_to_linear(x):
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(x):
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)


FORMULAS = [
    (LogRGB(dtype="float64"), lambda x: -np.log(np.maximum(x, 2e-4))),
    (LogRGB(0.1, dtype="float64"), lambda x: -np.log(np.maximum(x, 0.1))),
    (InverseLogRGB(dtype="float64"), lambda x: np.exp(-x)),
    (RemoveGamma(dtype="float64"), srgb_to_linear),
    (ApplyGamma(dtype="float64"), linear_to_srgb),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layer, formula", FORMULAS)
def test_formulas(layer, formula, dtype):
    layer = type(layer).from_config({**layer.get_config(), "dtype": dtype})
    x = np.concatenate([np.linspace(0, 1, 1001), np.geomspace(1e-6, 1e-2, 1000)]).reshape(1, -1, 3).astype(dtype)
    assert relative_error(layer(x), formula(x.astype("float64"))) < TOLERANCES[dtype]
    np.testing.assert_allclose(to_numpy(layer(x)), formula(x), rtol=2e-3 if dtype == "float32" else 1e-9)
    inputs = keras.Input(x.shape[1:], dtype=dtype)
    assert layer(inputs).shape == (None, *x.shape[1:])


def test_gamma_and_logarithm_are_inverted():
    x = images(2, 5, 5, 3)
    assert relative_error(ApplyGamma()(RemoveGamma()(x)), x) < 1e-5
    assert relative_error(InverseLogRGB()(LogRGB(1e-6)(x)), x) < 1e-5


def test_gradients_are_finite_at_black():
    import tensorflow as tf

    if keras.config.backend() != "tensorflow":
        pytest.skip("needs the TensorFlow backend")
    x = tf.constant([0.0, 0.001, 0.5])
    for layer in (RemoveGamma(), ApplyGamma(), LogRGB()):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
        assert np.isfinite(tape.gradient(y, x)).all()


def test_a_change_of_light_is_an_offset_of_the_logarithm():
    """Equation 24, where nothing is clipped."""
    x, light = images(2, 5, 5, 3) + 0.05, np.array([0.9, 0.3, 0.5], "float32")
    offset = to_numpy(LogRGB()(x * light)) - to_numpy(LogRGB()(x))
    np.testing.assert_allclose(offset, np.broadcast_to(-np.log(light), offset.shape), atol=1e-5)


@pytest.mark.parametrize("gamma", [True, False])
@pytest.mark.parametrize("saturation", [0.0, 0.5, 1.0])
def test_illuminant(saturation, gamma):
    """The light of each hue, as Python's own colorsys converts it."""
    hues = np.linspace(0, 1, 25, dtype="float32")
    x = images(25, 2, 2, 3)
    y = RandomIlluminant(saturation, gamma, in_prediction=True)(x, hue=hues)
    lights = np.array([colorsys.hsv_to_rgb(hue, saturation, 1) for hue in hues]).reshape(25, 1, 1, 3)
    expected = linear_to_srgb(srgb_to_linear(x.astype("float64")) * lights) if gamma else x * lights
    assert relative_error(y, expected) < 1e-5
    single = RandomIlluminant(saturation, gamma, in_prediction=True)(x[3], hue=hues[3])
    assert relative_error(single, expected[3]) < 1e-5


def drawn_lights(layer, number=500, **call):
    return to_numpy(layer(np.ones((number, 1, 1, 3), "float32"), **call)).reshape(-1, 3)


def test_illuminants_are_seeded_and_uniform():
    first, second = (drawn_lights(RandomIlluminant(0.5, gamma=False, seed=1), training=True) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert (first != drawn_lights(RandomIlluminant(0.5, gamma=False, seed=2), training=True)).any()
    layer = RandomIlluminant(0.5, gamma=False, seed=1)
    assert (drawn_lights(layer, training=True) != drawn_lights(layer, training=True)).any()
    hues = np.array([colorsys.rgb_to_hsv(*light)[0] for light in first])
    assert abs(np.quantile(hues, [0.25, 0.5, 0.75]) - [0.25, 0.5, 0.75]).max() < 0.1
    assert len(np.unique(hues)) > 450, "one light for each image"


def test_active_in_prediction_only_when_asked():
    x = images(4, 3, 3, 3)
    quiet, active = RandomIlluminant(0.9), RandomIlluminant(0.9, in_prediction=True)
    for training in (None, False):
        np.testing.assert_array_equal(to_numpy(quiet(x, training=training)), x)
        assert (to_numpy(active(x, training=training)) != x).any()
    assert (to_numpy(quiet(x, training=True)) != x).any()
    model = keras.Sequential([keras.Input((3, 3, 3)), active, LogRGB()])
    assert (model.predict(x, verbose=0) != to_numpy(LogRGB()(x))).any()


def test_in_a_tf_data_pipeline_of_any_backend():
    tf = pytest.importorskip("tensorflow")
    x = images(6, 4, 4, 3)
    data = tf.data.Dataset.from_tensor_slices(x)
    for layer in (LogRGB(), InverseLogRGB(), RemoveGamma(), ApplyGamma()):
        batched = next(iter(data.batch(6).map(layer)))
        assert isinstance(batched, tf.Tensor)
        assert relative_error(batched.numpy(), layer(x)) < 1e-6
        single = np.stack(list(data.map(layer).as_numpy_iterator()))
        assert relative_error(single, layer(x)) < 1e-6
    layer = RandomIlluminant(0.5, seed=1)
    hues = np.linspace(0, 1, 6, dtype="float32")
    lit = tf.data.Dataset.from_tensor_slices((x, hues)).map(lambda image, hue: layer(image, training=True, hue=hue))
    assert relative_error(np.stack(list(lit.as_numpy_iterator())), layer(x, training=True, hue=hues)) < 1e-5
    drawn = next(iter(data.batch(6).map(lambda batch: layer(batch, training=True))))
    assert drawn.shape == x.shape and (drawn.numpy() != x).any()
    np.testing.assert_array_equal(next(iter(data.batch(6).map(lambda batch: layer(batch)))), x)


def test_a_seed_generator_survives_the_configuration():
    layer = RandomIlluminant(0.5, gamma=False, in_prediction=True, seed=keras.random.SeedGenerator(3))
    loaded = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert isinstance(loaded.seed, keras.random.SeedGenerator) and loaded.get_config() == layer.get_config()
    np.testing.assert_array_equal(drawn_lights(loaded), drawn_lights(layer))


@pytest.mark.parametrize("seed", [3, keras.random.SeedGenerator(3), None])
def test_seeds_in_a_tf_data_pipeline_of_any_backend(seed):
    tf = pytest.importorskip("tensorflow")
    layer = RandomIlluminant(0.5, in_prediction=True, seed=seed)
    lit = next(iter(tf.data.Dataset.from_tensors(images(6, 4, 4, 3)).map(layer)))
    assert lit.shape == (6, 4, 4, 3) and np.isfinite(lit).all()


def test_a_seed_draws_the_same_lights_in_every_tf_data_pipeline():
    tf = pytest.importorskip("tensorflow")

    def lit(seed):
        layer = RandomIlluminant(0.5, in_prediction=True, seed=seed)
        return next(iter(tf.data.Dataset.from_tensors(images(6, 4, 4, 3)).map(layer))).numpy()

    np.testing.assert_array_equal(lit(3), lit(3))
    assert (lit(3) != lit(4)).any()


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: LogRGB(0), "`epsilon` must be positive. Received: epsilon=0"),
        (lambda: RandomIlluminant(1.5), "`saturation` must be between 0 and 1. Received: saturation=1.5"),
        (lambda: RandomIlluminant(0.5)(np.zeros((1, 2, 2, 4), "float32")), "three channels. Received: inputs of shape"),
        (lambda: RemoveGamma()(np.zeros((1, 2, 2, 3), "uint8")), "floating-point numbers.*Received: dtype=uint8"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
