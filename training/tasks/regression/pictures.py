"""The report of a regression: learning curves, and predicted over true numbers."""

import operator
from typing import Any

import numpy as np
from keras_equivariant.training.data.images import LabelledImages
from keras_equivariant.training.pictures.curves import draw_over_epochs
from keras_equivariant.training.tasks.task import Curve

_WIDE = 4  # panels beside each other


def draw_report(
    figure: Any,
    outputs: np.ndarray,
    data: LabelledImages,
    curves: tuple[Curve, ...],
    history: list[dict[str, float]],
    metrics: dict[str, Any],
) -> None:
    """Draws learning curves, and below them a panel for each column of numbers, predicted over true.

    Args:
        figure: Matplotlib figure.
        outputs: Predictions `(n, columns)` for the test set.
        data: `LabelledImages`.
        curves: What to draw over the epochs.
        history: List of dictionaries, one for each epoch.
        metrics: Dictionary of results.
    """
    rows = -(-len(data.names) // _WIDE)
    figure.set_size_inches(12, 3.5 + 3.5 * rows)
    above, below = figure.subfigures(2, 1, height_ratios=[3, 3.5 * rows])
    figure.suptitle(
        f"{metrics['model']} on {metrics['recipe']}: mean absolute error {metrics['mean_absolute_error']:.3g}, "
        f"{metrics['parameters']:,} parameters"
    )
    parts = {"training": "", "validation": "val_"} if "val_loss" in history[0] else {"training": ""}
    for axes, curve in zip(above.subplots(1, len(curves)), curves, strict=True):
        keys = {part: prefix + curve.column for part, prefix in parts.items()}
        draw_over_epochs(axes, history, {part: operator.itemgetter(key) for part, key in keys.items()})
        axes.set(ylabel=curve.label, yscale=curve.scale)
    grid = below.subplots(rows, min(len(data.names), _WIDE), squeeze=False).ravel()
    for axes in grid[len(data.names) :]:
        axes.axis("off")
    for axes, name, predicted, true in zip(grid, data.names, outputs.T, data.test.labels.T, strict=False):
        axes.axline((float(true.mean()), float(true.mean())), slope=1, color="grey", linewidth=0.8)
        axes.scatter(true, predicted, s=8, alpha=0.5, edgecolors="none")
        error = metrics["mean_absolute_error_by_column"][name]
        axes.set_title(f"{name}: mean absolute error {error:.3g}", parse_math=False)
        axes.set(xlabel="true", ylabel="predicted")
        axes.grid(alpha=0.3)
