"""Lowering of models whose layers are shared, nested, renamed by loading, or called on maps in unusual ways."""

import keras
import numpy as np
import pytest
from helpers import ON_TENSORFLOW, infer, predict, random_array, randomise, relative_error, to_numpy

from keras_equivariant.activations import Logistic, sparsemax
from keras_equivariant.constraints import OffsetProjection
from keras_equivariant.layers import (
    CosetPooling,
    GridCentring2D,
    GroupAveragePooling2D,
    GroupConv2D,
    InverseLogRGB,
    OffsetAdapter,
    OffsetAdd,
    OffsetBatchNormalization,
    OffsetConcatenate,
    OffsetDense,
    OffsetGroupConv2D,
    OffsetReLU,
    SubgroupRestriction,
)
from keras_equivariant.planar import to_planar
from keras_equivariant.regularizers import EntropyRegularizer

layers = keras.layers
# `to_planar` compares both models on one picture: on as many again JAX has nothing to compile.
BATCH = 2 if ON_TENSORFLOW else 1


def image(size=8):
    return keras.Input((size, size, 3))


def feature_map(channels=3):
    return keras.Input((9, 9, 4, channels))


def region():
    x = image()
    return x, CosetPooling("p4", region=[0, 1, 3])(GroupConv2D(2, 3)(x))


def region_of_one():
    x = image()
    return x, CosetPooling("p4", region=[1], reduction="mean")(GroupConv2D(2, 3)(x))


def region_and_subgroup():
    x = image()
    return x, CosetPooling("p4m", "p2", region=[0, 2, 1, 3])(GroupConv2D(2, 3, "p4m")(x))


def rectified_feature_map():
    x = feature_map()
    return x, OffsetReLU()(x)


def rectified_average():
    x = image()
    return x, OffsetReLU()(layers.Average()([OffsetGroupConv2D(3, 3)(x), OffsetGroupConv2D(3, 3)(x)]))


def offset_feature_maps():
    x, y = feature_map(3), feature_map(6)
    together = OffsetConcatenate()([OffsetReLU()(x), OffsetAdapter(layers.LeakyReLU())(y)])
    residual = OffsetGroupConv2D(6, 3, strides=2, padding="same")(x)
    return [x, y], [OffsetBatchNormalization()(together), OffsetAdd(strides=2)([residual, x]), InverseLogRGB()(x)]


def offset_vectors():
    x, y = keras.Input((6,)), keras.Input((6,))
    return [x, y], OffsetReLU()(OffsetAdd(strides=2)([OffsetDense(9)(x), y]))


def dense_on_a_feature_map():
    x = image()
    return x, OffsetReLU()(OffsetDense(6)(OffsetGroupConv2D(3, 3)(x)))


def planar_and_pooled():
    x = image()
    pooled = CosetPooling("p4")(OffsetGroupConv2D(3, 3)(x))
    return x, [layers.Add()([pooled, layers.Conv2D(3, 3)(x)]), OffsetReLU()(pooled)]


def shared_layers():
    x, y = image(), image()
    convolution, norm, dense = GroupConv2D(2, 3), layers.BatchNormalization(), layers.Dense(4)
    return [x, y], [dense(layers.GlobalAveragePooling3D()(norm(convolution(z)))) for z in (x, y)]


def shared_centring():
    x, y, centre = image(8), image(9), GridCentring2D()
    return [x, y], [centre(x), centre(y)]


def dropout_read_twice():
    x = image()
    y = layers.Dropout(0.5)(GroupConv2D(2, 3)(x))
    return x, [layers.BatchNormalization()(y), layers.BatchNormalization()(y)]


def named_arguments():
    x = image()
    return x, layers.Dense(2)(inputs=layers.Dropout(0.5)(inputs=GroupConv2D(2, 3)(inputs=x)))


def nested():
    x = image()
    inside = keras.Sequential([GroupConv2D(2, 3), layers.BatchNormalization(), layers.ReLU()])
    y = keras.Input((6, 6, 4, 2))
    outer = keras.Model(y, [CosetPooling("p4")(GroupConv2D(2, 3)(y)), y])
    return x, outer(inside(GroupConv2D(3, 1)(x)))


