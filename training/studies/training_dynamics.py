"""Figures 6 to 8: entropy and mutual information of the embedding, as three kinds of training go on."""

import pathlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras_equivariant.training.data.images import Split
from keras_equivariant.training.studies.images import EMBEDDING, compile_classifier, load_images, small_convnet
from keras_equivariant.training.studies.results import draw_lines, new_figure, save
from keras_equivariant.training.studies.simclr import PairLoss, pairs_of_views
from matplotlib.figure import Figure

from keras_equivariant.callbacks import DiffusionSpectralEntropy
from keras_equivariant.entropy import cluster_reference

# Fixed before any training. 10 is the default of the authors' package. It is in the units of the embedding, so what is
# measured with it follows the scale of the embedding too; the median distance leaves the scale out.
SIGMAS, TIME = (10.0, "median"), 1
BATCH_SIZE = 50
PANELS = {
    "dse": "DSE of Z (Figure 6)",
    "dsmi_y": "DSMI of Z and labels (Figure 7)",
    "dsmi_x": "DSMI of Z and inputs (8)",
}
REPORTED = {
    "dse": "rises in all three",
    "dsmi_y": "rises but for random labels",
    "dsmi_x": "rises in all three, on MNIST",
}

Callbacks = list[keras.callbacks.Callback]


def run(
    output: str | pathlib.Path,
    seed: int = 0,
    runs: int = 3,
    epochs: int = 10,
    training_images: int = 5000,
    memorised_images: int = 500,
    measured_images: int = 1000,
) -> dict[str, Any]:
    """Trains a small network in each way, and measures before the training and after each epoch.

    What is measured are images that no network has seen, with their true labels. The run with random labels must
    memorise, so it uses few images, repeated to give the same number of steps.

    Args:
        output: Folder for the results.
        seed: Decides the initial weights, the order of the images, the labels.
        runs: Number of trainings of each kind, with seeds that follow `seed`.
        epochs: Number of epochs.
        training_images: Number of images to train on.
        memorised_images: Number of images with random labels, at most.
        measured_images: Number of unseen images to measure on.

    Returns:
        The results, a dictionary.
    """
    dataset, data = load_images(training_images, measured_images)
    clusters = cluster_reference(data.test.images)
    memorised_images = min(memorised_images, len(data.train))
    ways = {"supervised": _supervised, "random labels": _random_labels(memorised_images), "SimCLR": _simclr}
    measured = {str(sigma): {way: {quantity: [] for quantity in PANELS} for way in ways} for sigma in SIGMAS}
    accuracies = {way: [] for way in ways}
    for way, train in ways.items():
        for run_seed in range(seed, seed + runs):
            keras.utils.set_random_seed(run_seed)
            callbacks = {
                str(sigma): _Measurements(data.test.images, data.test.labels, EMBEDDING, 1, sigma, TIME, clusters)
                for sigma in SIGMAS
            }
            history = train(data.train, epochs, run_seed, list(callbacks.values()))
            accuracies[way].append(history.history.get("accuracy", [None])[-1])
            for sigma, callback in callbacks.items():
                for quantity, rows in measured[sigma][way].items():
                    rows.append([entry[quantity] for entry in callback.entries])
    settings = {"dataset": dataset, "sigma": list(SIGMAS), "t": TIME, "epochs": epochs, "reported": REPORTED}
    settings |= {"training_images": len(data.train), "memorised_images": memorised_images}
    settings |= {"measured_images": len(data.test), "training_accuracy": accuracies}
    return save(output, settings | {"measured": measured}, _draw(measured, epochs))


def _draw(measured: dict[str, dict[str, dict[str, list]]], epochs: int) -> Figure:
    figure, axes = new_figure(len(PANELS), rows=len(measured))
    panels = iter(axes)
    for sigma, ways in measured.items():
        for quantity, title in PANELS.items():
            lines = {way: rows[quantity] for way, rows in ways.items()}
            title = f"{title}, sigma = {sigma}\nreported: {REPORTED[quantity]}"
            draw_lines(next(panels), range(epochs + 1), lines, title, "epoch", "bits")
    return figure


class _Measurements(DiffusionSpectralEntropy):
    """Keeps the measurements, and takes one before the training."""

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        super().on_train_begin(logs)
        self.entries: list[dict[str, Any]] = []
        self.on_epoch_end(0, {})

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = {} if logs is None else logs
        super().on_epoch_end(epoch, logs)
        self.entries.append(dict(logs))


def _supervised(train: Split, epochs: int, seed: int, callbacks: Callbacks) -> keras.callbacks.History:
    model = compile_classifier(small_convnet())
    return model.fit(train.images, train.labels, BATCH_SIZE, epochs, verbose=0, callbacks=callbacks)


def _random_labels(count: int) -> Callable[[Split, int, int, Callbacks], keras.callbacks.History]:
    """Training on that many images with random labels, repeated to the size of the training set."""

    def train_by_heart(train: Split, epochs: int, seed: int, callbacks: Callbacks) -> keras.callbacks.History:
        labels = np.random.default_rng(seed).integers(10, size=count)
        repeated = np.arange(len(train)) % count
        model = compile_classifier(small_convnet())
        few = train.take(repeated)
        return model.fit(few.images, labels[repeated], BATCH_SIZE, epochs, verbose=0, callbacks=callbacks)

    return train_by_heart


def _simclr(train: Split, epochs: int, seed: int, callbacks: Callbacks) -> keras.callbacks.History:
    model = small_convnet(outputs=32)
    model.compile(keras.optimizers.Adam(1e-3), PairLoss(), jit_compile=False)
    views = pairs_of_views(train.images, BATCH_SIZE, seed)
    return model.fit(views, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks)
