"""The classic networks: Bouvrie's notes as a network, and LeNet-5.

Convolution, sub-sampling, a convolution in which each map reads some of the maps before it, sub-sampling, and two dense
layers; scaled tanh throughout.

References: [Bouvrie, 2006](http://cogprints.org/5869/), section 3; LeCun, Bottou, Bengio & Haffner, 1998,
Gradient-based learning applied to document recognition, section II.
"""

import os

import keras
from keras import layers
from keras_equivariant.zoo.pretrained import pretrained
from keras_equivariant.zoo.registry import register

from keras_equivariant.activations import ScaledTanh
from keras_equivariant.layers.combination_conv import CombinationConv2D
from keras_equivariant.layers.connection_tables import all_pairs, lenet5_table
from keras_equivariant.layers.subsampling import Subsampling2D
from keras_equivariant.layers.table_conv import TableConv2D
from keras_equivariant.typing import ConnectionTable, Regularizer, Shape

# Inputs of variance 1 then give outputs of about variance 1, where the scaled tanh is between linear and saturated.
_INITIALIZER = "lecun_normal"


@register
@pretrained
def bouvrie_cnn(
    input_shape: Shape = (28, 28, 1),
    classes: int = 10,
    units: int = 120,
    connection_table: ConnectionTable | None = None,
    mixing: str | None = None,
    mixing_regularizer: Regularizer = None,
    output_activation: str | None = "scaled_tanh",
    weights: str | os.PathLike | None = None,
    name: str = "bouvrie_cnn",
) -> keras.Model:
    """The network of the notes: 6 maps, then 16 maps that each read a selection of the 6, or learn what to read.

    Args:
        input_shape: `(height, width, channels)` of the standardised images.
        classes: Number of classes.
        units: Number of units of the first dense layer.
        connection_table: The input maps of each of the second convolution's maps; `None` for a map for each pair of
            the 6, and one that reads them all.
        mixing: `None`, or `"softmax"` or `"sparsemax"`: in place of the table, combinations that are learned.
        mixing_regularizer: Regulariser of the learned combinations' weights.
        output_activation: `"scaled_tanh"`, for targets of +1 and -1 and the squared error, or `None`, which gives
            logits without a bound, for cross-entropy.
        weights: `None` for random weights, `"mnist"` for trained ones that come with the package, or the path
            of a `.weights.h5` file. The card of trained weights, `get_card(name, weights)`, says how to standardise.
        name: Name of the model.

    Returns:
        A `keras.Model` from images to a score for each class; 33,166 trainable parameters, 32,512 with learned
        combinations.

    Raises:
        ValueError: If the images are smaller than 16x16, `output_activation` is unknown, both a table and a mixing are
            given, or the weights are not those of this network.

    Example:

    >>> bouvrie_cnn().output_shape
    (None, 10)
    """
    if connection_table is not None and mixing is not None:
        raise ValueError(
            "Only one of `connection_table` and `mixing` must be given. "
            f"Received: connection_table={connection_table}, mixing={mixing!r}"
        )
    table = connection_table or (*all_pairs(6), tuple(range(6)))
    inputs = keras.Input(input_shape)
    x = _convolution(6, "convolution_1")(inputs)
    x = Subsampling2D(2, ScaledTanh(), name="subsampling_1")(x)
    if mixing is None:
        x = _table_convolution(table, "convolution_2")(x)
    else:
        x = CombinationConv2D(
            16,
            5,
            activation=ScaledTanh(),
            depthwise_initializer=_INITIALIZER,
            mixing=mixing,
            mixing_regularizer=mixing_regularizer,
            name="convolution_2",
        )(x)
    x = Subsampling2D(2, ScaledTanh(), name="subsampling_2")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(units, activation=ScaledTanh(), kernel_initializer=_INITIALIZER, name="dense_1")(x)
    return keras.Model(inputs, _scores(x, classes, output_activation, "dense_2"), name=name)


@register
def lenet5(
    input_shape: Shape = (32, 32, 1),
    classes: int = 10,
    output_activation: str | None = "scaled_tanh",
    name: str = "lenet5",
) -> keras.Model:
    """LeNet-5, with its own connection table, and a dense output layer where the original compares with bitmaps.

    Args:
        input_shape: `(height, width, channels)` of the standardised images; 28x28 digits are padded with background.
        classes: Number of classes.
        output_activation: `"scaled_tanh"`, for targets of +1 and -1 and the squared error, or `None`, which gives
            logits without a bound, for cross-entropy.
        name: Name of the model.

    Returns:
        A `keras.Model` from images to a score for each class; 60,850 trainable parameters, of which 60,000 are before
        the last layer, as published.

    Raises:
        ValueError: If the images are smaller than 16x16, or `output_activation` is unknown.

    Example:

    >>> lenet5().output_shape
    (None, 10)
    """
    inputs = keras.Input(input_shape)
    x = _convolution(6, "c1")(inputs)
    x = Subsampling2D(2, ScaledTanh(), name="s2")(x)
    x = _table_convolution(lenet5_table(), "c3")(x)
    x = Subsampling2D(2, ScaledTanh(), name="s4")(x)
    # C5 convolves 5x5 maps with 5x5 kernels: one output each, a dense layer.
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(120, activation=ScaledTanh(), kernel_initializer=_INITIALIZER, name="c5")(x)
    x = layers.Dense(84, activation=ScaledTanh(), kernel_initializer=_INITIALIZER, name="f6")(x)
    return keras.Model(inputs, _scores(x, classes, output_activation, "output"), name=name)


def _convolution(filters, name):
    return layers.Conv2D(filters, 5, activation=ScaledTanh(), kernel_initializer=_INITIALIZER, name=name)


def _table_convolution(table, name):
    return TableConv2D(table, 5, activation=ScaledTanh(), kernel_initializer=_INITIALIZER, name=name)


def _scores(x, classes, activation, name):
    if activation not in ("scaled_tanh", None):
        raise ValueError(
            f"`output_activation` must be 'scaled_tanh' or None. Received: output_activation={activation!r}"
        )
    activation = ScaledTanh() if activation else None
    return layers.Dense(classes, activation=activation, kernel_initializer=_INITIALIZER, name=name)(x)
