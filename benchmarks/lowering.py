"""What lowering gains, and whether it leaves anything to gain: time of the planar model.

    python benchmarks/lowering.py [--network NAME] [--rounds N] [--json FILE]

Compares the planar model with the same convolutional network written by hand in Keras, and the model as it was with the
planar one, all in compiled functions on TensorFlow, in turn. The networks have random weights, which take no other
time than trained ones. About 20 seconds each, on an idle machine.
"""

import argparse
import collections
import json
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from timing import time_ratio

from keras_equivariant import zoo
from keras_equivariant.planar import to_planar

layers = keras.layers


def p4cnn_by_hand():
    """P4CNN as one would write it for deployment: 4 x 10 channels, no batch norm, a maximum over 4 orientations."""
    inputs = x = keras.Input((28, 28, 1))
    for layer in range(6):
        x = layers.ReLU()(layers.Conv2D(40, 3)(x))
        if layer == 1:
            x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(40, 4)(x)
    x = layers.MaxPooling2D((1, 4))(layers.Reshape((1, 4, 10))(x))
    return keras.Model(inputs, layers.GlobalMaxPooling2D()(layers.Reshape((1, 1, 10))(x)))


def p4_all_cnn_c_by_hand():
    """All-CNN-C on p4: 4 x 48 and 4 x 96 channels, a mean over space and orientation."""
    inputs = x = keras.Input((32, 32, 3))
    shapes = [(192, 3, 1, "same"), (192, 3, 1, "same"), (192, 3, 2, "same"), (384, 3, 1, "same"), (384, 3, 1, "same")]
    shapes += [(384, 3, 2, "same"), (384, 3, 1, "valid"), (384, 1, 1, "valid"), (40, 1, 1, "valid")]
    for channels, size, strides, padding in shapes:
        x = layers.ReLU()(layers.Conv2D(channels, size, strides, padding)(x))
    x = layers.Reshape((*x.shape[1:3], 4, 10))(x)
    return keras.Model(inputs, layers.GlobalAveragePooling3D()(x))


# By hand, batch size, arguments of the zoo's own.
NETWORKS = {
    "p4cnn": (p4cnn_by_hand, 64, {}),
    "p4_all_cnn_c": (p4_all_cnn_c_by_hand, 4, {"downsampling": "strided"}),
}


def compiled(model, batch):
    """The model as a compiled function of a batch of images."""
    images = tf.TensorSpec((batch, *model.input_shape[1:]))
    return tf.function(lambda x: model(x, training=False)).get_concrete_function(images)


def operations(model):
    """How often each operation is in the model's graph, without those that only fetch variables or name tensors."""
    kinds = (operation.type for operation in compiled(model, 1).graph.get_operations())
    return collections.Counter(kind for kind in kinds if kind not in ("ReadVariableOp", "Placeholder", "Identity"))


def compare(name, rounds):
    by_hand, batch, arguments = NETWORKS[name]
    model = zoo.create(name, **arguments)
    models = {"by hand": by_hand(), "planar": to_planar(model), "unlowered": model}
    x = tf.random.stateless_normal((batch, *model.input_shape[1:]), (0, 0))
    functions = {key: compiled(value, batch) for key, value in models.items()}
    runs = {key: lambda f=function: f(x)[0].numpy() for key, function in functions.items()}
    rows = []
    for first, second in (("planar", "by hand"), ("planar", "unlowered")):
        times, ratio, (low, high) = time_ratio(runs[first], runs[second], rounds)
        milliseconds = np.round(1000 * times, 3).tolist()
        rows.append(
            {"network": name, "batch": batch, "first": first, "second": second, "milliseconds": milliseconds}
            | {"ratio": ratio, "low": float(low), "high": float(high)}
        )
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=list(NETWORKS), help="default: each of them")
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--json", help="file to write the results to")
    arguments = parser.parse_args()
    rows = []
    for name in [arguments.network] if arguments.network else NETWORKS:
        for row in compare(name, arguments.rounds):
            rows.append(row)
            first, second = row["milliseconds"]
            print(
                f"{name}, batch {row['batch']}: planar {first:.2f} ms, {row['second']} {second:.2f} ms, "
                f"ratio {row['ratio']:.3f} ({row['low']:.3f} to {row['high']:.3f})"
            )
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(rows, file, indent=2)


if __name__ == "__main__":
    main()
