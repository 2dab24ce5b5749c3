"""A residual network on p4m whose blocks are computed again in the backward pass, against one that keeps their maps.

    python benchmarks/recompute.py [--backend tensorflow|jax|torch] [--blocks 8] [--batch 64]

Megabytes that steps of training add to an empty process, compilation included, and seconds of a step, each network in a
process of its own; on TensorFlow as a graph and with XLA. The wrapper is that of docs/speed.md.
"""

import argparse
import os
import resource
import subprocess
import sys
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--backend", choices=("tensorflow", "jax", "torch"), default="tensorflow")
parser.add_argument("--blocks", type=int, default=8)
parser.add_argument("--batch", type=int, default=64)
parser.add_argument("--one", help=argparse.SUPPRESS)  # whether to recompute, and whether to compile with XLA
ARGUMENTS = parser.parse_args()
os.environ["KERAS_BACKEND"] = ARGUMENTS.backend
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from keras_equivariant.layers import GroupConv2D


@keras.saving.register_keras_serializable("recompute")
class Recompute(keras.layers.Wrapper):
    """Keeps no maps inside of a block for the gradient, but computes them again."""

    def call(self, inputs, training=None):
        if not training:
            return self.layer(inputs, training=False)

        def run(inputs, trainable, others):
            return self.layer.stateless_call(trainable, others, inputs, training=True)

        trainable = [keras.ops.convert_to_tensor(variable) for variable in self.layer.trainable_variables]
        others = [keras.ops.copy(variable) for variable in self.layer.non_trainable_variables]
        outputs, updated = keras.remat(run)(inputs, trainable, others)
        for variable, value in zip(self.layer.non_trainable_variables, updated, strict=True):
            variable.assign(value)
        return outputs

    def compute_output_shape(self, input_shape):
        return self.layer.compute_output_shape(input_shape)


def build(recompute):
    inputs = keras.Input((32, 32, 3))
    x = GroupConv2D(8, 3, "p4m", padding="same")(inputs)
    for _ in range(ARGUMENTS.blocks):
        block_inputs = y = keras.Input((32, 32, 8, 8))
        for _ in range(2):
            y = keras.layers.ReLU()(keras.layers.BatchNormalization()(y))
            y = GroupConv2D(8, 3, "p4m", padding="same", use_bias=False)(y)
        block = keras.Model(block_inputs, keras.layers.Add()([block_inputs, y]))
        x = Recompute(block)(x) if recompute else block(x)
    return keras.Model(inputs, keras.layers.Dense(10)(keras.layers.GlobalAveragePooling3D()(x)))


def measure(recompute, xla):
    model = build(recompute)
    model.compile("sgd", "mse", jit_compile=xla)
    x = np.random.default_rng(0).normal(size=(ARGUMENTS.batch, 32, 32, 3)).astype("float32")
    y = np.zeros((ARGUMENTS.batch, 10), "float32")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model.train_on_batch(x, y)
    start = time.perf_counter()
    for _ in range(3):
        model.train_on_batch(x, y)
    seconds = (time.perf_counter() - start) / 3
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, seconds


def main():
    if ARGUMENTS.one:
        megabytes, seconds = measure(*(word == "yes" for word in ARGUMENTS.one.split("/")))
        print(f"{megabytes:.0f} MB, {seconds:.2f} s a step")
        return
    for xla in {"tensorflow": ("no", "yes"), "jax": ("yes",), "torch": ("no",)}[ARGUMENTS.backend]:
        for recompute in ("no", "yes"):
            command = [sys.executable, __file__, *sys.argv[1:], "--one", f"{recompute}/{xla}"]
            result = subprocess.run(command, capture_output=True, text=True, check=True)
            print(
                f"{ARGUMENTS.backend}, XLA: {xla}, recompute: {recompute}: {result.stdout.splitlines()[-1]}", flush=True
            )


if __name__ == "__main__":
    main()
