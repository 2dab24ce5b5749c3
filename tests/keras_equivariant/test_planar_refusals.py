import keras
import numpy as np
import pytest
from helpers import random_array, relative_error
from planar_models import layers, with_random_weights

from keras_equivariant.layers import (
    CosetPooling,
    GroupConv2D,
    OffsetAdapter,
    OffsetConv2D,
    OffsetReLU,
)
from keras_equivariant.planar import to_planar


class GatedGroupConv2D(GroupConv2D):
    """Of our class, but computing something else."""

    def call(self, inputs):
        return 2 * super().call(inputs)


class LouderPooling(CosetPooling):
    def call(self, inputs):
        return super().call(inputs) + 1


class KeptDropout(layers.Dropout):
    """Acts in prediction too."""

    def call(self, inputs, training=False):
        return 2 * inputs


@pytest.mark.parametrize(
    "apply, message",
    [
        (lambda x: GatedGroupConv2D(2, 3, name="mine")(x), "'mine', a GatedGroupConv2D"),
        (lambda x: LouderPooling("p4", name="mine")(GroupConv2D(2, 3)(x)), "'mine', a LouderPooling"),
        (lambda x: KeptDropout(0.5, name="mine")(x), "'mine', a KeptDropout"),
        (lambda x: layers.Dropout(0.5, name="mine")(x, training=True), "'mine', a Dropout: .*training=True"),
        (lambda x: layers.BatchNormalization(name="mine")(x, training=True), "'mine', a Batch.*training=True"),
        (
            lambda x: layers.ZeroPadding3D(((1, 1), (1, 1), (0, 1)), name="mine")(GroupConv2D(2, 3)(x)),
            "'mine', a ZeroPadding3D: it changes the number",
        ),
    ],
)
def test_what_computes_something_else_is_refused(apply, message):
    inputs = keras.Input((8, 8, 3))
    with pytest.raises(ValueError, match=f"cannot be lowered: {message}"):
        to_planar(keras.Model(inputs, apply(inputs)))


def test_adapted_normalisation_keeps_its_statistics():
    inputs = keras.Input((8, 8, 3))
    norm = layers.Normalization()
    norm.adapt(5 + 3 * random_array(8, 8, 8, 3))
    model = keras.Model(inputs, CosetPooling("p4")(GroupConv2D(2, 3)(norm(inputs))))
    x = 5 + 3 * random_array(2, 8, 8, 3)
    assert relative_error(to_planar(model)(x), model(x)) < 1e-5


def test_the_result_is_compared_with_the_model(monkeypatch):
    from keras_equivariant import planar

    inputs = keras.Input((None, None, 3))
    model = with_random_weights(inputs, CosetPooling("p4")(GroupConv2D(2, 3)(inputs)))
    monkeypatch.setattr(planar, "expanded_bias", lambda layer, width: np.zeros(width))
    with pytest.raises(ValueError, match="computes something else. Received: outputs of up to"):
        to_planar(model)


class Custom(layers.Layer):
    def call(self, x):
        return 2 * x


@pytest.mark.parametrize(
    "layer, shape, message",
    [
        (Custom(name="mine"), (8, 8, 3), "'mine', a Custom"),
        (GroupConv2D(2, 3, padding="reflect", name="conv"), (8, 8, 3), "'conv', a GroupConv2D: padding="),
        (OffsetReLU(reduction="max", name="relu"), (8, 8, 3), "'relu', a OffsetReLU: only the mean"),
        (OffsetConv2D(3, 3, activation="relu", name="conv"), (8, 8, 3), "'conv', a OffsetConv2D: its activation must"),
        (OffsetAdapter(layers.Dense(3), name="around"), (8, 8, 3), "'around', a OffsetAdapter: only an elementwise"),
        (
            GroupConv2D(2, 3, activation="softmax", name="conv"),
            (8, 8, 3),
            "'conv', a GroupConv2D: its activation is not",
        ),
    ],
)
def test_layers_that_cannot_be_lowered(layer, shape, message):
    inputs = keras.Input(shape)
    with pytest.raises(ValueError, match=f"cannot be lowered: {message}"):
        to_planar(keras.Model(inputs, layer(inputs)))


@pytest.mark.parametrize("model", [None, keras.Sequential([layers.Dense(2)]), layers.Dense(2)])
def test_what_is_no_functional_model(model):
    with pytest.raises(ValueError, match="must be a functional or a built sequential"):
        to_planar(model)
