"""The All-CNN-C networks for CIFAR-10, planar and on a symmetry group: nine convolutions and nothing else.

Channels 96, 96, 96 (stride 2), 192, 192, 192 (stride 2), 192 with 3x3 kernels, the last of them without padding, then
1x1 to 192 and 1x1 to the classes; batch norm and ReLU after each; dropout of the input and after the strided layers.
The scores are the means over the remaining positions and orientations.

Reference: [Cohen & Welling, 2016](https://arxiv.org/abs/1602.07576), section 8.2;
[Springenberg et al., 2015](https://arxiv.org/abs/1412.6806).
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
def all_cnn_c(
    input_shape: Shape = (32, 32, 3),
    classes: int = 10,
    filters: Sequence[int] = (96, 192),
    downsampling: str = "strided",
    dropout: float = 0.5,
    input_dropout: float = 0.2,
    batch_normalization: bool = True,
    name: str = "all_cnn_c",
) -> keras.Model:
    """The ordinary network.

    Args:
        input_shape: `(height, width, channels)` of the standardised images.
        classes: Number of classes.
        filters: Numbers of channels of layers 1 to 3 and of layers 4 to 8.
        downsampling: `"strided"` as published, or `"centred"`: a 2x2 mean before a strided convolution whose size
            does not fit.
        dropout: Rate after layers 3 and 6.
        input_dropout: Rate of dropped input pixels.
        batch_normalization: Whether each layer has batch norm. The published parameter count is that without.
        name: Name of the model.

    Returns:
        A `keras.Model` from images to logits; 1,369,738 parameters without batch norm.

    Raises:
        ValueError: If an argument is out of range, or the images are smaller than 9x9.

    Example:

    >>> all_cnn_c(batch_normalization=False).count_params()
    1369738
    """
    return _all_cnn(
        input_shape=input_shape,
        classes=classes,
        filters=filters,
        symmetry=None,
        head=None,
        downsampling=downsampling,
        dropout=dropout,
        input_dropout=input_dropout,
        batch_normalization=batch_normalization,
        name=name,
    )


@register
def p4_all_cnn_c(
    input_shape: Shape = (32, 32, 3),
    classes: int = 10,
    filters: Sequence[int] = (48, 96),
    symmetry: str = "p4",
    head: str = "invariant",
    downsampling: str = "centred",
    dropout: float = 0.5,
    input_dropout: float = 0.2,
    batch_normalization: bool = True,
    name: str = "p4_all_cnn_c",
) -> keras.Model:
    """The network on p4, or on another symmetry group.

    It is exactly invariant on every size. As published, with `downsampling="strided"`, its strides on 32x32 pixels
    sample off the centre, so the network is only approximately invariant.

    Args:
        input_shape: `(height, width, channels)` of the standardised images.
        classes: Number of classes.
        filters: Numbers of feature maps on the group of layers 1 to 3 and of layers 4 to 8.
        symmetry: Name of the symmetry group.
        head: `"invariant"`, the published mean over space and orientation of a last layer on the group; or
            `"oriented"`, a last layer that reads all orientations as channels, with as many parameters.
        downsampling: `"centred"`, exactly equivariant: a 2x2 mean before a strided convolution whose size does not
            fit; or `"strided"` as published.
        dropout: Rate after layers 3 and 6.
        input_dropout: Rate of dropped input pixels.
        batch_normalization: Whether each layer has batch norm. The published parameter count is that without.
        name: Name of the model.

    Returns:
        A `keras.Model` from images to logits; 1,369,738 parameters without batch norm.

    Raises:
        ValueError: If an argument is out of range, or the images are smaller than 9x9.

    Example:

    >>> p4_all_cnn_c(batch_normalization=False).count_params()
    1369738
    """
    return _all_cnn(
        input_shape=input_shape,
        classes=classes,
        filters=filters,
        symmetry=symmetry,
        head=head,
        downsampling=downsampling,
        dropout=dropout,
        input_dropout=input_dropout,
        batch_normalization=batch_normalization,
        name=name,
    )


@register
def p4m_all_cnn_c(
    input_shape: Shape = (32, 32, 3),
    classes: int = 10,
    filters: Sequence[int] = (32, 64),
    symmetry: str = "p4m",
    head: str = "invariant",
    downsampling: str = "centred",
    dropout: float = 0.5,
    input_dropout: float = 0.2,
    batch_normalization: bool = True,
    name: str = "p4m_all_cnn_c",
) -> keras.Model:
    """The network on p4m; its arguments and errors are those of `p4_all_cnn_c`.

    Returns:
        A `keras.Model` from images to logits; 1,218,826 parameters without batch norm.

    Example:

    >>> p4m_all_cnn_c(batch_normalization=False).count_params()
    1218826
    """
    return _all_cnn(
        input_shape=input_shape,
        classes=classes,
        filters=filters,
        symmetry=symmetry,
        head=head,
        downsampling=downsampling,
        dropout=dropout,
        input_dropout=input_dropout,
        batch_normalization=batch_normalization,
        name=name,
    )


def _all_cnn(
    *, input_shape, classes, filters, symmetry, head, downsampling, dropout, input_dropout, batch_normalization, name
):
    if len(filters) != 2:
        raise ValueError(f"`filters` must be two numbers. Received: filters={filters}")
    check_choice("downsampling", downsampling, DOWNSAMPLINGS)
    if symmetry is not None:
        check_choice("head", head, HEADS)
    narrow, wide = filters
    # channels, kernel size, stride, padding
    shapes = [(narrow, 3, 1, "same")] * 2 + [(narrow, 3, 2, "same")]
    shapes += [(wide, 3, 1, "same")] * 2 + [(wide, 3, 2, "same"), (wide, 3, 1, "valid"), (wide, 1, 1, "valid")]

    def layer(x, channels, size, strides, padding, symmetry):
        if strides == 2 and downsampling == "centred":
            x = GridCentring2D(size, strides, padding)(x)
        x = convolution(channels, size, symmetry, strides=strides, padding=padding)(x)
        if batch_normalization:
            x = batch_norm(symmetry)(x)
        x = layers.ReLU()(x)
        return layers.Dropout(dropout)(x) if strides == 2 and dropout else x

    inputs = x = keras.Input(input_shape)
    if input_dropout:
        x = layers.Dropout(input_dropout)(x)
    with as_published():
        for shape in shapes:
            x = layer(x, *shape, symmetry)
    if head == "oriented":
        height, width, orientations, channels = x.shape[1:]
        x, symmetry = layers.Reshape((height, width, orientations * channels))(x), None
    x = layer(x, classes, 1, 1, "valid", symmetry)
    return keras.Model(inputs, mean_features(x, symmetry, head), name=name)
