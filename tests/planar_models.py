"""Models with every layer that `to_planar` knows."""

import keras
import numpy as np

from keras_equivariant.activations import Logistic, ScaledTanh
from keras_equivariant.layers import (
    CombinationConv2D,
    CosetPooling,
    GridCentring2D,
    GroupAveragePooling2D,
    GroupBatchNormalization,
    GroupConv2D,
    GroupConv2DTranspose,
    GroupDepthwiseConv2D,
    GroupGlobalAveragePooling2D,
    GroupGlobalMaxPooling2D,
    GroupMaxPooling2D,
    GroupSeparableConv2D,
    GroupUpSampling2D,
    InverseLogRGB,
    OffsetAdapter,
    OffsetAdd,
    OffsetBatchNormalization,
    OffsetConcatenate,
    OffsetConv2D,
    OffsetConv2DTranspose,
    OffsetDense,
    OffsetGroupConv2D,
    OffsetReLU,
    Subsampling2D,
    TableConv2D,
    all_pairs,
)

layers = keras.layers


def with_random_weights(inputs, outputs):
    """A model whose weights and statistics are all different from those that layers start with."""
    model = keras.Model(inputs, outputs)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
        elif getattr(layer, "bias", None) is not None:
            layer.bias.assign(rng.normal(size=layer.bias.shape))
        if isinstance(layer, Subsampling2D):
            layer.beta.assign(rng.normal(size=layer.beta.shape))
    return model


def residual_network():
    inputs = keras.Input((12, 13, 3))
    x = GroupConv2D(4, 3, "p4m", padding="same")(inputs)
    y = layers.ReLU()(GroupBatchNormalization()(x))
    y = layers.Dropout(0.5)(GroupConv2D(4, 3, "p4m", padding="same")(y))
    y = layers.Activation("tanh")(layers.BatchNormalization()(y))
    x = layers.Add()([x, GroupConv2D(4, 1, "p4m", use_bias=False)(y)])
    x = layers.LeakyReLU()(layers.BatchNormalization(scale=False)(x))
    x = GroupConv2D(5, 3, "p4m", strides=2, padding="same", activation="relu")(GridCentring2D()(x))
    return with_random_weights(inputs, layers.Dense(7)(layers.GlobalAveragePooling3D()(x)))


def quotients():
    inputs = keras.Input((9, 9, 2))
    x = CosetPooling("p4m", "p4", "mean")(GroupConv2D(3, 3, "p4m")(inputs))
    x = GroupConv2D(4, 3, "p4m", input_subgroup="p4", activation="relu")(x)
    x = layers.BatchNormalization()(CosetPooling("p4m", "pm")(x))
    return with_random_weights(inputs, x)


def pooled_means():
    inputs = keras.Input((8, 10, 2))
    x = GroupAveragePooling2D(2)(GroupMaxPooling2D(3, 1, "same")(GroupConv2D(3, 3, padding="same")(inputs)))
    x = layers.LayerNormalization()(x)
    x = layers.Concatenate()([x, layers.ReLU()(x)])
    return with_random_weights(inputs, CosetPooling("p4", reduction="mean")(GroupConv2D(2, 3)(x)))


def feature_maps_in_and_out():
    inputs = keras.Input((8, 8, 4, 3))
    return with_random_weights(inputs, GroupConv2D(3, 3, dilation_rate=2)(layers.ReLU()(inputs)))


def ordinary():
    inputs = keras.Input((8, 8, 2))
    x = layers.BatchNormalization()(layers.Conv2D(4, 3, use_bias=False)(inputs))
    x = layers.Flatten()(layers.BatchNormalization()(layers.ReLU()(x)))
    return with_random_weights(inputs, layers.Softmax()(layers.Dense(3)(x)))


def offset_network(symmetry=None):
    inputs = keras.Input((9, 11, 3))

    def convolve(x, filters, size, **arguments):
        if symmetry is None:
            return OffsetConv2D(filters, size, **arguments)(x)
        return OffsetGroupConv2D(filters, size, symmetry, **arguments)(x)

    x = OffsetBatchNormalization(activation="relu")(convolve(inputs, 6, 3, padding="same"))
    y = OffsetReLU()(OffsetBatchNormalization()(convolve(x, 9, 3, padding="same", strides=2)))
    y = layers.Dropout(0.5)(convolve(y, 9, 3, padding="edge", use_bias=False))
    x = convolve(OffsetAdd(strides=2)([y, x]), 6, 2)
    x = layers.GlobalAveragePooling2D()(x) if symmetry is None else layers.GlobalAveragePooling3D()(x)
    x = OffsetAdapter(layers.Identity(), invariant=True)(OffsetDense(12)(x))
    return with_random_weights(inputs, x)


