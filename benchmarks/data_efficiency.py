"""Test error on rotated MNIST over the number of training images: networks on a group, ordinary ones, turned copies.

    python benchmarks/data_efficiency.py --data-dir FOLDER [--images N ...] [--seeds N] [--steps N] [--test N]
        [--networks NAME ...] [--output STEM]

FOLDER holds the data set of the recipe `rotated_mnist`. For each seed the largest of `--images` is drawn to train on,
smaller numbers are the first of these. Every network trains for as many steps of 64 images, and is tested on the first
`--test` test images. Z2CNN is without its dropout, with which it needs hundreds of epochs. STEM.json and STEM.png are
written after each training; what STEM.json holds already, if its settings are the same, is not done again.
"""

import argparse
import json
import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from keras_equivariant.training.data.rotated_mnist import load
from keras_equivariant.training.data.transforms import rotate
from keras_equivariant.training.files import replacing
from keras_equivariant.training.model.batch_norm import reestimate_batch_norm
from matplotlib.figure import Figure

from keras_equivariant import zoo

NETWORKS = {
    "z2cnn": ("z2cnn", {"dropout": 0.0}, False),
    "z2cnn, turned copies": ("z2cnn", {"dropout": 0.0}, True),
    "p4cnn": ("p4cnn", {}, False),
    "p4cnn, turned copies": ("p4cnn", {}, True),
    "p8_cnn": ("p8_cnn", {}, False),
}
BATCH_SIZE = 64
_BATCHES = 20  # that the statistics of batch norm are taken from


def train(name, arguments, copies, images, labels, steps, seed):
    """A trained network, and the processor's seconds that its steps took, the first left out."""
    keras.utils.set_random_seed(seed)
    model = zoo.create(name, **arguments)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps))
    model.compile(optimizer, loss, jit_compile=False)  # which takes longer on processors
    rng, start = np.random.default_rng(seed), 0.0

    def batch():
        chosen = rng.integers(0, len(images), BATCH_SIZE)
        if not copies:
            return images[chosen], labels[chosen]
        angles = rng.uniform(0, 2 * np.pi, BATCH_SIZE).astype("float32")
        return rotate(images[chosen], angles, background=images.min()), labels[chosen]

    for step in range(steps):
        model.train_on_batch(*batch())
        start = time.process_time() if step == 0 else start
    seconds = time.process_time() - start
    # A training as short as this leaves the moving averages behind.
    reestimate_batch_norm(model, (batch() for _ in range(_BATCHES)))
    return model, seconds


def write(rows, settings, stem):
    """Writes all rows, and draws the mean over the seeds."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    with replacing(stem.with_suffix(".json")) as partial:
        partial.write_text(json.dumps({"settings": settings, "rows": rows}, indent=1))
    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.add_subplot()
    counts = sorted({row["images"] for row in rows})
    for way in dict.fromkeys(row["way"] for row in rows):
        found = {n: [r["test_error"] for r in rows if (r["way"], r["images"]) == (way, n)] for n in counts}
        means = {n: np.mean(errors) for n, errors in found.items() if errors}
        axes.plot(list(means), list(means.values()), marker="o", label=way)
    axes.set(xlabel="training images", ylabel="test error (%)", xscale="log", yscale="log", title="rotated MNIST")
    axes.set_xticks(counts, map(str, counts))
    axes.minorticks_off()
    ticks = [n for n in (1, 2, 5, 10, 20, 50) if axes.get_ylim()[0] <= n <= axes.get_ylim()[1]]
    axes.set_yticks(ticks, map(str, ticks))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(stem.with_suffix(".png"), dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--images", type=int, nargs="+", default=[100, 300, 1000, 3000])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--test", type=int, default=10_000)
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS), metavar="NAME")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("data_efficiency"))
    arguments = parser.parse_args()
    data = load(arguments.data_dir)
    test = data.test.first(arguments.test)
    shown = test.scaled_images()
    settings = {"steps": arguments.steps, "test_images": len(test), "tensorflow": tf.__version__}
    path = arguments.output.with_suffix(".json")
    stored = json.loads(path.read_text()) if path.exists() else {"settings": settings, "rows": []}
    if stored["settings"] != settings:
        parser.error(f"{path} has other settings: {stored['settings']}")
    rows = stored["rows"]
    done = {(row["way"], row["images"], row["seed"]) for row in rows}
    for seed in range(arguments.seeds):
        order = np.random.default_rng(seed).permutation(len(data.train))
        for count in arguments.images:
            chosen = data.train.take(order[:count])
            images = chosen.scaled_images()
            mean, deviation = images.mean(), images.std()
            for way in arguments.networks:
                if (way, count, seed) in done:
                    continue
                model, seconds = train(
                    *NETWORKS[way], (images - mean) / deviation, chosen.labels, arguments.steps, seed
                )
                logits = model.predict((shown - mean) / deviation, batch_size=500, verbose=0)
                error = 100 * float(np.mean(logits.argmax(axis=-1) != test.labels))
                rows.append({"way": way, "images": count, "seed": seed, "test_error": round(error, 3)})
                rows[-1] |= {"parameters": model.count_params(), "seconds": round(seconds, 1)}
                print(json.dumps(rows[-1]), flush=True)
                write(rows, settings, arguments.output)


if __name__ == "__main__":
    main()
