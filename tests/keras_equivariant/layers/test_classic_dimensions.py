"""Bouvrie's layers in one and three dimensions, against the sums that define them."""

import keras
import numpy as np
import pytest
from helpers import DTYPES, TOLERANCES, random_array, randomise, relative_error, to_numpy

from keras_equivariant.layers import (
    CombinationConv1D,
    CombinationConv3D,
    Subsampling1D,
    Subsampling3D,
    TableConv1D,
    TableConv3D,
    all_pairs,
)

SPACE = {1: (9,), 3: (4, 5, 6)}
if keras.config.backend() != "tensorflow":  # whose operations leave float64 here and there
    TOLERANCES = dict.fromkeys(TOLERANCES, 1e-5)


def correlate(x, kernel):
    """A 'valid' convolution of one map, without flipping the kernel."""
    size = [n - k + 1 for n, k in zip(x.shape[1:], kernel.shape, strict=True)]
    total = np.zeros((len(x), *size))
    for tap in np.ndindex(*kernel.shape):
        window = (slice(None), *[slice(t, t + n) for t, n in zip(tap, size, strict=True)])
        total += kernel[tap] * x[window]
    return total


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rank, layer_class", [(1, TableConv1D), (3, TableConv3D)])
def test_tables(rank, layer_class, dtype):
    table = (*all_pairs(3), (1,))
    layer = layer_class(table, 2, activation="tanh", dtype=dtype)
    x = random_array(2, *SPACE[rank], 3, dtype=dtype)
    layer(x)
    randomise(layer)
    kernels, bias = to_numpy(layer.kernel), to_numpy(layer.bias)
    connections = iter(np.moveaxis(kernels, -1, 0))
    maps = [sum(correlate(x[..., i], next(connections)) for i in inputs) for inputs in table]
    assert relative_error(layer(x), np.tanh(np.stack(maps, axis=-1) + bias)) < TOLERANCES[dtype]
    with pytest.raises(
        ValueError, match="names 3 input maps: give it .batch, (length|depth, height, width), 3.. Received"
    ):
        layer_class(table, 2)(random_array(2, *SPACE[rank], 4))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mixing", ["softmax", "sparsemax"])
@pytest.mark.parametrize("rank, layer_class", [(1, CombinationConv1D), (3, CombinationConv3D)])
def test_combinations(rank, layer_class, mixing, dtype):
    layer = layer_class(4, 2, mixing=mixing, mixing_regularizer="l2", dtype=dtype)
    x = random_array(2, *SPACE[rank], 3, dtype=dtype)
    layer(x)
    randomise(layer)
    weights, kernels = to_numpy(layer.mixing_weights), to_numpy(layer.depthwise_kernel)
    assert weights.shape == (3, 4)
    np.testing.assert_allclose(weights.sum(0), 1, rtol=1e-5)
    filtered = np.stack([correlate(x[..., i], kernels[..., i, 0]) for i in range(3)], axis=-1)
    assert relative_error(layer(x), filtered @ weights + to_numpy(layer.bias)) < TOLERANCES[dtype]
    assert len(layer.losses) == 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", ["sum", "decimate"])
@pytest.mark.parametrize("rank, layer_class", [(1, Subsampling1D), (3, Subsampling3D)])
def test_subsampling(rank, layer_class, reduction, dtype):
    layer = layer_class(2, "tanh", reduction, dtype=dtype)
    x = random_array(2, *SPACE[rank], 3, dtype=dtype)
    y = layer(x)
    size = [n // 2 for n in SPACE[rank]]
    assert y.shape == layer.compute_output_shape(x.shape) == (2, *size, 3)
    np.testing.assert_allclose(to_numpy(layer.beta), 2**-rank if reduction == "sum" else 1)
    randomise(layer)
    expected = np.zeros((2, *size, 3))
    for cell in np.ndindex(*size):
        block = x[(slice(None), *[slice(2 * i, 2 * i + 2) for i in cell])].reshape(2, -1, 3)
        expected[(slice(None), *cell)] = block.sum(1) if reduction == "sum" else block[:, 0]
    assert (
        relative_error(layer(x), np.tanh(to_numpy(layer.beta) * expected + to_numpy(layer.bias))) < (TOLERANCES[dtype])
    )
    with pytest.raises(ValueError, match="of at least 2 cells along each axis. Received"):
        layer_class(2)(random_array(2, 1, *SPACE[rank][1:], 3))


def test_low_rank_adaptation_of_volumes_is_refused():
    with pytest.raises(ValueError, match="has no low-rank adaptation"):
        layer = CombinationConv3D(4, 2)
        layer(random_array(1, 3, 3, 3, 2))
        layer.enable_lora(2)
    assert keras.layers.Conv3D in CombinationConv3D.__mro__
