import numpy as np
import pytest
from helpers import DTYPES, TOLERANCES, random_array, relative_error

from keras_equivariant.equivariance import equivariance_error
from keras_equivariant.layers import GroupUpSampling2D
from keras_equivariant.symmetry import get_symmetry


def interpolated(x, factor, axis):
    """Linear interpolation between the centres of the cells, one position at a time."""
    size = x.shape[axis]
    cells = []
    for u in range(factor * size):
        position = min(max((u + 0.5) / factor - 0.5, 0), size - 1)
        low = min(int(position), max(size - 2, 0))
        high, share = min(low + 1, size - 1), position - low
        cells.append((1 - share) * np.take(x, low, axis) + share * np.take(x, high, axis))
    return np.stack(cells, axis)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("factors", [(2, 2), (3, 1), (2, 3)])
@pytest.mark.parametrize("size", [(4, 5), (1, 3)])
def test_agrees_with_the_formula(size, factors, dtype):
    x = random_array(2, *size, 4, 3, dtype=dtype)
    nearest = x.repeat(factors[0], axis=1).repeat(factors[1], axis=2)
    assert relative_error(GroupUpSampling2D(factors, dtype=dtype)(x), nearest) < TOLERANCES[dtype]
    bilinear = interpolated(interpolated(x, factors[0], 1), factors[1], 2)
    # Keras resizes in 32 bits.
    assert relative_error(GroupUpSampling2D(factors, interpolation="bilinear", dtype=dtype)(x), bilinear) < 1e-5


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize("symmetry, order", [("p4", 4), ("p4m", 8), ("pm", 2)])
def test_equivariance(symmetry, order, interpolation):
    for size in ((5, 5), (4, 7)):
        layer = GroupUpSampling2D(2, interpolation=interpolation)
        assert equivariance_error(layer, random_array(2, *size, order, 3), symmetry) < 1e-5
    unequal = GroupUpSampling2D((2, 1), interpolation=interpolation)
    assert equivariance_error(unequal, random_array(2, 4, 4, 2, 3), "pm") < 1e-5


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_hexagonal_grids_have_no_such_blocks(interpolation):
    x = random_array(2, 5, 5, 6, 3) * get_symmetry("p6").interior((5, 5))[..., None, None]
    assert equivariance_error(GroupUpSampling2D(3, interpolation=interpolation), x, "p6") > 0.1


def test_layer():
    arguments = {"size": (3, 2), "interpolation": "bilinear", "name": "up"}
    layer = GroupUpSampling2D(**arguments)
    assert layer(random_array(2, 4, 5, 4, 3)).shape == (2, 12, 10, 4, 3)
    assert layer.compute_output_shape((None, None, 5, 4, 3)) == (None, None, 10, 4, 3)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"interpolation": "cubic"}, "Received: interpolation='cubic'"),
        ({"data_format": "channels_first"}, "Received: data_format='channels_first'"),
        ({"size": 0}, "`size`.*0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        GroupUpSampling2D(**arguments)
    with pytest.raises(ValueError, match="ndim"):
        GroupUpSampling2D()(random_array(2, 6, 6, 3))
