"""Saved models in several formats, each run in its own runtime before anyone relies on it."""

import importlib

import keras
import numpy as np
import tensorflow as tf

from training.run_folder import replacing

_TOLERANCE = 1e-4


def _save_keras(model, path):
    model.save(path)


def _run_keras(path, images):
    return keras.ops.convert_to_numpy(keras.models.load_model(path)(images))


def _save_saved_model(model, path):
    model.export(path, verbose=False)


def _run_saved_model(path, images):
    loaded = tf.saved_model.load(str(path))
    return loaded.serve(tf.constant(images)).numpy()


def _save_onnx(model, path):
    model.export(path, format="onnx", verbose=False)


def _run_onnx(path, images):
    session = _import("onnxruntime").InferenceSession(path.read_bytes())
    return session.run(None, {session.get_inputs()[0].name: images})[0]


def save_litert(model, path, operations=(tf.lite.OpsSet.TFLITE_BUILTINS,), **options):
    """Writes a LiteRT file of some sets of operations only; the options are attributes of TensorFlow's converter."""
    target = tf.lite.TargetSpec(supported_ops=list(operations))
    model.export(path, format="litert", verbose=False, target_spec=target, **options)


def run_litert(path, images):
    """Returns the outputs of a LiteRT file of one input and one output."""
    interpreter = _import("ai_edge_litert.interpreter").Interpreter(model_content=path.read_bytes())
    runner = interpreter.get_signature_runner()
    (name,) = runner.get_input_details()
    (outputs,) = runner(**{name: images}).values()
    return outputs


def _save_openvino(model, path):
    path.mkdir()
    model.export(str(path / "model.xml"), format="openvino", verbose=False)


def _run_openvino(path, images):
    # Left to itself, OpenVINO computes in 16 bits on processors that can.
    precision = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = _import("openvino").Core().compile_model(path / "model.xml", "CPU", precision)
    return np.asarray(next(iter(compiled(images).values())))


_FORMATS = {
    "keras": (_save_keras, _run_keras),
    "saved_model": (_save_saved_model, _run_saved_model),
    "onnx": (_save_onnx, _run_onnx),
    "litert": (save_litert, run_litert),
    "openvino": (_save_openvino, _run_openvino),
}
_ENDINGS = {"keras": ".keras", "saved_model": "", "onnx": ".onnx", "litert": ".tflite", "openvino": ""}


def list_formats():
    """Returns the names of all formats."""
    return list(_FORMATS)


def check_path(path, file_format):
    """Checks that a format is known and that the path has its ending, which its runtime goes by.

    Raises:
        ValueError: If not.
    """
    if file_format not in _FORMATS:
        raise ValueError(f"`format` must be one of {list_formats()}. Received: format={file_format!r}")
    ending = _ENDINGS[file_format]
    if not str(path).endswith(ending):
        raise ValueError(f"`output` must end in {ending!r} for the format {file_format!r}. Received: output={path}")


def export(model, path, file_format, images, expected=None):
    """Saves a model, loads it again in the format's own runtime and checks that it computes the same.

    Args:
        model: The `keras.Model`.
        path: File or folder to write.
        file_format: `"keras"`, `"saved_model"` (a folder for TensorFlow and its servers), `"onnx"`, `"litert"` (of
            built-in operations only) or `"openvino"` (a folder).
        images: Batch of real inputs for the check, which also tries a batch of one.
        expected: What the saved model has to make of them; by default what the model does.

    Returns:
        The largest difference of the outputs, relative to the largest output.

    Raises:
        ValueError: If the format is unknown, what it needs is not installed, or the saved model's outputs differ by
            more than 1e-4.
    """
    check_path(path, file_format)
    save, run = _FORMATS[file_format]
    expected = np.asarray(keras.ops.convert_to_numpy(model(images) if expected is None else expected), "float32")
    with replacing(path) as partial:
        try:
            save(model, partial)
        except ImportError as error:
            raise ValueError(_what_to_install(error)) from None
        differences = [
            np.abs(np.asarray(run(partial, images[:count]), "float32") - expected[:count]).max()
            for count in (len(images), 1)
        ]
        difference = float(max(differences) / np.abs(expected).max())
        if not difference <= _TOLERANCE:
            raise ValueError(f"The saved {file_format} model's outputs must be the model's. Received: {difference:.1e}")
    return difference


def _import(module):
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ValueError(_what_to_install(error)) from None


def _what_to_install(error):
    return f'This format needs more packages: pip install "keras-equivariant[export]". Received: {error}'
