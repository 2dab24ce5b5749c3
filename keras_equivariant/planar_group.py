"""Lowering of the layers that act on maps on a group.

A feature map on a group, `(batch, height, width, S, channels)`, is a planar map of S * channels channels here, one
orientation after the other.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import layers

from keras_equivariant import layers as own
from keras_equivariant.planar_parts import (
    Refused,
    convolution_like,
    free,
    helper,
    is_elementwise,
    naming,
    repeat_edges,
    to_numpy,
    with_weights,
)
from keras_equivariant.symmetry import get_symmetry
from keras_equivariant.typing import Tensor

POOLINGS = {
    own.GroupMaxPooling2D: layers.MaxPooling2D,
    own.GroupAveragePooling2D: layers.AveragePooling2D,
}
GLOBAL_POOLINGS = {
    own.GroupGlobalAveragePooling2D: layers.GlobalAveragePooling2D,
    own.GroupGlobalMaxPooling2D: layers.GlobalMaxPooling2D,
}
# Those that leave the orientations as they are, on the last axis of space.
_IN_SPACE = {layers.ZeroPadding3D: layers.ZeroPadding2D, layers.Cropping3D: layers.Cropping2D}
SPATIAL = (own.GroupUpSampling2D, own.GridCentring2D, *POOLINGS, *_IN_SPACE)


def lower_spatial(layer: Any, x: Tensor) -> Tensor:
    """What a layer of `SPATIAL` computes, of a merged map, on which orientations are channels like others."""
    if getattr(layer, "blur", None) is not None:
        return _pool_blurred(layer, x)
    if type(layer) in POOLINGS:
        return POOLINGS[type(layer)](layer.pool_size, layer.strides, layer.padding, **naming(layer))(x)
    if isinstance(layer, own.GroupUpSampling2D):
        return layers.UpSampling2D(layer.size, interpolation=layer.interpolation, **naming(layer))(x)
    if isinstance(layer, own.GridCentring2D):
        return _centre(layer, x)
    *space, orientations = layer.padding if isinstance(layer, layers.ZeroPadding3D) else layer.cropping
    if tuple(orientations) != (0, 0):
        raise Refused("it changes the number of orientations")
    return _IN_SPACE[type(layer)](tuple(space), **naming(layer))(x)


def _pool_blurred(layer, x):
    """A `GroupAveragePooling2D` with a blur: a depthwise convolution with a Gaussian, then the mean."""
    sampled, name = tuple(layer.pool_size) == (1, 1) and len({*layer.strides}) == 1, naming(layer)["name"]
    kernel = np.tile(layer.blur_kernel[:, :, None, None], (1, 1, x.shape[-1], 1))
    settings = {"strides": layer.strides if sampled else 1, "use_bias": False, "dtype": layer.variable_dtype}
    padded = helper(layers.ZeroPadding2D, len(kernel) // 2)(x)
    if sampled:
        return with_weights(layers.DepthwiseConv2D(len(kernel), **settings, name=name), [kernel], padded)
    blurred = with_weights(helper(layers.DepthwiseConv2D, len(kernel), **settings), [kernel], padded)
    pooling = layers.AveragePooling2D(layer.pool_size, layer.strides, layer.padding, name=name, dtype=settings["dtype"])
    return pooling(blurred)


def _centre(layer, x):
    target = layer.compute_output_shape(tuple(x.shape))[1:3]
    for axis, window in enumerate([(2, 1), (1, 2)]):
        for _ in range(x.shape[1 + axis] - target[axis]):
            x = helper(layers.AveragePooling2D, window, strides=1)(x)
    return x


def convolve(layer: Any, name: str, x: Tensor, kernel: np.ndarray, bias: np.ndarray) -> Tensor:
    """A plain convolution like `layer`, a Keras or a group convolution, with another kernel and bias."""
    changes = {"filters": kernel.shape[-1], "use_bias": True, "activation": layer.activation}
    changes["groups"] = getattr(layer, "groups", 1)
    if layer.padding == "edge":
        windows = zip(layer.kernel_size, layer.dilation_rate, strict=True)
        reach = [(size - 1) * rate for size, rate in windows]
        x, changes["padding"] = repeat_edges(x, [(cells // 2, cells - cells // 2) for cells in reach]), "valid"
    return with_weights(convolution_like(layer, name=name, **changes), [kernel, bias], x)


def expanded_bias(layer: Any, width: int) -> np.ndarray:
    """The bias of each orientation, one after the other; zeros if the layer has none."""
    order = get_symmetry(layer.symmetry).order
    return np.tile(to_numpy(layer.bias), order) if layer.use_bias else np.zeros(width)


def check_elementwise(layer: Any) -> None:
    """Raises `Refused` if the activation of a group convolution does not treat each number alone."""
    if not is_elementwise(layer.activation):
        raise Refused("its activation is not elementwise")


def lower_depthwise(layer: Any, x: Tensor, lifts: bool) -> Tensor:
    """The depthwise part of a `GroupDepthwiseConv2D` or a `GroupSeparableConv2D`, of a merged or a planar map."""
    order = get_symmetry(layer.symmetry).order
    if lifts and order > 1:
        x = helper(layers.Concatenate)([x] * order)
    whole = isinstance(layer, own.GroupDepthwiseConv2D)
    kernel = to_numpy(layer.expanded_depthwise_kernel)
    settings = {name: getattr(layer, name) for name in ("kernel_size", "strides", "padding", "dilation_rate")}
    settings |= {"depth_multiplier": layer.depth_multiplier, "dtype": layer.variable_dtype, "use_bias": whole}
    if not whole:
        return with_weights(helper(layers.DepthwiseConv2D, **settings), [kernel], x)
    check_elementwise(layer)
    depthwise = layers.DepthwiseConv2D(**settings, activation=layer.activation, name=naming(layer)["name"])
    return with_weights(depthwise, [kernel, expanded_bias(layer, kernel.shape[2] * kernel.shape[3])], x)


def lower_transposed(layer: Any, x: Tensor) -> Tensor:
    """What a `GroupConv2DTranspose` computes, of a merged map."""
    check_elementwise(layer)
    kernel = to_numpy(layer.expanded_kernel)
    orientations = kernel.shape[2] // layer.filters
    bias = np.tile(to_numpy(layer.bias), orientations) if layer.use_bias else np.zeros(kernel.shape[2])
    changes = {"filters": kernel.shape[2], "use_bias": True, "activation": layer.activation}
    changes |= {"output_padding": layer.output_padding, "name": naming(layer)["name"]}
    return with_weights(convolution_like(layer, layers.Conv2DTranspose, **changes), [kernel, bias], x)


def pool_cosets(layer: Any, x: Tensor) -> tuple[Tensor, int | None]:
    """What a `CosetPooling` computes, of a merged map, and the number of orientations left, `None` if none is."""
    order = get_symmetry(layer.symmetry).order
    members_of = layer._pooled  # row i: the elements that the output's orientation i is pooled from
    left = None if members_of is None else len(members_of)
    if order == 1:
        return layers.Identity(**naming(layer))(x), left
    pool = _pool_rows if x.shape[1] is None and x.shape[2] is None else _pool_columns
    return pool(layer, x, order, members_of), left


def _pool_columns(layer, x, order, members_of):
    """Pools over an axis that holds the members of a coset, in the place of an image's columns."""
    *space, channels = x.shape[1:]
    channels //= order
    pooling = layers.MaxPooling2D if layer.reduction == "max" else layers.AveragePooling2D
    columns = helper(layers.Reshape, (-1, order, channels))(x)
    if members_of is None:
        pooled = helper(pooling, (1, order))(columns)
        return layers.Reshape((*free(space), channels), **naming(layer))(pooled)
    cropped = [((0, 0), (int(g), order - 1 - int(g))) for g in members_of.ravel()]
    members = [helper(layers.Cropping2D, crop)(columns) for crop in cropped]
    members = helper(layers.Concatenate, axis=2)(members) if len(members) > 1 else members[0]
    pooled = helper(pooling, (1, members_of.shape[1]))(members)
    return layers.Reshape((*free(space), len(members_of) * channels), **naming(layer))(pooled)


