"""What it costs to begin: importing the library, and building a model of the zoo.

    python benchmarks/start.py [--rounds N]

Imports are timed in fresh processes, `import keras_equivariant` against `import keras`, in turn; building `p4cnn`
against a stock Keras model with as many layers and, layer by layer, as many weights.
"""

import argparse
import os
import subprocess
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from timing import time_ratio

from keras_equivariant import zoo

IMPORT = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def import_seconds(module):
    command = [sys.executable, "-c", IMPORT.format(module)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def build_stock_model():
    """Z2CNN's layers, with kernels as large as P4CNN's stored ones."""
    x = inputs = keras.Input((28, 28, 1))
    for layer in range(1, 7):
        x = keras.layers.Conv2D(20, 3, kernel_initializer="he_normal")(x)
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.ReLU()(x)
        if layer == 2:
            x = keras.layers.MaxPooling2D(2)(x)
    x = keras.layers.Conv2D(10, 4, kernel_initializer="he_normal")(x)
    x = keras.layers.ReLU()(x)
    return keras.Model(inputs, keras.layers.GlobalMaxPooling2D()(x))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    times = np.array([[import_seconds(m) for m in ("keras, keras_equivariant", "keras")] for _ in range(rounds)])
    added = np.median(times[:, 0] - times[:, 1])
    print(f"import keras {np.median(times[:, 1]):.2f} s; keras_equivariant adds {added:.3f} s")
    times, ratio, (low, high) = time_ratio(lambda: zoo.create("p4cnn"), build_stock_model, rounds)
    print(f"build p4cnn {1e3 * times[0]:.0f} ms, stock model {1e3 * times[1]:.0f} ms")
    print(f"ratio {ratio:.2f} ({low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()
