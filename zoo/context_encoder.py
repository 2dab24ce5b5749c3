"""The missing centre of an image: the Context Encoder, the same made offset-equivariant, and their discriminator.

An encoder of strided convolutions squeezes the image, its centre erased, into a vector, from which a decoder of
transposed convolutions predicts the centre. The erased part must be filled from the visible one, with its mean: any
constant would break equivariance.

The offset-equivariant generator takes the logarithm of linear RGB (`LogRGB`) and returns linear RGB: under another
light, `image * light`, it predicts `centre * light`. The discriminator, used in training only, is ordinary.

Reference: [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), section 4.3;
[Pathak et al., 2016](https://arxiv.org/abs/1604.07379).
"""

import keras
from keras import layers
from keras_equivariant.zoo.registry import register
from keras_equivariant.zoo.resnet_parts import check_padding

from keras_equivariant.layers import (
    InverseLogRGB,
    OffsetAdapter,
    OffsetBatchNormalization,
    OffsetConv2D,
    OffsetConv2DTranspose,
)

_SLOPE = 0.2
_MOMENTUM = 0.9
_SIZE = 128


@register
def context_encoder(filters: int = 64, bottleneck: int = 4000, name: str = "context_encoder") -> keras.Model:
    """The ordinary generator: 128x128 images with an erased centre to the 64x64 pixels of the centre.

    Args:
        filters: Number of channels of the first two convolutions; it doubles up to eight times this number.
        bottleneck: Number of features of the whole image.
        name: Name of the model.

    Returns:
        A `keras.Model` from images `(batch, 128, 128, 3)` to centres `(batch, 64, 64, 3)`, both sRGB scaled to
        [-1, 1]; 71,130,531 trainable parameters, 71,142,371 with the moving statistics of the batch normalisation.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> context_encoder(filters=4, bottleneck=8).output_shape
    (None, 64, 64, 3)
    """
    inputs, x = _generator(_Ordinary(), filters, bottleneck)
    return keras.Model(inputs, layers.Activation("tanh", name="centre")(x), name=name)


@register
def offset_context_encoder(
    filters: int = 63, bottleneck: int = 3999, padding: str = "same", name: str = "offset_context_encoder"
) -> keras.Model:
    """The offset-equivariant generator: the predicted centre follows the colour of the light exactly.

    Args:
        filters: Number of channels of the first two convolutions, a multiple of three; it doubles up to eight times
            this number.
        bottleneck: Number of features of the whole image, a multiple of three.
        padding: What the convolutions see beyond the border: `"same"`, the means of the data, or `"edge"`, the
            outermost pixels again.
        name: Name of the model.

    Returns:
        A `keras.Model` from images `(batch, 128, 128, 3)`, as `LogRGB` returns them, to centres `(batch, 64, 64, 3)`
        in linear RGB scaled to [-1, 1], without a bound; 69,917,493 trainable parameters, 69,929,271 with the moving
        statistics of the batch normalisation.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> offset_context_encoder(filters=3, bottleneck=6).output_shape
    (None, 64, 64, 3)
    """
    inputs, x = _generator(_Offset(check_padding(padding)), filters, bottleneck)
    x = InverseLogRGB()(x)
    return keras.Model(inputs, layers.Rescaling(2.0, -1.0, name="centre")(x), name=name)


@register
def context_discriminator(filters: int = 64, name: str = "context_discriminator") -> keras.Model:
    """The ordinary network that tells real 64x64 centres from predicted ones; used in training only.

    Args:
        filters: Number of channels of the first convolution; it doubles up to eight times this number.
        name: Name of the model.

    Returns:
        A `keras.Model` from centres `(batch, 64, 64, 3)` scaled to [-1, 1] to one logit `(batch, 1)`, positive for
        real ones; 2,766,529 trainable parameters.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> context_discriminator(filters=4).output_shape
    (None, 1)
    """
    kit = _Ordinary()
    inputs = keras.Input((_SIZE // 2, _SIZE // 2, 3))
    x = kit.leaky_relu(kit.convolve(inputs, filters))
    for factor in (2, 4, 8):
        x = kit.leaky_relu(kit.normalise(kit.convolve(x, factor * filters)))
    logits = layers.Flatten(name="logits")(layers.Conv2D(1, 4)(x))
    return keras.Model(inputs, logits, name=name)


def _generator(kit, filters, bottleneck):
    """Inputs, and what the last transposed convolution returns."""
    if filters < 1 or bottleneck < 1:
        raise ValueError(
            f"`filters` and `bottleneck` must be positive. Received: filters={filters}, bottleneck={bottleneck}"
        )
    inputs = keras.Input((_SIZE, _SIZE, 3))
    x = kit.leaky_relu(kit.convolve(inputs, filters))
    for factor in (1, 2, 4, 8):
        x = kit.leaky_relu(kit.normalise(kit.convolve(x, factor * filters)))
    x = kit.leaky_relu(kit.normalise(kit.convolve(x, bottleneck, strides=1, padding="valid")))
    x = kit.normalise(kit.grow(x, 8 * filters, strides=1, padding="valid"), relu=True)
    for factor in (4, 2, 1):
        x = kit.normalise(kit.grow(x, factor * filters), relu=True)
    return inputs, kit.draw(x)


class _Ordinary:
    """The parts of an ordinary network."""

    def convolve(self, x, channels, strides=2, padding="same"):
        return layers.Conv2D(channels, 4, strides, padding)(x)

    def grow(self, x, channels, strides=2, padding="same"):
        return layers.Conv2DTranspose(channels, 4, strides, padding)(x)

    def draw(self, x):
        return self.grow(x, 3)

    def normalise(self, x, relu=False):
        x = layers.BatchNormalization(momentum=_MOMENTUM)(x)
        return layers.ReLU()(x) if relu else x

    def leaky_relu(self, x):
        return layers.LeakyReLU(_SLOPE)(x)


class _Offset:
    """The same parts made offset-equivariant."""

    def __init__(self, padding):
        self.padding = padding

    def convolve(self, x, channels, strides=2, padding=None):
        return OffsetConv2D(channels, 4, strides, padding or self.padding)(x)

    def grow(self, x, channels, strides=2, padding=None):
        return OffsetConv2DTranspose(channels, 4, strides, padding or self.padding)(x)

    def draw(self, x):
        # Kernels of zeros are projected to means: the first predictions are near the mean colour of the image.
        return OffsetConv2DTranspose(3, 4, 2, self.padding, kernel_initializer="zeros")(x)

    def normalise(self, x, relu=False):
        return OffsetBatchNormalization(momentum=_MOMENTUM, activation="relu" if relu else None)(x)

    def leaky_relu(self, x):
        return OffsetAdapter(layers.LeakyReLU(_SLOPE))(x)
