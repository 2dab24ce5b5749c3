"""What `DiffusionSpectralEntropy` adds to an epoch of the recipe `rotated_mnist`.

    python benchmarks/entropy_callback.py [--data-dir DIR] [--points N] [--epochs N]

It measures the entropy of P4CNN's embedding and its mutual information with labels and images after each epoch, and
prints the seconds of both, by the clock and of the processor. The first epoch, in which TensorFlow traces and the
images are clustered, is not counted.
"""

import argparse
import os
import time

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from keras_equivariant.training.input.pipelines import training_batches
from keras_equivariant.training.input.preprocessing import fit_preprocessing
from keras_equivariant.training.recipes import get_recipe
from keras_equivariant.training.runs.fit import build
from keras_equivariant.training.tasks import get_task

from keras_equivariant.callbacks import DiffusionSpectralEntropy

CLOCKS = {"clock": time.perf_counter, "processor": time.process_time}


def now():
    return np.array([read() for read in CLOCKS.values()])


class Timed(DiffusionSpectralEntropy):
    """Notes the times of each epoch without it, and of itself."""

    epochs, own = (), ()

    def on_epoch_begin(self, epoch, logs=None):
        self.began = now()

    def on_epoch_end(self, epoch, logs=None):
        ended = now()
        super().on_epoch_end(epoch, logs)
        self.epochs, self.own = (*self.epochs, ended - self.began), (*self.own, now() - ended)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", help="prepared TFDS data sets; default: ~/tensorflow_datasets")
    parser.add_argument("--points", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=4)
    arguments = parser.parse_args()
    recipe = get_recipe("rotated_mnist")
    task = get_task(recipe.task)
    data = task.load(recipe, arguments.data_dir)
    preprocess = fit_preprocessing(recipe.preprocessing, data.train.scaled_images())
    steps = len(data.train) // recipe.batch_size
    _, model = build(task, recipe, data, task.parts(data)[0])
    images = np.asarray(preprocess(data.train.scaled_images(arguments.points)))
    callback = Timed(images, data.train.labels[: arguments.points], sigma="median")
    batches = training_batches(data.train, preprocess, recipe.augmentation, recipe.batch_size, recipe.seed)
    model.fit(batches, steps_per_epoch=steps, epochs=arguments.epochs, shuffle=False, verbose=0, callbacks=[callback])
    for name, epoch, own in zip(
        CLOCKS, *(np.median(times[1:], axis=0) for times in (callback.epochs, callback.own)), strict=True
    ):
        print(f"{name}: epoch {epoch:.2f} s, entropies of {len(images)} points {own:.2f} s, {own / epoch:.1%}")


if __name__ == "__main__":
    main()
