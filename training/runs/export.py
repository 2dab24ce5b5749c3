"""The model of a finished run, made ready for use elsewhere: plain, in 32 bits, with its preprocessing inside."""

import functools
import json
import os
import pathlib
from typing import Any

import keras
import numpy as np
from keras_equivariant.training.export.formats import check_path, export
from keras_equivariant.training.export.quantise import quantise
from keras_equivariant.training.files import write_json
from keras_equivariant.training.input.coloured_light import StandardisedLogRGB
from keras_equivariant.training.input.preprocessing import (
    Preprocessing,
    Standardise,
    StandardiseEach,
    StandardiseFeatures,
)
from keras_equivariant.training.input.zca import CONTRAST, ContrastZca
from keras_equivariant.training.model.network import in_float32
from keras_equivariant.training.runs.finished import FinishedRun, load_run

from keras_equivariant.layers import LogRGB, RemoveGamma
from keras_equivariant.planar import to_planar

PLACES = ("inside", "outside")
_CALIBRATION_IMAGES = 500
_JUDGED_IMAGES = 2000
_IMAGES_OF_BYTES = 4


def export_run(
    path: str | pathlib.Path,
    output: str | pathlib.Path,
    file_format: str,
    planar: bool = False,
    preprocessing: str = "outside",
    softmax: bool = False,
    int8: bool = False,
    data_dir: str | None = None,
) -> dict[str, Any]:
    """Saves the model of a finished run in another format, and runs the file on test images.

    The names of the classes, in the order of the outputs, are in `labels.json` beside the file or in the folder. A
    SavedModel with the preprocessing inside also takes the bytes of picture files, as `serve_bytes`.

    Args:
        path: Folder of the run.
        output: File or folder to write, which must not exist yet.
        file_format: One of `keras_equivariant.training.export.formats.list_formats()`.
        planar: Whether as a plain Keras model, without our classes.
        preprocessing: `"outside"`, or `"inside"`: the model then takes images between 0 and 1.
        softmax: Whether the outputs are probabilities, instead of logits.
        int8: Whether to quantise, for `"litert"`.
        data_dir: Folder of prepared TFDS data sets, or `None` for the one that the run was made with.

    Returns:
        A dictionary: `{"difference": ...}` as from `export`, or what `quantise` returns.

    Raises:
        ValueError: If an argument is out of range, the run cannot be loaded, or the file does not compute what the
            run's model does.
    """
    check_path(output, file_format)
    if preprocessing not in PLACES:
        raise ValueError(f"`preprocessing` must be one of {PLACES}. Received: preprocessing={preprocessing!r}")
    if int8 and file_format != "litert":
        raise ValueError(f"`int8` needs the format 'litert'. Received: format={file_format!r}")
    if os.path.exists(output):
        raise ValueError(f"`output` must not exist yet. Received: output={output}")
    run = load_run(path)
    if softmax and not run.task.probabilities:
        raise ValueError(f"`softmax` is for classifiers. Received: softmax=True for a run of {run.task.name}")
    labels = _labels_beside(pathlib.Path(output), run.labels)
    data = run.load_data(data_dir)
    inside = preprocessing == "inside"
    model = in_float32(run.model)
    made = assemble(model, run.preprocess if inside else None, softmax)
    made = to_planar(made) if planar else made
    if int8:
        calibration, _ = run.task.examples(data, _CALIBRATION_IMAGES, "train")
        images, targets = run.task.test_examples(run.recipe, data, _JUDGED_IMAGES)
        inputs, expected = _inputs_and_outputs(run, model, images, inside, softmax)
        calibration, _ = _inputs_and_outputs(run, model, calibration, inside, softmax)
        error = functools.partial(run.task.error, targets=targets)
        found = quantise(made, output, calibration, inputs, expected, run.task.agreement, error)
        _write_labels(pathlib.Path(output), labels)
        return found
    images, _ = run.task.examples(data, run.task.checked_images)
    inputs, expected = _inputs_and_outputs(run, model, images, inside, softmax)
    finish = None
    if inside and file_format == "saved_model" and run.task.names_outputs:
        from keras_equivariant.training.export.picture_bytes import add_bytes

        shape = made.input_shape[1:]
        finish = functools.partial(add_bytes, shape=shape, names=run.labels, images=images[:_IMAGES_OF_BYTES])
    found = {"difference": export(made, output, file_format, inputs, expected, finish)}
    _write_labels(pathlib.Path(output), labels)
    return found


