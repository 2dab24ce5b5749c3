import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import random_array, relative_error, run_python, to_numpy
from keras import layers
from keras_equivariant.training.export.formats import export, list_formats, writes_saved_models
from keras_equivariant.zoo.resnet_parts import OffsetParts
from networks import small_network
from planar_models import with_random_weights

from keras_equivariant import zoo
from keras_equivariant.layers import CosetPooling, GridCentring2D, GroupBatchNormalization, GroupConv2D
from keras_equivariant.planar import to_planar

# What each format needs beside TensorFlow.
PACKAGES = {"onnx": ["tf2onnx", "onnxruntime"], "litert": ["ai_edge_litert"], "openvino": ["openvino"]}
NAMES = {"keras": "m.keras", "saved_model": "m", "onnx": "m.onnx", "litert": "m.tflite", "openvino": "m"}


def randomised(name, **arguments):
    model = zoo.create(name, **arguments)
    return with_random_weights(model.input, model.output)


def small():
    """The layers of `p4cnn` and `p4_small`."""
    return randomised("p4_small", input_shape=(9, 9, 1), filters=(2, 3), features=4)


def rotation_pooling():
    """Those of `p4cnn_rotation_pooling`."""
    inputs = keras.Input((9, 9, 1))
    x = layers.ReLU()(layers.BatchNormalization()(GroupConv2D(3, 3, "p4")(inputs)))
    x = layers.MaxPooling2D(2)(CosetPooling("p4")(x))
    x = CosetPooling("p4")(GroupConv2D(4, 3, "p4")(x))
    return with_random_weights(inputs, layers.GlobalMaxPooling2D()(x))


def all_convolutions():
    """Those of `p4m_all_cnn_c`."""
    inputs = keras.Input((8, 8, 3))
    x = GroupConv2D(3, 3, "p4m", padding="same")(layers.Dropout(0.2)(inputs))
    x = layers.ReLU()(GroupBatchNormalization()(x))
    x = GroupConv2D(4, 3, "p4m", strides=2, padding="same")(GridCentring2D(3, 2, "same")(x))
    x = layers.Dropout(0.5)(layers.ReLU()(GroupBatchNormalization()(x)))
    x = layers.ReLU()(GroupBatchNormalization()(GroupConv2D(5, 1, "p4m")(x)))
    return with_random_weights(inputs, layers.GlobalAveragePooling3D()(x))


def strided_block():
    """Those of `p4_offset_resnet20`."""
    kit = OffsetParts(3, "p4")
    inputs = keras.Input((8, 8, 3))
    x = kit.centre(kit.normalise(kit.convolve(inputs, 3, 3), relu=True), 2)
    y = kit.normalise(kit.convolve(x, 6, 3, 2), relu=True)
    y = kit.normalise(kit.convolve(y, 6, 3))
    return with_random_weights(inputs, kit.scores(kit.relu(kit.add(y, x, 2)), 4))


# Together these have every kind of layer of these networks, each once or twice: the time that an export takes is that
# of its layers. `benchmarks/runtimes.py` tries all networks, in their full size.
NETWORKS = {
    "p4cnn_rotation_pooling": rotation_pooling,
    "p4m_all_cnn_c": all_convolutions,
    "p4_offset_resnet20": strided_block,
    "bouvrie_cnn": lambda: small_network("bouvrie_cnn"),
    "offset_color_cerberus": lambda: randomised(
        "offset_color_cerberus", input_shape=(8, 8, 3), filters=(3,), bottleneck=3, units=6
    ),
}


def test_each_kind_of_layer_is_exported():
    exported = {type(layer) for build in (small, *NETWORKS.values()) for layer in build().layers}
    for name in ("p4cnn", *NETWORKS):
        assert {type(layer) for layer in small_network(name).layers} <= exported, name


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
    model = to_planar(small()) if planar else small()
    assert export(model, tmp_path / NAMES[file_format], file_format, random_array(7, 9, 9, 1)) <= 1e-4
    assert [path.name for path in tmp_path.iterdir()] == [NAMES[file_format]]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("file_format", ["saved_model", "onnx", "litert"])
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_compute_the_same_in_every_runtime(tmp_path, name, file_format, planar, tensorflow_backend):
    for package in PACKAGES.get(file_format, []):
        pytest.importorskip(package)
    model = NETWORKS[name]()
    x = random_array(7, *model.input_shape[1:])
    expected = to_numpy(model(x))
    saved = to_planar(model) if planar else model
    assert export(saved, tmp_path / NAMES[file_format], file_format, x, expected) <= 1e-4


@pytest.mark.parametrize("backend, written", [("tensorflow", True), ("jax", True), ("torch", False)])
def test_a_fit_on_pytorch_writes_no_saved_model(backend, written, monkeypatch):
    pytest.importorskip("tensorflow")
    monkeypatch.setattr(keras.config, "backend", lambda: backend)
    assert writes_saved_models() is written


def test_pytorch_says_what_to_do_and_it_works(tmp_path, tensorflow_backend):
    """Heights and widths are free; the folder that TensorFlow writes takes any."""
    pytest.importorskip("torch")
    code = """
import sys
import keras, numpy as np
from keras_equivariant.layers import CosetPooling, GroupConv2D
from keras_equivariant.training.export.formats import export

layers = [GroupConv2D(2, 3, "p4"), CosetPooling("p4"), keras.layers.GlobalAveragePooling2D()]
model = keras.Sequential([keras.Input((None, None, 3)), *layers])
model.save(sys.argv[1] + "/model.keras")
x = np.linspace(0, 1, 2 * 8 * 9 * 3, dtype="float32").reshape(2, 8, 9, 3)
np.savez(sys.argv[1] + "/pictures.npz", x=x, y=keras.ops.convert_to_numpy(model(x)))
try:
    export(model, sys.argv[1] + "/served", "saved_model", x)
except ValueError as error:
    print("refused:", error)
"""
    printed = run_python(code, tmp_path, KERAS_BACKEND="torch")
    assert "refused: PyTorch could not write this model as a 'saved_model': save it as a .keras file" in printed
    assert not (tmp_path / "served").exists()
    model = keras.models.load_model(tmp_path / "model.keras")
    with np.load(tmp_path / "pictures.npz") as pictures:
        assert relative_error(model(pictures["x"]), pictures["y"]) < 1e-5
        assert export(model, tmp_path / "served", "saved_model", pictures["x"]) <= 1e-4
    other = random_array(1, 6, 11, 3)
    served = tf.saved_model.load(str(tmp_path / "served"))
    assert relative_error(served.serve(other), model(other)) < 1e-5


def test_bad_arguments(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match=r"\['keras', 'saved_model'.*Received: format='zip'"):
        export(model, tmp_path / "m.zip", "zip", random_array(3, 4))
    with pytest.raises(ValueError, match="must end in '.onnx' for the format 'onnx'. Received: output="):
        export(model, tmp_path / "m.keras", "onnx", random_array(3, 4))
    assert not list(tmp_path.iterdir())
