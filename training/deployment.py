"""The model of a finished run, made ready for use elsewhere: plain, in 32 bits, with its preprocessing inside."""

import os

import keras
import numpy as np

from keras_equivariant.layers import LogRGB, RemoveGamma
from keras_equivariant.planar import to_planar
from training.export import check_path, export
from training.fit import CHECKED_IMAGES, load_run
from training.illuminants import StandardisedLogRGB
from training.networks import in_float32
from training.preprocessing import Standardise
from training.quantisation import quantise
from training.zca import CONTRAST

PLACES = ("inside", "outside")
_CALIBRATION_IMAGES = 500
_JUDGED_IMAGES = 2000


def export_run(
    path, output, file_format, planar=False, preprocessing="outside", softmax=False, int8=False, data_dir=None
):
    """Saves the model of a finished run in another format, and runs the file on test images.

    Args:
        path: Folder of the run.
        output: File or folder to write, which must not exist yet.
        file_format: One of `training.export.list_formats()`.
        planar: Whether as a plain Keras model, without our classes.
        preprocessing: `"outside"`, or `"inside"`, the model then takes images between 0 and 1.
        softmax: Whether the outputs are probabilities, instead of logits.
        int8: Whether to quantise, for `"litert"`.
        data_dir: Folder of prepared TFDS data sets, or `None` for the one that the run was made with.

    Returns:
        What was found out about the file: `{"difference": ...}` as from `export`, or what `quantise` returns.

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
    recipe, model, data, preprocess = load_run(path, data_dir)
    inside = preprocessing == "inside"
    if inside and planar and file_format == "keras" and isinstance(preprocess, StandardisedLogRGB):
        raise ValueError(
            "`preprocessing` of logarithmic RGB is of layers of this package, which a planar keras file must not need: "
            "it must be 'outside', or another format. Received: preprocessing='inside', planar=True"
        )
    model = in_float32(model, recipe)
    made = to_planar(model) if planar else model
    made = assemble(made, preprocess if inside else None, softmax)

    def examples(split, count):
        """Inputs of the file, and what it has to return: what the run's own parts make of the same images."""
        images = split.first(count).scaled_images()
        inputs = np.asarray(preprocess(images))
        outputs = model.predict(inputs, verbose=0)
        outputs = keras.ops.convert_to_numpy(keras.ops.softmax(outputs) if softmax else outputs)
        return (images if inside else inputs), outputs

    if not int8:
        inputs, expected = examples(data.test, CHECKED_IMAGES)
        return {"difference": export(made, output, file_format, inputs, expected)}
    calibration, _ = examples(data.train, _CALIBRATION_IMAGES)
    inputs, expected = examples(data.test, _JUDGED_IMAGES)
    return quantise(made, output, calibration, inputs, expected, data.test.first(_JUDGED_IMAGES).labels)


def assemble(model, preprocess=None, softmax=False):
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


def _preprocess(preprocess, x):
    """A preprocessing as layers."""
    if isinstance(preprocess, Standardise):
        return keras.layers.Rescaling(1 / preprocess.deviation, -preprocess.mean / preprocess.deviation)(x)
    if isinstance(preprocess, StandardisedLogRGB):
        variance = np.square(preprocess.deviation).tolist()
        return keras.layers.Normalization(mean=list(preprocess.mean), variance=variance)(LogRGB()(RemoveGamma()(x)))
    shape, pixels = x.shape[1:], len(preprocess.mean)
    # The norm of a centred image is its deviation times the root of the number of pixels.
    x = keras.layers.LayerNormalization(epsilon=1e-12, center=False, scale=False)(keras.layers.Flatten()(x))
    whiten = keras.layers.Dense(pixels, name="whitening")
    x = whiten(x)
    whiten.set_weights([CONTRAST / np.sqrt(pixels) * preprocess.matrix, -preprocess.mean @ preprocess.matrix])
    return keras.layers.Reshape(shape)(x)
