"""How offset-equivariant layers are lowered to plain Keras layers; `planar.to_planar` is what users call.

Group means are a global average pooling and a 1x1 convolution with constant weights, which averages the channels of
each feature group and gives every output channel the mean of its group.
"""

import keras
import numpy as np

from keras_equivariant.layers import (
    OffsetAdapter,
    OffsetAdd,
    OffsetBatchNormalization,
    OffsetConv2D,
    OffsetDense,
    OffsetGroupConv2D,
    OffsetReLU,
)

OFFSET_LAYERS = (
    OffsetAdapter,
    OffsetAdd,
    OffsetBatchNormalization,
    OffsetConv2D,
    OffsetDense,
    OffsetGroupConv2D,
    OffsetReLU,
)


class Refused(Exception):
    """A layer has a setting that cannot be lowered; the message says which."""


def lower_offset_layer(layer, inputs, convolve, normalise, orientations):
    """Lowers one call of a layer.

    Args:
        layer: One of the `OFFSET_LAYERS`.
        inputs: Its input, a planar map or a vector; for `OffsetAdd`, a list of two.
        convolve: Function of a tensor that applies the layer's convolution without activation.
        normalise: Function of a tensor that applies the layer's batch normalisation, as that of an ordinary map.
        orientations: Number of orientations that are merged into the channels of the inputs, 1 if none.

    Returns:
        The output tensor.

    Raises:
        Refused: If a setting of the layer cannot be lowered.
    """
    groups = layer.feature_groups
    if isinstance(layer, OffsetAdd):
        return _add(layer, *inputs, orientations)
    if isinstance(layer, OffsetDense):
        return _without_activation(layer, keras.layers.Dense, inputs)
    if getattr(layer, "reduction", "mean") != "mean" or getattr(layer, "scope", "global") != "global":
        raise Refused("only the mean over all positions can be lowered")
    means = _means(inputs, groups, orientations)
    if isinstance(layer, OffsetReLU):
        return keras.layers.Maximum()([inputs, means])
    centred = keras.layers.Subtract()([inputs, means])
    if isinstance(layer, OffsetBatchNormalization):
        outputs = keras.layers.Add()([normalise(centred), means])
        if layer.activation is None:
            return outputs
        return keras.layers.Maximum()([outputs, _means(outputs, groups, orientations)])
    if isinstance(layer, OffsetAdapter):
        if not isinstance(layer.layer, keras.layers.Identity):
            raise Refused(f"only an identity inside can be lowered, not a {type(layer.layer).__name__}")
        return centred if layer.invariant else inputs
    if layer.activation not in (None, keras.activations.linear):
        raise Refused("its activation must follow it as a layer of its own")
    if layer.padding == "valid":
        return convolve(inputs)
    copies = 1 if isinstance(layer, OffsetConv2D) else layer.expanded_kernel.shape[-1] // layer.filters
    outputs = convolve(centred)
    return keras.layers.Add()([outputs, _means(inputs, groups, orientations, outputs.shape[-1], copies)])


def _add(layer, residual, shortcut, orientations):
    """The shortcut loses its means, then each of its feature groups gets channels of zeros."""
    means = _means(shortcut, layer.feature_groups, orientations)
    if layer.strides > 1:
        shortcut = keras.layers.MaxPooling2D(1, layer.strides)(shortcut)
    shortcut = keras.layers.Subtract()([shortcut, means])
    channels, wanted = shortcut.shape[-1], residual.shape[-1]
    if channels != wanted:
        blocks = layer.feature_groups * orientations
        kernel = np.zeros((blocks, channels // blocks, blocks, wanted // blocks))
        for block in range(blocks):
            kernel[block, :, block, : channels // blocks] = np.eye(channels // blocks)
        shortcut = _constant(kernel.reshape(channels, wanted), shortcut)
    return keras.layers.Add()([residual, shortcut])


def _means(x, groups, orientations, channels=None, new_orientations=None):
    """The mean of its feature group for each of the output channels; x is a map or a vector."""
    channels = channels or x.shape[-1]
    new_orientations = new_orientations or orientations
    group_in = np.tile(np.repeat(np.arange(groups), x.shape[-1] // orientations // groups), orientations)
    group_out = np.tile(np.repeat(np.arange(groups), channels // new_orientations // groups), new_orientations)
    kernel = (group_in[:, None] == group_out[None]) / (x.shape[-1] // groups)
    return _constant(kernel, keras.layers.GlobalAveragePooling2D(keepdims=True)(x) if len(x.shape) == 4 else x)


def _constant(kernel, x):
    """Multiplies the channels of a map or a vector by a constant matrix."""
    channels = kernel.shape[-1]
    if len(x.shape) == 4:
        layer = keras.layers.Conv2D(channels, 1, use_bias=False, trainable=False)
        kernel = kernel[None, None]
    else:
        layer = keras.layers.Dense(channels, use_bias=False, trainable=False)
    outputs = layer(x)
    layer.set_weights([kernel])
    return outputs


def _without_activation(layer, kind, x):
    if layer.activation not in (None, keras.activations.linear):
        raise Refused("its activation must follow it as a layer of its own")
    plain = kind(layer.units, use_bias=layer.use_bias, name=layer.name, dtype=layer.variable_dtype)
    outputs = plain(x)
    plain.set_weights(layer.get_weights())
    return outputs
