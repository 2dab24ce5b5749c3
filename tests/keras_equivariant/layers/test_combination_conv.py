import bouvrie_oracle as oracle
import keras
import numpy as np
import pytest
from helpers import DTYPES, TOLERANCES, cases, check_layer, gradients, random_array, randomise, relative_error, to_numpy

from keras_equivariant.layers import CombinationConv2D
from keras_equivariant.regularizers import EntropyRegularizer


def maps(x):
    return list(np.moveaxis(np.asarray(x[0], "float64"), -1, 0))


def sparsemax(c):
    """Bisection for the threshold t of sum_i max(c_i - t, 0) = 1, in each column."""
    low, high = c.min(axis=0) - 1, c.max(axis=0)
    for _ in range(80):
        middle = (low + high) / 2
        above = np.maximum(c - middle, 0).sum(axis=0) > 1
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.maximum(c - low, 0)


def mixing_gradients(mixing, alpha, at_alpha):
    if mixing == "softmax":
        return oracle.c_gradients(alpha, at_alpha)
    # Inside the support the threshold moves with the mean; outside nothing moves.
    support = alpha > 0
    return support * (at_alpha - (support * at_alpha).sum(axis=0) / support.sum(axis=0))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mixing", ["softmax", "sparsemax"])
def test_forward_and_backward_agree_with_the_notes(mixing, dtype):
    x = random_array(1, 6, 7, 4, dtype=dtype)
    layer = CombinationConv2D(5, (3, 2), mixing=mixing, dtype=dtype)
    layer.build(x.shape)
    randomise(layer)
    c = to_numpy(layer.pointwise_kernel)[0, 0].astype("float64")
    alpha = oracle.softmax(c) if mixing == "softmax" else sparsemax(c)
    assert relative_error(layer.mixing_weights, alpha) < TOLERANCES[dtype]
    kernels = np.moveaxis(to_numpy(layer.depthwise_kernel)[::-1, ::-1, :, 0], -1, 0).astype("float64")
    y = layer(x)
    expected = oracle.combination_forward(maps(x), kernels, alpha, to_numpy(layer.bias))
    assert relative_error(y, np.stack(expected, -1)[None]) < TOLERANCES[dtype]

    delta = random_array(*y.shape, dtype=dtype, seed=1)
    at_x, at_kernels, at_c, at_bias = gradients(layer, x, delta)
    expected = oracle.combination_input_gradients(maps(delta), kernels, alpha)
    assert relative_error(at_x, np.stack(expected, -1)[None]) < TOLERANCES[dtype]
    expected = oracle.combination_kernel_gradients(maps(x), maps(delta), alpha)
    assert relative_error(at_kernels[::-1, ::-1, :, 0], np.stack(expected, -1)) < TOLERANCES[dtype]
    at_alpha = oracle.alpha_gradients(maps(x), kernels, maps(delta))
    assert relative_error(at_c[0, 0], mixing_gradients(mixing, alpha, at_alpha)) < TOLERANCES[dtype]
    assert relative_error(at_bias, oracle.bias_gradients(maps(delta))) < TOLERANCES[dtype]


def test_equation_10_is_equation_9_with_the_whole_jacobian():
    alpha, at_alpha = oracle.softmax(random_array(5, 3, dtype="float64")), random_array(5, 3, dtype="float64", seed=1)
    expected = oracle.c_gradients_by_jacobian(alpha, at_alpha)
    np.testing.assert_allclose(oracle.c_gradients(alpha, at_alpha), expected, atol=1e-15)


@pytest.mark.parametrize("mixing", ["softmax", "sparsemax"])
def test_weights_are_combinations(mixing):
    layer = CombinationConv2D(5, 3, mixing=mixing)
    layer.build((1, 8, 8, 6))
    np.testing.assert_allclose(to_numpy(layer.mixing_weights), 1 / 6, rtol=1e-6)
    randomise(layer)
    alpha = to_numpy(layer.mixing_weights)
    assert alpha.shape == (6, 5)
    assert (alpha >= 0).all()
    np.testing.assert_allclose(alpha.sum(axis=0), 1, rtol=1e-6)
    assert (alpha == 0).any() == (mixing == "sparsemax")


