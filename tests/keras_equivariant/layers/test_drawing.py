import keras
import numpy as np
import pytest
from helpers import to_numpy

from keras_equivariant.layers.drawing import with_fewer_axes


@pytest.mark.parametrize("name", ["he_normal", "glorot_uniform", "random_normal", "lecun_uniform"])
@pytest.mark.parametrize("shape", [(3, 3, 8, 2, 5), (1, 1, 4, 3, 2)])
def test_the_same_numbers_in_another_shape(name, shape):
    drawn = []
    for change in (with_fewer_axes, lambda initializer: initializer):
        initializer = keras.initializers.deserialize({**keras.initializers.serialize(keras.initializers.get(name))})
        initializer.seed = 7
        drawn.append(to_numpy(change(initializer)(shape, dtype="float32")))
    np.testing.assert_array_equal(*drawn)
    assert drawn[0].shape == shape and drawn[0].std() > 0


def test_what_may_look_at_the_shape_is_left_alone():
    for initializer in (keras.initializers.Constant(2.0), keras.initializers.Zeros(), max):
        assert with_fewer_axes(initializer) is initializer
