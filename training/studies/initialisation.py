"""Figure 9: the entropy of a network before training, and what it reaches, over the deviation of its kernels."""

import pathlib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras_equivariant.training.data.images import Split
from keras_equivariant.training.studies.images import (
    CONVNET,
    build_classifier,
    compile_classifier,
    draw_kernels,
    load_images,
)
from keras_equivariant.training.studies.results import draw_lines, new_figure, save
from matplotlib.figure import Figure

from keras_equivariant.callbacks import DiffusionSpectralEntropy

SIGMA, TIME = 10.0, 1  # fixed before any training, the defaults of the authors' package
BATCH_SIZE = 50


def run(
    output: str | pathlib.Path,
    seed: int = 0,
    runs: int = 3,
    epochs: int = 5,
    training_images: int = 2500,
    measured_images: int = 500,
    deviations: Sequence[float] = (0.001, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0),
    dataset: str = "digits",
    data_dir: str | None = None,
    models: Sequence[str] = (CONVNET,),
) -> dict[str, Any]:
    """Trains each network from kernels of each deviation, for the same number of epochs.

    Args:
        output: Folder for the results.
        seed: Decides the initial weights and the order of the images.
        runs: Number of trainings for each deviation, with seeds that follow `seed`.
        epochs: Number of epochs.
        training_images: Number of images to train on.
        measured_images: Number of unseen images to measure and test on.
        deviations: Standard deviations of the normal initial kernels of the convolutions.
        dataset: Name of a data set of labelled images.
        data_dir: Folder of prepared TFDS data sets.
        models: Names of networks, as `build_classifier` takes them.

    Returns:
        The results, a dictionary.
    """
    data, _ = load_images(dataset, data_dir, training_images, measured_images)
    test = (data.test.images, data.test.labels)
    found: dict[str, dict[str, np.ndarray]] = {name: {} for name in models}
    progress = keras.utils.Progbar(len(models) * runs * len(deviations), unit_name="training")
    for name in models:
        entropies = np.zeros((runs, len(deviations)))
        accuracies = np.zeros((runs, len(deviations), epochs))
        for row in range(runs):
            for column, deviation in enumerate(deviations):
                keras.utils.set_random_seed(seed + row)
                model = compile_classifier(build_classifier(name, data.train.images.shape[1:], data.classes))
                draw_kernels(model, deviation, seed + row)
                entropies[row, column] = measure(model, data.test)["dse"]
                history = model.fit(*_arrays(data.train), BATCH_SIZE, epochs, verbose=0, validation_data=test)
                accuracies[row, column] = history.history["val_accuracy"]
                progress.add(1)
        found[name] = {"dse": entropies, "accuracy": accuracies}
    results = {"dataset": dataset, "sigma": SIGMA, "t": TIME, "epochs": epochs, "deviations": list(deviations)}
    results |= {"training_images": len(data.train), "measured_images": len(data.test)}
    results["models"] = {name: {key: values.tolist() for key, values in rows.items()} for name, rows in found.items()}
    return save(output, results, draw(results))


def draw(results: dict[str, Any]) -> Figure:
    """Draws the results, a row for each network: entropies, curves of the accuracy, and what they come to."""
    figure, axes = new_figure(3, rows=len(results["models"]))
    deviations, name = results["deviations"], "deviation of the initial kernels"
    for row, (model, found) in enumerate(results["models"].items()):
        entropies, accuracies = np.array(found["dse"]), np.array(found["accuracy"])
        left, middle, right = axes[3 * row : 3 * row + 3]
        title = f"DSE of Z, {model} on {results['dataset']}"
        draw_lines(left, deviations, {"before training": entropies}, title, name, "bits", xscale="log")
        lines = {f"{d:g} ({entropies[:, i].mean():.1f} bits)": accuracies[:, i] for i, d in enumerate(deviations)}
        epochs = range(1, accuracies.shape[-1] + 1)
        draw_lines(middle, epochs, lines, "accuracy, by deviation (and initial DSE)", "epoch", "accuracy")
        right.scatter(entropies.reshape(-1), accuracies[..., -1].reshape(-1))
        right.set(title="each training", xlabel="initial DSE (bits)", ylabel="accuracy at the end")
    return figure


def _arrays(split: Split) -> tuple[np.ndarray, np.ndarray]:
    return split.images, split.labels


def measure(
    model: keras.Model,
    split: Split,
    sigma: float | str = SIGMA,
    t: int = TIME,
    clusters: np.ndarray | None = None,
) -> dict[str, float]:
    """Measures a model as it is: the entries that `DiffusionSpectralEntropy` would add to the logs.

    Args:
        model: Any Keras model.
        split: `Split` of images that the model takes, with their labels.
        sigma: Width of the kernel.
        t: Diffusion time.
        clusters: Classes of the images, or `None` for no `dsmi_x`.

    Returns:
        A dictionary, `dse`, `dsmi_y` and, with clusters, `dsmi_x`.
    """
    callback = DiffusionSpectralEntropy(split.images, split.labels, sigma=sigma, t=t, clusters=clusters)
    callback.set_model(model)
    callback.on_train_begin()
    entries: dict[str, float] = {}
    callback.on_epoch_end(0, entries)
    return entries
