"""What the studies share: results as JSON, and line charts."""

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from keras_equivariant.training.files import write_json
from keras_equivariant.training.pictures.curves import save_figure
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike


def save(output: str | pathlib.Path, results: dict[str, Any], figure: Figure) -> dict[str, Any]:
    """Writes `figure.png` and then `results.json` into a folder, and returns the results."""
    folder = pathlib.Path(output)
    save_figure(figure, folder / "figure.png")
    write_json(folder / "results.json", results)
    return results


def new_figure(columns: int, rows: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure and its axes, a flat list."""
    figure = Figure(figsize=(4.5 * columns, 3.6 * rows), layout="constrained")
    return figure, list(figure.subplots(rows, columns, squeeze=False).flat)


def draw_lines(
    axes: Axes, x: ArrayLike, lines: Mapping[str, ArrayLike], title: str, xlabel: str, ylabel: str, **scales: Any
) -> None:
    """Draws lines with a band of one standard deviation.

    Args:
        axes: Matplotlib axes.
        x: Positions, one for each column of a line.
        lines: Dictionary from labels to arrays `(runs, len(x))`.
        title: Title.
        xlabel: Name of the positions.
        ylabel: Name of the values.
        **scales: What else to set, such as `xscale="log"`.
    """
    for label, values in lines.items():
        values = np.asarray(values, dtype="float64")
        mean, deviation = values.mean(axis=0), values.std(axis=0)
        (line,) = axes.plot(x, mean, marker=".", label=label)
        axes.fill_between(x, mean - deviation, mean + deviation, color=line.get_color(), alpha=0.2)
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel, **scales)
    axes.grid(alpha=0.3)
    axes.legend(framealpha=0.5)
