"""The picture of a run."""

import keras
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from training.gallery import draw_entropy, draw_filters, draw_rotated_predictions
from training.run_folder import save_figure
from training.transforms import rotate

_CANDIDATES = 100
_SHOWN_CLASS = 4  # of the digits, one that looks different in every rotation
_BLUE, _ORANGE = "#1f77b4", "#ff7f0e"


def draw_report(path, model, data, preprocess, history, metrics):
    """Draws learning curves, the entropy of the embedding, an image in four rotations, and learned filters.

    Args:
        path: PNG file to write.
        model: The trained `keras.Model`.
        data: `LabelledImages`.
        preprocess: What `fit_preprocessing` returned.
        history: List of dictionaries, one for each epoch.
        metrics: Dictionary of results.
    """
    figure = Figure(figsize=(12, 11), layout="constrained")
    curves, images, filters = figure.subfigures(3, 1, height_ratios=[3, 4, 3])
    figure.suptitle(
        f"{metrics['model']} on {metrics['recipe']}: {metrics['test_error']:.2f} % test error, "
        f"{metrics['parameters']:,} parameters"
    )
    _draw_curves(curves, history)
    _draw_rotations(images, model, data, preprocess)
    draw_filters(filters, next(layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)))
    save_figure(figure, path)


def _draw_curves(figure, history):
    loss, error, entropy = figure.subplots(1, 3)
    for axes, quantity in ((loss, "loss"), (error, "error")):
        for prefix, label, colour in (("", "training", _BLUE), ("val_", "validation", _ORANGE)):
            if f"{prefix}loss" in history[0]:
                axes.plot(*curve(history, prefix, quantity), marker=".", label=label, color=colour)
    epochs, _ = curve(history, "", "loss")
    draw_entropy(entropy, epochs, [row["dse"] for row in history], [row["dsmi_y"] for row in history])
    loss.set(ylabel="loss", yscale="log")
    error.set(ylabel="error (%)")
    for axes in (loss, error):
        axes.set(xlabel="epoch")
        axes.grid(alpha=0.3)
        axes.legend()


def curve(history, prefix, quantity):
    """Epochs from 1 and the loss or the error in percent, of the training set or, prefixed by "val_", validation."""
    epochs = [row["epoch"] + 1 for row in history]
    if quantity == "loss":
        return epochs, [row[f"{prefix}loss"] for row in history]
    return epochs, [100 * (1 - row[f"{prefix}accuracy"]) for row in history]


def _draw_rotations(figure, model, data, preprocess):
    """A test image, turned by 0, 90, 180 and 270 degrees, above the probabilities of the classes."""
    candidates = data.test.first(_CANDIDATES)
    shown = np.argmax(candidates.labels == _SHOWN_CLASS)
    image = candidates.take([shown]).scaled_images()[0]
    angles = np.arange(4, dtype="float32") * np.pi / 2
    turned = rotate(tf.constant(np.stack([image] * 4)), angles).numpy().clip(0, 1)
    images = {90 * i: picture for i, picture in enumerate(turned)}
    draw_rotated_predictions(figure, model, preprocess, images, candidates.labels[shown])
