"""Figure 9: the entropy of a network before training, and what it reaches, over the deviation of its kernels."""

import pathlib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras_equivariant.training.data.images import Split
from keras_equivariant.training.studies.images import compile_classifier, load_images, small_convnet
from keras_equivariant.training.studies.results import draw_lines, new_figure, save

from keras_equivariant.callbacks import DiffusionSpectralEntropy

SIGMA, TIME = 10.0, 1  # fixed before any training, the defaults of the authors' package
BATCH_SIZE = 50


def run(
    output: str | pathlib.Path,
    seed: int = 0,
    runs: int = 3,
    epochs: int = 2,
    training_images: int = 2500,
    measured_images: int = 500,
    deviations: Sequence[float] = (0.001, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0),
) -> dict[str, Any]:
    """Trains the same network from kernels of each deviation, for the same number of epochs.

    Args:
        output: Folder for the results.
        seed: Decides the initial weights and the order of the images.
        runs: Number of trainings for each deviation, with seeds that follow `seed`.
        epochs: Number of epochs.
        training_images: Number of images to train on.
        measured_images: Number of unseen images to measure and test on.
        deviations: Standard deviations of the normal initial kernels of the convolutions.

    Returns:
        The results, a dictionary.
    """
    dataset, data = load_images(training_images, measured_images)
    entropies, accuracies = np.zeros((2, runs, len(deviations)))
    for row in range(runs):
        for column, deviation in enumerate(deviations):
            keras.utils.set_random_seed(seed + row)
            model = compile_classifier(small_convnet(deviation=deviation))
            entropies[row, column] = measure(model, data.test)["dse"]
            model.fit(data.train.images, data.train.labels, BATCH_SIZE, epochs, verbose=0)
            _, accuracies[row, column] = model.evaluate(data.test.images, data.test.labels, verbose=0)
    figure, (left, middle, right) = new_figure(3)
    name = "deviation of the initial kernels"
    draw_lines(left, deviations, {"before training": entropies}, "DSE of Z", name, "bits", xscale="log")
    lines = {f"after {epochs} epochs": accuracies}
    draw_lines(middle, deviations, lines, "accuracy", name, "accuracy", xscale="log")
    right.scatter(entropies.reshape(-1), accuracies.reshape(-1))
    right.set(title="each training", xlabel="initial DSE (bits)", ylabel="accuracy")
    results = {"dataset": dataset, "sigma": SIGMA, "t": TIME, "epochs": epochs, "deviations": list(deviations)}
    results |= {"training_images": len(data.train), "measured_images": len(data.test)}
    return save(output, results | {"dse": entropies.tolist(), "accuracy": accuracies.tolist()}, figure)


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