def descend(regularizer, mixing, steps=200):
    """Free weights that follow the penalty alone: before and after, with the first change."""
    inputs = keras.Input((4, 4, 6))
    layer = CombinationConv2D(5, 3, mixing=mixing, mixing_regularizer=regularizer)
    model = keras.Model(inputs, layer(inputs))
    randomise(layer)
    layer.depthwise_kernel.assign(np.zeros(layer.depthwise_kernel.shape))
    layer.depthwise_kernel.trainable = False
    before = to_numpy(layer.pointwise_kernel).copy(), to_numpy(layer.mixing_weights).copy()
    model.compile(keras.optimizers.SGD(1.0), "mse", jit_compile=False)
    # Without kernels the outputs are the bias: no gradient but that of the penalty reaches the free weights.
    x, y = np.zeros((1, 4, 4, 6)), np.zeros((1, 2, 2, 5))
    for _ in range(steps):
        model.train_on_batch(x, y)
    return before, (to_numpy(layer.pointwise_kernel), to_numpy(layer.mixing_weights))


@pytest.mark.parametrize("strength", [0.1, 1.0, 10.0])
def test_the_printed_penalty_has_no_gradient(strength):
    alpha = oracle.softmax(random_array(6, 5, dtype="float64"))
    by_equation_14 = oracle.c_gradients(alpha, strength * np.sign(alpha))
    assert np.abs(by_equation_14).max() < 1e-15 * strength
    (free, weights), (free_after, weights_after) = descend(keras.regularizers.L1(strength), "softmax", steps=5)
    assert np.abs(free_after - free).max() < 1e-5 * strength
    assert (weights_after > 0).all()
    np.testing.assert_allclose(weights_after, weights, rtol=1e-4 * max(1, strength))


@pytest.mark.parametrize("mixing", cases(["softmax", "sparsemax"], ["sparsemax"]))
def test_the_entropy_penalty_concentrates(mixing):
    (_, weights), (_, weights_after) = descend(EntropyRegularizer(1.0), mixing)
    assert weights.max(axis=0).min() < 0.7
    assert weights_after.max(axis=0).min() > 0.9
    np.testing.assert_array_equal(weights_after.argmax(axis=0), weights.argmax(axis=0))


def test_penalties_are_those_of_the_mixing_weights():
    layer = CombinationConv2D(5, 3, mixing_regularizer="l1", pointwise_initializer="random_normal")
    layer(random_array(1, 8, 8, 6))
    assert float(to_numpy(layer.losses[0])) == pytest.approx(0.01 * 5, rel=1e-5)
    layer = CombinationConv2D(5, 3, mixing_regularizer=EntropyRegularizer(2.0))
    layer(random_array(1, 8, 8, 6))
    assert float(to_numpy(layer.losses[0])) == pytest.approx(2 * 5 * np.log(6), rel=1e-5)


def test_layer_conventions(once):
    check_layer(
        CombinationConv2D,
        {"filters": 5, "kernel_size": 3, "dilation_rate": (2, 2), "use_bias": False, "pointwise_regularizer": "l2"},
        (2, 7, 8, 4),
    )


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"mixing": "max"}, r"must be one of \['softmax', 'sparsemax'\]. Received: mixing='max'"),
        ({"data_format": "channels_first"}, "must be 'channels_last'. Received"),
        ({"depth_multiplier": 2}, "must be 1. Received: depth_multiplier=2"),
        ({"mixing_regularizer": "l1", "pointwise_regularizer": "l2"}, "Only one of.*Received"),
        ({"filters": 0}, "filters"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        CombinationConv2D(**{"filters": 5, "kernel_size": 3, **arguments})
