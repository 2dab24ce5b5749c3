"""The three networks for rotated MNIST: one architecture, with three kinds of convolution.

Seven 'valid' convolutions, batch norm and ReLU after each but the last, 2x2 max pooling after the second; the scores
are the maxima over the remaining positions and orientations.

Reference: [Cohen & Welling, 2016](https://arxiv.org/abs/1602.07576), section 8.1.
"""

import os

import keras
from keras import layers
from keras_equivariant.zoo.pretrained import pretrained
from keras_equivariant.zoo.registry import register

from keras_equivariant.layers import CosetPooling, GroupConv2D, GroupMaxPooling2D
from keras_equivariant.typing import Shape

# The default momentum of 0.99 needs thousands of steps to forget the first ones; small training sets have hundreds.
_BATCH_NORM_MOMENTUM = 0.9
_INITIALIZER = "he_normal"


@register
@pretrained
def z2cnn(
    input_shape: Shape = (28, 28, 1),
    classes: int = 10,
    filters: int = 20,
    dropout: float = 0.3,
    weights: str | os.PathLike | None = None,
    name: str = "z2cnn",
) -> keras.Model:
    """The ordinary network: planar convolutions of 20 channels.

    Args:
        input_shape: `(height, width, channels)` of the standardised images.
        classes: Number of classes.
        filters: Number of channels of each hidden layer.
        dropout: Rate after layers 1, 3, 4, 5 and 6.
        weights: `None` for random weights, the name of trained ones that come with the package (`list_weights`), or
            the path of a `.weights.h5` file. `get_card(name, weights)` says how to standardise for trained ones.
        name: Name of the model.

    Returns:
        A `keras.Model` from images to logits; 21,750 trainable parameters.

    Raises:
        ValueError: If the images are smaller than 28x28, or the weights are not those of this network.

    Example:

    >>> z2cnn().output_shape
    (None, 10)
    """

    def convolve(x, channels, size):
        return layers.Conv2D(channels, size, kernel_initializer=_INITIALIZER)(x)

    inputs = keras.Input(input_shape)
    x = _trunk(inputs, convolve, filters, layers.MaxPooling2D, dropout)
    return keras.Model(inputs, _scores(convolve(x, classes, 4)), name=name)


@register
@pretrained
def p4cnn(
    input_shape: Shape = (28, 28, 1),
    classes: int = 10,
    filters: int = 10,
    symmetry: str = "p4",
    dropout: float = 0.0,
    weights: str | os.PathLike | None = None,
    name: str = "p4cnn",
) -> keras.Model:
    """The group-equivariant network: p4 convolutions of 10 channels, and invariant to turning the image by 90 degrees.

    Args:
        input_shape: `(height, width, channels)` of the standardised images.
        classes: Number of classes.
        filters: Number of feature maps on the group of each hidden layer.
        symmetry: Name of the symmetry group.
        dropout: Rate after layers 1, 3, 4, 5 and 6.
        weights: `None` for random weights, the name of trained ones that come with the package (`list_weights`), or
            the path of a `.weights.h5` file. `get_card(name, weights)` says how to standardise for trained ones.
        name: Name of the model.

    Returns:
        A `keras.Model` from images to logits; 24,680 trainable parameters.

    Raises:
        ValueError: If the images are smaller than 28x28, the symmetry is unknown, or the weights are not those of
            this network.

    Example:

    >>> p4cnn().output_shape
    (None, 10)
    """
    convolve = _group_convolution(symmetry)
    inputs = keras.Input(input_shape)
    x = _trunk(inputs, convolve, filters, GroupMaxPooling2D, dropout)
    return keras.Model(inputs, _scores(CosetPooling(symmetry)(convolve(x, classes, 4))), name=name)


@register
@pretrained
def p4cnn_rotation_pooling(
    input_shape: Shape = (28, 28, 1),
    classes: int = 10,
    filters: int = 20,
    symmetry: str = "p4",
    dropout: float = 0.0,
    weights: str | os.PathLike | None = None,
    name: str = "p4cnn_rotation_pooling",
) -> keras.Model:
    """The network that becomes invariant too early: a maximum over rotations after every p4 convolution.

    Args:
        input_shape: `(height, width, channels)` of the standardised images.
        classes: Number of classes.
        filters: Number of channels of each hidden layer.
        symmetry: Name of the symmetry group.
        dropout: Rate after layers 1, 3, 4, 5 and 6.
        weights: `None` for random weights, the name of trained ones that come with the package (`list_weights`), or
            the path of a `.weights.h5` file. `get_card(name, weights)` says how to standardise for trained ones.
        name: Name of the model.

    Returns:
        A `keras.Model` from images to logits; 21,750 trainable parameters.

    Raises:
        ValueError: If the images are smaller than 28x28, the symmetry is unknown, or the weights are not those of
            this network.

    Example:

    >>> p4cnn_rotation_pooling().output_shape
    (None, 10)
    """
    convolve = _group_convolution(symmetry)

    def pool_orientations(x):
        return CosetPooling(symmetry)(x)

    inputs = keras.Input(input_shape)
    x = _trunk(inputs, convolve, filters, layers.MaxPooling2D, dropout, after_activation=pool_orientations)
    return keras.Model(inputs, _scores(pool_orientations(convolve(x, classes, 4))), name=name)


def _group_convolution(symmetry):
    def convolve(x, channels, size):
        return GroupConv2D(channels, size, symmetry, kernel_initializer=_INITIALIZER)(x)

    return convolve


def _trunk(x, convolve, filters, pooling, dropout, after_activation=None):
    """The six hidden layers."""
    for layer in range(1, 7):
        x = convolve(x, filters, 3)
        x = layers.BatchNormalization(momentum=_BATCH_NORM_MOMENTUM)(x)
        x = layers.ReLU()(x)
        if after_activation is not None:
            x = after_activation(x)
        if layer == 2:
            x = pooling(2)(x)
        elif dropout:
            x = layers.Dropout(dropout)(x)
    return x


def _scores(x):
    return layers.GlobalMaxPooling2D(name="logits")(x)
