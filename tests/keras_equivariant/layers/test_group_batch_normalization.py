import keras
import numpy as np
import pytest
from convention import RENORMALISES
from helpers import TOLERANCES, check_layer, gradients, random_array, relative_error, to_numpy

from keras_equivariant.equivariance import equivariance_error
from keras_equivariant.layers import GroupBatchNormalization

# Keras' moments are of 32 bits on JAX and PyTorch.
DTYPES = ["float32", "float64"] if keras.config.backend() == "tensorflow" else ["float32"]
SHAPES = [(3, 4, 5, 8, 2), (3, 6, 2, 3), (2, 3, 2, 2, 4, 1), (3, 4, 2)]


def formula(x, gamma, beta, mean=None, variance=None, epsilon=1e-3):
    axes = tuple(range(x.ndim - 1))
    x = np.asarray(x, "float64")
    mean, variance = (x.mean(axes), x.var(axes)) if mean is None else (mean, variance)
    return gamma * (x - mean) / np.sqrt(variance + epsilon) + beta


def shifted(shape, dtype):
    """Maps whose orientations have means and deviations of their own, which only their common statistics can bear."""
    rng = np.random.default_rng(1)
    x = random_array(*shape, dtype=dtype) * rng.uniform(0.5, 3, shape[-2:]).astype(dtype)
    return x + rng.normal(size=shape[-2:]).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_agrees_with_the_formula(shape, dtype):
    x, rng = shifted(shape, dtype), np.random.default_rng(0)
    gamma, beta, mean, variance = rng.uniform(0.5, 2, (4, shape[-1]))
    layer = GroupBatchNormalization(momentum=0.9, dtype=dtype)
    layer.build(shape)
    layer.set_weights([gamma, beta, mean, variance])
    assert relative_error(layer(x), formula(x, gamma, beta, mean, variance)) < TOLERANCES[dtype]
    np.testing.assert_allclose(layer.get_weights()[2], mean, rtol=1e-6)
    assert relative_error(layer(x, training=True), formula(x, gamma, beta)) < TOLERANCES[dtype]
    axes = tuple(range(x.ndim - 1))
    expected = [0.9 * mean + 0.1 * x.astype("float64").mean(axes), 0.9 * variance + 0.1 * x.astype("float64").var(axes)]
    for moving, value in zip(layer.get_weights()[2:], expected, strict=True):
        assert relative_error(moving, value) < TOLERANCES[dtype]


@pytest.mark.parametrize("arguments", [{}, {"center": False}, {"scale": False}, {"center": False, "scale": False}])
def test_gradients_are_those_of_the_layer_of_keras(arguments):
    x, upstream = shifted((3, 4, 5, 4, 2), "float32"), random_array(3, 4, 5, 4, 2, seed=3)
    inputs = keras.Input(x.shape[1:])
    mine, stock = (
        gradients(keras.Model(inputs, layer(**arguments)(inputs, training=True)), x, upstream)
        for layer in (GroupBatchNormalization, keras.layers.BatchNormalization)
    )
    for found, expected in zip(mine, stock, strict=True):
        assert relative_error(found, to_numpy(expected)) < 1e-4


@pytest.mark.parametrize("size", [(5, 5), (6, 4)])
def test_equivariant_in_training_too(size):
    if size[0] != size[1]:
        symmetry, orientations = "pmm", 4
    else:
        symmetry, orientations = "p4m", 8
    x = random_array(2, *size, orientations, 3)
    layer = GroupBatchNormalization()
    layer.build(x.shape)
    assert equivariance_error(lambda x: layer(x, training=True), x, symmetry) < 1e-5


def test_nothing_is_learned_of_a_batch_when_it_is_frozen():
    x = shifted((2, 3, 3, 4, 2), "float32")
    layer = GroupBatchNormalization()
    layer.build(x.shape)
    layer.trainable = False
    np.testing.assert_allclose(to_numpy(layer(x, training=True)), to_numpy(layer(x)), rtol=1e-6)
    np.testing.assert_array_equal(layer.get_weights()[2], np.zeros(2))


def test_a_mask_is_respected():
    x = shifted((2, 3, 3, 4, 2), "float32")
    mask = np.random.default_rng(0).uniform(size=x.shape[:-1]) < 0.6
    mine, stock = GroupBatchNormalization(), keras.layers.BatchNormalization()
    found, expected = (to_numpy(layer(x, training=True, mask=mask)) for layer in (mine, stock))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.skipif(not RENORMALISES, reason="this Keras has no renormalisation")
def test_renormalisation_is_that_of_keras():
    x = shifted((2, 3, 3, 4, 2), "float32")
    mine, stock = GroupBatchNormalization(renorm=True), keras.layers.BatchNormalization(renorm=True)
    for _ in range(2):
        np.testing.assert_allclose(to_numpy(mine(x, training=True)), to_numpy(stock(x, training=True)), atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_statistics_are_taken_in_32_bits(policy):
    x = 50 + random_array(8, 9, 9, 4, 2)
    layer = GroupBatchNormalization(dtype=policy)
    y = layer(x, training=True)
    assert policy.removeprefix("mixed_") in str(y.dtype)
    assert abs(to_numpy(keras.ops.cast(y, "float32")).std() - 1) < 0.1


def test_sizes_may_be_unknown():
    inputs = keras.Input((None, None, 4, 2))
    model = keras.Model(inputs, GroupBatchNormalization()(inputs))
    assert model.output_shape == (None, None, None, 4, 2)
    assert model.predict(random_array(1, 3, 5, 4, 2), verbose=0).shape == (1, 3, 5, 4, 2)


def test_layer_conventions(once):
    check_layer(GroupBatchNormalization, {"momentum": 0.8, "epsilon": 0.1, "scale": False}, (2, 4, 4, 4, 3))


@pytest.mark.parametrize("shape", [(2, 3), (2, 5, 5, None, 3), (2, 5, 5, 4, None)])
def test_shapes_that_are_no_feature_maps(shape):
    with pytest.raises(ValueError, match="`input_shape` must be .*orientations, channels"):
        GroupBatchNormalization().build(shape)


def test_another_axis_is_refused():
    with pytest.raises(ValueError, match="`axis` must be -1. Received: axis=1"):
        GroupBatchNormalization(axis=1)
