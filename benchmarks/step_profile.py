"""Where a training step of a network spends its time: TensorFlow's own profiler, summed over the kinds of operations.

    python benchmarks/step_profile.py p4m_resnet18 [--size 224] [--batch 4] [--steps 3]

The network is that of `networks.py`, trained as a graph, without XLA. Printed are seconds a step of both processors
together and the share of each kind of operation, for the network on the group and for the ordinary one of about as many
parameters. TensorFlow computes several operations at once, so the sum is more than the time on the clock.
"""

import argparse
import collections
import os
import pathlib
import re
import tempfile
import time

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf
from networks import KINDS, NETWORKS, compiled
from tensorflow.tsl.profiler.protobuf import xplane_pb2

OPERATION = re.compile(r"[^:]+:([A-Z_]\w*)")  # "name:Kind"; TensorFlow's own functions are "Class::Function"


def profile(step, steps):
    """Seconds on the clock for one step, and seconds of each kind of operation in it."""
    for _ in range(2):
        step()
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        start = time.perf_counter()
        for _ in range(steps):
            step()
        seconds = (time.perf_counter() - start) / steps
        tf.profiler.experimental.stop()
        space = xplane_pb2.XSpace()
        for path in pathlib.Path(folder).rglob("*.xplane.pb"):
            space.MergeFromString(path.read_bytes())
    kinds = collections.Counter()
    for plane in space.planes:
        names = plane.event_metadata
        for line in plane.lines:
            for event in line.events:
                if operation := OPERATION.fullmatch(names[event.metadata_id].name):
                    kinds[operation[1].removeprefix("_Mkl").removeprefix("Native")] += event.duration_ps / 1e12 / steps
    return seconds, kinds


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("--size", type=int, default=224, help="side of the pictures in pixels")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=3)
    arguments = parser.parse_args()
    for kind in KINDS:
        model, x, y = compiled(arguments.network, kind, "graph", arguments.size, arguments.batch)
        seconds, kinds = profile(lambda model=model, x=x, y=y: model.train_on_batch(x, y), arguments.steps)
        total = sum(kinds.values())
        print(f"{model.name}: {seconds:.3f} s a step, operations {total:.3f} s")
        for name, spent in kinds.most_common(14):
            print(f"    {name:32} {spent:8.4f} s  {spent / total:6.1%}")


if __name__ == "__main__":
    main()
