import numpy as np
import pytest
from helpers import DTYPES, TOLERANCES, random_array, relative_error

from keras_equivariant.equivariance import equivariance_error
from keras_equivariant.layers import GroupAveragePooling2D, GroupMaxPooling2D

pytestmark = pytest.mark.filterwarnings("ignore::keras_equivariant.sampling.EquivarianceWarning")
KINDS = [(GroupMaxPooling2D, np.max), (GroupAveragePooling2D, np.mean)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("pool_size, strides", [(2, None), (3, 2), (2, 1)])
@pytest.mark.parametrize("layer_class, reduce", KINDS)
def test_agrees_with_a_loop_over_windows(layer_class, reduce, pool_size, strides, dtype):
    x = random_array(2, 7, 8, 4, 3, dtype=dtype)
    step = strides or pool_size
    expected = [
        [
            reduce(x[:, row : row + pool_size, column : column + pool_size], axis=(1, 2))
            for column in range(0, 8 - pool_size + 1, step)
        ]
        for row in range(0, 7 - pool_size + 1, step)
    ]
    y = layer_class(pool_size, strides, dtype=dtype)(x)
    assert relative_error(y, np.array(expected).transpose(2, 0, 1, 3, 4)) < TOLERANCES[dtype]


@pytest.mark.parametrize("layer_class, reduce", KINDS)
def test_equivariant_exactly_when_the_windows_fit(layer_class, reduce):
    layer = layer_class(2)
    assert equivariance_error(layer, random_array(2, 6, 8, 8, 3), "p4m") < 1e-6
    assert equivariance_error(layer, random_array(2, 7, 7, 8, 3), "p4m") > 0.1
    assert equivariance_error(layer_class(3, 2), random_array(2, 7, 7, 8, 3), "p4m") < 1e-6


@pytest.mark.parametrize("layer_class, reduce", KINDS)
def test_bad_arguments(layer_class, reduce):
    with pytest.raises(ValueError, match="Received: data_format='channels_first'"):
        layer_class(2, data_format="channels_first")
    with pytest.raises(ValueError, match="`padding` must be one of .*Received: padding='wrap'"):
        layer_class(2, padding="wrap")
    for size in (3, 1):
        with pytest.raises(ValueError, match="at least as large as the window. Received: pool_size=.4, 4"):
            layer_class(4)(random_array(2, size, 6, 4, 3))
    assert layer_class(4, padding="same")(random_array(2, 3, 1, 4, 3)).shape == (2, 1, 1, 4, 3)
    with pytest.raises(ValueError, match="ndim"):
        layer_class(2)(random_array(2, 6, 6, 3))
