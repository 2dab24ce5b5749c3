"""What the expansion of the filters costs: GroupConv2D against one planar convolution with the expanded kernel.

    python benchmarks/group_conv.py [--rounds N] [--jit] [--json FILE]

Both run forward and backward (gradients for input, kernel and bias) in one compiled function on TensorFlow, in turn.
"""

import argparse
import json
import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from timing import time_ratio

from keras_equivariant import get_symmetry
from keras_equivariant.layers import GroupConv2D

CASES = [
    # symmetry, channels, size, batch
    ("p4", 10, 24, 64),
    ("p4", 48, 16, 32),
    ("p4m", 23, 16, 32),
    ("p4m", 45, 8, 32),
]


def training_step(layer, x, upstream, jit):
    @tf.function(jit_compile=jit)
    def step():
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x) * upstream)
        return tape.gradient(loss, [x, *(variable.value for variable in layer.trainable_variables)])

    return lambda: [gradient.numpy() for gradient in step()]


def compare(symmetry, channels, size, batch, rounds, jit):
    group = GroupConv2D(channels, 3, symmetry)
    orientations = get_symmetry(symmetry).order
    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(size=(batch, size, size, orientations, channels)).astype("float32"))
    upstream = tf.constant(rng.normal(size=group(x).shape).astype("float32"))
    planar = keras.layers.Conv2D(orientations * channels, 3)
    flat_x = tf.reshape(x, (batch, size, size, -1))
    planar(flat_x)
    planar.set_weights([group.expanded_kernel, np.tile(group.bias, orientations)])
    steps = (
        training_step(group, x, upstream, jit),
        training_step(planar, flat_x, tf.reshape(upstream, (*upstream.shape[:3], -1)), jit),
    )
    return time_ratio(*steps, rounds)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--jit", action="store_true", help="compile both with XLA")
    parser.add_argument("--json", help="file to write the results to")
    arguments = parser.parse_args()
    rows = []
    print("symmetry channels size batch   group ms  planar ms   ratio   95 % interval")
    for symmetry, channels, size, batch in CASES:
        times, ratio, (low, high) = compare(symmetry, channels, size, batch, arguments.rounds, arguments.jit)
        rows.append(
            {"symmetry": symmetry, "channels": channels, "size": size, "batch": batch}
            | {"seconds": times.tolist(), "ratio": ratio, "interval": [low, high]}
        )
        print(
            f"{symmetry:<9}{channels:>7}{size:>5}{batch:>6}{1e3 * times[0]:>11.2f}{1e3 * times[1]:>11.2f}"
            f"{ratio:>8.3f}   {low:.3f} to {high:.3f}",
            flush=True,
        )
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(rows, file, indent=2)


if __name__ == "__main__":
    main()
