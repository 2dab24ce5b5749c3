"""Converted models in every format, with a size of their own and, where the format has them, with free sizes."""

import functools

import pytest
from helpers import random_array

pytest.importorskip("tensorflow")
pytest.importorskip("onnxruntime")
pytest.importorskip("ai_edge_litert")
pytest.importorskip("openvino")

import keras  # noqa: E402
from keras import layers  # noqa: E402
from keras_equivariant.training.export.formats import export, list_formats, load  # noqa: E402

from keras_equivariant.convert import to_group_equivariant  # noqa: E402
from keras_equivariant.planar import to_planar  # noqa: E402

pytestmark = pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="exports from TensorFlow")


def u_net(size):
    def block(x, filters):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        return layers.ReLU()(layers.BatchNormalization()(x))

    inputs = keras.Input((size, size, 3))
    skip = block(inputs, 4)
    x = block(layers.MaxPooling2D()(skip), 8)
    x = layers.Concatenate()([skip, layers.Conv2DTranspose(4, 2, strides=2)(x), layers.UpSampling2D()(x)])
    return keras.Model(inputs, layers.Conv2D(2, 1)(block(x, 4)))


def inverted_residuals(size):
    """Two blocks as in MobileNetV2, and squeeze-and-excitation as in V3."""
    inputs = keras.Input((size, size, 3))
    x = layers.ReLU(6.0)(layers.BatchNormalization()(layers.Conv2D(4, 3, 2, padding="same", use_bias=False)(inputs)))
    for _ in range(2):
        y = layers.ReLU(6.0)(layers.BatchNormalization()(layers.Conv2D(8, 1, use_bias=False)(x)))
        y = layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same", use_bias=False)(y))
        gate = layers.Conv2D(8, 1, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(y))
        x = layers.Add()([x, layers.Conv2D(4, 1)(layers.Multiply()([layers.ReLU(6.0)(y), gate]))])
    return keras.Model(inputs, layers.Dense(5)(layers.GlobalAveragePooling2D()(x)))


@functools.cache
def lowered(build, size):
    return to_planar(to_group_equivariant(build(size), "p4", weights="copy"))


@pytest.mark.filterwarnings("ignore")  # of the converters, about their own code
@pytest.mark.parametrize("file_format", list_formats())
@pytest.mark.parametrize("build, size", [(u_net, 16), (inverted_residuals, 33), (u_net, None)])
def test_every_format(build, size, file_format, tmp_path):
    model = lowered(build, size)
    ending = {"keras": ".keras", "onnx": ".onnx", "litert": ".tflite"}.get(file_format, "")
    path = tmp_path / f"model{ending}"
    pictures = random_array(2, size or 16, size or 16, 3)
    assert export(model, path, file_format, pictures) < 1e-5
    if size is None:
        run = load(path, file_format)
        for shape in ((1, 8, 12, 3), (3, 20, 20, 3)):
            assert run(random_array(*shape)).shape == (*shape[:3], 2)
