import keras
import numpy as np
import pytest
from helpers import DTYPES, TOLERANCES, random_array, relative_error, to_numpy
from offsets import offset_error

from keras_equivariant.equivariance import equivariance_error
from keras_equivariant.layers import CosetPooling, GroupConv2D, Maxout, OffsetConv2D, OffsetReLU
from keras_equivariant.planar import to_planar


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("pieces", [1, 2, 3])
@pytest.mark.parametrize("shape", [(2,), (2, 5), (2, 3, 4), (2, 3, 4, 4)])
def test_is_the_largest_of_neighbouring_channels(shape, pieces, dtype):
    x = random_array(*shape, 12, dtype=dtype)
    y = to_numpy(Maxout(pieces, dtype=dtype)(x))
    assert y.dtype == dtype
    expected = np.stack([x[..., pieces * i : pieces * (i + 1)].max(-1) for i in range(12 // pieces)], axis=-1)
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("groups", [1, 2, 3])
def test_passes_offsets_on(groups, dtype):
    x = random_array(3, 5, 4, 4 * groups, dtype=dtype)
    assert offset_error(Maxout(2, dtype=dtype), x, groups) < TOLERANCES[dtype]


def test_a_rectifier_about_a_linear_pooling_is_a_maxout_of_two():
    """Equation 21: max(x, G phi(x)) with a linear phi."""
    x = random_array(2, 6)
    rectifier = OffsetReLU(3, "linear")
    expected = to_numpy(rectifier(x))
    phi = np.repeat(x.reshape(2, 3, 2).mean(-1), 2, axis=-1)
    pairs = np.stack([x, phi], axis=-1).reshape(2, 12)
    assert relative_error(Maxout(2)(pairs), expected) < 1e-6


@pytest.mark.parametrize("size", [(6, 7), (None, 7), (None, None)])
def test_networks_that_turn_and_that_take_coloured_light(size):
    inputs = keras.Input((*size, 3))
    offset = keras.Model(inputs, Maxout(3)(OffsetConv2D(18, 3, padding="edge")(inputs)))
    turning = keras.Model(inputs, CosetPooling("p4")(Maxout(2)(GroupConv2D(4, 3, "p4")(inputs))))
    x = random_array(2, 6, 7, 3)
    assert offset_error(offset, x, 3) < 1e-5
    if None in size:
        assert equivariance_error(turning, random_array(1, 7, 7, 3), "p4") < 1e-5
    for model in (offset, turning):
        assert relative_error(to_planar(model)(x), model(x)) < 1e-5


@pytest.mark.parametrize(
    "pieces, shape, message",
    [
        (0, (1, 4), "`pieces` must be a positive integer. Received: pieces=0"),
        (True, (1, 4), "Received: pieces=True"),
        (1.5, (1, 4), "Received: pieces=1.5"),
        (3, (1, 4), "a multiple of `pieces`. Received: pieces=3, input_shape=.1, 4."),
        (2, (4,), "must be .batch, ..., channels."),
        (2, (), "must be .batch, ..., channels."),
    ],
)
def test_bad_arguments(pieces, shape, message):
    with pytest.raises(ValueError, match=message):
        Maxout(pieces)(np.ones(shape))