def penalised():
    x = image()
    convolution = layers.Conv2D(6, 3, kernel_constraint=OffsetProjection(), activity_regularizer=EntropyRegularizer())
    return x, layers.TimeDistributed(layers.Dense(3, kernel_constraint=OffsetProjection()))(convolution(x))


MODELS = [
    region,
    region_of_one,
    region_and_subgroup,
    rectified_feature_map,
    rectified_average,
    offset_feature_maps,
    offset_vectors,
    dense_on_a_feature_map,
    planar_and_pooled,
    shared_layers,
    shared_centring,
    dropout_read_twice,
    named_arguments,
    nested,
    penalised,
]


def flatten(outputs):
    return np.concatenate([np.ravel(to_numpy(output)) for output in keras.tree.flatten(outputs)])


def holds_ours(model):
    return "keras_equivariant" in repr(model.get_config())


@pytest.mark.parametrize("build", MODELS)
def test_computes_the_same_without_our_classes(build):
    model = keras.Model(*build())
    randomise(model)
    planar = to_planar(model)
    inputs = [random_array(BATCH, *tensor.shape[1:], seed=i) for i, tensor in enumerate(model.inputs)]
    inputs = inputs if len(inputs) > 1 else inputs[0]
    assert relative_error(flatten(infer(planar, inputs)), flatten(infer(model, inputs))) < 1e-5
    assert not holds_ours(planar)
    assert [output.shape for output in planar.outputs] == [output.shape for output in model.outputs]


def test_names_are_those_of_the_layers_and_the_same_each_time():
    x = image()
    y = layers.BatchNormalization()(GroupConv2D(2, 3, name="first")(x))
    model = keras.Model(x, CosetPooling("p4", name="max_pooling2d")(GroupConv2D(2, 3, name="second")(y)))
    names = [[layer.name for layer in to_planar(model).layers][1:] for _ in range(2)]
    assert names[0] == names[1] == ["first", "second", "reshape", "max_pooling2d_1", "max_pooling2d"]


class Subclassed(keras.Model):
    def call(self, x):
        return x


@pytest.mark.parametrize(
    "apply, message",
    [
        (lambda x: GroupConv2D(2, 3, name="conv")(x)[:, ::2], "a GetItem: it is an operation"),
        (lambda x: x + layers.Conv2D(3, 1)(x), "a Add: it is an operation"),
        (lambda x: keras.ops.relu(GroupConv2D(2, 3)(x)), "a Relu: it is an operation"),
        (lambda x: Subclassed()(x), "a Subclassed"),
        (lambda x: OffsetReLU()(layers.Reshape((64, 3))(x)), "a OffsetReLU: its input must be a vector or a map"),
        (lambda x: layers.Dense(3, activation=sparsemax)(x), "a Dense: it holds a keras_equivariant>sparsemax"),
        (
            lambda x: layers.TimeDistributed(GroupConv2D(2, 1))(layers.Reshape((1, 8, 8, 3))(x)),
            "a TimeDistributed: it holds a GroupConv2D",
        ),
        (
            lambda x: layers.TimeDistributed(layers.Dense(2, activation=Logistic()))(x),
            "a TimeDistributed: it holds a Logistic",
        ),
    ],
)
def test_what_cannot_be_lowered(apply, message):
    x = image()
    with pytest.raises(ValueError, match=f"`model` has a layer that cannot be lowered: '.*', {message}"):
        to_planar(keras.Model(x, apply(x)))


@pytest.mark.filterwarnings("ignore::keras_equivariant.sampling.EquivarianceWarning")
@pytest.mark.parametrize("size", [(9, 8), (None, None)])
@pytest.mark.parametrize(
    "arguments", [{"pool_size": 1, "strides": 2}, {"pool_size": 2}, {"pool_size": 1, "strides": (2, 1)}]
)
def test_blurred_pooling_and_restriction(arguments, size):
    inputs = keras.Input((*size, 3))
    x = GroupAveragePooling2D(**arguments, blur=0.66)(GroupConv2D(4, 5, "p8m", padding="same")(inputs))
    model = keras.Model(inputs, CosetPooling("p8")(SubgroupRestriction("p8m", "p8")(x)))
    lowered = to_planar(model)
    assert not [layer for layer in lowered.layers if not type(layer).__module__.startswith("keras.")]
    x = random_array(2, 9, 8, 3)
    assert relative_error(predict(lowered, x), predict(model, x)) < 1e-5
