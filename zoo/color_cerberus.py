"""Colour of the light from a photograph: Color Cerberus, and the same made offset-equivariant.

Both append the mean colour of the image to each pixel and end in the linear RGB colour of the light, of any brightness.
The ordinary network takes linear RGB. The offset-equivariant one takes its logarithm (`LogRGB`), where a change of the
light adds an offset to each colour, passes it on, and converts the estimate back: an image under another light,
`image * light`, gets the estimate `estimate * light`.

The papers do not give the widths. The defaults come within 1 % of the 206,345 parameters of Cotogni & Cusano; the
offset-equivariant network, with each width moved to the closest multiple of three, has 202,704 where theirs has
196,668. A search over widths found some that give both numbers exactly, `PUBLISHED_COUNTS`: filters of 24, 30, 36 and
80, a bottleneck of 16 and 621 units, and the closest multiples of three, 24, 30, 36 and 81, 15, 621. Whether they are
the paper's, nobody can tell.

The networks can give several estimates, as the paper says but does not do; how it would combine them it does not say.
Here it is their mean in linear RGB, which follows the light as each of them does.

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
# Widths with exactly the paper's 206,345 and 196,668 parameters, found by search, not printed there.
PUBLISHED_COUNTS = {
    "color_cerberus": {"filters": (24, 30, 36, 80), "bottleneck": 16, "units": 621},
    "offset_color_cerberus": {"filters": (24, 30, 36, 81), "bottleneck": 15, "units": 621},
}


@register
def color_cerberus(
    input_shape: Shape = (64, 64, 3),
    filters: Sequence[int] = (16, 32, 64, 128),
    bottleneck: int = 64,
    units: int = 96,
    estimates: int = 1,
    name: str = "color_cerberus",
) -> keras.Model:
    """The ordinary network that estimates the colour of the light.

    Args:
        input_shape: `(height, width, 3)` of the images in linear RGB.
        filters: Numbers of channels of the 3x3 convolutions, each of which halves the map.
        bottleneck: Number of channels of the 1x1 convolution.
        units: Number of units of the hidden dense layer.
        estimates: int, the number k of estimates, whose mean in linear RGB is returned; the paper takes one.
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
    last = {"activation": "relu", "kernel_initializer": _first(estimates, "zeros"), "bias_initializer": "ones"}
    if estimates == 1:
        outputs = layers.Dense(3, name="illuminant", **last)(x)
    else:
        x = layers.Reshape((estimates, 3))(layers.Dense(3 * estimates, name="estimates", **last)(x))
        outputs = layers.GlobalAveragePooling1D(name="illuminant")(x)
    return keras.Model(inputs, outputs, name=name)


@register
def offset_color_cerberus(
    input_shape: Shape = (64, 64, 3),
    filters: Sequence[int] = (15, 33, 63, 129),
    bottleneck: int = 63,
    units: int = 96,
    estimates: int = 1,
    padding: str = "same",
    name: str = "offset_color_cerberus",
) -> keras.Model:
    """The offset-equivariant network that estimates the colour of the light.

    Args:
        input_shape: `(height, width, 3)` of the logarithms of linear RGB, as `LogRGB` returns them.
        filters: Numbers of channels of the 3x3 convolutions, multiples of three.
        bottleneck: Number of channels of the 1x1 convolution, a multiple of three.
        units: Number of units of the hidden dense layer, a multiple of three.
        estimates: int, the number k of estimates, whose mean in linear RGB is returned; the paper takes one.
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
    x = OffsetDense(3 * estimates, kernel_initializer=_first(estimates, "zeros"))(x)
    if estimates == 1:
        outputs = InverseLogRGB(name="illuminant")(x)
    else:  # colour by colour; each estimate follows the light, and so does their mean
        x = layers.Reshape((3, estimates))(InverseLogRGB(name="estimates")(x))
        outputs = layers.GlobalAveragePooling1D("channels_first", name="illuminant")(x)
    return keras.Model(inputs, outputs, name=name)


def _spread_mean(x):
    """The mean colour of an image at each of its positions."""
    return layers.UpSampling2D(x.shape[1:3])(layers.GlobalAveragePooling2D(keepdims=True)(x))


def _first(estimates, initializer):
    """How the last kernel starts: several estimates must differ, or they would stay equal."""
    if isinstance(estimates, bool) or not isinstance(estimates, int) or estimates < 1:
        raise ValueError(f"`estimates` must be a positive integer. Received: estimates={estimates!r}")
    return initializer if estimates == 1 else keras.initializers.RandomNormal(stddev=0.01)


def _checked(input_shape, filters):
    """The shape, after a check that it can be halved so often."""
    height, width, channels = input_shape
    if channels != 3 or None in (height, width) or min(height, width) < 2 ** len(filters):
        raise ValueError(
            f"`input_shape` must be (height, width, 3) with sides of at least {2 ** len(filters)}, to be halved "
            f"{len(filters)} times. Received: input_shape={input_shape}"
        )
    return input_shape
