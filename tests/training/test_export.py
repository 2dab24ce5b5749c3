import keras
import pytest
from helpers import random_array

import zoo
from keras_equivariant.planar import to_planar
from training.export import export, list_formats

# What each format needs beside TensorFlow.
PACKAGES = {"onnx": ["tf2onnx", "onnxruntime"], "litert": ["ai_edge_litert"], "openvino": ["openvino"]}
NAMES = {"keras": "m.keras", "saved_model": "m", "onnx": "m.onnx", "litert": "m.tflite", "openvino": "m"}


class Unfaithful(keras.Sequential):
    """A model that forgets its weights when it is saved."""

    def save(self, path):
        copy = keras.models.clone_model(self)
        copy.set_weights([weight + 1 for weight in self.get_weights()])
        copy.save(path)


def test_a_file_that_computes_something_else_is_not_kept(tmp_path):
    model = Unfaithful([keras.Input((4,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="outputs must be the model's. Received"):
        export(model, tmp_path / "model.keras", "keras", random_array(3, 4))
    assert not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("ignore")  # of the converters, about their own code
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("file_format", list_formats())
def test_every_runtime_computes_the_same(tmp_path, file_format, planar, tensorflow_backend):
    for package in PACKAGES.get(file_format, []):
        pytest.importorskip(package)
    model = zoo.create("p4cnn", filters=3)
    model = to_planar(model) if planar else model
    assert export(model, tmp_path / NAMES[file_format], file_format, random_array(7, 28, 28, 1)) <= 1e-4
    assert [path.name for path in tmp_path.iterdir()] == [NAMES[file_format]]


def test_bad_arguments(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match=r"\['keras', 'saved_model'.*Received: format='zip'"):
        export(model, tmp_path / "m.zip", "zip", random_array(3, 4))
    with pytest.raises(ValueError, match="must end in '.onnx' for the format 'onnx'. Received: output="):
        export(model, tmp_path / "m.keras", "onnx", random_array(3, 4))
    assert not list(tmp_path.iterdir())
