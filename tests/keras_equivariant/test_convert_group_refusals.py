import keras
import pytest
from keras import layers

from keras_equivariant.convert import to_group_equivariant


def in_a_model(apply):
    inputs = keras.Input((8, 8, 4))
    inside = keras.Model(inputs, apply(layers.Conv2D(4, 3)(inputs)), name="body")
    return keras.Model(inputs, inside(inputs))


class ConvolutionOfMyOwn(layers.Conv2D):
    """May compute anything."""


@pytest.mark.parametrize(
    "apply, message",
    [
        (lambda x: layers.Conv2D(4, (1, 5), name="refused")(x), "its kernel is not square"),
        (lambda x: ConvolutionOfMyOwn(4, 1, name="refused")(x), "no version"),
        (lambda x: layers.Lambda(lambda y: y, name="refused")(x), "no version"),
        (lambda x: layers.Reshape((36, 4), name="refused")(x), "mixes places"),
        (lambda x: layers.Permute((2, 1, 3), name="refused")(x), "no version"),
        (lambda x: layers.MultiHeadAttention(1, 2, name="refused")(x, x), "no version"),
        (lambda x: layers.ConvLSTM1D(2, 1, name="refused")(x), "no version"),
        (lambda x: layers.BatchNormalization(axis=1, name="refused")(x), "axis=1 is not"),
        (lambda x: layers.Concatenate(axis=1, name="refused")([x, x]), "axis=1 is not"),
        (lambda x: layers.PReLU(name="refused")(x), "share them"),
        (lambda x: layers.GroupNormalization(2, name="refused")(x), "statistics"),
        (lambda x: layers.UpSampling2D(interpolation="bicubic", name="refused")(x), "bicubic"),
        (lambda x: layers.MaxPooling2D(2, data_format="channels_first", name="refused")(x), "channels_last"),
        (lambda x: keras.ops.roll(x, 1, axis=1), "no version"),
        # Operations with settings, in which they differ from the activation of the same name.
        (lambda x: keras.ops.gelu(x), "no version"),
        (lambda x: keras.ops.softmax(x, axis=1), "no version"),
        (lambda x: keras.ops.leaky_relu(x, 0.4), "no version"),
    ],
)
def test_what_cannot_be_converted_is_named_with_its_place(apply, message):
    with pytest.raises(ValueError, match=rf"Received: body/\w+ \(\w+\): .*{message}"):
        to_group_equivariant(in_a_model(apply), weights="copy")


def test_many_refusals_are_counted():
    def apply(x):
        for _ in range(11):
            x = layers.Permute((2, 1, 3))(x)
        return x

    with pytest.raises(ValueError, match="; and 3 more$"):
        to_group_equivariant(in_a_model(apply))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"model": "resnet"}, "functional or a built sequential Keras model. Received: model='resnet'"),
        ({"model": keras.Sequential([layers.Conv2D(2, 3)])}, "a built sequential"),
        ({"symmetry": "p5"}, "Received: .*p5"),
        ({"symmetry": "O"}, "2 dimensions. Received: symmetry='O'"),
        ({"weights": "imagenet"}, "Received: weights='imagenet'"),
        ({"widths": "half"}, "Received: widths='half'"),
        ({"reduction": "sum"}, "Received: reduction='sum'"),
        ({"flatten": True}, "Received: flatten=True"),
        ({"weights": "copy", "widths": "parameters"}, "needs `widths='same'`. Received: widths='parameters'"),
        ({"weights": "copy", "symmetry": "p8"}, "onto pixels. Received: symmetry='p8'"),
        ({"symmetry": "p6"}, "on a hexagonal grid each map needs a `HexagonalMask2D`.* Received: symmetry='p6'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        to_group_equivariant(**{"model": in_a_model(layers.ReLU()), **arguments})


def test_a_model_without_convolutions():
    inputs = keras.Input((8, 8, 3))
    with pytest.raises(ValueError, match="must have a convolution"):
        to_group_equivariant(keras.Model(inputs, layers.GlobalAveragePooling2D()(inputs)))


def test_widths_that_do_not_add_up():
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(6, 3)(inputs)
    parts = layers.Concatenate()([layers.Conv2D(2, 1)(x), layers.Conv2D(2, 1)(x), layers.Conv2D(2, 1)(x)])
    model = keras.Model(inputs, layers.GlobalAveragePooling2D()(layers.Add(name="sum")([parts, x])))
    with pytest.raises(ValueError, match=r"Received: sum \(Add\): .*take widths='same'"):
        to_group_equivariant(model, "p4m", widths="parameters")
