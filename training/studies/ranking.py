"""Figure 10: how well the entropies of models, measured without training any, go with their accuracy."""

import itertools
import pathlib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import scipy.stats
from keras_equivariant.training.data.images import Split
from keras_equivariant.training.model.batch_norm import reestimate_batch_norm
from keras_equivariant.training.studies.images import compile_classifier, load_images
from keras_equivariant.training.studies.initialisation import measure
from keras_equivariant.training.studies.results import new_figure, save
from matplotlib.figure import Figure

from keras_equivariant import zoo
from keras_equivariant.entropy import cluster_reference

SIGMAS, TIME = (10.0, "median"), 1  # fixed before any training, as in training_dynamics
BATCH_SIZE = 100
_BATCHES = 10  # for the statistics of batch normalisation
MODELS = (("z2cnn", 4), ("z2cnn", 10), ("p4cnn", 3), ("p4cnn_rotation_pooling", 4))
QUANTITIES = {"dse": "DSE of Z", "dsmi_x": "DSMI of Z and inputs", "dsmi_y": "DSMI of Z and labels"}


def run(
    output: str | pathlib.Path,
    seed: int = 0,
    models: Sequence[tuple[str, int]] = MODELS,
    steps: Sequence[int] = (0, 20, 60, 180),
    measured_images: int = 500,
    dataset: str = "digits",
    data_dir: str | None = None,
) -> dict[str, Any]:
    """Ranks models of the zoo, each trained by itself, from initial weights of its own, for some number of steps.

    The statistics of batch normalisation are estimated anew before measuring: after few steps, the moving averages
    are still close to their initial values.

    Args:
        output: Folder for the results.
        seed: Decides the initial weights and the order of the images.
        models: Pairs of a name of the zoo and a number of filters.
        steps: Numbers of training steps of 100 images, for each of which a model is trained.
        measured_images: Number of unseen images to measure and test on.
        dataset: Name of a data set of labelled images.
        data_dir: Folder of prepared TFDS data sets.

    Returns:
        The results, a dictionary.
    """
    data, _ = load_images(dataset, data_dir, BATCH_SIZE * max(steps), measured_images)
    clusters = cluster_reference(data.test.images)
    rows = {str(sigma): [] for sigma in SIGMAS}
    for index, ((name, filters), count) in enumerate(itertools.product(models, steps)):
        keras.utils.set_random_seed(seed + index)
        model = compile_classifier(zoo.create(name, filters=filters, input_shape=data.train.images.shape[1:]))
        chosen = np.arange(BATCH_SIZE * count) % len(data.train)
        if count:
            model.fit(data.train.images[chosen], data.train.labels[chosen], BATCH_SIZE, verbose=0)
        batches = range(0, len(data.train), BATCH_SIZE)[:_BATCHES]
        reestimate_batch_norm(model, [(data.train.images[i : i + BATCH_SIZE], None) for i in batches])
        for sigma in SIGMAS:
            row = {"model": f"{name}-{filters}", "steps": count, **rank([model], data.test, clusters, sigma)[0]}
            rows[str(sigma)].append(row)
    correlations = {sigma: correlate(of_sigma) for sigma, of_sigma in rows.items()}
    results = {"dataset": dataset, "sigma": list(SIGMAS), "t": TIME, "measured_images": len(data.test)}
    return save(output, results | {"models": rows, "correlations": correlations}, _draw(rows, correlations))


def _draw(rows: dict[str, list[dict[str, Any]]], correlations: dict[str, dict[str, dict[str, float]]]) -> Figure:
    figure, axes = new_figure(len(QUANTITIES), rows=len(rows))
    panels = iter(axes)
    for sigma, of_sigma in rows.items():
        for quantity, title in QUANTITIES.items():
            panel = next(panels)
            for model in dict.fromkeys(row["model"] for row in of_sigma):
                points = [(row[quantity], row["accuracy"]) for row in of_sigma if row["model"] == model]
                panel.plot(*zip(*points, strict=True), marker="o", linestyle="none", label=model)
            text = "Pearson {pearson:.2f} (p {pearson_p:.1g}), Spearman {spearman:.2f}"
            text = text.format(**correlations[sigma][quantity])
            panel.set(title=f"{title}, sigma = {sigma}\n{text}", xlabel="bits", ylabel="accuracy")
            panel.grid(alpha=0.3)
    axes[0].legend(fontsize=7, framealpha=0.5)
    return figure


def rank(
    models: list[keras.Model], split: Split, clusters: int | np.ndarray = 10, sigma: float | str = 10.0
) -> list[dict[str, Any]]:
    """Measures any Keras classifiers on the same images.

    Args:
        models: List of `keras.Model` from images to one score for each class.
        split: `Split` of images that the models take, with their labels.
        clusters: Number of clusters of the images, or their classes.
        sigma: Width of the kernel, or `"median"`.

    Returns:
        A list of dictionaries, one for each model: `dse`, `dsmi_y`, `dsmi_x` and `accuracy`.
    """
    if isinstance(clusters, int):
        clusters = cluster_reference(split.images, clusters)
    rows = []
    for model in models:
        predictions = model.predict(split.images, verbose=0).argmax(axis=1)
        measured = measure(model, split, sigma, TIME, clusters)
        rows.append({**measured, "accuracy": float((predictions == split.labels).mean())})
    return rows


def correlate(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Correlates each quantity of `rank` with the accuracy, over the models that could be measured.

    Returns:
        A dictionary from the quantities to `pearson` and `spearman` coefficients and their p-values.
    """
    correlations = {}
    for quantity in QUANTITIES:
        pairs = np.array([(row[quantity], row["accuracy"]) for row in rows])
        x, y = pairs[np.isfinite(pairs).all(axis=1)].T
        pearson, spearman = scipy.stats.pearsonr(x, y), scipy.stats.spearmanr(x, y)
        correlations[quantity] = {
            "pearson": float(pearson.statistic),
            "pearson_p": float(pearson.pvalue),
            "spearman": float(spearman.statistic),
            "spearman_p": float(spearman.pvalue),
        }
    return correlations
