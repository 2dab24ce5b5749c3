"""How the error of a central difference depends on its step.

    python benchmarks/gradient_steps.py

Checks the gradients of a small `bouvrie_cnn` at steps from 1e-1 to 1e-12: the largest relative error of all layers.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from keras_equivariant import zoo
from keras_equivariant.gradients import check_gradients
from keras_equivariant.losses import SparseHalvedSquaredError


def main():
    keras.utils.set_random_seed(0)
    model = zoo.bouvrie_cnn((16, 16, 1), units=8)
    model.compile("sgd", SparseHalvedSquaredError())
    x, y = np.random.default_rng(0).normal(size=(4, 16, 16, 1)), np.arange(4)
    print("step     float64   float32")
    for step in [*(10.0**-exponent for exponent in range(1, 13)), None]:
        errors = [
            check_gradients(model, x, y, samples=5, step=step, dtype=dtype).relative_error
            for dtype in ("float64", "float32")
            if dtype == "float64" or step is None or step >= 1e-6
        ]
        print(f"{'default' if step is None else format(step, '.0e'):9}" + "   ".join(f"{e:.1e}" for e in errors))


if __name__ == "__main__":
    main()
