"""Pictures of how models bear a new light: errors over its saturation, and predictions for some images."""

import keras
import numpy as np
from matplotlib.figure import Figure

from training.finished_runs import run_labels
from training.fit import load_run
from training.illuminants import lit_batches
from training.run_folder import find_finished_run, read_json, save_figure

_SHOWN_SATURATIONS = (0.0, 0.2, 0.4, 0.6, 0.8)
_SHOWN_CLASSES = 3
_BLUE, _ORANGE = "#1f77b4", "#ff7f0e"


def draw_saturations(paths, output):
    """Draws the errors of any number of runs over the saturation of the light, as figures 2 and 4 of the paper.

    Args:
        paths: Folders of runs whose evaluation was "saturations". For ordinary models, the errors inside an adapter
            that makes them invariant are drawn too, dashed.
        output: PNG file to write.

    Raises:
        ValueError: If a folder holds no finished run, or one with another evaluation.

    Reference:
        [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), figures 2 and 4.
    """
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    for i, (path, label) in enumerate(zip(paths, run_labels(paths), strict=True)):
        metrics = read_json(find_finished_run(path).metrics)
        if "test_error_by_saturation" not in metrics:
            raise ValueError(f'The run must have been tested by the evaluation "saturations". Received: {path}')
        for name, style, what in (
            ("test_error_by_saturation", "o-", ""),
            ("adapted_error_by_saturation", "o--", ", in an adapter"),
        ):
            if name in metrics:
                saturations = [float(saturation) for saturation in metrics[name]]
                axes.plot(saturations, list(metrics[name].values()), style, color=f"C{i % 10}", label=label + what)
    axes.set(xlabel="saturation of the light", ylabel="test error (%)")
    axes.grid(alpha=0.3)
    axes.legend()
    save_figure(figure, output)


def draw_predictions(paths, output, count=3, data_dir=None):
    """Draws test images under lights of rising saturation, and below each the most probable classes of every run.

    Args:
        paths: Folders of runs on one data set.
        output: PNG file to write.
        count: Number of images.
        data_dir: Folder of prepared TFDS data sets, or `None` for the one that each run was made with.

    Raises:
        ValueError: If a folder holds no finished run, or the runs are on different data sets.

    Reference:
        [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), figure 3.
    """
    runs = [load_run(path, data_dir) for path in paths]
    names = sorted({recipe.dataset for recipe, *_ in runs})
    if len(names) > 1:
        raise ValueError(f"The runs must be on one data set. Received: {', '.join(names)}")
    data = runs[0][2]
    shown = data.test.first(count)
    images = [_lit(shown, lambda images: images, saturation) for saturation in _SHOWN_SATURATIONS]
    probabilities = [
        [_probabilities(model, _lit(shown, preprocess, saturation)) for saturation in _SHOWN_SATURATIONS]
        for _, model, _, preprocess in runs
    ]
    titles = run_labels(paths)
    rows = 1 + len(paths)
    figure = Figure(figsize=(2.2 * len(_SHOWN_SATURATIONS), count * (2 + 0.9 * len(paths))), layout="constrained")
    grid = figure.subplots(
        rows * count, len(_SHOWN_SATURATIONS), squeeze=False, height_ratios=[2, *[0.9] * len(paths)] * count
    )
    for i, label in enumerate(shown.labels):
        for column, saturation in enumerate(_SHOWN_SATURATIONS):
            picture, *charts = grid[rows * i : rows * (i + 1), column]
            picture.imshow(np.clip(images[column][i], 0, 1))
            picture.axis("off")
            if i == 0:
                picture.set_title(f"saturation {saturation}")
            for axes, title, found in zip(charts, titles, probabilities, strict=True):
                _draw_classes(axes, found[column][i], label, data.names)
                if column == 0:
                    axes.set_ylabel(title, rotation=0, ha="right", va="center")
    save_figure(figure, output)


def _lit(split, preprocess, saturation):
    ((images, _),) = lit_batches(split, preprocess, len(split), saturation)
    return images.numpy()


def _probabilities(model, images):
    logits = keras.ops.cast(model(images), "float32")
    return keras.ops.convert_to_numpy(keras.ops.softmax(logits))


def _draw_classes(axes, probabilities, label, names):
    """Bars of the most probable classes, the true one in another colour."""
    classes = np.argsort(-probabilities, kind="stable")[:_SHOWN_CLASSES]
    positions = -np.arange(len(classes))
    axes.barh(positions, probabilities[classes], color=[_ORANGE if k == label else _BLUE for k in classes], alpha=0.6)
    for position, k in zip(positions, classes, strict=True):
        axes.text(0.02, position, names[k] if names else str(k), va="center", fontsize=8)
    axes.set(xlim=(0, 1), xticks=[], yticks=[])
