"""Residual networks for images under any light: ordinary ones, and the same made offset-equivariant.

The offset-equivariant networks take standardised logarithmic RGB (`LogRGB`), where a change of the light adds one
offset to each colour. All their layers pass it on; at the end the scores of each colour are taken relative to their
mean over the classes and averaged over the colours, so the logits do not depend on the light at all.

Reference: [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), section 4.1;
[He et al., 2016](https://arxiv.org/abs/1512.03385).
"""

import os
from collections.abc import Sequence

import keras
from keras_equivariant.zoo.large_resnet import large_resnet
from keras_equivariant.zoo.pretrained import pretrained
from keras_equivariant.zoo.registry import register
from keras_equivariant.zoo.resnet_parts import OffsetParts, OrdinaryParts

from keras_equivariant.typing import Shape


@register
@pretrained
def resnet20(
    input_shape: Shape = (32, 32, 3),
    classes: int = 10,
    filters: Sequence[int] = (16, 32, 64),
    blocks: int = 3,
    weights: str | os.PathLike | None = None,
    name: str = "resnet20",
) -> keras.Model:
    """The ordinary residual network of 20 layers for CIFAR-10, with shortcuts that have no parameters (option A).

    Args:
        input_shape: `(height, width, channels)` of the standardised images.
        classes: Number of classes.
        filters: Numbers of channels of the three stages.
        blocks: Number of residual blocks of each stage.
        weights: `None` for random weights, the name of trained ones that come with the package (there are none yet), or
            the path of a `.weights.h5` file.
        name: Name of the model.

    Returns:
        A `keras.Model` from images to logits; 270,410 trainable parameters.

    Raises:
        ValueError: If an argument is out of range, or the weights are not those of this network.

    Example:

    >>> resnet20().output_shape
    (None, 10)
    """
    return _small_resnet(OrdinaryParts(), input_shape, classes, filters, blocks, name)


@register
@pretrained
def offset_resnet20(
    input_shape: Shape = (32, 32, 3),
    classes: int = 10,
    filters: Sequence[int] = (15, 33, 63),
    blocks: int = 3,
    feature_groups: int = 3,
    padding: str = "same",
    weights: str | os.PathLike | None = None,
    name: str = "offset_resnet20",
) -> keras.Model:
    """The offset-equivariant residual network of 20 layers.

    Args:
        input_shape: `(height, width, channels)` of the standardised logarithms of linear RGB.
        classes: Number of classes.
        filters: Numbers of channels of the three stages, multiples of `feature_groups`.
        blocks: Number of residual blocks of each stage.
        feature_groups: int, the number of groups of channels that share an offset: 3 for colour.
        padding: What the convolutions see beyond the border: `"same"`, the means of the data, or `"edge"`, the
            outermost pixels again.
        weights: `None` for random weights, the name of trained ones that come with the package (there are none yet), or
            the path of a `.weights.h5` file.
        name: Name of the model.

    Returns:
        A `keras.Model` from images to logits, which ignore the colour of the light; 267,294 trainable parameters.

    Raises:
        ValueError: If an argument is out of range, or the weights are not those of this network.

    Example:

    >>> offset_resnet20().output_shape
    (None, 10)
    """
    return _small_resnet(OffsetParts(feature_groups, padding=padding), input_shape, classes, filters, blocks, name)


