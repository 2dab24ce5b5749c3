"""LiteRT files in 8-bit integers, judged by what they predict."""

import pathlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras_equivariant.training.export.formats import load, save_litert
from keras_equivariant.training.files import replacing

LEAST_AGREEMENT = 0.9


def quantise(
    model: keras.Model,
    path: str | pathlib.Path,
    calibration: np.ndarray,
    inputs: np.ndarray,
    expected: np.ndarray,
    agreement: Callable[[np.ndarray, np.ndarray], float],
    error: Callable[[np.ndarray], float],
) -> dict[str, Any]:
    """Saves a model for LiteRT with weights and feature maps of 8-bit integers, and judges what the file predicts.

    Inputs and outputs stay 32-bit floats. Operations that LiteRT has in floating point only stay in floating point.

    Args:
        model: The `keras.Model`.
        path: File to write.
        calibration: Inputs from which the ranges of the feature maps are taken.
        inputs: Real inputs to judge by.
        expected: The outputs of the model in floating point for them.
        agreement: Function of two sets of outputs, 1 where they say the same.
        error: Function of outputs for these inputs: their error.

    Returns:
        A dictionary: `agreement` of the file with the model in percent; `error` of the file and `float_error` of the
        model; the number of `images` that both are of; and `bytes`, the file's size.

    Raises:
        ValueError: If the model cannot be converted, what that needs is not installed, or the agreement is below 90 %;
            there is no file then.
    """
    operations = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8, tf.lite.OpsSet.TFLITE_BUILTINS]
    with replacing(path) as partial:
        save_litert(
            model,
            partial,
            operations,
            optimizations=[tf.lite.Optimize.DEFAULT],
            representative_dataset=lambda: ([image[None]] for image in calibration),
        )
        found = np.asarray(load(partial, "litert")(inputs))
        agreed = agreement(found, expected)
        if not agreed >= LEAST_AGREEMENT:
            raise ValueError(
                f"The file in 8-bit integers must predict what the model does for {LEAST_AGREEMENT:.0%} of the images "
                f"or more. Received: {agreed:.1%}"
            )
        size = partial.stat().st_size
    return {
        "agreement": 100 * agreed,
        "error": error(found),
        "float_error": error(expected),
        "images": len(inputs),
        "bytes": size,
    }
