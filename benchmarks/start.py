"""What it costs to begin: importing the library, building a model of the zoo, converting a network and loading it.

    python benchmarks/start.py [--rounds N]
    KERAS_BACKEND=jax python benchmarks/start.py [--rounds N]

Imports are timed in fresh processes, `import keras_equivariant` against `import keras`, in turn; building `p4cnn`
against a stock Keras model with as many layers and, layer by layer, as many weights. MobileNetV2 at 96 pixels is built,
converted to p4, saved, and both are loaded in fresh processes: what is compiled, is compiled in each of these times.
"""

import argparse
import os
import subprocess
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from timing import time_ratio

from keras_equivariant import zoo

IMPORT = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"
CONVERT = """
import sys, time, keras
from keras_equivariant.convert import to_group_equivariant

begin = time.perf_counter()
model = keras.applications.MobileNetV2((96, 96, 3), weights=None, classes=10)
built = time.perf_counter()
converted = to_group_equivariant(model, "p4", exact=True)
print(built - begin, time.perf_counter() - built)
model.save(sys.argv[1] + "/ordinary.keras")
converted.save(sys.argv[1] + "/converted.keras")
"""
LOAD = """
import sys, time, keras, keras_equivariant.layers

begin = time.perf_counter()
keras.models.load_model(sys.argv[1])
print(time.perf_counter() - begin)
"""


def run(program, *arguments):
    """The seconds that a program prints, in a process of its own."""
    command = [sys.executable, "-c", program, *arguments]
    printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return [float(word) for word in printed.split()]


def import_seconds(module):
    return run(IMPORT.format(module))[0]


def converted_seconds():
    """Of building an ordinary network and of converting it, and of loading each."""
    with tempfile.TemporaryDirectory() as folder:
        return [*run(CONVERT, folder), *(run(LOAD, f"{folder}/{name}.keras")[0] for name in ("ordinary", "converted"))]


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
    build, convert, load, again = np.median([converted_seconds() for _ in range(max(rounds // 7, 1))], axis=0)
    print(f"MobileNetV2: build {build:.1f} s, convert {convert:.1f} s; load {load:.1f} s, converted {again:.1f} s")


if __name__ == "__main__":
    main()
