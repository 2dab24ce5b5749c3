"""What layers return for a batch without any picture."""

import keras
from keras import ops

from keras_equivariant.typing import Tensor


def output_of_nothing(layer: keras.layers.Layer, inputs: Tensor) -> Tensor | None:
    """The output for a batch of no pictures, of the right shape; `None` for every other batch.

    TensorFlow's convolution of such a batch, on a CPU, has the shape of its input.
    """
    if inputs.shape[0] != 0:
        return None
    return ops.zeros(layer.compute_output_shape(tuple(inputs.shape)), dtype=layer.compute_dtype)
