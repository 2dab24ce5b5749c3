import bouvrie_oracle as oracle
import keras
import numpy as np
import pytest
from helpers import DTYPES, TOLERANCES, check_layer, gradients, random_array, randomise, relative_error, to_numpy

from keras_equivariant.layers import Subsampling2D


def maps(x):
    """The maps of the first pattern as matrices."""
    return list(np.moveaxis(np.asarray(x[0], "float64"), -1, 0))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n, size", [(1, (3, 4)), (2, (6, 8)), (2, (7, 5)), (3, (9, 11))])
def test_forward_and_backward_agree_with_the_notes(n, size, dtype):
    x = random_array(1, *size, 3, dtype=dtype)
    layer = Subsampling2D(n, dtype=dtype)
    layer.build(x.shape)
    randomise(layer)
    beta, bias = to_numpy(layer.beta).astype("float64"), to_numpy(layer.bias)
    expected = oracle.subsampling_forward(maps(x), n, beta, bias)
    expected = [u[: size[0] // n, : size[1] // n] for u in expected]
    y = layer(x)
    assert relative_error(y, np.stack(expected, -1)[None]) < TOLERANCES[dtype]

    delta = random_array(*y.shape, dtype=dtype, seed=1)
    at_x, at_beta, at_bias = gradients(layer, x, delta)
    whole = (slice(None), slice(size[0] // n * n), slice(size[1] // n * n))
    inside = np.stack(oracle.subsampling_input_gradients(maps(delta), beta, n), -1)[None]
    assert relative_error(at_x[whole], inside) < TOLERANCES[dtype]
    assert np.abs(at_x).sum() == pytest.approx(np.abs(at_x[whole]).sum())
    assert relative_error(at_beta, oracle.beta_gradients(maps(delta), maps(x[whole]), n)) < TOLERANCES[dtype]
    assert relative_error(at_bias, oracle.bias_gradients(maps(delta))) < TOLERANCES[dtype]


@pytest.mark.parametrize("n, size", [(1, (3, 4)), (2, (6, 8)), (2, (7, 5)), (3, (9, 11))])
def test_decimation_takes_the_first_pixel_of_each_block(n, size):
    x = random_array(2, *size, 3)
    y = Subsampling2D(n, reduction="decimate", use_bias=False)(x)
    rows, columns = size[0] // n, size[1] // n
    np.testing.assert_array_equal(to_numpy(y), x[:, : rows * n : n, : columns * n : n])


def test_starts_from_the_mean_of_each_block():
    x = random_array(2, 6, 6, 3)
    assert relative_error(Subsampling2D(3)(x), keras.layers.AveragePooling2D(3)(x)) < 1e-6


def test_layer_conventions(once):
    check_layer(Subsampling2D, {"use_bias": False}, (2, 7, 6, 3))


def test_spatial_sizes_may_be_unknown():
    inputs = keras.Input((None, None, 3))
    for reduction in ("sum", "decimate"):
        model = keras.Model(inputs, Subsampling2D(2, reduction=reduction)(inputs))
        assert model.output_shape == (None, None, None, 3)
        assert model(random_array(1, 9, 8, 3)).shape == (1, 4, 4, 3)


@pytest.mark.parametrize(
    "arguments, shape, message",
    [
        ({"n": 0}, None, "must be a positive integer. Received: n=0"),
        ({"n": 2.0}, None, "must be a positive integer. Received: n=2.0"),
        ({"reduction": "max"}, None, r"must be one of \['decimate', 'sum'\]. Received: reduction='max'"),
        ({}, (2, 6, 3), r"Received: input_shape=\(2, 6, 3\)"),
        ({"n": 4}, (2, 8, 3, 1), r"at least 4 cells along each axis. Received"),
    ],
)
def test_bad_arguments(arguments, shape, message):
    with pytest.raises(ValueError, match=message):
        Subsampling2D(**arguments)(random_array(*(shape or (1, 8, 8, 3))))
