"""Runs of illuminant estimation or of inpainting side by side, under more and more coloured light."""

from matplotlib.figure import Figure

from training.runs.finished import load_model, read_recipe, run_labels
from training.tasks.illuminants import images as lit_images
from training.tasks.illuminants.pictures import draw_corrections
from training.tasks.inpainting import images as photographs
from training.tasks.inpainting.pictures import draw_paintings
from training.files import read_json
from training.pictures.curves import save_figure
from training.runs.folder import find_finished_run


def task_of(paths):
    """The one task of some finished runs.

    Raises:
        ValueError: If a folder holds no finished run, or the runs are of different tasks.
    """
    tasks = {read_recipe(path)[0].task for path in paths}
    if len(tasks) != 1:
        raise ValueError(f"The runs must be of one task. Received: {', '.join(sorted(tasks))}")
    return tasks.pop()


def draw_runs(paths, saturations, pictures, count=3, data_dir=None):
    """Draws errors over the saturation of the light, and what the networks make of some images.

    Args:
        paths: Folders of runs of one task, "illuminants" or "inpainting", on one data set.
        saturations: PNG file for the errors, as figures 5 and 7 of the paper.
        pictures: PNG file for the images, as figures 6 and 8.
        count: Number of images.
        data_dir: Folder of TFDS data sets, or `None` for the one that the first run was made with.

    Raises:
        ValueError: If a folder holds no finished run, or the runs are of different tasks or on different data sets.

    Reference:
        [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), figures 5 to 8.
    """
    task = task_of(paths)
    names = sorted({read_recipe(path)[0].dataset for path in paths})
    if len(names) > 1:
        raise ValueError(f"The runs must be on one data set. Received: {', '.join(names)}")
    data_dir = data_dir or read_recipe(paths[0])[1]
    labels = run_labels(paths)
    metrics = {label: read_json(find_finished_run(path).metrics) for label, path in zip(labels, paths, strict=True)}
    models = {label: load_model(path) for label, path in zip(labels, paths, strict=True)}
    figure = Figure(figsize=(7.5, 2 * count * (1 + len(paths)) * 0.75), layout="constrained")
    if task == "illuminants":
        lines, ylabel = _errors(metrics), "median error (degrees)"
        data = lit_images.load(names[0], data_dir)
        folds = {label: [model.get_layer(f"fold_{i}") for i in range(3)] for label, model in models.items()}
        draw_corrections(figure, folds, data, count)
    else:
        lines, ylabel = _ratios(metrics), "PSNR (dB)"
        _, test = photographs.load(data_dir)
        draw_paintings(figure, models, photographs.central_crops(test), count)
    save_figure(figure, pictures, dpi=60)
    _draw_lines(lines, ylabel, saturations)


def _errors(metrics):
    """Medians by method: of each run's networks, and of the classic estimates of the first."""
    lines = {}
    for label, row in metrics.items():
        for method, by_saturation in row["errors"].items():
            medians = {saturation: figures["median"] for saturation, figures in by_saturation.items()}
            if method.startswith("network"):
                lines[method.replace("network", label, 1).replace("_without", ", without").replace("_", " ")] = medians
            else:
                lines.setdefault(method, medians)
    return lines


def _ratios(metrics):
    lines = {}
    for label, row in metrics.items():
        lines[f"{label}, light taken out"] = row["psnr_by_saturation"]
        lines[f"{label}, under the light"] = row["tinted_psnr_by_saturation"]
        lines.setdefault("mean colour, light taken out", row["mean_psnr_by_saturation"])
    return lines


def _draw_lines(lines, ylabel, path):
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for label, by_saturation in lines.items():
        axes.plot([float(s) for s in by_saturation], list(by_saturation.values()), marker=".", label=label)
    axes.set(xlabel="saturation of the light", ylabel=ylabel, yscale="log" if "degrees" in ylabel else "linear")
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize=8)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    save_figure(figure, path, dpi=80)
