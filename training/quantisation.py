"""LiteRT files in 8-bit integers, judged by the classes that they predict."""

import numpy as np
import tensorflow as tf

from training.export import load, save_litert
from training.run_folder import replacing

LEAST_AGREEMENT = 0.9


def quantise(model, path, calibration, inputs, expected, labels):
    """Saves a model for LiteRT with weights and feature maps of 8-bit integers, and judges what the file predicts.

    Inputs and outputs stay 32-bit floats. An operation that LiteRT has in floating point only stays so.

    Args:
        model: The `keras.Model`, a classifier.
        path: File to write.
        calibration: Inputs from which the ranges of the feature maps are taken.
        inputs: Real inputs to judge by.
        expected: The outputs of the model in floating point for them.
        labels: Their classes.

    Returns:
        A dictionary of percentages: `agreement`, how often the file predicts the class that the model does; `error` of
        the file and `float_error` of the model; and `bytes`, the file's size.

    Raises:
        ValueError: If the model cannot be converted, what that needs is not installed, or the file predicts another
            class for more than a tenth of the inputs; there is no file then.
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
        found = load(partial, "litert")(inputs).argmax(axis=-1)
        agreement = np.mean(found == expected.argmax(axis=-1))
        if not agreement >= LEAST_AGREEMENT:
            raise ValueError(
                f"The file in 8-bit integers must predict the class that the model does for {LEAST_AGREEMENT:.0%} of "
                f"the images or more. Received: {agreement:.1%}"
            )
        size = partial.stat().st_size
    return {
        "agreement": float(100 * agreement),
        "error": float(100 * np.mean(found != labels)),
        "float_error": float(100 * np.mean(expected.argmax(axis=-1) != labels)),
        "bytes": size,
    }
