"""The picture of a run."""

import keras
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from keras_equivariant.layers import GroupConv2D
from training.run_folder import replacing
from training.transforms import rotate

_FILTERS = 8
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
    _draw_filters(filters, model)
    with replacing(path) as partial:
        figure.savefig(partial, dpi=110)


def _draw_curves(figure, history):
    loss, error, entropy = figure.subplots(1, 3)
    for axes, quantity in ((loss, "loss"), (error, "error")):
        for prefix, label, colour in (("", "training", _BLUE), ("val_", "validation", _ORANGE)):
            if f"{prefix}loss" in history[0]:
                axes.plot(*curve(history, prefix, quantity), label=label, color=colour)
    for name, label, colour in (("dse", "of the embedding", _BLUE), ("dsmi_y", "shared with the labels", _ORANGE)):
        epochs, _ = curve(history, "", "loss")
        entropy.plot(epochs, [row[name] for row in history], label=label, color=colour)
    loss.set(ylabel="loss", yscale="log")
    error.set(ylabel="error (%)")
    entropy.set(ylabel="diffusion spectral entropy (bits)")
    for axes in (loss, error, entropy):
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
    shown = np.argmax(data.test.labels == _SHOWN_CLASS)
    image, label = data.test.take([shown]).scaled_images()[0], data.test.labels[shown]
    angles = np.arange(4, dtype="float32") * np.pi / 2
    turned = rotate(tf.constant(np.stack([image] * 4)), angles).numpy().clip(0, 1)
    logits = keras.ops.cast(model(np.asarray(preprocess(turned))), "float32")
    probabilities = keras.ops.convert_to_numpy(keras.ops.softmax(logits))
    figure.suptitle(f"One test image of class {label} in four rotations: the predicted probabilities")
    pictures, charts = figure.subplots(2, 4)
    for i in range(4):
        pictures[i].imshow(turned[i], cmap="gray_r", vmin=0, vmax=1)
        pictures[i].set_title(f"{90 * i} degrees")
        pictures[i].axis("off")
        colours = [_ORANGE if k == label else _BLUE for k in range(data.classes)]
        charts[i].bar(range(data.classes), probabilities[i], color=colours)
        charts[i].set(ylim=(0, 1), xticks=range(data.classes))


def _draw_filters(figure, model):
    """Filters of the first convolution; one row for each copy that the symmetry makes of them."""
    layer = next(layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D))
    kernel, copies = layer.kernel, 1
    if isinstance(layer, GroupConv2D):
        kernel, copies = layer.expanded_kernel, layer.output.shape[-2]
    kernel = keras.ops.convert_to_numpy(kernel)[:, :, 0].astype("float32")
    kernel = kernel.reshape(*kernel.shape[:2], copies, -1)
    count = min(_FILTERS, kernel.shape[-1])
    limit = np.abs(kernel).max()
    figure.suptitle(f"Filters of the first layer{', and their transformed copies' if copies > 1 else ''}")
    grid = figure.subplots(copies, count, squeeze=False)
    for row in range(copies):
        for column in range(count):
            grid[row, column].imshow(kernel[:, :, row, column], cmap="RdBu", vmin=-limit, vmax=limit)
            grid[row, column].set(xticks=[], yticks=[])
