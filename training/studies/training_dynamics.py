"""Figures 6 to 8: entropy and mutual information of the embedding, as three kinds of training go on."""

import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras_equivariant.training.data.images import LabelledImages
from keras_equivariant.training.input.preprocessing import Preprocessing
from keras_equivariant.training.studies.images import CONVNET, build_classifier, compile_classifier, load_images
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
    "dsmi_x": "rises on MNIST; peaks, then falls on CIFAR-10",
}

Callbacks = list[keras.callbacks.Callback]
_Train = Callable[[str, LabelledImages, Preprocessing, int, int, Callbacks], keras.callbacks.History]


def run(
    output: str | pathlib.Path,
    seed: int = 0,
    runs: int = 3,
    epochs: int = 10,
    training_images: int = 5000,
    memorised_images: int = 500,
    measured_images: int = 1000,
    dataset: str = "digits",
    data_dir: str | None = None,
    models: Sequence[str] = (CONVNET,),
) -> dict[str, Any]:
    """Trains networks in each way, and measures before the training and after each epoch.

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
        dataset: Name of a data set of labelled images.
        data_dir: Folder of prepared TFDS data sets.
        models: Names of networks, as `build_classifier` takes them.

    Returns:
        The results, a dictionary.
    """
    data, preprocess = load_images(dataset, data_dir, training_images, measured_images)
    for model in models:
        build_classifier(model, data.train.images.shape[1:], data.classes)  # so that a wrong one fails at once
    clusters = cluster_reference(data.test.images)
    memorised_images = min(memorised_images, len(data.train))
    ways = {"supervised": _supervised, "random labels": _random_labels(memorised_images), "SimCLR": _simclr}
    measured = {
        model: {str(sigma): {way: {quantity: [] for quantity in PANELS} for way in ways} for sigma in SIGMAS}
        for model in models
    }
    accuracies = {model: {way: [] for way in ways} for model in models}
    trainings = [(model, way, seed + i) for model in models for way in ways for i in range(runs)]
    progress = keras.utils.Progbar(len(trainings), unit_name="training")
    for number, (model, way, run_seed) in enumerate(trainings):
        keras.utils.set_random_seed(run_seed)
        callbacks = {
            str(sigma): _Measurements(data.test.images, data.test.labels, None, 1, sigma, TIME, clusters)
            for sigma in SIGMAS
        }
        history = ways[way](model, data, preprocess, epochs, run_seed, list(callbacks.values()))
        accuracies[model][way].append(history.history.get("accuracy", [None])[-1])
        for sigma, callback in callbacks.items():
            for quantity, rows in measured[model][sigma][way].items():
                rows.append([entry[quantity] for entry in callback.entries])
        progress.update(number + 1)
    settings = {"dataset": dataset, "sigma": list(SIGMAS), "t": TIME, "epochs": epochs, "reported": REPORTED}
    settings |= {"training_images": len(data.train), "memorised_images": memorised_images}
    settings |= {"measured_images": len(data.test), "training_accuracy": accuracies}
    results = settings | {"measured": measured}
    return save(output, results, draw(results))


def draw(results: dict[str, Any]) -> Figure:
    """Draws the results: a row for each network and bandwidth."""
    rows = [(model, sigma) for model, of_model in results["measured"].items() for sigma in of_model]
    figure, axes = new_figure(len(PANELS), rows=len(rows))
    panels = iter(axes)
    for model, sigma in rows:
        for quantity, title in PANELS.items():
            lines = {way: found[quantity] for way, found in results["measured"][model][sigma].items()}
            title = f"{title}\n{model} on {results['dataset']}, sigma = {sigma}"
            draw_lines(next(panels), range(results["epochs"] + 1), lines, title, "epoch", "bits")
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


def _network(name: str, data: LabelledImages, outputs: int) -> keras.Model:
    return build_classifier(name, data.train.images.shape[1:], outputs)


def _supervised(
    name: str, data: LabelledImages, preprocess: Preprocessing, epochs: int, seed: int, callbacks: Callbacks
) -> keras.callbacks.History:
    model = compile_classifier(_network(name, data, data.classes))
    return model.fit(data.train.images, data.train.labels, BATCH_SIZE, epochs, verbose=0, callbacks=callbacks)


def _random_labels(count: int) -> _Train:
    """Training on that many images with random labels, repeated to the size of the training set."""

    def train_by_heart(
        name: str, data: LabelledImages, preprocess: Preprocessing, epochs: int, seed: int, callbacks: Callbacks
    ) -> keras.callbacks.History:
        labels = np.random.default_rng(seed).integers(data.classes, size=count)
        repeated = np.arange(len(data.train)) % count
        model = compile_classifier(_network(name, data, data.classes))
        few = data.train.take(repeated)
        return model.fit(few.images, labels[repeated], BATCH_SIZE, epochs, verbose=0, callbacks=callbacks)

    return train_by_heart


def _simclr(
    name: str, data: LabelledImages, preprocess: Preprocessing, epochs: int, seed: int, callbacks: Callbacks
) -> keras.callbacks.History:
    model = _network(name, data, 32)
    model.compile(keras.optimizers.Adam(1e-3), PairLoss(), jit_compile=False)
    views = pairs_of_views(data.train.images, BATCH_SIZE, seed, preprocess)
    return model.fit(views, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks)
