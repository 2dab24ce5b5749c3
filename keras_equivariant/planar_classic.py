"""How the classic layers and activations are lowered to plain Keras layers; `planar.to_planar` is what users call."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_equivariant.activations import Logistic, ScaledTanh
from keras_equivariant.layers import CombinationConv2D, Subsampling2D, TableConv2D
from keras_equivariant.planar_parts import convolution_like, helper, naming, to_numpy
from keras_equivariant.typing import Tensor

CLASSIC_LAYERS = (CombinationConv2D, Subsampling2D, TableConv2D)


def lower_classic_layer(layer: Any, inputs: Tensor) -> Tensor:
    """Lowers one call of a layer, without its activation.

    Args:
        layer: One of the `CLASSIC_LAYERS`.
        inputs: Its input, a planar map.

    Returns:
        The output tensor.
    """
    if isinstance(layer, Subsampling2D):
        kernel = np.zeros((layer.n, layer.n, inputs.shape[-1], 1))
        kernel[(...,) if layer.reduction == "sum" else (0, 0)] = to_numpy(layer.beta)[:, None]
        plain = keras.layers.DepthwiseConv2D(layer.n, layer.n, use_bias=layer.use_bias, **naming(layer))
    else:
        kernel = _combined_kernel(layer) if isinstance(layer, CombinationConv2D) else to_numpy(layer.expanded_kernel)
        plain = convolution_like(layer)
    outputs = plain(inputs)
    plain.set_weights([kernel, to_numpy(layer.bias)] if layer.use_bias else [kernel])
    return outputs


def _combined_kernel(layer):
    """One kernel for each pair of maps: that of the input map, times the weight with which it is mixed in."""
    return to_numpy(layer.depthwise_kernel) * to_numpy(layer.mixing_weights)[None, None]


def apply_activation(activation: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Applies an activation as plain layers.

    Args:
        activation: A `Logistic` or `ScaledTanh`, or an activation function of Keras.
        x: Tensor.

    Returns:
        The output tensor.
    """
    if isinstance(activation, ScaledTanh):
        x = helper(keras.layers.Activation, "tanh")(helper(keras.layers.Rescaling, activation.slope)(x))
        return helper(keras.layers.Rescaling, activation.amplitude)(x)
    if isinstance(activation, Logistic):
        return helper(keras.layers.Activation, "sigmoid")(helper(keras.layers.Rescaling, activation.slope)(x))
    return x if activation is keras.activations.linear else helper(keras.layers.Activation, activation)(x)
