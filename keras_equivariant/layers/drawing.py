"""How the stored kernels of group convolutions are drawn."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_equivariant.typing import Tensor

_RANDOM = (
    keras.initializers.RandomNormal,
    keras.initializers.RandomUniform,
    keras.initializers.TruncatedNormal,
    keras.initializers.VarianceScaling,
    keras.initializers.GlorotNormal,
    keras.initializers.GlorotUniform,
    keras.initializers.HeNormal,
    keras.initializers.HeUniform,
    keras.initializers.LecunNormal,
    keras.initializers.LecunUniform,
)


def with_fewer_axes(initializer: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Makes a random initialiser draw the same numbers with all axes but the last two merged into one.

    JAX compiles the drawing of each new shape. For the five axes of a group kernel, this takes four times as long as
    for the four of an ordinary one. The fans of both shapes are the same.

    Args:
        initializer: A Keras initialiser, or any function of a shape and a dtype; what is not one of Keras' own random
            ones is returned as it is.

    Returns:
        A function of a shape and a dtype.
    """
    if type(initializer) not in _RANDOM:
        return initializer

    def draw(shape: tuple[int, ...], dtype: Any = None) -> Tensor:
        *leading, inputs, outputs = shape
        taps = 1
        for size in leading:
            taps *= size
        return ops.reshape(initializer((taps, inputs, outputs), dtype=dtype), shape)

    return draw
