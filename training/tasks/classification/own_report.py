"""The report of a classifier of people's own pictures."""

from typing import Any

import keras
import numpy as np
from keras_equivariant.training.data.images import LabelledImages
from keras_equivariant.training.input.batches import test_batches
from keras_equivariant.training.pictures.curves import draw_over_epochs
from keras_equivariant.training.pictures.gallery import draw_oriented_predictions
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase

_BATCH_SIZE = 500
_SHOWN = 8
_NUMBERED = 12  # classes up to which the cells of the matrix have numbers
_LONGEST_NAME = 16


def draw_report(
    figure: Any,
    model: keras.Model,
    data: LabelledImages,
    preprocess: Any,
    history: list[dict[str, float]],
    metrics: dict[str, Any],
    names: list[str],
) -> None:
    """Draws learning curves, the confusion matrix, the pictures it is surest and most wrong about, and one turned.

    Args:
        figure: Matplotlib figure.
        model: The trained `keras.Model`.
        data: `LabelledImages`.
        preprocess: What `fit_preprocessing` returned.
        history: List of dictionaries, one for each epoch.
        metrics: Dictionary of results.
        names: Names of the classes.
    """
    figure.set_size_inches(14, 15)
    above, surest, wrong, turned = figure.subfigures(4, 1, height_ratios=[5, 2.3, 2.3, 4.5])
    figure.suptitle(
        f"{metrics['model']} on {metrics['recipe']}: {metrics['accuracy']:.2f} % of {len(data.test):,} test pictures "
        f"right, calibration error {metrics['calibration_error']:.1f} %, {metrics['parameters']:,} parameters",
        parse_math=False,
    )
    short = [n if len(n) <= _LONGEST_NAME else f"{n[: _LONGEST_NAME - 1]}…" for n in names]
    _draw_curves_and_matrix(above, history, np.array(metrics["confusion_matrix"]), short)
    batches = test_batches(data.test, preprocess, _BATCH_SIZE)
    logits = np.concatenate([model.predict_on_batch(np.asarray(images)) for images, _ in batches])
    probabilities = keras.ops.convert_to_numpy(keras.ops.softmax(keras.ops.convert_to_tensor(logits)))
    labels, said = data.test.labels, probabilities.argmax(axis=1)
    right = np.flatnonzero(said == labels)
    order = right[np.argsort(-probabilities[right].max(axis=1), kind="stable")][:_SHOWN]
    _draw_pictures(surest, "Surest, and right", data, probabilities, order, short)
    missed = np.flatnonzero(said != labels)
    worst = missed[np.argsort(-probabilities[missed].max(axis=1), kind="stable")][:_SHOWN]
    _draw_pictures(wrong, "Surest, and wrong" if len(worst) else "None is wrong", data, probabilities, worst, short)
    # The least sure one, where a network that is not invariant shows it.
    chosen = int(np.argmin(probabilities.max(axis=1)))
    image = data.test.take([chosen]).scaled_images()[0]
    draw_oriented_predictions(turned, model, preprocess, image, int(labels[chosen]), short)


def _draw_curves_and_matrix(
    figure: FigureBase, history: list[dict[str, float]], matrix: np.ndarray, names: list[str]
) -> None:
    loss, error, confusion = figure.subplots(1, 3, width_ratios=[3, 3, 4])
    parts = {"training": "", "validation": "val_"} if "val_loss" in history[0] else {"training": ""}
    draw_over_epochs(loss, history, {name: lambda row, p=p: row[f"{p}loss"] for name, p in parts.items()})
    lines = {name: lambda row, p=p: 100 * (1 - row[f"{p}accuracy"]) for name, p in parts.items()}
    draw_over_epochs(error, history, lines)
    loss.set(ylabel="loss", yscale="log")
    error.set(ylabel="error (%)")
    _draw_matrix(confusion, matrix, names)


def _draw_matrix(axes: Axes, matrix: np.ndarray, names: list[str]) -> None:
    """Rows are true classes; colours are shares of them."""
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ticks, size = range(len(names)), 8 if len(names) <= _NUMBERED else 6
    axes.set_xticks(ticks, names, rotation=90, fontsize=size, parse_math=False)
    axes.set_yticks(ticks, names, fontsize=size, parse_math=False)
    axes.set(xlabel="predicted", ylabel="true", title="confusion matrix")
    for (row, column), count in np.ndenumerate(matrix) if len(names) <= _NUMBERED else ():
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=9)


def _draw_pictures(
    figure: FigureBase,
    title: str,
    data: LabelledImages,
    probabilities: np.ndarray,
    chosen: np.ndarray,
    names: list[str],
) -> None:
    figure.suptitle(title)
    images = data.test.take(chosen).scaled_images()
    grid = figure.subplots(1, _SHOWN, squeeze=False)[0]
    for axes in grid:
        axes.axis("off")
    for axes, i, image in zip(grid, chosen, images, strict=False):
        axes.imshow(image.clip(0, 1), cmap="gray", vmin=0, vmax=1)
        said, label = int(probabilities[i].argmax()), int(data.test.labels[i])
        text = f"{names[said]} ({probabilities[i, said]:.0%})"
        text += "" if said == label else f"\nis {names[label]} ({probabilities[i, label]:.0%})"
        axes.set_title(text, fontsize=8, parse_math=False)
