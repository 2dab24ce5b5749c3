"""Figure 10 for any models: how well the entropies of trained classifiers go with their accuracy."""

import os
import pathlib
import re
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras_equivariant.training import data as datasets
from keras_equivariant.training.data.images import Split
from keras_equivariant.training.input.preprocessing import Unchanged
from keras_equivariant.training.runs.finished import load_run
from keras_equivariant.training.studies.ranking import QUANTITIES, SIGMAS, TIME, correlate, rank
from keras_equivariant.training.studies.results import new_figure, save
from keras_equivariant.zoo.pretrained import read_model
from matplotlib.figure import Figure

from keras_equivariant.entropy import cluster_reference


def rank_models(
    models: Sequence[str],
    output: str | pathlib.Path,
    dataset: str = "digits",
    data_dir: str | None = None,
    images: int = 1000,
) -> dict[str, Any]:
    """Measures trained classifiers on the same test images, and correlates entropies with accuracies.

    Args:
        models: Folders of finished runs, whose preprocessing is theirs; `.keras` files of models from images between 0
            and 1; and names of `keras.applications`, with the weights of ImageNet. `FAMILY=MODEL` names the family that
            decides the colour in the picture; else it is the model's name without the digits at its end.
        output: Folder for `results.json` and `figure.png`.
        dataset: Name of a data set of labelled images, of the classes that the models tell apart.
        data_dir: Folder of prepared TFDS data sets.
        images: Number of test images. They are scaled to the size that a model takes.

    Returns:
        The results, a dictionary.

    Raises:
        ValueError: If a model cannot be read, or has other classes or colours than the data set.
    """
    data = datasets.load(dataset, data_dir)
    first = data.test.first(images)
    pictures, labels = first.scaled_images(), first.labels.astype("int32")
    clusters = cluster_reference(pictures)
    rows: dict[str, list[dict[str, Any]]] = {str(sigma): [] for sigma in SIGMAS}
    progress = keras.utils.Progbar(len(models), unit_name="model")
    for given in models:
        family, _, place = given.rpartition("=")
        name, model, preprocess = _load(place)
        if model.output_shape[-1] != data.classes:
            raise ValueError(
                f"The models must have {data.classes} outputs, one for each class of {dataset!r}. "
                f"Received: {place} with {model.output_shape[-1]}"
            )
        split = Split(np.asarray(preprocess(_fitted(pictures, model.input_shape, place))), labels)
        size = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
        about = {"model": name, "family": family or re.sub(r"[\d_]+$", "", name), "parameters": size}
        for sigma in SIGMAS:
            rows[str(sigma)].append({**about, **rank([model], split, clusters, sigma)[0]})
        progress.add(1)
    results = {"dataset": dataset, "images": len(labels), "sigma": list(SIGMAS), "t": TIME, "models": rows}
    results["correlations"] = {sigma: correlate(of_sigma) for sigma, of_sigma in rows.items()}
    pathlib.Path(output).mkdir(parents=True, exist_ok=True)
    return save(output, results, draw(results))


def _load(place: str) -> tuple[str, keras.Model, Callable]:
    """Name and model, and what is done to images between 0 and 1 before it."""
    if os.path.isdir(place):
        run = load_run(place)
        return run.recipe.model, run.model, run.preprocess or Unchanged()
    if place.endswith(".keras"):
        model = read_model(pathlib.Path(place))
        return model.name, model, Unchanged()
    builder = getattr(keras.applications, place, None) if place[:1].isupper() else None
    modules = [module for module in vars(keras.applications).values() if hasattr(module, "preprocess_input")]
    module = next((module for module in modules if getattr(module, place, None) is builder), None)
    if builder is None or module is None:
        raise ValueError(
            f"`models` must be folders of runs, .keras files or names of keras.applications. Received: {place!r}"
        )
    try:
        model = builder(weights="imagenet")
    except Exception as error:  # of the network, as a plain `Exception`
        raise ValueError(
            f"The weights of ImageNet must be there or downloadable ({error}). Received: {place!r}"
        ) from None
    return place, model, lambda images: module.preprocess_input(255 * np.array(images))


def _fitted(images: np.ndarray, shape: tuple[Any, ...], place: str) -> np.ndarray:
    if images.shape[-1] == 1 and shape[-1] == 3:
        images = np.repeat(images, 3, axis=-1)
    if images.shape[-1] != shape[-1]:
        raise ValueError(f"The models must take images of {images.shape[-1]} channels. Received: {place} of {shape}")
    if None in shape[1:3] or images.shape[1:3] == tuple(shape[1:3]):
        return images
    return np.asarray(tf.image.resize(images, shape[1:3], antialias=True))


def draw(results: dict[str, Any]) -> Figure:
    """Draws accuracies over entropies: a colour for each family, discs as large as the models."""
    figure, axes = new_figure(len(QUANTITIES), rows=len(results["models"]))
    panels = iter(axes)
    for sigma, rows in results["models"].items():
        largest = max(row["parameters"] for row in rows)
        for quantity, title in QUANTITIES.items():
            panel = next(panels)
            for family in dict.fromkeys(row["family"] for row in rows):
                of_family = [row for row in rows if row["family"] == family]
                points = [[row[quantity] for row in of_family], [row["accuracy"] for row in of_family]]
                sizes = [20 + 180 * row["parameters"] / largest for row in of_family]
                panel.scatter(*points, s=sizes, label=family, alpha=0.7)
            text = "Pearson {pearson:.2f} (p {pearson_p:.1g}), Spearman {spearman:.2f}"
            text = text.format(**results["correlations"][sigma][quantity])
            panel.set(title=f"{title}, sigma = {sigma}\n{text}", xlabel="bits", ylabel="accuracy")
            panel.grid(alpha=0.3)
    axes[0].legend(fontsize=7, framealpha=0.5)
    return figure


def format_ranking(results: dict[str, Any]) -> str:
    """A table: the models by their information about the labels, the largest first, then the correlations."""
    rows = results["models"]["median"]
    lines = [
        "| model | family | parameters | accuracy | DSE | DSMI with inputs | DSMI with labels |",
        "| --- " * 7 + "|",
    ]
    for row in sorted(rows, key=lambda row: -row["dsmi_y"]):
        about = f"| {row['model']} | {row['family']} | {row['parameters']:,} | {100 * row['accuracy']:.2f} % "
        lines.append(about + "".join(f"| {row[quantity]:.3f} " for quantity in QUANTITIES) + "|")
    found = results["correlations"]["median"]
    lines.append("| correlation with the accuracy (Pearson, Spearman) | | | ")
    lines[-1] += "".join(f"| {found[q]['pearson']:.2f}, {found[q]['spearman']:.2f} " for q in QUANTITIES) + "|"
    return "\n".join(lines)
