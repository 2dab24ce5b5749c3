"""What turning filters by any angle costs: a training step against the planar network of the same expanded width.

    python benchmarks/any_angle.py [--symmetries p8 p16] [--fields 10 16 24] [--batch 64] [--rounds 20]

Both networks have three convolutions with batch norm and ReLU on 28x28 pixels, the same channels and kernel sizes, the
mean over space and a dense layer; the planar one stores the filters that the other makes anew from its coefficients in
each step. They take turns, step by step. The peak of memory of a step, above that before the networks are built, is
that of a process of its own for each. KERAS_BACKEND says on which backend.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers
from timing import time_ratio

from keras_equivariant.layers import GroupBatchNormalization, GroupConv2D
from keras_equivariant.symmetry import get_symmetry

SIZES = (7, 5, 5)


def network(symmetry, fields, turned):
    """The network on a group, or the planar one of its expanded width."""
    x = inputs = keras.Input((28, 28, 1))
    order = get_symmetry(symmetry).order
    for size in SIZES:
        if turned:
            x = GroupConv2D(fields, size, symmetry, padding="same", use_bias=False)(x)
        else:
            x = layers.Conv2D(order * fields, size, padding="same", use_bias=False)(x)
        x = layers.ReLU()(GroupBatchNormalization()(x) if turned else layers.BatchNormalization()(x))
    if turned:
        x = layers.Reshape((28, 28, order * fields))(x)
    return keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))


def step_of(symmetry, fields, turned, batch):
    model = network(symmetry, fields, turned)
    model.compile(keras.optimizers.SGD(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(batch, 28, 28, 1)).astype("float32"), rng.integers(0, 10, batch)
    return lambda: model.train_on_batch(x, y)


def peak_of_memory(symmetry, fields, turned, batch):
    """MiB that five steps take in a new process."""
    command = [sys.executable, __file__, "--symmetries", symmetry, "--fields", str(fields), "--batch", str(batch)]
    printed = subprocess.run([*command, "--memory", str(int(turned))], capture_output=True, text=True, check=True)
    return float(printed.stdout.split()[-1])


def peak():
    """MiB that this process has taken at most, without those of the process that started it."""
    return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path("/proc/self/status").read_text())[1]) / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--symmetries", nargs="+", default=("p8", "p16"), metavar="NAME")
    parser.add_argument("--fields", type=int, nargs="+", default=(10, 16, 24), metavar="N")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--memory", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory is not None:
        before = peak()
        step = step_of(arguments.symmetries[0], arguments.fields[0], bool(arguments.memory), arguments.batch)
        for _ in range(5):
            step()
        print(peak() - before)
        return
    for symmetry in arguments.symmetries:
        for fields in arguments.fields:
            steps = [step_of(symmetry, fields, turned, arguments.batch) for turned in (True, False)]
            times, ratio, (low, high) = time_ratio(*steps, arguments.rounds)
            memory = [peak_of_memory(symmetry, fields, turned, arguments.batch) for turned in (True, False)]
            row = {"symmetry": symmetry, "fields": fields, "seconds": times.round(4).tolist()}
            row |= {"step": round(ratio, 3), "interval": [round(low, 3), round(high, 3)]}
            row |= {"megabytes": [round(megabytes) for megabytes in memory], "memory": round(memory[0] / memory[1], 2)}
            print(json.dumps(row), flush=True)
            keras.utils.clear_session()


if __name__ == "__main__":
    main()