def _labels_beside(output: pathlib.Path, labels: list[str] | None) -> list[str] | None:
    """The names of the classes; a `ValueError` if those of another model lie where they would."""
    path = output.parent / "labels.json"
    if labels is not None and output.suffix and path.exists() and _read(path) != labels:
        rule = "must be in a folder without the labels.json of another model"
        raise ValueError(f"`output` {rule}. Received: output={output}, with other names in {path}")
    return labels


def _write_labels(output: pathlib.Path, labels: list[str] | None) -> None:
    """Writes the names of the classes, in the order of the outputs, into the folder of the file, or that itself."""
    if labels is not None:
        write_json((output if output.is_dir() else output.parent) / "labels.json", labels)


def _read(path: pathlib.Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except ValueError:
        return None


def _inputs_and_outputs(
    run: FinishedRun, model: keras.Model, images: np.ndarray, inside: bool, softmax: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Inputs of the file, and the outputs that the run's own preprocessing and model give for the same images."""
    inputs = images if run.preprocess is None else np.asarray(run.preprocess(images))
    outputs = model.predict(inputs, verbose=0)
    outputs = keras.ops.convert_to_numpy(keras.ops.softmax(outputs) if softmax else outputs)
    return (images if inside else inputs), outputs


def assemble(model: keras.Model, preprocess: Preprocessing | None = None, softmax: bool = False) -> keras.Model:
    """Puts a preprocessing before a model and a softmax after it.

    Args:
        model: `keras.Model` with one input and one output.
        preprocess: What `fit_preprocessing` returned, or `None`.
        softmax: Whether to add a softmax.

    Returns:
        A functional `keras.Model`.
    """
    if preprocess is None and not softmax:
        return model
    inputs = outputs = keras.Input(model.input_shape[1:])
    if preprocess is not None:
        outputs = _preprocess(preprocess, outputs)
    outputs = model(outputs)
    if softmax:
        outputs = keras.layers.Softmax()(outputs)
    return keras.Model(inputs, outputs, name=model.name)


def _preprocess(preprocess: Preprocessing, x: Any) -> Any:
    """A preprocessing as layers."""
    if isinstance(preprocess, Standardise):
        scale = 1 / np.asarray(preprocess.deviation)
        return keras.layers.Rescaling(scale.tolist(), (-np.asarray(preprocess.mean) * scale).tolist())(x)
    if isinstance(preprocess, StandardiseEach):
        return keras.layers.LayerNormalization((1, 2), preprocess.epsilon, center=False, scale=False)(x)
    if isinstance(preprocess, StandardiseFeatures):
        mean, variance = np.asarray(preprocess.mean), np.square(preprocess.deviation)
        return keras.layers.Normalization(axis=(1, 2, 3), mean=mean.tolist(), variance=variance.tolist())(x)
    if isinstance(preprocess, StandardisedLogRGB):
        variance = np.square(preprocess.deviation).tolist()
        return keras.layers.Normalization(mean=list(preprocess.mean), variance=variance)(LogRGB()(RemoveGamma()(x)))
    if not isinstance(preprocess, ContrastZca):
        raise ValueError(
            f"`preprocess` must be one that can be written as layers. Received: a {type(preprocess).__name__}"
        )
    shape, pixels = x.shape[1:], len(preprocess.mean)
    # The norm of a centred image is its deviation times the root of the number of pixels.
    x = keras.layers.LayerNormalization(epsilon=1e-12, center=False, scale=False)(keras.layers.Flatten()(x))
    whiten = keras.layers.Dense(pixels, name="whitening")
    x = whiten(x)
    whiten.set_weights([CONTRAST / np.sqrt(pixels) * preprocess.matrix, -preprocess.mean @ preprocess.matrix])
    return keras.layers.Reshape(shape)(x)
