"""The arithmetic of colours.

It is written once, over `keras.ops` or, inside a tf.data pipeline of another backend, over TensorFlow's functions of
the same names.
"""

import sys
from typing import Any

import keras
from keras import ops

from keras_equivariant.typing import Tensor


def foreign(x: Tensor) -> bool:
    """Whether x is a TensorFlow tensor, as in a tf.data pipeline, while Keras computes with something else."""
    return keras.config.backend() != "tensorflow" and type(x).__module__.startswith("tensorflow.")


def functions_for(x: Tensor) -> Any:
    """`keras.ops`, or TensorFlow itself for its tensors: whoever has such a tensor has imported TensorFlow."""
    return sys.modules["tensorflow"] if foreign(x) else ops


def log(x: Tensor) -> Tensor:
    """Natural logarithm."""
    return sys.modules["tensorflow"].math.log(x) if foreign(x) else ops.log(x)


def at_least(x: Tensor, bound: float) -> Tensor:
    """max(x, bound), in the type of x even where `ops.maximum` has another: float64 on PyTorch."""
    functions = functions_for(x)
    relu = functions.nn.relu if foreign(x) else ops.relu
    return relu(x - bound) + bound


def _choose(condition, x, y):
    condition = functions_for(x).cast(condition, x.dtype)
    return condition * x + (1 - condition) * y


def remove_gamma(x: Tensor) -> Tensor:
    """From sRGB to linear RGB."""
    return _choose(x <= 0.04045, x / 12.92, ((at_least(x, 0.04045) + 0.055) / 1.055) ** 2.4)


def apply_gamma(x: Tensor) -> Tensor:
    """From linear RGB to sRGB."""
    return _choose(x <= 0.0031308, 12.92 * x, 1.055 * at_least(x, 0.0031308) ** (1 / 2.4) - 0.055)


def light(hue: Tensor, saturation: float) -> Tensor:
    """RGB colours `(..., 3)` of lights of value 1, from their hues in [0, 1) and their saturation."""
    functions = functions_for(hue)
    distances = [functions.abs(6 * hue - centre) for centre in (3.0, 2.0, 4.0)]
    ramps = [distances[0] - 1, 2 - distances[1], 2 - distances[2]]
    shares = [1 - at_least(1 - at_least(ramp, 0.0), 0.0) for ramp in ramps]
    return 1 - saturation + saturation * functions.stack(shares, axis=-1)
