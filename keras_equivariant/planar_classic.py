"""How the classic layers and activations are lowered to plain Keras layers; `planar.to_planar` is what users call."""

import keras
import numpy as np

from keras_equivariant.activations import Logistic, ScaledTanh
from keras_equivariant.layers import CombinationConv2D, Subsampling2D, TableConv2D

CLASSIC_LAYERS = (CombinationConv2D, Subsampling2D, TableConv2D)
CLASSIC_ACTIVATIONS = (Logistic, ScaledTanh)


def lower_classic_layer(layer, inputs):
    """Lowers one call of a layer, without its activation.

    Args:
        layer: One of the `CLASSIC_LAYERS`.
        inputs: Its input, a planar map.

    Returns:
        The output tensor.
    """
    if isinstance(layer, Subsampling2D):
        kernel = np.zeros((layer.n, layer.n, inputs.shape[-1], 1))
        kernel[(...,) if layer.reduction == "sum" else (0, 0)] = _numpy(layer.beta)[:, None]
        plain = keras.layers.DepthwiseConv2D(layer.n, layer.n, use_bias=layer.use_bias, **_naming(layer))
    else:
        kernel = _combined_kernel(layer) if isinstance(layer, CombinationConv2D) else _numpy(layer.expanded_kernel)
        plain = keras.layers.Conv2D(
            layer.filters,
            layer.kernel_size,
            strides=layer.strides,
            padding=layer.padding,
            dilation_rate=layer.dilation_rate,
            use_bias=layer.use_bias,
            **_naming(layer),
        )
    outputs = plain(inputs)
    plain.set_weights([kernel, _numpy(layer.bias)] if layer.use_bias else [kernel])
    return outputs


def _combined_kernel(layer):
    """One kernel for each pair of maps: that of the input map, times the weight with which it is mixed in."""
    return _numpy(layer.depthwise_kernel) * _numpy(layer.mixing_weights)[None, None]


def apply_activation(activation, x):
    """Applies an activation as plain layers.

    Args:
        activation: One of the `CLASSIC_ACTIVATIONS`, or an activation function of Keras.
        x: Tensor.

    Returns:
        The output tensor.
    """
    if isinstance(activation, ScaledTanh):
        x = keras.layers.Activation("tanh")(keras.layers.Rescaling(activation.slope)(x))
        return keras.layers.Rescaling(activation.amplitude)(x)
    if isinstance(activation, Logistic):
        return keras.layers.Activation("sigmoid")(keras.layers.Rescaling(activation.slope)(x))
    return x if activation is keras.activations.linear else keras.layers.Activation(activation)(x)


def _numpy(x):
    return keras.ops.convert_to_numpy(x)


def _naming(layer):
    return {"name": layer.name, "dtype": layer.variable_dtype}
