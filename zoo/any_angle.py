"""Networks for images that have no up or down, equivariant to turns by 45 and by 22.5 degrees.

Convolutions with filters of circular harmonics, each followed by batch norm and ReLU; a blurred average pooling after
the first and the third; a 1x1 convolution to many maps, the maximum over orientations, the mean over space, a dense
layer. The 1x1 convolution widens because every turn of one map becomes a single feature at the maximum.

Reference: [Weiler & Cesa, 2019](https://arxiv.org/abs/1911.08251), section 3 and tables 8 to 11.
"""

from collections.abc import Sequence

import keras
from keras import layers
from keras_equivariant.zoo.registry import register

from keras_equivariant.layers import (
    CosetPooling,
    GroupAveragePooling2D,
    GroupBatchNormalization,
    GroupConv2D,
    SubgroupRestriction,
)
from keras_equivariant.typing import Shape

# The default momentum of 0.99 needs thousands of steps to forget the first ones; small training sets have hundreds.
_BATCH_NORM_MOMENTUM = 0.9
_KERNELS = (7, 5, 5, 5, 5)
_POOLED_AFTER = (1, 3)
_BLUR = 0.66  # pixels, for a stride of 2


@register
def p8_cnn(
    input_shape: Shape = (28, 28, 1),
    classes: int = 10,
    filters: Sequence[int] = (8, 12, 12, 16, 16),
    features: int = 64,
    symmetry: str = "p8",
    dropout: float = 0.0,
    name: str = "p8_cnn",
) -> keras.Model:
    """The network for eight turns.

    Args:
        input_shape: `(height, width, channels)` of the standardised images, from 24x24 pixels up.
        classes: Number of classes.
        filters: Numbers of feature maps on the group of the five convolutions, of 7, 5, 5, 5 and 5 pixels.
        features: Number of feature maps of the 1x1 convolution after them, and of channels after the maximum.
        symmetry: Name of the symmetry group.
        dropout: Rate before the dense layer.
        name: Name of the model.

    Returns:
        A `keras.Model` from images to logits; 69,786 trainable parameters.

    Raises:
        ValueError: If the symmetry is unknown, an argument is out of range, or the images are too small.

    Example:

    >>> p8_cnn().output_shape
    (None, 10)
    """
    return _any_angle(input_shape, classes, filters, features, symmetry, None, dropout, name)


@register
def p16m_cnn(
    input_shape: Shape = (28, 28, 1),
    classes: int = 10,
    filters: Sequence[int] = (5, 8, 8, 10, 10),
    features: int = 64,
    symmetry: str = "p16m",
    subgroup: str | None = "p16",
    dropout: float = 0.0,
    name: str = "p16m_cnn",
) -> keras.Model:
    """The network for sixteen turns and mirrors, whose last layers keep the turns alone.

    A small part of a digit may be mirrored, the whole may not. So mirrors are given up before the 1x1 convolution,
    whose maps, and the classes, then tell a digit from its mirror image.

    Args:
        input_shape: `(height, width, channels)` of the standardised images, from 24x24 pixels up.
        classes: Number of classes.
        filters: Numbers of feature maps on the group of the five convolutions, of 7, 5, 5, 5 and 5 pixels.
        features: Number of feature maps of the 1x1 convolution after them, and of channels after the maximum.
        symmetry: Name of the symmetry group.
        subgroup: Name of the subgroup that the 1x1 convolution keeps; `None` for the group itself.
        dropout: Rate before the dense layer.
        name: Name of the model.

    Returns:
        A `keras.Model` from images to logits; 121,398 trainable parameters.

    Raises:
        ValueError: If a symmetry is unknown, an argument is out of range, or the images are too small.

    Example:

    >>> p16m_cnn().output_shape
    (None, 10)
    """
    return _any_angle(input_shape, classes, filters, features, symmetry, subgroup, dropout, name)


def _any_angle(input_shape, classes, filters, features, symmetry, subgroup, dropout, name):
    if len(filters) != len(_KERNELS) or min(filters) < 1 or features < 1:
        raise ValueError(
            f"`filters` must hold {len(_KERNELS)} positive numbers, and `features` be positive. "
            f"Received: filters={filters}, features={features}"
        )
    if min(input_shape[:2]) < 24:
        raise ValueError(f"`input_shape` must be at least 24x24 pixels. Received: input_shape={input_shape}")
    x = inputs = keras.Input(input_shape)
    for number, (maps, size) in enumerate(zip(filters, _KERNELS, strict=True), start=1):
        # The last one leaves the border, which turns as little as the corners of the image, behind.
        x = _convolution(x, maps, size, symmetry, "valid" if number == len(_KERNELS) else "same")
        if number in _POOLED_AFTER:
            x = _halved(x)
    if subgroup is not None:
        x, symmetry = SubgroupRestriction(symmetry, subgroup)(x), subgroup
    x = CosetPooling(symmetry)(_convolution(x, features, 1, symmetry, "same"))
    x = layers.GlobalAveragePooling2D()(x)
    if dropout:
        x = layers.Dropout(dropout)(x)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name=name)


def _convolution(x, maps, size, symmetry, padding):
    x = GroupConv2D(maps, size, symmetry, padding=padding, use_bias=False, kernel_initializer="he_normal")(x)
    return layers.ReLU()(GroupBatchNormalization(momentum=_BATCH_NORM_MOMENTUM)(x))


def _halved(x):
    """Every second cell of a blurred map; of an even size, the means of pairs. Both grids turn onto themselves."""
    window = tuple(2 - size % 2 for size in x.shape[1:3])
    return GroupAveragePooling2D(window, strides=2, blur=_BLUR)(x)
