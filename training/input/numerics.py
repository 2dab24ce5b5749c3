"""Formulas that are computed in tf.data pipelines, in batches of arrays and on the device alike.

They are written once, over `numerics(x)`: functions with the names of `keras.ops`.
"""

import sys
import types
from typing import Any

import keras
import numpy as np

from keras_equivariant.typing import Tensor


def in_tensorflow(x: Any) -> bool:
    """Whether x is a tensor of TensorFlow, whatever the backend: who holds one has imported it."""
    tf = sys.modules.get("tensorflow")
    return tf is not None and isinstance(x, tf.Tensor)


def tensor(x: Any) -> Tensor:
    """A tensor: those of TensorFlow stay what they are, all else goes to the backend."""
    return x if in_tensorflow(x) else keras.ops.convert_to_tensor(x)


def numerics(x: Tensor) -> Any:
    """The functions to compute with on a tensor."""
    return _of_tensorflow(sys.modules["tensorflow"]) if in_tensorflow(x) else keras.ops


def as_given(result: Tensor, given: Any) -> Any:
    """Arrays for arrays, where tensors may be on another device; what was given as a tensor stays one."""
    return keras.ops.convert_to_numpy(result) if isinstance(given, np.ndarray) else result


def _of_tensorflow(tf: Any) -> Any:
    return types.SimpleNamespace(
        cast=tf.cast,
        image=tf.image,
        clip=tf.clip_by_value,
        matmul=tf.matmul,
        max=tf.reduce_max,
        maximum=tf.maximum,
        mean=tf.reduce_mean,
        min=tf.reduce_min,
        reshape=tf.reshape,
        shape=tf.shape,
        sqrt=tf.sqrt,
        sum=tf.reduce_sum,
    )