@register
def p4_offset_resnet20(
    input_shape: Shape = (32, 32, 3),
    classes: int = 10,
    filters: Sequence[int] = (6, 15, 33),
    blocks: int = 3,
    feature_groups: int = 3,
    symmetry: str = "p4",
    padding: str = "same",
    name: str = "p4_offset_resnet20",
) -> keras.Model:
    """The residual network of 20 layers that ignores both the orientation of the image and the colour of the light.

    The offset constraint sums over taps, orientations and channels, so it goes together with a symmetry group. Before
    each strided convolution, a mean over 2x2 pixels makes the sampling grid symmetric where it is not.

    Args:
        input_shape: `(height, width, channels)` of the standardised logarithms of linear RGB.
        classes: Number of classes.
        filters: Numbers of feature maps on the symmetry group of the three stages, multiples of `feature_groups`.
        blocks: Number of residual blocks of each stage.
        feature_groups: int, the number of groups of channels that share an offset: 3 for colour.
        symmetry: Name of the symmetry group.
        padding: What the convolutions see beyond the border: `"same"`, the means of the data, or `"edge"`, the
            outermost pixels again.
        name: Name of the model.

    Returns:
        A `keras.Model` from images to logits, which neither a turn nor the light changes; 267,528 trainable
        parameters.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> p4_offset_resnet20().output_shape
    (None, 10)
    """
    kit = OffsetParts(feature_groups, symmetry, padding=padding)
    return _small_resnet(kit, input_shape, classes, filters, blocks, name)


@register
def resnet50(
    input_shape: Shape = (224, 224, 3),
    classes: int = 1000,
    filters: int = 64,
    blocks: Sequence[int] = (3, 4, 6, 3),
    name: str = "resnet50",
) -> keras.Model:
    """The ordinary residual network of 50 layers, with the strides in the 3x3 convolutions.

    Args:
        input_shape: `(height, width, channels)` of the standardised images.
        classes: Number of classes.
        filters: Number of channels of the first stage, before expansion by 4; it doubles with each stage.
        blocks: Numbers of residual blocks of the four stages.
        name: Name of the model.

    Returns:
        A `keras.Model` from images to logits; 25,557,032 trainable parameters.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> resnet50(filters=6).output_shape
    (None, 1000)
    """
    return large_resnet(OrdinaryParts(use_bias=False), input_shape, classes, filters, blocks, name)


@register
def offset_resnet50(
    input_shape: Shape = (224, 224, 3),
    classes: int = 1000,
    filters: int = 63,
    blocks: Sequence[int] = (3, 4, 6, 3),
    feature_groups: int = 3,
    padding: str = "same",
    name: str = "offset_resnet50",
) -> keras.Model:
    """The offset-equivariant residual network of 50 layers.

    Args:
        input_shape: `(height, width, channels)` of the standardised logarithms of linear RGB.
        classes: Number of classes.
        filters: Number of channels of the first stage, a multiple of `feature_groups`, before expansion by 4; it
            doubles with each stage.
        blocks: Numbers of residual blocks of the four stages.
        feature_groups: int, the number of groups of channels that share an offset: 3 for colour.
        padding: What the convolutions see beyond the border: `"same"`, the means of the data, or `"edge"`, the
            outermost pixels again.
        name: Name of the model.

    Returns:
        A `keras.Model` from images to logits, which ignore the colour of the light; 28,831,107 trainable parameters.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> offset_resnet50(filters=6).output_shape
    (None, 1000)
    """
    kit = OffsetParts(feature_groups, use_bias=False, padding=padding)
    return large_resnet(kit, input_shape, classes, filters, blocks, name)


def _small_resnet(kit, input_shape, classes, filters, blocks, name):
    """A 3x3 convolution, three stages of blocks of two convolutions, mean, scores."""
    if len(filters) != 3:
        raise ValueError(f"`filters` must be three numbers. Received: filters={filters}")
    if blocks < 1:
        raise ValueError(f"`blocks` must be at least 1. Received: blocks={blocks}")
    inputs = keras.Input(input_shape)
    x = kit.normalise(kit.convolve(inputs, filters[0], 3), relu=True)
    for stage, channels in enumerate(filters):
        for block in range(blocks):
            strides = 2 if stage > 0 and block == 0 else 1
            x = kit.centre(x, strides)
            y = kit.normalise(kit.convolve(x, channels, 3, strides), relu=True)
            y = kit.normalise(kit.convolve(y, channels, 3))
            x = kit.relu(kit.add(y, x, strides))
    return keras.Model(inputs, kit.scores(x, classes), name=name)
