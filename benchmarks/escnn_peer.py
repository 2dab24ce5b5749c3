"""A training step of a network on a group, here and in escnn on PyTorch, and the time that building it takes.

    python benchmarks/escnn_peer.py --escnn-python PATH [--network NAME] [--filters N N N] [--blocks N] [--batch N]
        [--rounds N]

NAME is p4m_resnet44, p8_cnn or p16m_cnn. PATH is the Python of an environment of its own, since escnn wants an older
NumPy:

    python -m venv escnn && escnn/bin/pip install torch==2.13.0 "numpy<2" "scikit-learn<1.5" "scipy<1.13" escnn

(its dependencies are compiled with gfortran). Both networks have the same maps on the group, kernel sizes, batch norms
and map sizes, and see the same number of images; escnn's kernels are combinations of other smooth filters, so its
numbers of parameters differ. They take turns, step by step, each in its own process. KERAS_BACKEND says on which
backend this side runs.
"""

import argparse
import os
import pathlib
import subprocess
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from timing import time_ratio

from keras_equivariant import zoo

FILTERS = {"p4m_resnet44": (11, 23, 45), "p8_cnn": (8, 12, 12, 16, 16), "p16m_cnn": (5, 8, 8, 10, 10)}


class Peer:
    """A process that makes a training step of escnn's network for each line it is sent."""

    def __init__(self, python, arguments):
        script = pathlib.Path(__file__).with_name("escnn_network.py")
        options = ["--network", arguments.network, "--filters", *arguments.filters]
        options += ["--blocks", arguments.blocks, "--batch", arguments.batch]
        command = [python, str(script), *map(str, options)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.building = float(self._answer())
        self.parameters = int(self._answer())

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("The process of escnn ended; see its message above.")
        return line

    def step(self):
        self.process.stdin.write("\n")
        return float(self._answer())


def own(arguments):
    """Seconds of building, number of parameters, and the function that makes a step."""
    extra = {"blocks": arguments.blocks} if arguments.network == "p4m_resnet44" else {}
    start = time.perf_counter()
    model = zoo.create(arguments.network, filters=arguments.filters, **extra)
    building = time.perf_counter() - start
    model.compile(keras.optimizers.SGD(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    rng = np.random.default_rng(0)
    x = rng.normal(size=(arguments.batch, *model.input_shape[1:])).astype("float32")
    y = rng.integers(0, 10, arguments.batch)
    parameters = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
    return building, parameters, lambda: model.train_on_batch(x, y)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--escnn-python", required=True, metavar="PATH")
    parser.add_argument("--network", choices=FILTERS, default="p4m_resnet44", metavar="NAME")
    parser.add_argument("--filters", type=int, nargs="+", metavar="N", help="default: those of the zoo's network")
    parser.add_argument("--blocks", type=int, default=7, help="of the residual network")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    arguments.filters = tuple(arguments.filters or FILTERS[arguments.network])
    building, parameters, own_step = own(arguments)
    peer = Peer(arguments.escnn_python, arguments)
    print(f"parameters: {parameters:,} here, {peer.parameters:,} in escnn")
    print(f"building: {building:.2f} s here, {peer.building:.2f} s in escnn")
    times, ratio, (low, high) = time_ratio(peer.step, own_step, arguments.rounds)
    print(f"escnn {1e3 * times[0]:.0f} ms, {keras.config.backend()} {1e3 * times[1]:.0f} ms a step")
    print(f"times faster: {ratio:.2f} ({low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()
