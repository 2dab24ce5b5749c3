import numpy as np
import pytest
from helpers import DTYPES, TOLERANCES, random_array, relative_error, to_numpy
from offsets import offset_error, pooled, spread

from keras_equivariant.layers import OffsetMultiply


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("shape, gate", [((2,), (2,)), ((2, 4, 5), (2, 1, 1)), ((2, 4, 5), (2, 4, 5))])
def test_multiplies_about_the_means(shape, gate, groups, dtype):
    x, a = random_array(*shape, 2 * groups, dtype=dtype), random_array(*gate, 2 * groups, dtype=dtype, seed=1)
    layer = OffsetMultiply(groups, dtype=dtype)
    means = spread(pooled(x, groups), x)
    assert relative_error(layer([x, a]), (x - means) * a + means) < TOLERANCES[dtype]
    assert offset_error(lambda x: layer([x, a]), x, groups) < TOLERANCES[dtype]
    assert to_numpy(layer([x, a])).dtype == dtype


@pytest.mark.parametrize(
    "inputs, message",
    [
        (np.ones((1, 3)), "takes a list of two inputs"),
        ([np.ones((1, 3))] * 3, "takes a list of two inputs"),
        ([np.ones((1, 4)), np.ones((1, 4))], "Received: channels=4, feature_groups=3"),
        ([np.ones((1, 4, 3)), np.ones((1, 3))], "The gate must have as many axes as the map"),
        ([np.ones((1, 4, 3)), np.ones((1, 2, 3))], "each as long as the map's or 1. Received"),
    ],
)
def test_bad_arguments(inputs, message):
    with pytest.raises(ValueError, match=message):
        OffsetMultiply()(inputs)