def _pool_rows(layer, x, order, members_of):
    """The same where neither height nor width is known, for which a map cannot be given its shape back."""
    merge = layers.Maximum if layer.reduction == "max" else layers.Average
    rows = apart(x, order)
    cosets = [range(order)] if members_of is None else members_of
    pooled = [helper(merge)([rows[g] for g in coset]) if len(coset) > 1 else rows[coset[0]] for coset in cosets]
    return together(pooled, layers.Permute((2, 3, 1), **naming(layer)))


def restrict(layer: Any, x: Tensor) -> tuple[Tensor, int]:
    """What a `SubgroupRestriction` computes, of a merged map, and the number of orientations: blocks of channels."""
    elements = layer._elements  # row h: the elements of G whose maps are the channels of orientation h
    rows = apart(x, elements.size)
    return together([rows[g] for g in elements.ravel()], layers.Permute((2, 3, 1), **naming(layer))), len(elements)


def apart(x: Tensor, orientations: int) -> list[Tensor]:
    """The map of each orientation by itself, `(batch, channels, height, width)`: Keras crops axes of space only."""
    channels = x.shape[-1] // orientations
    rows = helper(layers.Permute, (3, 1, 2))(x)
    around = [(i * channels, (orientations - 1 - i) * channels) for i in range(orientations)]
    return [helper(layers.Cropping2D, (crop, (0, 0)))(rows) for crop in around] if orientations > 1 else [rows]


