"""Pictures of classifiers: the report of a run, and predictions under coloured light."""

from typing import Any

import keras
import numpy as np
from keras_equivariant.training.data.images import LabelledImages, Split
from keras_equivariant.training.input.batches import lit_batches, turned
from keras_equivariant.training.input.preprocessing import Preprocessing, Unchanged
from keras_equivariant.training.pictures.curves import draw_over_epochs
from keras_equivariant.training.pictures.gallery import draw_entropy, draw_filters, draw_rotated_predictions
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase

_CANDIDATES = 100
_SHOWN_CLASS = 4  # of the digits, one that looks different in every rotation
_SHOWN_SATURATIONS = (0.0, 0.2, 0.4, 0.6, 0.8)
_SHOWN_CLASSES = 3
_BLUE, _ORANGE = "#1f77b4", "#ff7f0e"


def draw_report(
    figure: Any,
    model: keras.Model,
    data: LabelledImages,
    preprocess: Any,
    history: list[dict[str, float]],
    metrics: dict[str, Any],
    names: list[str],
) -> None:
    """Draws learning curves, the entropy of the embedding, an image in four rotations, and learned filters.

    Args:
        figure: Matplotlib figure.
        model: The trained `keras.Model`.
        data: `LabelledImages`.
        preprocess: What `fit_preprocessing` returned.
        history: List of dictionaries, one for each epoch.
        metrics: Dictionary of results.
        names: Names of the classes.
    """
    figure.set_size_inches(12, 11)
    curves, images, filters = figure.subfigures(3, 1, height_ratios=[3, 4, 3])
    figure.suptitle(
        f"{metrics['model']} on {metrics['recipe']}: {metrics['test_error']:.2f} % test error, "
        f"{metrics['parameters']:,} parameters"
    )
    _draw_curves(curves, history)
    _draw_rotations(images, model, data, preprocess, names)
    draw_filters(filters, next(layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)))


def _draw_curves(figure: FigureBase, history: list[dict[str, float]]) -> None:
    loss, error, entropy = figure.subplots(1, 3)
    parts = {"": "training", "val_": "validation"} if "val_loss" in history[0] else {"": "training"}
    draw_over_epochs(loss, history, {name: lambda row, p=p: row[f"{p}loss"] for p, name in parts.items()})
    draw_over_epochs(
        error, history, {name: lambda row, p=p: 100 * (1 - row[f"{p}accuracy"]) for p, name in parts.items()}
    )
    epochs = [int(row["epoch"]) + 1 for row in history]
    draw_entropy(entropy, epochs, [row["dse"] for row in history], [row["dsmi_y"] for row in history])
    loss.set(ylabel="loss", yscale="log")
    error.set(ylabel="error (%)")


def _draw_rotations(
    figure: FigureBase, model: keras.Model, data: LabelledImages, preprocess: Any, names: list[str]
) -> None:
    """A test image, turned by 0, 90, 180 and 270 degrees, above the probabilities of the classes."""
    candidates = data.test.first(_CANDIDATES)
    shown = np.argmax(candidates.labels == _SHOWN_CLASS)
    image = candidates.take([shown]).scaled_images()[0]
    angles = np.arange(4, dtype="float32") * np.pi / 2
    images = {90 * i: picture for i, picture in enumerate(turned(np.stack([image] * 4), angles).clip(0, 1))}
    draw_rotated_predictions(figure, model, preprocess, images, candidates.labels[shown], names)


def draw_under_light(
    figure: Any,
    models: dict[str, tuple[keras.Model, Any]],
    data: LabelledImages,
    count: int,
    names: list[str],
) -> None:
    """Draws test images under more and more coloured light, and below them the most probable classes.

    Args:
        figure: Matplotlib figure.
        models: From the name of each run to its model and its preprocessing.
        data: `LabelledImages`.
        count: Number of images.
        names: Names of the classes.

    Reference:
        [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), figure 3.
    """
    shown = data.test.first(count)
    images = [_lit(shown, Unchanged(), saturation) for saturation in _SHOWN_SATURATIONS]
    probabilities = [
        [_probabilities(model, _lit(shown, preprocess, saturation)) for saturation in _SHOWN_SATURATIONS]
        for model, preprocess in models.values()
    ]
    rows = 1 + len(models)
    figure.set_size_inches(2.2 * len(_SHOWN_SATURATIONS), count * (2 + 0.9 * len(models)))
    grid = figure.subplots(
        rows * count, len(_SHOWN_SATURATIONS), squeeze=False, height_ratios=[2, *[0.9] * len(models)] * count
    )
    for i, label in enumerate(shown.labels):
        for column, saturation in enumerate(_SHOWN_SATURATIONS):
            picture, *charts = grid[rows * i : rows * (i + 1), column]
            picture.imshow(np.clip(images[column][i], 0, 1))
            picture.axis("off")
            if i == 0:
                picture.set_title(f"saturation {saturation}")
            for axes, title, found in zip(charts, models, probabilities, strict=True):
                _draw_classes(axes, found[column][i], label, names)
                if column == 0:
                    axes.set_ylabel(title, rotation=0, ha="right", va="center")


def _lit(split: Split, preprocess: Preprocessing, saturation: float) -> np.ndarray:
    ((images, _),) = lit_batches(split, preprocess, len(split), saturation)
    return np.asarray(images)


def _probabilities(model: keras.Model, images: np.ndarray) -> np.ndarray:
    logits = keras.ops.cast(model(images), "float32")
    return keras.ops.convert_to_numpy(keras.ops.softmax(logits))


def _draw_classes(axes: Axes, probabilities: np.ndarray, label: int, names: list[str]) -> None:
    """Bars of the most probable classes, the true one in another colour."""
    classes = np.argsort(-probabilities, kind="stable")[:_SHOWN_CLASSES]
    positions = range(0, -len(classes), -1)
    axes.barh(positions, probabilities[classes], color=[_ORANGE if k == label else _BLUE for k in classes], alpha=0.6)
    for position, k in zip(positions, classes, strict=True):
        axes.text(0.02, position, names[k], va="center", fontsize=8)
    axes.set(xlim=(0, 1), xticks=[], yticks=[])
