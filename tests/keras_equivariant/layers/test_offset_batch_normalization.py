import keras
import numpy as np
import pytest
from convention import RENORMALISES
from helpers import DTYPES, TOLERANCES, cases, check_layer, random_array, randomise, relative_error, to_numpy
from offsets import offset_error, pooled, spread

from keras_equivariant.equivariance import equivariance_error
from keras_equivariant.gradients import check_gradients
from keras_equivariant.layers.offset_batch_normalization import OffsetBatchNormalization

GROUPS = cases([1, 3, 8], [3])
SHAPES = [(2, 5, 6), (2, 3, 4, 4), (2,)]


def batch_norm_formula(x, groups, gamma, beta, mean=None, variance=None, activation=None):
    """BN(x - G phi(x)) + G phi(x), and max(y, G phi(y))."""
    means = spread(pooled(x, groups), x)
    centred = np.asarray(x, "float64") - means
    axes = tuple(range(x.ndim - 1))
    if mean is None:
        mean, variance = centred.mean(axes), centred.var(axes)
    y = gamma * (centred - mean) / np.sqrt(variance + 1e-3) + beta + means
    return np.maximum(y, spread(pooled(y, groups), y)) if activation else y


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("groups", GROUPS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("activation", [None, "relu"])
def test_batch_normalisation(activation, shape, groups, dtype):
    rng = np.random.default_rng(0)
    channels = 2 * groups
    x = random_array(5, *shape[1:], channels, dtype=dtype) * rng.uniform(0.5, 2, channels).astype(dtype)
    x += rng.normal(size=channels).astype(dtype)
    layer = OffsetBatchNormalization(momentum=0.9, feature_groups=groups, activation=activation, dtype=dtype)
    layer.build(x.shape)
    gamma, beta, mean, variance = rng.normal(size=(4, channels))
    variance = np.abs(variance)
    layer.set_weights([gamma, beta, mean, variance])
    expected = batch_norm_formula(x, groups, gamma, beta, mean, variance, activation)
    assert relative_error(layer(x), expected) < TOLERANCES[dtype]
    assert offset_error(layer, x, groups) < TOLERANCES[dtype]
    y = layer(x, training=True)
    assert relative_error(y, batch_norm_formula(x, groups, gamma, beta, None, None, activation)) < TOLERANCES[dtype]
    centred = x.astype("float64") - spread(pooled(x, groups), x)
    axes = tuple(range(x.ndim - 1))
    moved = [0.9 * mean + 0.1 * centred.mean(axes), 0.9 * variance + 0.1 * centred.var(axes)]
    for moving, value in zip(layer.get_weights()[2:], moved, strict=True):
        assert relative_error(moving, value) < TOLERANCES[dtype]
    assert offset_error(lambda x: layer(x, training=True), x, groups) < TOLERANCES[dtype]


# Differences in 32 bits step over the kinks of a rectifier.
@pytest.mark.parametrize("activation", [None, "relu"] if keras.config.backend() == "tensorflow" else [None])
def test_gradient_through_the_statistics_of_a_batch(activation):
    """That of the convolution before it, by central differences."""
    layers = [
        keras.layers.Conv2D(6, 2),
        OffsetBatchNormalization(activation=activation),
        keras.layers.Conv2D(2, 2, activation="tanh"),
        keras.layers.GlobalAveragePooling2D(),
    ]
    model = keras.Sequential([keras.Input((4, 5, 3)), *layers])
    randomise(model)
    model.compile("sgd", "mse", jit_compile=False)
    dtype, tolerance = ("float64", 1e-7) if keras.config.backend() == "tensorflow" else ("float32", 1e-2)
    report = check_gradients(model, random_array(4, 4, 5, 3), random_array(4, 2, seed=1), samples=8, dtype=dtype)
    assert report.relative_error < tolerance, report
    assert report.layers[0].largest_gradient > 1e-3


def test_batch_normalisation_bears_large_offsets():
    x = random_array(4, 8, 8, 6)
    layer = OffsetBatchNormalization(activation="relu")
    assert offset_error(lambda x: layer(x, training=True), x, 3, scale=30) < 1e-5 * 30


@pytest.mark.parametrize("activation", [None, "relu"])
def test_batch_normalisation_bears_variances_below_the_rounding_of_the_mean(activation):
    x = np.array([[[1000.0], [1000.0032958984375]]], "float32")  # E[x^2] - E[x]^2 is negative in 32 bits
    layer = OffsetBatchNormalization(feature_groups=1, activation=activation)
    np.testing.assert_allclose(to_numpy(layer(x, training=True)), x, atol=0.2)
    assert to_numpy(layer.moving_variance) >= 0.98


@pytest.mark.parametrize("arguments", [{}, {"activation": "relu"}, *([{"renorm": True}] if RENORMALISES else [])])
def test_batch_normalisation_of_integers(arguments):
    x = np.random.default_rng(0).integers(0, 256, (4, 5, 5, 6)).astype("uint8")
    for training in (False, True):
        expected = OffsetBatchNormalization(**arguments)(x.astype("float32"), training=training)
        assert relative_error(OffsetBatchNormalization(**arguments)(x, training=training), expected) < 1e-6


def test_batch_normalisation_frozen_or_renormalised():
    x = random_array(4, 5, 5, 6)
    layer = OffsetBatchNormalization(activation="relu", trainable=False)
    layer(x, training=True)
    np.testing.assert_array_equal(to_numpy(layer.moving_mean), 0)
    for activation in (None, "relu") if RENORMALISES else ():
        renormalised = OffsetBatchNormalization(renorm=True, activation=activation)
        ordinary = keras.layers.BatchNormalization(renorm=True)
        means = spread(pooled(x, 3), x)
        y = to_numpy(ordinary((x - means).astype("float32"), training=True)) + means
        y = np.maximum(y, spread(pooled(y, 3), x)) if activation else y
        assert relative_error(renormalised(x, training=True), y) < 1e-5
        assert offset_error(renormalised, x, 3) < 1e-5


def test_batch_normalisation_on_a_map_on_a_symmetry_group():
    x = random_array(2, 5, 5, 8, 6)
    layer = OffsetBatchNormalization(activation="relu")
    layer.build(x.shape)
    layer.set_weights([random_array(6, seed=i) for i in range(3)] + [np.ones(6)])
    assert equivariance_error(layer, x, "p4m") < 1e-5
    assert equivariance_error(lambda x: layer(x, training=True), x, "p4m") < 1e-5


def test_layer_conventions(once):
    check_layer(OffsetBatchNormalization, {"scale": False, "feature_groups": 2}, (2, 5, 5, 4))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: OffsetBatchNormalization(axis=1), "`axis` must be -1. Received: axis=1"),
        (lambda: OffsetBatchNormalization(axis=-float("inf")), "`axis` must be -1. Received: axis=-inf"),
        (lambda: OffsetBatchNormalization(activation="tanh"), "Received: activation='tanh'"),
        (lambda: OffsetBatchNormalization(feature_groups=-3), "Received: feature_groups=-3"),
        (lambda: OffsetBatchNormalization()(np.ones((1, 4))), "Received: channels=4"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