def offset_group_network():
    return offset_network("p4")


def offset_generator():
    inputs = keras.Input((5, 6, 3))
    means = layers.UpSampling2D((5, 6))(layers.GlobalAveragePooling2D(keepdims=True)(inputs))
    x = OffsetConcatenate()([inputs, OffsetConv2D(6, 1)(means)])
    x = OffsetAdapter(layers.LeakyReLU(0.3))(OffsetConv2D(6, 3, padding="same")(x))
    x = OffsetAdapter(layers.Dropout(0.5))(OffsetConv2DTranspose(9, 4, strides=2, padding="same")(x))
    x = OffsetConv2DTranspose(9, 5, strides=2, padding="edge")(x)
    x = OffsetAdapter(layers.Activation("tanh"), invariant=True)(OffsetConv2DTranspose(6, 3, use_bias=False)(x))
    return with_random_weights(inputs, InverseLogRGB()(x))


def concatenated_orientations():
    inputs = keras.Input((5, 6, 3))
    x, y = OffsetGroupConv2D(3, 3)(inputs), OffsetGroupConv2D(6, 3)(inputs)
    return with_random_weights(inputs, InverseLogRGB()(OffsetConcatenate()([x, y])))


def classic_network():
    inputs = keras.Input((16, 17, 2))
    x = layers.Conv2D(4, 3, activation=ScaledTanh())(inputs)
    x = Subsampling2D(2, activation=ScaledTanh(1.5, 0.5))(x)
    x = TableConv2D(all_pairs(4), 3, activation="tanh")(x)
    x = Subsampling2D(2, reduction="decimate", use_bias=False)(x)
    x = CombinationConv2D(5, 2, activation=Logistic(2.0))(x)
    return with_random_weights(inputs, layers.Activation(Logistic(0.5))(layers.Dense(3)(layers.Flatten()(x))))


def group_u_net(size=(12, 12), depthwise=True):
    inputs = keras.Input((*size, 2))

    def block(x, filters):
        x = GroupConv2D(filters, 3, "p4", padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = GroupSeparableConv2D(filters, 3, "p4", padding="same")(x)
        return layers.ReLU()(layers.BatchNormalization()(x))

    skip = block(GroupDepthwiseConv2D(3, "p4", padding="same", depth_multiplier=2)(inputs), 4)
    x = block(GroupMaxPooling2D(2)(skip), 6)
    gate = GroupConv2D(6, 1, "p4", activation="sigmoid")(GroupGlobalAveragePooling2D(keepdims=True)(x))
    x = layers.Multiply()([x, gate])
    up = GroupConv2DTranspose(4, 2, "p4", strides=2, activation="relu")(x)
    also = GroupUpSampling2D(2, interpolation="bilinear")(GroupDepthwiseConv2D(3, "p4", padding="same")(x))
    x = layers.Concatenate()([skip, up, layers.SpatialDropout3D(0.2)(also)])
    x = layers.Cropping3D(((1, 1), (1, 1), (0, 0)))(layers.ZeroPadding3D(((2, 1), (1, 2), (0, 0)))(x))
    x = CosetPooling("p4")(block(x, 4))
    return with_random_weights(inputs, layers.Conv2D(3, 1, activation="softmax")(x))


def free_group_u_net():
    return group_u_net((None, None))


def pooled_globally():
    inputs = keras.Input((7, 7, 3))
    x = GroupSeparableConv2D(4, 3, "p4m", strides=2)(GroupDepthwiseConv2D(3, "p4m")(inputs))
    means = layers.GlobalAveragePooling1D()(layers.Dense(5)(GroupGlobalAveragePooling2D()(x)))
    largest = GroupGlobalMaxPooling2D()(GroupConv2DTranspose(2, 3, "p4m", output_subgroup="p4")(x))
    return with_random_weights(inputs, layers.Concatenate()([means, layers.Flatten()(largest)]))


def blocks_of_channels():
    inputs = keras.Input((7, 8, 4))
    x = GroupConv2D(6, 3, "p4m", groups=2, padding="same", activation="relu")(inputs)
    x = GroupConv2D(12, 3, "p4m", groups=6)(layers.BatchNormalization()(x))
    return with_random_weights(inputs, CosetPooling("p4m")(layers.BatchNormalization()(x)))


MODELS = [
    blocks_of_channels,
    group_u_net,
    free_group_u_net,
    pooled_globally,
    offset_network,
    offset_group_network,
    offset_generator,
    concatenated_orientations,
    classic_network,
    residual_network,
    quotients,
    pooled_means,
    feature_maps_in_and_out,
    ordinary,
]
