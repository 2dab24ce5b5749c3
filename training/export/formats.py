"""Saves models in several formats and checks each file in its own runtime."""

import importlib
import pathlib
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
from keras_equivariant.training.export.converters import for_litert, for_onnx, for_openvino
from keras_equivariant.training.files import Path, replacing

_TOLERANCE = 1e-4
Run = Callable[[np.ndarray], np.ndarray]


def _save_keras(model: keras.Model, path: pathlib.Path) -> None:
    model.save(path)


def _load_keras(path: pathlib.Path) -> Run:
    model = keras.models.load_model(path)
    return lambda images: keras.ops.convert_to_numpy(model(images))


def _save_saved_model(model: keras.Model, path: pathlib.Path) -> None:
    try:
        model.export(path, verbose=False)
    except Exception as error:
        if keras.config.backend() != "torch":
            raise
        # PyTorch traces the model, which it cannot do with every layer, nor with free heights and widths.
        raise ValueError(
            "PyTorch could not write this model as a 'saved_model': save it as a .keras file, load that with "
            "KERAS_BACKEND=tensorflow, where weights and layers are the same, and export it there. "
            f"Received: backend='torch', {type(error).__name__}: {str(error).splitlines()[0]}"
        ) from error


def _load_saved_model(path: pathlib.Path) -> Run:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    return lambda images: loaded.serve(tf.constant(images)).numpy()


def _save_onnx(model: keras.Model, path: pathlib.Path) -> None:
    model = for_onnx(model)
    model.export(path, format="onnx", verbose=False)


def _load_onnx(path: pathlib.Path) -> Run:
    session = _import("onnxruntime").InferenceSession(path.read_bytes())
    return lambda images: session.run(None, {session.get_inputs()[0].name: images})[0]


def save_litert(model: keras.Model, path: pathlib.Path, operations: Iterable | None = None, **options: Any) -> None:
    """Writes a LiteRT file of some sets of operations only, by default those that are built in.

    The options are attributes of TensorFlow's converter.
    """
    import tensorflow as tf

    model = for_litert(model)
    target = tf.lite.TargetSpec(supported_ops=list(operations or [tf.lite.OpsSet.TFLITE_BUILTINS]))
    model.export(path, format="litert", verbose=False, target_spec=target, **options)


def _load_litert(path: pathlib.Path) -> Run:
    interpreter = _import("ai_edge_litert.interpreter").Interpreter(model_content=path.read_bytes())
    runner = interpreter.get_signature_runner()
    (name,) = runner.get_input_details()

    def run(images: np.ndarray) -> np.ndarray:
        (outputs,) = runner(**{name: images}).values()
        return outputs

    return run


def _save_openvino(model: keras.Model, path: pathlib.Path) -> None:
    path.mkdir()
    model = for_openvino(model)
    model.export(str(path / "model.xml"), format="openvino", verbose=False)


def _load_openvino(path: pathlib.Path) -> Run:
    # By default OpenVINO computes in 16 bits on processors that support it.
    precision = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = _import("openvino").Core().compile_model(path / "model.xml", "CPU", precision)
    return lambda images: np.asarray(next(iter(compiled(images).values())))


_FORMATS = {
    "keras": (_save_keras, _load_keras),
    "saved_model": (_save_saved_model, _load_saved_model),
    "onnx": (_save_onnx, _load_onnx),
    "litert": (save_litert, _load_litert),
    "openvino": (_save_openvino, _load_openvino),
}
_ENDINGS = {"keras": ".keras", "saved_model": "", "onnx": ".onnx", "litert": ".tflite", "openvino": ""}


def has_tensorflow() -> bool:
    """Whether TensorFlow is installed, which writes and reads SavedModels, and the logs of TensorBoard."""
    try:
        import tensorflow  # noqa: F401
    except ImportError:
        return False
    return True


def writes_saved_models() -> bool:
    """Whether a model can be written as a SavedModel: with TensorFlow installed, on any backend but PyTorch.

    PyTorch would trace the model, which Keras 3.15 asks of PyTorch 2.13 in a way that it refuses.
    """
    return has_tensorflow() and keras.config.backend() != "torch"


def list_formats() -> list[str]:
    """Returns the names of all formats."""
    return list(_FORMATS)


def check_path(path: Path, file_format: str) -> None:
    """Checks that a format is known and that the path has its file extension, which its runtime needs.

    Raises:
        ValueError: If not.
    """
    if file_format not in _FORMATS:
        raise ValueError(f"`format` must be one of {list_formats()}. Received: format={file_format!r}")
    ending = _ENDINGS[file_format]
    if not str(path).endswith(ending):
        raise ValueError(f"`output` must end in {ending!r} for the format {file_format!r}. Received: output={path}")


def load(path: pathlib.Path, file_format: str) -> Run:
    """Loads a saved model in its format's own runtime.

    Args:
        path: `pathlib.Path` of the file or folder.
        file_format: One of `list_formats()`.

    Returns:
        A function from a batch of inputs to outputs, both arrays.

    Raises:
        ValueError: If the runtime is not installed.
    """
    _, load_format = _FORMATS[file_format]
    return load_format(path)


def export(
    model: keras.Model,
    path: Path,
    file_format: str,
    images: np.ndarray,
    expected: np.ndarray | None = None,
    finish: Callable[[pathlib.Path], None] | None = None,
) -> float:
    """Saves a model, loads it again in the format's own runtime and checks that it computes the same.

    Args:
        model: The `keras.Model`.
        path: File or folder to write.
        file_format: `"keras"`, `"saved_model"` (a folder for TensorFlow and its servers), `"onnx"`, `"litert"` (of
            built-in operations only) or `"openvino"` (a folder).
        images: Batch of real inputs for the check, which also tries a batch of one.
        expected: Outputs that the saved model must give for them; by default those of the model.
        finish: Function of the path of what was saved that adds to it, before the check.

    Returns:
        The largest difference of the outputs, relative to the largest output.

    Raises:
        ValueError: If the format is unknown, what it needs is not installed, or the saved model's outputs differ by
            more than 1e-4.
    """
    check_path(path, file_format)
    save, _ = _FORMATS[file_format]
    outputs = model(images)  # always: Keras exports to ONNX only models that have been called
    expected = np.asarray(keras.ops.convert_to_numpy(outputs if expected is None else expected), "float32")
    with replacing(path) as partial:
        try:
            save(model, partial)
        except ImportError as error:
            raise ValueError(_what_to_install(error)) from None
        if finish is not None:
            finish(partial)
        run = load(partial, file_format)
        differences = [
            np.abs(np.asarray(run(images[:count]), "float32") - expected[:count]).max() for count in (len(images), 1)
        ]
        difference = float(max(differences) / np.abs(expected).max())
        if not difference <= _TOLERANCE:
            raise ValueError(f"The saved {file_format} model's outputs must be the model's. Received: {difference:.1e}")
    return difference


def _import(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ValueError(_what_to_install(error)) from None


def _what_to_install(error: ImportError) -> str:
    return f'This format needs more packages: pip install "keras-equivariant[export]". Received: {error}'
