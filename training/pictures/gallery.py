"""Pictures of what a symmetry does inside a network, each drawn into a figure or subfigure of matplotlib."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase

from keras_equivariant.equivariance import transform_image
from keras_equivariant.layers import GroupConv2D, RandomIlluminant
from keras_equivariant.symmetry import get_symmetry

_CLASSES = 10  # the most probable ones are shown
_Names = Sequence[str] | None
_BLUE, _ORANGE = "#1f77b4", "#ff7f0e"


def draw_filters(figure: FigureBase, layer: keras.layers.Layer, count: int = 8) -> None:
    """Draws the first filters of a convolution; one row for each copy that the symmetry makes of them.

    Args:
        figure: `matplotlib` figure or subfigure.
        layer: A built `GroupConv2D` or `keras.layers.Conv2D`.
        count: Number of filters at most.
    """
    kernel, copies = layer.kernel, 1
    if isinstance(layer, GroupConv2D):
        kernel, copies = layer.expanded_kernel, layer.output.shape[-2]
    kernel = _to_numpy(kernel)[:, :, 0]
    kernel = kernel.reshape(*kernel.shape[:2], copies, -1)[..., :count]
    limit = np.abs(kernel).max()
    figure.suptitle(f"Filters of the first layer{', and their transformed copies' if copies > 1 else ''}")
    grid = figure.subplots(copies, kernel.shape[-1], squeeze=False)
    for row in range(copies):
        for column in range(kernel.shape[-1]):
            grid[row, column].imshow(kernel[:, :, row, column], cmap="RdBu", vmin=-limit, vmax=limit)
            grid[row, column].set(xticks=[], yticks=[])


def draw_feature_maps(figure: FigureBase, model: keras.Model, layer: str, image: np.ndarray, channel: int = 0) -> None:
    """Draws how one feature map of a layer turns, and how its orientations permute, when the image turns.

    Args:
        figure: `matplotlib` figure or subfigure.
        model: Functional `keras.Model`.
        layer: Name of one of its `GroupConv2D` layers.
        image: One input of the model, `(height, width, channels)`.
        channel: Index of the feature map.
    """
    convolution = model.get_layer(layer)
    symmetry = get_symmetry(convolution.symmetry)
    turned = np.concatenate([transform_image(image[None], convolution.symmetry, g) for g in range(symmetry.order)])
    maps = _to_numpy(keras.Model(model.input, convolution.output)(turned))[..., channel]
    figure.suptitle(f"One feature map on {convolution.symmetry}: it turns with the image, and its orientations permute")
    grid = figure.subplots(symmetry.order, 1 + symmetry.order, squeeze=False)
    for row in range(symmetry.order):
        grid[row, 0].imshow(turned[row].mean(axis=-1), cmap="gray_r")
        for orientation in range(symmetry.order):
            shown = maps[row, ..., orientation]
            grid[row, 1 + orientation].imshow(shown, cmap="viridis", vmin=maps.min(), vmax=maps.max())
    grid[0, 0].set_title("image")
    for orientation in range(symmetry.order):
        grid[0, 1 + orientation].set_title(f"orientation {orientation}")
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])


def draw_rotated_predictions(
    figure: FigureBase, model: keras.Model, preprocess: Callable, images: dict, label: int, names: _Names = None
) -> None:
    """Draws one image in several rotations above the probabilities of the classes.

    Args:
        figure: `matplotlib` figure or subfigure.
        model: `keras.Model` with logits.
        preprocess: Function of a batch of images between 0 and 1.
        images: The rotated images, a dictionary from angles in degrees to arrays `(height, width, channels)`.
        label: The image's class, a number.
        names: Names of the classes, or `None` for their numbers.
    """
    shown = names[label] if names else label
    figure.suptitle(f"One test image of class {shown} (orange) in {len(images)} rotations: the predicted probabilities")
    titles = [f"{angle} degrees" for angle in images]
    _draw_predictions(figure, model, preprocess, np.stack(list(images.values())), titles, label, names)


def draw_oriented_predictions(
    figure: FigureBase, model: keras.Model, preprocess: Callable, image: np.ndarray, label: int, names: _Names = None
) -> None:
    """Draws one square image in its eight orientations, turned and mirrored, above the probabilities of the classes.

    Args:
        figure: `matplotlib` figure or subfigure.
        model: `keras.Model` with logits.
        preprocess: Function of a batch of images between 0 and 1.
        image: Array `(size, size, channels)`.
        label: The image's class, a number.
        names: Names of the classes, or `None` for their numbers.
    """
    seen = {
        f"{'mirrored' if mirrored else 'as it is'}\n{90 * turns} degrees": np.rot90(
            image[:, ::-1] if mirrored else image, turns
        )
        for mirrored in (False, True)
        for turns in range(4)
    }
    figure.suptitle(f"One test image of class {names[label] if names else label} (orange) in all orientations")
    _draw_predictions(figure, model, preprocess, np.stack(list(seen.values())), list(seen), label, names)


def draw_lit_predictions(
    figure: FigureBase,
    model: keras.Model,
    preprocess: Callable,
    image: np.ndarray,
    label: int,
    saturations: Sequence[float] = (0.0, 0.5, 0.9),
    hue: float = 0.08,
    names: _Names = None,
) -> None:
    """Draws one image under lights of rising saturation above the probabilities of the classes.

    Args:
        figure: `matplotlib` figure or subfigure.
        model: `keras.Model` with logits.
        preprocess: Function of a batch of images between 0 and 1.
        image: sRGB image between 0 and 1, `(height, width, 3)`.
        label: The image's class, a number.
        saturations: Saturations of the lights, between 0 and 1.
        hue: Hue of the lights, between 0 and 1.
        names: Names of the classes, or `None` for their numbers.
    """
    lights = (RandomIlluminant(saturation, in_prediction=True) for saturation in saturations)
    hues = np.full(1, hue, "float32")
    lit = np.concatenate([_to_numpy(light(image[None].astype("float32"), hue=hues)) for light in lights])
    shown = names[label] if names else label
    figure.suptitle(f"One test image of class {shown} (orange) under coloured light: the predicted probabilities")
    _draw_predictions(figure, model, preprocess, lit, [f"saturation {s}" for s in saturations], label, names)


def _draw_predictions(
    figure: FigureBase, model: keras.Model, preprocess: Callable, images: Any, titles: list, label: int, names: _Names
) -> None:
    logits = keras.ops.cast(model(np.asarray(preprocess(images))), "float32")
    probabilities = _to_numpy(keras.ops.softmax(logits))
    ranks = probabilities.max(axis=0)
    ranks[label] = 2  # shown in any case
    classes = np.sort(np.argsort(-ranks, kind="stable")[:_CLASSES])
    pictures, charts = figure.subplots(2, len(images), squeeze=False)
    for picture, chart, image, title, values in zip(pictures, charts, images, titles, probabilities, strict=True):
        picture.imshow(image.clip(0, 1), cmap="gray_r", vmin=0, vmax=1)
        picture.set_title(title)
        picture.axis("off")
        chart.bar(range(len(classes)), values[classes], color=[_ORANGE if k == label else _BLUE for k in classes])
        shown = [names[k] for k in classes] if names else classes
        long = any(len(str(name)) > 2 for name in shown)
        chart.set_xticks(range(len(classes)), shown, rotation=90 if long else 0)
        chart.set(ylim=(0, 1))
        chart.tick_params(labelleft=chart is charts[0])
    charts[0].set_ylabel("probability")


def draw_entropy(
    axes: Axes, epochs: Sequence[int], entropy: Sequence[float], information: Sequence[float] | None = None
) -> None:
    """Draws the diffusion spectral entropy of an embedding, and what it shares with the labels, over training.

    Args:
        axes: `matplotlib` axes.
        epochs: Numbers of the epochs.
        entropy: `dse` after each of them, in bits.
        information: `dsmi_y` after each of them, in bits, or `None`.
    """
    axes.plot(epochs, entropy, label="of the embedding", color=_BLUE)
    if information is not None:
        axes.plot(epochs, information, label="shared with the labels", color=_ORANGE)
    axes.set(xlabel="epoch", ylabel="diffusion spectral entropy (bits)")
    axes.grid(alpha=0.3)
    axes.legend()


def _to_numpy(tensor: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))
