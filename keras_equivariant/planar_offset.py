"""How offset-equivariant layers are lowered to plain Keras layers; `planar.to_planar` is what users call.

Group means are a global average pooling and a 1x1 convolution with constant weights, which averages the channels of
each feature group and gives every output channel the mean of its group.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_equivariant.channel_groups import assignment_matrix, count_groups
from keras_equivariant.layers import (
    InverseLogRGB,
    Maxout,
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
from keras_equivariant.layers.offset_add import places_of_channels
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
    to_numpy,
    with_weights,
)
from keras_equivariant.typing import Tensor

OFFSET_LAYERS = (
    InverseLogRGB,
    Maxout,
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
    if isinstance(layer, Maxout):
        return _largest(layer, inputs)
    groups = layer.feature_groups
    if isinstance(layer, OffsetAdd):
        residual, shortcut = inputs
        return _add(layer, residual, shortcut, orientations)
    if isinstance(layer, OffsetConcatenate):
        return _concatenate(layer, inputs, orientations)
    if getattr(layer, "activation", None) not in (None, "relu", keras.activations.linear):
        raise Refused("its activation must follow it as a layer of its own")
    if isinstance(layer, OffsetDense):
        plain = keras.layers.Dense(layer.units, use_bias=layer.use_bias, **naming(layer))
        return with_weights(plain, weights_in_use(layer), inputs)
    chosen = {getattr(layer, name, None) for name in ("reduction", "scope", "output_reduction", "output_scope")}
    if not chosen <= {None, "mean", "global"}:
        raise Refused("only the mean over all positions can be lowered")
    if isinstance(layer, OffsetAdapter) and layer.output_groups not in (None, groups):
        raise Refused("its groups of outputs are not those of its inputs")
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
        return helper(keras.layers.Add)(
            [outputs, _means(inputs, groups, 1, layer.filters, 1, groups_of_outputs(layer))]
        )
    if layer.padding in ("valid", "edge"):
        return convolve(inputs)
    copies = 1 if isinstance(layer, OffsetConv2D) else layer.expanded_kernel.shape[-1] // layer.filters
    outputs = convolve(centred)
    means = _means(inputs, groups, orientations, outputs.shape[-1], copies, groups_of_outputs(layer))
    return helper(keras.layers.Add)([outputs, means])


def groups_of_outputs(layer: Any) -> Any:
    """The groups of a layer's output channels."""
    return count_groups(layer.feature_groups) if layer.output_groups is None else layer.output_groups


def weights_in_use(layer: Any) -> list[np.ndarray]:
    """The kernel that an offset-equivariant layer computes with, projected if it is not stored so, and its bias."""
    return [to_numpy(weight) for weight in (layer.kernel, layer.bias) if weight is not None]


def _largest(layer, x):
    """A map is one long row of numbers, in which those of a block are neighbours."""
    *space, channels = x.shape[1:]
    if space.count(None) > 1:  # a map cannot be given its shape back: every k-th channel, from each start
        return keras.layers.Maximum(**naming(layer))([x[..., i :: layer.pieces] for i in range(layer.pieces)])
    row = helper(keras.layers.MaxPooling1D, layer.pieces)(helper(keras.layers.Reshape, (-1, 1))(x))
    return keras.layers.Reshape((*free(space), channels // layer.pieces), **naming(layer))(row)


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
    return with_weights(plain, weights_in_use(layer), x)


def _convolve_transposed_with_edges(layer, x):
    x = repeat_edges(x, [(cells, cells) for cells, _ in layer._margins])
    plain = convolution_like(layer, keras.layers.Conv2DTranspose, padding="valid")
    cropping = tuple(cropped for _, cropped in layer._margins)
    return helper(keras.layers.Cropping2D, cropping)(with_weights(plain, weights_in_use(layer), x))


def _concatenate(layer, inputs, orientations):
    """Concatenates within each feature group, in each orientation."""
    if isinstance(layer.feature_groups, int):
        space, blocks = free(inputs[0].shape[1:-1]), layer.feature_groups * orientations
        parts = [helper(keras.layers.Reshape, (*space, blocks, x.shape[-1] // blocks))(x) for x in inputs]
        channels = sum(x.shape[-1] for x in inputs)
        return keras.layers.Reshape((*space, channels), **naming(layer))(helper(keras.layers.Concatenate)(parts))
    widths = [x.shape[-1] // orientations for x in inputs]
    # Where each channel of each orientation is once the inputs stand one after the other.
    starts = np.cumsum([0, *(x.shape[-1] for x in inputs)])
    places = [
        np.concatenate([start + turn * width + np.arange(width) for start, width in zip(starts, widths, strict=False)])
        for turn in range(orientations)
    ]
    order = np.concatenate([place[layer.order_of_channels(widths)] for place in places])
    together = keras.layers.Concatenate(**naming(layer))(inputs)
    return _constant(np.eye(len(order))[:, order], together)


def _add(layer, residual, shortcut, orientations):
    """The shortcut loses its means, then each of its feature groups gets channels of zeros."""
    channels, wanted = shortcut.shape[-1] // orientations, residual.shape[-1] // orientations
    groups = layer._groups_of_shortcut(channels, wanted)
    means = _means(shortcut, groups, orientations)
    if layer.strides > 1 and len(shortcut.shape) == 4:
        shortcut = helper(keras.layers.MaxPooling2D, 1, layer.strides)(shortcut)
    shortcut = helper(keras.layers.Subtract)([shortcut, means])
    source = places_of_channels(groups, channels, layer.feature_groups, wanted)
    if source is not None:
        kernel = np.kron(np.eye(orientations), np.arange(channels)[:, None] == source)
        shortcut = _constant(kernel, shortcut)
    return helper(keras.layers.Add)([residual, shortcut])


def _means(x, groups, orientations, channels=None, new_orientations=None, new_groups=None):
    """The mean of its feature group for each of the output channels; x is a map or a vector."""
    width = x.shape[-1] // orientations
    new_orientations = new_orientations or orientations
    new_width = width if channels is None else channels // new_orientations
    inside = np.tile(assignment_matrix(groups, width), (orientations, 1))
    spread = np.tile(assignment_matrix(groups if new_groups is None else new_groups, new_width), (new_orientations, 1))
    kernel = inside / inside.sum(0) @ spread.T
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
