"""Which combinations of maps a network learns, and how many of them are sparse.

    python benchmarks/combinations.py [--mnist mnist.npz] [--epochs N] [--seed N]

Trains `bouvrie_cnn` with each kind of learned combination from equal weights (c = 0): softmax with the penalty of
equation 11 at several strengths, sparsemax, and both with the entropy penalty. Prints the share of weights that are
exactly zero, the mean of the largest weight of each output map, and the test error; next to the fixed connection table.
On scikit-learn's digits, or on MNIST from a file with x_train, y_train, x_test, y_test.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras_equivariant.training.data import digits

from keras_equivariant import zoo
from keras_equivariant.losses import SparseHalvedSquaredError
from keras_equivariant.regularizers import EntropyRegularizer

SETTINGS = {
    "connection table": {},
    "softmax": {"mixing": "softmax"},
    "softmax, printed penalty 0.01": {"mixing": "softmax", "mixing_regularizer": keras.regularizers.L1(0.01)},
    "softmax, printed penalty 0.1": {"mixing": "softmax", "mixing_regularizer": keras.regularizers.L1(0.1)},
    "softmax, printed penalty 1": {"mixing": "softmax", "mixing_regularizer": keras.regularizers.L1(1.0)},
    "softmax, entropy penalty 0.03": {"mixing": "softmax", "mixing_regularizer": EntropyRegularizer(0.03)},
    "sparsemax": {"mixing": "sparsemax"},
    "sparsemax, entropy penalty 0.03": {"mixing": "sparsemax", "mixing_regularizer": EntropyRegularizer(0.03)},
    "sparsemax, entropy penalty 0.01": {"mixing": "sparsemax", "mixing_regularizer": EntropyRegularizer(0.01)},
}


def load(path):
    """Standardised training and test images, each with labels."""
    if path is None:
        data = digits.load()
        splits = [(split.images, split.labels) for split in (data.train, data.test)]
    else:
        with np.load(path) as data:
            splits = [(data[f"x_{part}"][..., None] / 255.0, data[f"y_{part}"]) for part in ("train", "test")]
    mean, deviation = splits[0][0].mean(), splits[0][0].std()
    return [(((x - mean) / deviation).astype("float32"), y.astype("int32")) for x, y in splits]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", help="file with MNIST; scikit-learn's digits without it")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=0.005)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="only settings whose name contains this")
    arguments = parser.parse_args()
    (x, y), (test_x, test_y) = load(arguments.mnist)
    steps = -(-len(x) // arguments.batch_size) * arguments.epochs
    print(f"{'combination':34}{'zeros':>8}{'largest':>9}{'test error':>12}")
    for name, setting in SETTINGS.items():
        if arguments.only not in name:
            continue
        keras.utils.set_random_seed(arguments.seed)
        model = zoo.bouvrie_cnn(**setting)
        rate = keras.optimizers.schedules.CosineDecay(arguments.learning_rate, steps)
        model.compile(keras.optimizers.SGD(rate, momentum=0.9), SparseHalvedSquaredError(), jit_compile=False)
        model.fit(x, y, batch_size=arguments.batch_size, epochs=arguments.epochs, verbose=0)
        error = 100 * (model.predict(test_x, batch_size=500, verbose=0).argmax(axis=1) != test_y).mean()
        shares = " " * 17
        if setting:
            weights = keras.ops.convert_to_numpy(model.get_layer("convolution_2").mixing_weights)
            shares = f"{100 * (weights == 0).mean():6.0f} %{weights.max(axis=0).mean():9.2f}"
        print(f"{name:34}{shares}{error:10.2f} %", flush=True)


if __name__ == "__main__":
    main()