def together(rows: list[Tensor], back: Callable[[Tensor], Tensor]) -> Tensor:
    """The merged map of maps of each orientation; `back` gives it its order of axes again."""
    return back(helper(layers.Concatenate, axis=1)(rows) if len(rows) > 1 else rows[0])


def convolve_in_blocks(layer: Any, x: Tensor) -> Tensor:
    """What a `GroupConv2D` with `groups` computes, of a merged or a planar map."""
    order, blocks = get_symmetry(layer.symmetry).order, layer.groups
    kernel = to_numpy(layer.expanded_kernel)
    orientations, width = layer.kernel.shape[-3], kernel.shape[-1] // order
    kernel = kernel.reshape(*kernel.shape[:3], order, blocks, width // blocks).swapaxes(-3, -2)
    bias = to_numpy(layer.bias) if layer.use_bias else np.zeros(width)
    bias = np.tile(bias.reshape(blocks, 1, -1), (1, order, 1)).reshape(-1)
    x = _reordered(x, orientations, blocks)
    x = convolve(layer, naming(layer)["name"], x, kernel.reshape(*kernel.shape[:3], -1), bias)
    return _reordered(x, blocks, order)


def _reordered(x, outer, inner):
    """A map whose channels are `outer` times `inner` blocks of them, with the two exchanged."""
    if 1 in (outer, inner):
        return x
    *space, channels = x.shape[1:]
    split = helper(layers.Reshape, (*free(space), outer, inner, channels // (outer * inner)))(x)
    return helper(layers.Reshape, (*free(space), channels))(helper(layers.Permute, (1, 2, 4, 3, 5))(split))


def concatenate(layer: Any, inputs: list[Tensor], orientations: Any) -> Tensor:
    """A `Concatenate` of merged maps: the channels of each orientation side by side."""
    parts = zip(*(apart(x, orientations) for x in inputs), strict=True)
    return together([x for part in parts for x in part], layers.Permute((2, 3, 1), **naming(layer)))
