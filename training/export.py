"""Saved models, compared with the model in memory before anyone relies on them."""

import keras
import numpy as np
import tensorflow as tf

from training.run_folder import replacing

FORMATS = ("keras", "saved_model")
_TOLERANCE = 1e-5


def export(model, path, file_format, images):
    """Saves a model, loads it again and checks that it computes the same.

    Args:
        model: The `keras.Model`.
        path: File or folder to write.
        file_format: `"keras"` (a file for Keras) or `"saved_model"` (a folder for TensorFlow and its servers).
        images: Batch of real inputs for the check.

    Returns:
        The largest difference of the outputs, relative to the largest output.

    Raises:
        ValueError: If the format is unknown, or the saved model's outputs differ by more than 1e-5.
    """
    if file_format not in FORMATS:
        raise ValueError(f"`format` must be one of {list(FORMATS)}. Received: format={file_format!r}")
    expected = keras.ops.convert_to_numpy(model(images))
    with replacing(path) as partial:
        if file_format == "keras":
            model.save(partial)
            outputs = keras.ops.convert_to_numpy(keras.models.load_model(partial)(images))
        else:
            model.export(partial, verbose=False)
            loaded = tf.saved_model.load(str(partial))
            outputs = loaded.serve(tf.constant(images)).numpy()
        difference = float(np.abs(outputs - expected).max() / np.abs(expected).max())
        if not difference <= _TOLERANCE:
            raise ValueError(f"The saved {file_format} model's outputs must be the model's. Received: {difference:.1e}")
    return difference
