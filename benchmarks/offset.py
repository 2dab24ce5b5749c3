"""What offset equivariance costs: a training step of offset_resnet20 against one of resnet20, at equal batch.

    python benchmarks/offset.py [--backend tensorflow|jax] [--jit] [--batch N] [--rounds N]
                                [--equal-widths] [--json FILE]

Both train with SGD and momentum through Keras' own `train_on_batch`, in turn. Without --jit, TensorFlow runs with
Keras' defaults, which on a CPU means without XLA; JAX always compiles. The offset network has 15, 33 and 63 channels,
which convolutions on a CPU like less than 16, 32 and 64: --equal-widths gives the ordinary one the same, which leaves
the cost of the layers alone.
"""

import argparse
import json
import os
import sys


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", default="tensorflow", choices=["tensorflow", "jax"])
    parser.add_argument("--jit", action="store_true", help="compile both with XLA on TensorFlow")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--equal-widths", action="store_true", help="compare with 15, 33 and 63 ordinary channels")
    parser.add_argument("--json", help="file to write the results to")
    arguments = parser.parse_args()
    os.environ["KERAS_BACKEND"] = arguments.backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

    from timing import time_ratio

    jit = True if arguments.jit or arguments.backend == "jax" else "auto"
    widths = {"filters": (15, 33, 63)} if arguments.equal_widths else {}
    steps = [
        training_step("offset_resnet20", arguments.batch, jit),
        training_step("resnet20", arguments.batch, jit, **widths),
    ]
    times, ratio, (low, high) = time_ratio(*steps, arguments.rounds)
    compiled = " with XLA" if jit is True else ""
    print(
        f"{arguments.backend}{compiled}, batch {arguments.batch}: offset {1e3 * times[0]:.0f} ms, "
        f"ordinary {1e3 * times[1]:.0f} ms, ratio {ratio:.3f}   {low:.3f} to {high:.3f}"
    )
    if arguments.json:
        result = {"backend": arguments.backend, "jit": jit, "batch": arguments.batch, **widths}
        with open(arguments.json, "w") as file:
            json.dump(result | {"seconds": times.tolist(), "ratio": ratio, "interval": [low, high]}, file, indent=2)
            file.write("\n")


def training_step(name, batch, jit, **model_arguments):
    import keras
    import numpy as np

    from keras_equivariant import zoo

    model = zoo.create(name, **model_arguments)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), loss, jit_compile=jit)
    rng = np.random.default_rng(0)
    x = keras.ops.convert_to_tensor(rng.normal(size=(batch, 32, 32, 3)).astype("float32"))
    labels = keras.ops.convert_to_tensor(rng.integers(0, 10, batch))
    return lambda: float(model.train_on_batch(x, labels))


if __name__ == "__main__":
    sys.exit(main())
