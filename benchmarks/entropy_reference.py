"""Recomputes the values of the authors' package that the tests compare with.

    python -m venv venv && venv/bin/pip install numpy scikit-learn dse-dsmi
    venv/bin/python benchmarks/entropy_reference.py > tests/keras_equivariant/entropy/reference.json

It needs neither Keras nor this package. The points are made from integers by arithmetic alone, so that they do not
depend on the random numbers of any version, but for the handwritten digits of scikit-learn and the embedding of them
in a trained network, which is kept in a file. To make that one anew, where Keras is too:

    venv/bin/python benchmarks/entropy_reference.py --embedding
"""

import argparse
import json
import pathlib
import random

import numpy as np
from dse_dsmi import diffusion_spectral_entropy, diffusion_spectral_mutual_information
from sklearn.datasets import load_digits

BANDWIDTHS, TIMES = (1.0, 10.0, 100.0), (1, 2, 5)
REPETITIONS = 5
FOLDER = pathlib.Path(__file__).parents[1] / "tests" / "keras_equivariant" / "entropy"
EMBEDDING = "embedding.csv"


def points(name):
    """Points and labels; the tests repeat these lines."""
    if name in ("digits", "embedding"):
        digits = load_digits()
        x = digits.data[:240] if name == "digits" else np.loadtxt(FOLDER / EMBEDDING, delimiter=",")
        return x, digits.target[:240]
    index = np.arange(240 * 6, dtype="int64")
    uniform = (index * 7919 % 10007 / 10007).reshape(240, 6)
    labels = np.arange(240) % 3
    return (uniform * 20, labels) if name == "uniform" else (uniform * 4 + 30 * labels[:, None], labels)


def subsets(labels):
    """The subsets that the package draws: it seeds Python's generator again for every class."""
    drawn = []
    for label in np.unique(labels):
        random.seed(0)
        count = int((labels == label).sum())
        drawn.append([random.sample(range(len(labels)), k=count) for _ in range(REPETITIONS)])
    return drawn


def save_embedding():
    """Trains a small network on handwritten digits, and saves what the layer before the last makes of the first."""
    import keras

    keras.utils.set_random_seed(0)
    digits = load_digits()
    layers = [keras.layers.Reshape((8, 8, 1)), keras.layers.Conv2D(16, 3, activation="relu"), keras.layers.Flatten()]
    embedding = keras.Sequential([keras.Input((64,)), *layers, keras.layers.Dense(16, activation="relu")])
    model = keras.Sequential([embedding, keras.layers.Dense(10)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(digits.data / 16, digits.target, epochs=20, verbose=0)
    values = embedding.predict(digits.data[:240] / 16, verbose=0)
    np.savetxt(FOLDER / EMBEDDING, values, fmt="%.3f", delimiter=",")


def record():
    rows = []
    for name in ("blobs", "uniform", "digits", "embedding"):
        x, labels = points(name)
        for sigma in BANDWIDTHS:
            for t in TIMES:
                entropy = diffusion_spectral_entropy(x, gaussian_kernel_sigma=sigma, t=t)
                information, _ = diffusion_spectral_mutual_information(
                    x, labels, gaussian_kernel_sigma=sigma, t=t, num_repetitions=REPETITIONS
                )
                rows.append({"points": name, "sigma": sigma, "t": t, "dse": float(entropy), "dsmi": float(information)})
        shannon = diffusion_spectral_entropy(x, classic_shannon_entropy=True)
        information, _ = diffusion_spectral_mutual_information(
            x, labels, num_repetitions=REPETITIONS, classic_shannon_entropy=True
        )
        rows.append({"points": name, "shannon": float(shannon), "shannon_information": float(information)})
    drawn = {name: subsets(points(name)[1]) for name in ("blobs", "digits")}
    print(json.dumps({"rows": rows, "subsets": drawn}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embedding", action="store_true", help="make the embedding anew, and nothing else")
    if parser.parse_args().embedding:
        save_embedding()
    else:
        record()


if __name__ == "__main__":
    main()
