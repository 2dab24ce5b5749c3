"""Several runs side by side, under more and more coloured light."""

import os
import pathlib

from keras_equivariant.training.files import read_json
from keras_equivariant.training.pictures.curves import draw_over_saturations, save_figure
from keras_equivariant.training.runs.finished import load_run, read_recipe, run_labels
from keras_equivariant.training.runs.folder import find_finished_run
from keras_equivariant.training.tasks import get_task
from keras_equivariant.training.tasks.task import BySaturation
from matplotlib.figure import Figure


def draw_lights(
    paths: list[str] | list[pathlib.Path], output: str | pathlib.Path, count: int = 3, data_dir: str | None = None
) -> tuple[str, str]:
    """Draws the first figure of a task over the saturation of the light, and what models make of some images.

    Args:
        paths: Folders of runs of one task on one data set.
        output: Folder for the pictures.
        count: Number of images.
        data_dir: Folder of TFDS data sets, or `None` for the one that the first run was made with.

    Returns:
        Paths of the two PNG files: `saturations.png` and `pictures.png`.

    Raises:
        ValueError: If a folder holds no finished run, the runs are of different tasks or on different data sets, or
            one was not tested under coloured light.

    Reference:
        [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), figures 2 to 8.
    """
    recipes = [read_recipe(path)[0] for path in paths]
    for what, names in (("of one task", {r.task for r in recipes}), ("on one data set", {r.dataset for r in recipes})):
        if len(names) > 1:
            raise ValueError(f"The runs must be {what}. Received: {', '.join(sorted(names))}")
    task, labels = get_task(recipes[0].task), run_labels(paths)
    lines: BySaturation = {}
    for path, label in zip(paths, labels, strict=True):
        try:
            found = task.by_saturation(label, read_json(find_finished_run(path).metrics))
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(
                f"The metrics must hold a test under coloured light. Received: {path} ({error!r})"
            ) from None
        lines |= {name: line for name, line in found.items() if name not in lines}  # shared ones of the first run
    runs = [load_run(path) for path in paths]
    models = {label: (run.model, run.preprocess) for label, run in zip(labels, runs, strict=True)}
    pictures = Figure(figsize=(7.5, 1.5 * count * (1 + len(paths))), layout="constrained")
    task.draw_under_light(pictures, models, runs[0].load_data(data_dir), count)
    saturations = Figure(figsize=(7, 4.5), layout="constrained")
    figure = next(iter(task.figures.values()))
    bounded = figure.title.endswith(("(%)", "(dB)"))  # decibels are logarithms already
    draw_over_saturations(saturations.subplots(), lines, figure.title, "linear" if bounded else "log")
    written = (os.path.join(output, "saturations.png"), os.path.join(output, "pictures.png"))
    save_figure(saturations, written[0], dpi=80)
    save_figure(pictures, written[1], dpi=60)
    return written
