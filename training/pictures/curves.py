"""Curves over epochs and over the saturation of the light, and how pictures get into files."""

import pathlib
from collections.abc import Callable

from keras_equivariant.training.files import replacing
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

_FEW = 40  # so many points are marked one by one


def draw_over_epochs(axes: Axes, history: list[dict[str, float]], lines: dict[str, Callable[[dict], float]]) -> None:
    """Draws learning curves.

    Args:
        axes: Matplotlib axes.
        history: Rows of `history.csv`.
        lines: From the label of each line to a function of a row.
    """
    epochs = [int(row["epoch"]) + 1 for row in history]
    for label, value in lines.items():
        axes.plot(epochs, [value(row) for row in history], marker="." if len(epochs) <= _FEW else "", label=label)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3, which="both")
    if len(lines) > 1:
        axes.legend()


def draw_over_saturations(axes: Axes, lines: dict[str, dict[str, float]], ylabel: str, scale: str = "linear") -> None:
    """Draws a figure over the saturation of the light: for each label, a dictionary from saturations to numbers."""
    for label, by_saturation in lines.items():
        axes.plot([float(s) for s in by_saturation], list(by_saturation.values()), marker=".", label=label)
    axes.set(xlabel="saturation of the light", ylabel=ylabel, yscale=scale)
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize=8)
    if scale == "log":
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("{x:g}")


def save_figure(figure: Figure, path: str | pathlib.Path, dpi: int = 110) -> None:
    """Writes a Matplotlib figure to a PNG file, whole or not at all; makes the folder for it."""
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        figure.savefig(partial, dpi=dpi, format="png")
