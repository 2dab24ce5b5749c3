"""Recomputes the values of the authors' package that the tests compare with.

    python -m venv venv && venv/bin/pip install numpy scikit-learn dse-dsmi
    venv/bin/python benchmarks/entropy_reference.py > tests/keras_equivariant/entropy/reference.json

It needs neither Keras nor this package. The points are made from integers by arithmetic alone, so that they do not
depend on the random numbers of any version, but for the handwritten digits of scikit-learn.
"""

import json
import random

import numpy as np
from dse_dsmi import diffusion_spectral_entropy, diffusion_spectral_mutual_information
from sklearn.datasets import load_digits

BANDWIDTHS, TIMES = (1.0, 10.0, 100.0), (1, 2, 5)
REPETITIONS = 5


def points(name):
    """Points and labels; the tests repeat these lines."""
    if name == "digits":
        digits = load_digits()
        return digits.data[:240], digits.target[:240]
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


def main():
    rows = []
    for name in ("blobs", "uniform", "digits"):
        x, labels = points(name)
        for sigma in BANDWIDTHS:
            for t in TIMES:
                entropy = diffusion_spectral_entropy(x, gaussian_kernel_sigma=sigma, t=t)
                information, _ = diffusion_spectral_mutual_information(
                    x, labels, gaussian_kernel_sigma=sigma, t=t, num_repetitions=REPETITIONS
                )
                rows.append({"points": name, "sigma": sigma, "t": t, "dse": float(entropy), "dsmi": float(information)})
        rows.append({"points": name, "shannon": float(diffusion_spectral_entropy(x, classic_shannon_entropy=True))})
    drawn = {name: subsets(points(name)[1]) for name in ("blobs", "digits")}
    print(json.dumps({"rows": rows, "subsets": drawn}))


if __name__ == "__main__":
    main()
