"""Pictures of masks: over the picture, beside the true ones, and in the report of a run."""

import operator
from typing import Any

import keras
import numpy as np
from keras_equivariant.training.data.masks import Segmented
from keras_equivariant.training.pictures.curves import draw_over_epochs
from keras_equivariant.training.tasks.segmentation.evaluation import predict_masks
from keras_equivariant.training.tasks.task import Curve
from matplotlib import colormaps
from skimage.segmentation import find_boundaries

_SHOWN = 4
_PIXELS = 2**19  # of an overlay, to work on at once, for the sake of the memory
_STRENGTH = 0.4  # how much of a mask's colour is in the pixels of an overlay


def colour(mask: np.ndarray) -> np.ndarray:
    """Bytes `(height, width, 3)`: black for the background, and for each number one of twenty colours."""
    table = np.rint(255 * colormaps["tab20"](np.arange(20))[:, :3]).astype("uint8")
    return np.where((mask > 0)[..., None], table[(mask.astype("int64") - 1) % len(table)], np.uint8(0))


def overlay(image: np.ndarray, mask: np.ndarray, rows: int | None = None) -> np.ndarray:
    """A picture with its mask's colours in it, and the borders of its objects in them alone, as bytes.

    Args:
        image: sRGB image `(height, width, 3)`, between 0 and 1 or in bytes.
        mask: Integers `(height, width)`.
        rows: How many rows to work on at once; `None` for half a million pixels.
    """
    rows = rows or max(1, _PIXELS // image.shape[1])
    result = np.empty(image.shape, "uint8")
    for start in range(0, len(image), rows):
        here = slice(start, start + rows)
        # One row more on either side, to see the borders between.
        wide = mask[max(start - 1, 0) : start + rows + 1]
        borders = find_boundaries(wide, mode="inner")[min(start, 1) :][: len(mask[here])]
        share = np.where(borders, 1.0, _STRENGTH * (mask[here] > 0))[..., None]
        pixels = image[here] if image.dtype == np.uint8 else 255 * image[here].clip(0, 1)
        result[here] = np.rint((1 - share) * pixels + share * colour(mask[here]))
    return result


def draw_report(
    figure: Any,
    model: keras.Model,
    data: Segmented,
    preprocess: Any,
    curves: tuple[Curve, ...],
    history: list[dict[str, float]],
    metrics: dict[str, Any],
) -> None:
    """Draws learning curves, and some test pictures with their true and their predicted masks.

    Args:
        figure: Matplotlib figure.
        model: The trained `keras.Model`.
        data: `Segmented`.
        preprocess: What `fit_preprocessing` returned.
        curves: What to draw over the epochs.
        history: List of dictionaries, one for each epoch.
        metrics: Dictionary of results.
    """
    count = min(_SHOWN, len(data.test))
    figure.set_size_inches(12, 3.5 + 3 * count)
    above, below = figure.subfigures(2, 1, height_ratios=[3.5, 3 * count])
    figure.suptitle(
        f"{metrics['model']} on {metrics['recipe']}: Dice {metrics['dice']:.1f} %, {metrics['parameters']:,} "
        f"parameters; {metrics['turn_change']:.2g} % of the pixels change when a picture turns"
    )
    parts = {"training": "", "validation": "val_"} if "val_loss" in history[0] else {"training": ""}
    for axes, curve in zip(above.subplots(1, len(curves)), curves, strict=True):
        keys = {part: prefix + curve.column for part, prefix in parts.items()}
        # A function of a row for each line.
        lines = {
            part: lambda row, key=key, curve=curve: curve.value(operator.getitem(row, key))
            for part, key in keys.items()
        }
        draw_over_epochs(axes, history, lines)
        axes.set(ylabel=curve.label, yscale=curve.scale)
    chosen = np.linspace(0, len(data.test) - 1, count).astype(int)
    grid = below.subplots(count, 3, squeeze=False)
    for row, i in zip(grid, chosen, strict=True):
        image = data.test.images[i].astype("float32") / 255
        classes, found = predict_masks(model, image, preprocess, data.instances)
        shown = np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image
        for axes, picture in zip(
            row, (shown, colour(data.test.masks[i]), overlay(shown, classes if found is None else found)), strict=True
        ):
            axes.imshow(picture, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
    for axes, title in zip(grid[0], ("picture", "true mask", "predicted"), strict=True):
        axes.set_title(title)
