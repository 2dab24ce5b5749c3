"""How offset-equivariant layers are lowered to plain Keras layers; `planar.to_planar` is what users call.

Group means are a global average pooling and a 1x1 convolution with constant weights, which averages the channels of
each feature group and gives every output channel the mean of its group.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_equivariant.layers import (
    InverseLogRGB,
    OffsetAdapter,
    OffsetAdd,
    OffsetBatchNormalization,
    OffsetConcatenate,
    OffsetConv2D,
    OffsetConv2DTranspose,
    OffsetDense,
    OffsetGroupConv2D,
    OffsetReLU,
)
from keras_equivariant.planar_parts import (
    INACTIVE,
    Refused,
    convolution_like,
    copy,
    free,
    helper,
    is_elementwise_layer,
    naming,
    repeat_edges,
    with_weights,
)
from keras_equivariant.typing import Tensor

OFFSET_LAYERS = (
    InverseLogRGB,
    OffsetAdapter,
    OffsetAdd,
    OffsetBatchNormalization,
    OffsetConcatenate,
    OffsetConv2D,
    OffsetConv2DTranspose,
    OffsetDense,
    OffsetGroupConv2D,
    OffsetReLU,
)
# These treat all positions and orientations alike.
POINTWISE = (InverseLogRGB, OffsetDense)


def lower_offset_layer(
    layer: Any,
    inputs: Any,
    convolve: Callable[[Tensor], Tensor],
    normalise: Callable[[Tensor], Tensor],
    orientations: int,
) -> Tensor:
    """Lowers one call of a layer.

    Args:
        layer: One of the `OFFSET_LAYERS`.
        inputs: Its input, a planar map or a vector, of any rank for the `POINTWISE` ones; for `OffsetAdd` and
            `OffsetConcatenate`, a list of them.
        convolve: Function of a tensor that applies the layer's convolution without activation.
        normalise: Function of a tensor that applies the layer's batch normalisation, as that of an ordinary map.
        orientations: Number of orientations that are merged into the channels of the inputs, 1 if none.

    Returns:
        The output tensor.

    Raises:
        Refused: If a setting of the layer cannot be lowered.
    """
    if isinstance(layer, InverseLogRGB):
        return keras.layers.Activation("exponential", **naming(layer))(helper(keras.layers.Rescaling, -1.0)(inputs))
    groups = layer.feature_groups
    if isinstance(layer, OffsetAdd):
        residual, shortcut = inputs
        return _add(layer, residual, shortcut, orientations)
    if isinstance(layer, OffsetConcatenate):
        return _concatenate(layer, inputs, groups * orientations)
    if getattr(layer, "activation", None) not in (None, "relu", keras.activations.linear):
        raise Refused("its activation must follow it as a layer of its own")
    if isinstance(layer, OffsetDense):
        plain = keras.layers.Dense(layer.units, use_bias=layer.use_bias, **naming(layer))
        return with_weights(plain, layer.get_weights(), inputs)
    if getattr(layer, "reduction", "mean") != "mean" or getattr(layer, "scope", "global") != "global":
        raise Refused("only the mean over all positions can be lowered")
    means = _means(inputs, groups, orientations)
    if isinstance(layer, OffsetReLU):
        return helper(keras.layers.Maximum)([inputs, means])
    centred = helper(keras.layers.Subtract)([inputs, means])
    if isinstance(layer, OffsetBatchNormalization):
        outputs = helper(keras.layers.Add)([normalise(centred), means])
        if layer.activation is None:
            return outputs
        return helper(keras.layers.Maximum)([outputs, _means(outputs, groups, orientations)])
    if isinstance(layer, OffsetAdapter):
        return _adapt(layer, inputs, centred, means)
    if isinstance(layer, OffsetConv2DTranspose) and layer.padding == "edge":
        return _convolve_transposed_with_edges(layer, inputs)
    if isinstance(layer, OffsetConv2DTranspose):
        outputs = _convolve_transposed(layer, centred)
        return helper(keras.layers.Add)([outputs, _means(inputs, groups, 1, layer.filters)])
    if layer.padding in ("valid", "edge"):
        return convolve(inputs)
    copies = 1 if isinstance(layer, OffsetConv2D) else layer.expanded_kernel.shape[-1] // layer.filters
    outputs = convolve(centred)
    return helper(keras.layers.Add)([outputs, _means(inputs, groups, orientations, outputs.shape[-1], copies)])


def _adapt(layer, inputs, centred, means):
    inside = layer.layer
    if isinstance(inside, (keras.layers.Identity, *INACTIVE)):
        return centred if layer.invariant else inputs
    if not is_elementwise_layer(inside):
        raise Refused(f"only an elementwise layer inside can be lowered, not a {type(inside).__name__}")
    outputs = copy(inside)(centred)
    return outputs if layer.invariant else helper(keras.layers.Add)([outputs, means])


def _convolve_transposed(layer, x):
    plain = convolution_like(layer, keras.layers.Conv2DTranspose, output_padding=layer.output_padding)
    return with_weights(plain, layer.get_weights(), x)


def _convolve_transposed_with_edges(layer, x):
    x = repeat_edges(x, [(cells, cells) for cells, _ in layer._margins])
    plain = convolution_like(layer, keras.layers.Conv2DTranspose, padding="valid")
    cropping = tuple(cropped for _, cropped in layer._margins)
    return helper(keras.layers.Cropping2D, cropping)(with_weights(plain, layer.get_weights(), x))


def _concatenate(layer, inputs, blocks):
    """Concatenates within each block: a feature group, in one orientation."""
    space = free(inputs[0].shape[1:-1])
    parts = [helper(keras.layers.Reshape, (*space, blocks, x.shape[-1] // blocks))(x) for x in inputs]
    channels = sum(x.shape[-1] for x in inputs)
    return keras.layers.Reshape((*space, channels), **naming(layer))(helper(keras.layers.Concatenate)(parts))


def _add(layer, residual, shortcut, orientations):
    """The shortcut loses its means, then each of its feature groups gets channels of zeros."""
    means = _means(shortcut, layer.feature_groups, orientations)
    if layer.strides > 1 and len(shortcut.shape) == 4:
        shortcut = helper(keras.layers.MaxPooling2D, 1, layer.strides)(shortcut)
    shortcut = helper(keras.layers.Subtract)([shortcut, means])
    channels, wanted = shortcut.shape[-1], residual.shape[-1]
    if channels != wanted:
        blocks = layer.feature_groups * orientations
        kernel = np.zeros((blocks, channels // blocks, blocks, wanted // blocks))
        for block in range(blocks):
            kernel[block, :, block, : channels // blocks] = np.eye(channels // blocks)
        shortcut = _constant(kernel.reshape(channels, wanted), shortcut)
    return helper(keras.layers.Add)([residual, shortcut])


def _means(x, groups, orientations, channels=None, new_orientations=None):
    """The mean of its feature group for each of the output channels; x is a map or a vector."""
    channels = channels or x.shape[-1]
    new_orientations = new_orientations or orientations
    group_in = np.tile(np.repeat(np.arange(groups), x.shape[-1] // orientations // groups), orientations)
    group_out = np.tile(np.repeat(np.arange(groups), channels // new_orientations // groups), new_orientations)
    kernel = (group_in[:, None] == group_out[None]) / (x.shape[-1] // groups)
    return _constant(kernel, helper(keras.layers.GlobalAveragePooling2D, keepdims=True)(x) if len(x.shape) == 4 else x)


def _constant(kernel, x):
    """Multiplies the channels of a map or a vector by a constant matrix."""
    channels = kernel.shape[-1]
    if len(x.shape) == 4:
        layer = helper(keras.layers.Conv2D, channels, 1, use_bias=False, trainable=False)
        kernel = kernel[None, None]
    else:
        layer = helper(keras.layers.Dense, channels, use_bias=False, trainable=False)
    return with_weights(layer, [kernel], x)
