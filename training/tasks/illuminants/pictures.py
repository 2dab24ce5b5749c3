"""Pictures of estimated light: errors over the saturation of the light, and corrected photographs."""

from typing import Any

import keras
import numpy as np
from keras_equivariant.training.pictures.curves import draw_over_epochs, draw_over_saturations
from keras_equivariant.training.tasks.illuminants.evaluation import estimate
from keras_equivariant.training.tasks.illuminants.images import LitImages, fill, visible_pixels

from keras_equivariant.layers import ApplyGamma

_SHOWN = 3
_SHOWN_SATURATIONS = (0.0, 0.2, 0.4, 0.6, 0.8)
_WHITE = 97  # percentile of the pixels that are shown as white


def draw_report(
    figure: Any,
    models: list[keras.Model],
    data: LitImages,
    history: list[dict[str, float]],
    metrics: dict[str, Any],
) -> None:
    """Draws the training, the errors over the saturation of the light, and corrected photographs.

    Args:
        figure: Matplotlib figure.
        models: List of networks, one for each fold.
        data: `LitImages`.
        history: List of dictionaries, one for each epoch.
        metrics: Dictionary of results.
    """
    figure.set_size_inches(12, 15)
    charts, pictures = figure.subfigures(2, 1, height_ratios=[1, 3])
    figure.suptitle(
        f"{metrics['model']} on {metrics['recipe']}: median error {metrics['median_error']:.2f} degrees, "
        f"{metrics['parameters']:,} parameters"
    )
    loss, errors = charts.subplots(1, 2)
    draw_over_epochs(loss, history, {"training": lambda row: row["loss"]})
    loss.set(ylabel="training error (degrees)", yscale="log")
    lines = {
        method.replace("_", " "): {saturation: row["median"] for saturation, row in rows.items()}
        for method, rows in metrics["errors"].items()
    }
    draw_over_saturations(errors, lines, "median error (degrees)", "log")
    draw_corrections(pictures, {metrics["model"]: models}, data)


def draw_corrections(figure: Any, networks: dict[str, list[keras.Model]], data: LitImages, count: int = _SHOWN) -> None:
    """Draws test images under more and more coloured light, and below them what estimates make of them.

    Args:
        figure: Matplotlib figure.
        networks: Dictionary from a label to a list of networks, one for each fold.
        data: `LitImages`; images from its whole length are shown.
        count: Number of images.
    """
    chosen = data.take(np.linspace(0, len(data) - 1, count + 2).astype(int)[1:-1])
    seen = visible_pixels(chosen.images)
    grid = figure.subplots(count * (1 + len(networks)), len(_SHOWN_SATURATIONS), squeeze=False)
    for column, saturation in enumerate(_SHOWN_SATURATIONS):
        lit = chosen.under(saturation)
        rows = {"under the light": np.ones((count, 3))}
        for label, models in networks.items():
            rows[label] = estimate(models, fill(lit.images, seen), lit.folds)
        for i, (label, lights) in enumerate(rows.items()):
            for image in range(count):
                axes = grid[image * len(rows) + i, column]
                axes.imshow(developed(lit.images[image], lights[image], as_seen=i == 0))
                axes.set(xticks=[], yticks=[])
                if column == 0:
                    axes.set_ylabel(label.replace("_", "\n"), fontsize=8)
        grid[0, column].set_title(f"S = {saturation}")


def developed(image: np.ndarray, light: np.ndarray, as_seen: bool = False) -> np.ndarray:
    """A linear image without its light, bright and with gamma, ready to be shown.

    Args:
        image: `(height, width, 3)`.
        light: `(3,)`; where it is zero, so is the result.
        as_seen: Whether to brighten all colours alike by the brightest of them, so that a tint remains.
    """
    image = image * np.where(light > 0, 1 / np.maximum(light, np.finfo("float32").tiny), 0)
    whites = np.percentile(image.reshape(-1, 3), _WHITE, axis=0)
    image = image / max(whites.max() if as_seen else whites.mean(), np.finfo("float32").tiny)
    return np.asarray(ApplyGamma()(np.clip(image, 0, 1).astype("float32")))
