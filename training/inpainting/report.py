"""Pictures of drawn centres."""

import numpy as np
from matplotlib.figure import Figure

from keras_equivariant.layers import ApplyGamma
from training.illumination.images import random_lights
from training.inpainting.evaluation import draw_centres
from training.inpainting.images import HOLE, SIZE, erase
from training.report import curve
from training.run_folder import save_figure

_SHOWN = 3
_SHOWN_SATURATIONS = (0.0, 0.2, 0.4, 0.6, 0.8)


def draw_report(path, painter, images, history, metrics):
    """Draws the training, the signal-to-noise ratio over the saturation of the light, and drawn centres.

    Args:
        path: PNG file to write.
        painter: The trained `keras.Model`.
        images: Test images `(n, 128, 128, 3)` in linear RGB.
        history: List of dictionaries, one for each epoch.
        metrics: Dictionary of results.
    """
    figure = Figure(figsize=(12, 15), layout="constrained")
    charts, pictures = figure.subfigures(2, 1, height_ratios=[1, 3])
    figure.suptitle(
        f"{metrics['model']} on {metrics['recipe']}: {metrics['psnr']:.2f} dB, {metrics['parameters']:,} parameters"
    )
    losses, ratios = charts.subplots(1, 2)
    epochs, _ = curve(history, "", "loss")
    for name in ("reconstruction", "deceit", "judgement"):
        losses.plot(epochs, [row[name] for row in history], label=name)
    losses.set(xlabel="epoch", ylabel="part of the loss", yscale="log")
    for name, label in (("psnr", "drawn"), ("mean_psnr", "mean colour")):
        row = metrics[f"{name}_by_saturation"]
        ratios.plot([float(s) for s in row], list(row.values()), marker=".", label=label)
    ratios.set(xlabel="saturation of the light", ylabel="PSNR without the light (dB)")
    for axes in (losses, ratios):
        axes.grid(alpha=0.3)
        axes.legend()
    draw_paintings(pictures, {metrics["model"]: painter}, images)
    save_figure(figure, path, dpi=80)


def draw_paintings(figure, painters, images, count=_SHOWN):
    """Draws images under more and more coloured light, their centre erased, and below them what is drawn into it.

    Args:
        figure: Matplotlib figure.
        painters: Dictionary from a label to a painter.
        images: `(n, 128, 128, 3)` in linear RGB; images from its whole length are shown.
        count: Number of images.
    """
    chosen = images[np.linspace(0, len(images) - 1, count + 2).astype(int)[1:-1]]
    grid = figure.subplots(count * (1 + len(painters)), len(_SHOWN_SATURATIONS), squeeze=False)
    corner = (SIZE - HOLE) // 2
    for column, saturation in enumerate(_SHOWN_SATURATIONS):
        lit = chosen * random_lights(len(chosen), saturation)
        rows = {"erased": np.asarray(erase(lit))}
        for label, painter in painters.items():
            rows[label] = lit.copy()
            rows[label][:, corner : corner + HOLE, corner : corner + HOLE] = draw_centres(painter, lit)
        for i, (label, shown) in enumerate(rows.items()):
            for image in range(count):
                axes = grid[image * len(rows) + i, column]
                axes.imshow(np.asarray(ApplyGamma()(np.clip(shown[image], 0, 1).astype("float32"))))
                axes.set(xticks=[], yticks=[])
                if column == 0:
                    axes.set_ylabel(label.replace("_", "\n"), fontsize=8)
        grid[0, column].set_title(f"S = {saturation}")
