import keras
import pytest

from keras_equivariant import layers as ours
from keras_equivariant.advice import _INSTEAD
from keras_equivariant.equivariance import check_layer, check_model

SHAPE = (None, 12, 12, 4, 8)
ARGUMENTS = {
    "Conv2D": (3, 3),
    "Conv2DTranspose": (3, 3),
    "DepthwiseConv2D": (3,),
    "SeparableConv2D": (3, 3),
    "Conv3D": (3, 3),
    "AveragePooling2D": (2,),
    "AveragePooling3D": (2,),
    "SpatialDropout2D": (0.5,),
    "Resizing": (6, 6),
    "CenterCrop": (6, 6),
    "RandomCrop": (6, 6),
    "RandomRotation": (0.1,),
    "RandomTranslation": (0.1, 0.1),
    "RandomZoom": (0.1,),
}


@pytest.mark.parametrize("kind", _INSTEAD)
def test_what_there_is_instead(kind):
    layer = getattr(keras.layers, kind)(*ARGUMENTS.get(kind, ()))
    line = check_layer(layer, SHAPE)
    assert line.startswith(f"`{kind}` {layer.name!r} is not for a feature map on a group, {SHAPE}: use ")
    named = line.rpartition(": use ")[2].partition(",")[0].split()[0]
    assert named == "it" or "keras.layers." in named or hasattr(ours, named)
    assert check_layer(layer, (None, 12, 12, 8)) is None


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.BatchNormalization(),
        keras.layers.LayerNormalization(),
        keras.layers.PReLU(shared_axes=[1, 2, 3]),
        keras.layers.Dense(3),
        keras.layers.SpatialDropout3D(0.5),
        ours.GroupMaxPooling2D(),
        ours.CosetPooling("p4"),
    ],
)
def test_what_suits(layer):
    assert check_layer(layer, keras.KerasTensor(SHAPE)) is None


@pytest.mark.parametrize(
    "layer, instead",
    [
        (keras.layers.LayerNormalization(axis=(-2, -1)), "it with axis=-1"),
        (keras.layers.BatchNormalization(axis=-2), "it with axis=-1"),
        (keras.layers.PReLU(), "it with shared_axes=[1, 2, 3]"),
    ],
)
def test_what_tells_orientations_apart(layer, instead):
    assert check_layer(layer, SHAPE).endswith(f"use {instead}")
    layer.build(SHAPE)
    assert check_layer(layer, SHAPE).endswith(f"use {instead}")


def test_a_model():
    inputs = keras.Input((12, 12, 3))
    x = keras.layers.BatchNormalization()(ours.GroupConv2D(4, 3, "p4", padding="same")(inputs))
    good = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(ours.CosetPooling("p4")(x)))
    assert check_model(good) == []
    x = keras.layers.Add()([x, keras.layers.LayerNormalization(axis=(-2, -1), name="norm")(x)])
    x = keras.layers.Resizing(6, 4, name="resize")(keras.layers.ReLU()(x))
    lines = check_model(keras.Model(inputs, keras.layers.Flatten(name="flat")(x)))
    assert [line.split("'")[1] for line in lines] == ["norm", "resize", "flat"]


def test_maps_in_space_are_left_alone():
    inputs = keras.Input((6, 6, 6, 2))
    x = keras.layers.Conv3D(3, 3)(inputs)
    assert check_model(keras.Model(inputs, keras.layers.MaxPooling3D()(x))) == []
    x = ours.CosetPooling("O")(ours.GroupConv3D(2, 3, "O")(inputs))
    assert check_model(keras.Model(inputs, keras.layers.Conv3D(2, 3)(x))) == []


def test_a_model_that_is_not_functional():
    class Mine(keras.Model):
        def __init__(self):
            super().__init__()
            self.convolution = ours.GroupConv2D(2, 3)

    with pytest.raises(ValueError, match="`model` must be a functional or built sequential model"):
        check_model(Mine())
