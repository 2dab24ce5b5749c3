"""Pictures of painted centres."""

from typing import Any

import keras
import numpy as np
from keras_equivariant.training.pictures.curves import draw_over_epochs, draw_over_saturations
from keras_equivariant.training.tasks.illuminants.images import random_lights
from keras_equivariant.training.tasks.inpainting.evaluation import paint_centres
from keras_equivariant.training.tasks.inpainting.images import HOLE, SIZE, erase

from keras_equivariant.layers import ApplyGamma

_SHOWN = 3
_SHOWN_SATURATIONS = (0.0, 0.2, 0.4, 0.6, 0.8)


def draw_report(
    figure: Any,
    generator: keras.Model,
    images: np.ndarray,
    history: list[dict[str, float]],
    metrics: dict[str, Any],
) -> None:
    """Draws the training, the signal-to-noise ratio over the saturation of the light, and painted centres.

    Args:
        figure: Matplotlib figure.
        generator: The trained `keras.Model`.
        images: Test images `(n, 128, 128, 3)` in linear RGB.
        history: List of dictionaries, one for each epoch.
        metrics: Dictionary of results.
    """
    figure.set_size_inches(12, 15)
    charts, pictures = figure.subfigures(2, 1, height_ratios=[1, 3])
    figure.suptitle(
        f"{metrics['model']} on {metrics['recipe']}: {metrics['psnr']:.2f} dB, {metrics['parameters']:,} parameters"
    )
    losses, ratios = charts.subplots(1, 2)
    names = ("reconstruction_loss", "generator_loss", "discriminator_loss")
    draw_over_epochs(losses, history, {n.replace("_", " "): lambda row, n=n: row[n] for n in names})
    losses.set(ylabel="part of the loss", yscale="log")
    lines = {"painted": metrics["psnr_by_saturation"], "mean colour": metrics["mean_psnr_by_saturation"]}
    draw_over_saturations(ratios, lines, "PSNR without the light (dB)")
    draw_centres(pictures, {metrics["model"]: generator}, images)


def draw_centres(figure: Any, generators: dict[str, keras.Model], images: np.ndarray, count: int = _SHOWN) -> None:
    """Draws images under more and more coloured light, their centre erased, and below them what is painted into it.

    Args:
        figure: Matplotlib figure.
        generators: Dictionary from a label to a generator.
        images: `(n, 128, 128, 3)` in linear RGB; images from its whole length are shown.
        count: Number of images.
    """
    chosen = images[np.linspace(0, len(images) - 1, count + 2).astype(int)[1:-1]]
    grid = figure.subplots(count * (1 + len(generators)), len(_SHOWN_SATURATIONS), squeeze=False)
    corner = (SIZE - HOLE) // 2
    for column, saturation in enumerate(_SHOWN_SATURATIONS):
        lit = chosen * random_lights(len(chosen), saturation)
        rows = {"erased": np.asarray(erase(lit))}
        for label, generator in generators.items():
            rows[label] = lit.copy()
            rows[label][:, corner : corner + HOLE, corner : corner + HOLE] = paint_centres(generator, lit)
        for i, (label, shown) in enumerate(rows.items()):
            for image in range(count):
                axes = grid[image * len(rows) + i, column]
                axes.imshow(np.asarray(ApplyGamma()(np.clip(shown[image], 0, 1).astype("float32"))))
                axes.set(xticks=[], yticks=[])
                if column == 0:
                    axes.set_ylabel(label.replace("_", "\n"), fontsize=8)
        grid[0, column].set_title(f"S = {saturation}")
