"""Figures 6 to 8: entropy and mutual information of the embedding, as three kinds of training go on."""

import keras
import numpy as np

from keras_equivariant.callbacks import DiffusionSpectralEntropy
from keras_equivariant.entropy import cluster_reference
from training.studies.images import EMBEDDING, compile_classifier, load_images, small_convnet
from training.studies.results import draw_lines, new_figure, save
from training.studies.simclr import PairLoss, pairs_of_views

SIGMA, TIME = 10.0, 1
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


def run(output, seed=0, runs=3, epochs=8, training_images=2500, measured_images=500):
    """Trains a small network in each way, and measures before the training and after each epoch.

    Random labels are to be learned by heart, so they are a quarter of the images, for as many steps in all.

    Args:
        output: Folder for the results.
        seed: Decides the initial weights, the order of the images, the labels.
        runs: Number of trainings of each kind, with seeds that follow `seed`.
        epochs: Number of epochs.
        training_images: Number of images to train on.
        measured_images: Number of unseen images to measure on.

    Returns:
        The results, a dictionary.
    """
    dataset, data = load_images(training_images, measured_images)
    clusters = cluster_reference(data.test.images)
    ways = {"supervised": _supervised, "random labels": _random_labels, "SimCLR": _simclr}
    measured = {way: {quantity: [] for quantity in PANELS} for way in ways}
    for way, train in ways.items():
        for run_seed in range(seed, seed + runs):
            keras.utils.set_random_seed(run_seed)
            callback = _Measurements(data.test.images, data.test.labels, EMBEDDING, 1, SIGMA, TIME, clusters)
            train(data.train, epochs, run_seed, callback)
            for quantity, rows in measured[way].items():
                rows.append([entry[quantity] for entry in callback.entries])
    figure, axes = new_figure(3)
    for panel, (quantity, title) in zip(axes, PANELS.items(), strict=True):
        lines = {way: rows[quantity] for way, rows in measured.items()}
        draw_lines(panel, range(epochs + 1), lines, f"{title}\nreported: {REPORTED[quantity]}", "epoch", "bits")
    settings = {"dataset": dataset, "sigma": SIGMA, "t": TIME, "epochs": epochs}
    settings |= {"training_images": len(data.train), "measured_images": len(data.test), "reported": REPORTED}
    return save(output, settings | measured, figure)


class _Measurements(DiffusionSpectralEntropy):
    """Keeps the measurements, and takes one before the training."""

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        self.entries = []
        self.on_epoch_end(0, {})

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        self.entries.append(dict(logs))


def _supervised(train, epochs, seed, callback):
    model = compile_classifier(small_convnet())
    model.fit(train.images, train.labels, BATCH_SIZE, epochs, verbose=0, callbacks=[callback])


def _random_labels(train, epochs, seed, callback):
    few = train.take(np.arange(len(train) // 4))
    labels = np.random.default_rng(seed).integers(10, size=len(few))
    steps = len(train) // BATCH_SIZE
    model = compile_classifier(small_convnet())
    repeated = np.tile(np.arange(len(few)), 4)
    few, labels = few.take(repeated), labels[repeated]
    model.fit(few.images, labels, BATCH_SIZE, epochs, verbose=0, steps_per_epoch=steps, callbacks=[callback])


def _simclr(train, epochs, seed, callback):
    model = small_convnet(outputs=32)
    model.compile(keras.optimizers.Adam(1e-3), PairLoss(), jit_compile=False)
    model.fit(
        pairs_of_views(train.images, BATCH_SIZE, seed), epochs=epochs, shuffle=False, verbose=0, callbacks=[callback]
    )
