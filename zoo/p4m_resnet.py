"""The residual networks for CIFAR-10, planar and on a symmetry group.

A 3x3 convolution, three stages of n pre-activation blocks (batch norm, ReLU, convolution, twice), batch norm, ReLU,
mean, linear layer. The first block of stages 2 and 3 has stride 2, and a strided 1x1 convolution on its shortcut.

Published widths: the paper prints (71, 142, 248) and (50, 100, 150) for the 26 layers; only 284 and (25, 50, 100) give
its 7.2 million parameters.

Reference: [Cohen & Welling, 2016](https://arxiv.org/abs/1602.07576), section 8.2.
"""

from collections.abc import Sequence

import keras
from keras import layers
from keras_equivariant.zoo.cifar10_parts import (
    DOWNSAMPLINGS,
    HEADS,
    as_published,
    batch_norm,
    check_choice,
    convolution,
    mean_features,
)
from keras_equivariant.zoo.registry import register

from keras_equivariant.layers import GridCentring2D
from keras_equivariant.typing import Shape


@register
def resnet44(
    input_shape: Shape = (32, 32, 3),
    classes: int = 10,
    filters: Sequence[int] = (32, 64, 128),
    blocks: int = 7,
    downsampling: str = "strided",
    name: str = "resnet44",
) -> keras.Model:
    """The ordinary residual network of 44 layers.

    Args:
        input_shape: `(height, width, channels)` of the standardised images.
        classes: Number of classes.
        filters: Numbers of channels of the three stages.
        blocks: Number of residual blocks of each stage, n.
        downsampling: `"strided"` as published, or `"centred"`: a 2x2 mean before the strided convolutions where the
            size does not fit them, as the p4m network needs it for exactness.
        name: Name of the model.

    Returns:
        A `keras.Model` from images to logits; 2,639,434 trainable parameters.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> resnet44(blocks=1).output_shape
    (None, 10)
    """
    return _resnet(input_shape, classes, filters, blocks, None, None, downsampling, name)


@register
def p4m_resnet44(
    input_shape: Shape = (32, 32, 3),
    classes: int = 10,
    filters: Sequence[int] = (11, 23, 45),
    blocks: int = 7,
    symmetry: str = "p4m",
    head: str = "invariant",
    downsampling: str = "centred",
    name: str = "p4m_resnet44",
) -> keras.Model:
    """The residual network of 44 layers on p4m.

    It is exactly invariant, on every size. As published, with `head="oriented", downsampling="strided"`, a 3x3
    convolution of stride 2 on 32x32 pixels samples off the centre, and the linear layer sees all orientations: that
    network is approximately equivariant up to the linear layer, and not invariant.

    Args:
        input_shape: `(height, width, channels)` of the standardised images.
        classes: Number of classes.
        filters: Numbers of feature maps on the group of the three stages.
        blocks: Number of residual blocks of each stage, n.
        symmetry: Name of the symmetry group.
        head: `"invariant"`: the linear layer reads the mean of each map over space and orientations; or `"oriented"`
            as published: it reads the mean in each orientation.
        downsampling: `"centred"`, exactly equivariant: a 2x2 mean before the strided convolutions where the size does
            not fit them; or `"strided"` as published.
        name: Name of the model.

    Returns:
        A `keras.Model` from images to logits; 2,619,728 trainable parameters, 2,622,878 with the oriented head.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> p4m_resnet44(blocks=1).output_shape
    (None, 10)
    """
    return _resnet(input_shape, classes, filters, blocks, symmetry, head, downsampling, name)


@register
def resnet26(
    input_shape: Shape = (32, 32, 3),
    classes: int = 10,
    filters: Sequence[int] = (71, 142, 284),
    blocks: int = 4,
    downsampling: str = "strided",
    name: str = "resnet26",
) -> keras.Model:
    """The wide ordinary residual network of 26 layers; its arguments and errors are those of `resnet44`.

    Returns:
        A `keras.Model` from images to logits; 7,236,046 trainable parameters.

    Example:

    >>> resnet26(blocks=1).output_shape
    (None, 10)
    """
    return _resnet(input_shape, classes, filters, blocks, None, None, downsampling, name)


@register
def p4m_resnet26(
    input_shape: Shape = (32, 32, 3),
    classes: int = 10,
    filters: Sequence[int] = (25, 50, 100),
    blocks: int = 4,
    symmetry: str = "p4m",
    head: str = "invariant",
    downsampling: str = "centred",
    name: str = "p4m_resnet26",
) -> keras.Model:
    """The wide residual network of 26 layers on p4m; its arguments and errors are those of `p4m_resnet44`.

    Returns:
        A `keras.Model` from images to logits; 7,166,110 trainable parameters, 7,173,110 with the oriented head.

    Example:

    >>> p4m_resnet26(blocks=1).output_shape
    (None, 10)
    """
    return _resnet(input_shape, classes, filters, blocks, symmetry, head, downsampling, name)


def _resnet(input_shape, classes, filters, blocks, symmetry, head, downsampling, name):
    if len(filters) != 3:
        raise ValueError(f"`filters` must be three numbers. Received: filters={filters}")
    if blocks < 1:
        raise ValueError(f"`blocks` must be at least 1. Received: blocks={blocks}")
    check_choice("downsampling", downsampling, DOWNSAMPLINGS)
    if symmetry is not None:
        check_choice("head", head, HEADS)

    def convolve(x, channels, size, strides=1):
        return convolution(channels, size, symmetry, strides=strides, padding="same")(x)

    def normalise(x):
        return layers.ReLU()(batch_norm(symmetry)(x))

    inputs = keras.Input(input_shape)
    with as_published():
        x = convolve(inputs, filters[0], 3)
        for stage, channels in enumerate(filters):
            for block in range(blocks):
                strides = 2 if stage > 0 and block == 0 else 1
                if strides == 2 and downsampling == "centred":
                    x = GridCentring2D(3, strides, "same")(x)
                shortcut = convolve(x, channels, 1, strides) if strides == 2 else x
                x = convolve(normalise(x), channels, 3, strides)
                x = layers.Add()([convolve(normalise(x), channels, 3), shortcut])
    x = mean_features(normalise(x), symmetry, head)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name=name)
