"""Colour of the light from a photograph: Color Cerberus, and the same made offset-equivariant.

Both append the mean colour of the image to each pixel and end in the linear RGB colour of the light, of any brightness.
The ordinary network takes linear RGB. The offset-equivariant one takes its logarithm (`LogRGB`), where a change of the
light adds an offset to each colour, passes it on, and converts the estimate back: an image under another light,
`image * light`, gets the estimate `estimate * light`.

The papers do not give the widths. These come within 1 % of the 206,345 parameters of Cotogni & Cusano; the
offset-equivariant network, with each width moved to the closest multiple of three, has 202,704 where theirs has
196,668.

Reference: [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), section 4.2; Savchik et al., 2019.
"""

from collections.abc import Sequence

import keras
from keras import layers
from keras_equivariant.zoo.registry import register
from keras_equivariant.zoo.resnet_parts import check_padding

from keras_equivariant.layers import InverseLogRGB, OffsetConcatenate, OffsetConv2D, OffsetDense, OffsetReLU
from keras_equivariant.typing import Shape

_INITIALIZER = "he_normal"


@register
def color_cerberus(
    input_shape: Shape = (64, 64, 3),
    filters: Sequence[int] = (16, 32, 64, 128),
    bottleneck: int = 64,
    units: int = 96,
    name: str = "color_cerberus",
) -> keras.Model:
    """The ordinary network that estimates the colour of the light.

    Args:
        input_shape: `(height, width, 3)` of the images in linear RGB.
        filters: Numbers of channels of the 3x3 convolutions, each of which halves the map.
        bottleneck: Number of channels of the 1x1 convolution.
        units: Number of units of the hidden dense layer.
        name: Name of the model.

    Returns:
        A `keras.Model` from images to colours `(batch, 3)` of the light in linear RGB; 204,819 trainable parameters.

    Raises:
        ValueError: If the image is too small for so many convolutions, or an argument is out of range.

    Example:

    >>> color_cerberus().count_params()
    204819
    """
    inputs = keras.Input(_checked(input_shape, filters))
    x = layers.Concatenate()([inputs, _spread_mean(inputs)])
    for channels in filters:
        x = layers.Conv2D(channels, 3, padding="same", activation="relu", kernel_initializer=_INITIALIZER)(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(bottleneck, 1, activation="relu", kernel_initializer=_INITIALIZER)(x)
    x = layers.Dense(units, activation="relu", kernel_initializer=_INITIALIZER)(layers.Flatten()(x))
    # The first estimates are white: a ReLU that outputs zero for every image has zero gradient and never recovers.
    outputs = layers.Dense(
        3, activation="relu", kernel_initializer="zeros", bias_initializer="ones", name="illuminant"
    )(x)
    return keras.Model(inputs, outputs, name=name)


@register
def offset_color_cerberus(
    input_shape: Shape = (64, 64, 3),
    filters: Sequence[int] = (15, 33, 63, 129),
    bottleneck: int = 63,
    units: int = 96,
    padding: str = "same",
    name: str = "offset_color_cerberus",
) -> keras.Model:
    """The offset-equivariant network that estimates the colour of the light.

    Args:
        input_shape: `(height, width, 3)` of the logarithms of linear RGB, as `LogRGB` returns them.
        filters: Numbers of channels of the 3x3 convolutions, multiples of three.
        bottleneck: Number of channels of the 1x1 convolution, a multiple of three.
        units: Number of units of the hidden dense layer, a multiple of three.
        padding: What the convolutions see beyond the border: `"same"`, the means of the data, or `"edge"`, the
            outermost pixels again.
        name: Name of the model.

    Returns:
        A `keras.Model` from logarithmic images to colours `(batch, 3)` of the light in linear RGB, which follow the
        light exactly; 202,704 trainable parameters.

    Raises:
        ValueError: If the image is too small for so many convolutions, or an argument is out of range.

    Example:

    >>> offset_color_cerberus().count_params()
    202704
    """
    check_padding(padding)
    inputs = keras.Input(_checked(input_shape, filters))
    x = OffsetConcatenate()([inputs, _spread_mean(inputs)])
    for channels in filters:
        x = OffsetReLU()(OffsetConv2D(channels, 3, padding=padding, kernel_initializer=_INITIALIZER)(x))
        x = layers.MaxPooling2D(2)(x)
    x = OffsetReLU()(OffsetConv2D(bottleneck, 1, kernel_initializer=_INITIALIZER)(x))
    # By colours first, so that the features of one colour stay side by side.
    x = layers.Reshape((-1, bottleneck))(x)
    x = layers.Flatten()(layers.Permute((2, 1))(x))
    x = OffsetReLU()(OffsetDense(units, kernel_initializer=_INITIALIZER)(x))
    # With one feature for each colour, an offset-equivariant rectifier changes nothing and is left out.
    # From kernels of zeros, projected to means: the first estimates are near the mean colour of the image.
    outputs = InverseLogRGB(name="illuminant")(OffsetDense(3, kernel_initializer="zeros")(x))
    return keras.Model(inputs, outputs, name=name)


def _spread_mean(x):
    """The mean colour of an image at each of its positions."""
    return layers.UpSampling2D(x.shape[1:3])(layers.GlobalAveragePooling2D(keepdims=True)(x))


def _checked(input_shape, filters):
    """The shape, after a check that it can be halved so often."""
    height, width, channels = input_shape
    if channels != 3 or None in (height, width) or min(height, width) < 2 ** len(filters):
        raise ValueError(
            f"`input_shape` must be (height, width, 3) with sides of at least {2 ** len(filters)}, to be halved "
            f"{len(filters)} times. Received: input_shape={input_shape}"
        )
    return input_shape
