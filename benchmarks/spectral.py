"""Group convolution by Fourier transform on the point group, against the planar convolution with the expanded kernel.

    python benchmarks/spectral.py [--backend tensorflow|jax] [--rounds N] [--sweep | --memory | --models] [--json FILE]

Forward and backward (gradients for input and kernel) in one compiled function, in turn with the planar one. TensorFlow
as a graph and with XLA; JAX against the faster of its convolution and one matrix product of gathered patches. With
`--sweep`, one thing changes at a time: channels, size of the map, group, batch. With `--memory`, the peak memory that a
step adds, each in a process of its own. With `--models`, training steps of whole networks instead: implementation
"auto" against "planar", and the planar network against the ordinary one with as many parameters.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import warnings

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--backend", choices=("tensorflow", "jax"), default="tensorflow")
parser.add_argument("--rounds", type=int, default=12)
parser.add_argument("--cases", default="", help="only cases whose name contains this, such as 'p4m k3 C64'")
parser.add_argument("--sweep", action="store_true")
parser.add_argument("--memory", action="store_true")
parser.add_argument("--models", action="store_true")
parser.add_argument("--json", help="file to write the results to")
parser.add_argument("--one", help=argparse.SUPPRESS)  # case, implementation and mode of a memory measurement
ARGUMENTS = parser.parse_args()
os.environ["KERAS_BACKEND"] = ARGUMENTS.backend
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from timing import time_ratio

from keras_equivariant import get_symmetry, zoo
from keras_equivariant.layers import GroupConv2D
from keras_equivariant.sampling import EquivarianceWarning
from keras_equivariant.spectral_rule import is_faster

# Symmetry, channels, kernel size, size of the map, batch.
LAYERS = [
    ("p4m", 23, 3, 16, 32),
    ("p4m", 32, 3, 16, 32),
    ("p4m", 45, 3, 8, 32),
    ("p4m", 64, 3, 16, 16),
    ("p4m", 128, 3, 16, 16),
    ("p4m", 64, 1, 16, 16),
    ("p4m", 128, 1, 16, 16),
    ("p4", 48, 3, 16, 32),
    ("p4", 64, 3, 16, 32),
    ("p4", 96, 3, 16, 32),
]
SWEEP = [
    *[("p4m", channels, 3, 16, 8) for channels in (8, 11, 16, 23, 32, 64, 96)],
    *[("p4", channels, 3, 16, 8) for channels in (16, 32, 48)],
    *[("p4m", 48, 3, size, 8) for size in (8, 16, 32)],
    *[(symmetry, 64, 3, 16, 8) for symmetry in ("p2", "p4", "p4m")],
    *[("p4m", 48, 3, 16, batch) for batch in (1, 4, 32)],
]
CASES = {
    f"{symmetry} k{kernel} C{channels} {size}x{size} N{batch}": (symmetry, channels, kernel, size, batch)
    for symmetry, channels, kernel, size, batch in (SWEEP if ARGUMENTS.sweep else LAYERS)
}
MODES = {"tensorflow": ("graph", "xla"), "jax": ("jit",)}


def correlate_patches(layer, x, kernel):
    """One matrix product of gathered patches and the expanded kernel."""
    x = keras.ops.reshape(x, (*x.shape[:3], -1))
    kernel = layer._expand(kernel)
    size = kernel.shape[0]
    height, width = x.shape[1] - size + 1, x.shape[2] - size + 1
    patches = [x[:, i : i + height, j : j + width] for i in range(size) for j in range(size)]
    patches = keras.ops.concatenate(patches, axis=-1)
    return keras.ops.reshape(patches, (-1, patches.shape[-1])) @ keras.ops.reshape(kernel, (-1, kernel.shape[-1]))


def step(name, implementation, mode):
    """A function that computes both gradients and waits for them."""
    symmetry, channels, kernel_size, size, batch = CASES[name]
    layer = GroupConv2D(
        channels,
        kernel_size,
        symmetry,
        use_bias=False,
        implementation="spectral" if implementation == "spectral" else "planar",
    )
    shape = (batch, size, size, get_symmetry(symmetry).order, channels)
    layer.build(shape)
    rng = np.random.default_rng(0)
    x = keras.ops.convert_to_tensor(rng.normal(size=shape).astype("float32"))
    kernel = keras.ops.convert_to_tensor(rng.normal(size=layer.kernel.shape).astype("float32"))
    upstream = keras.ops.convert_to_tensor(rng.normal(size=layer.compute_output_shape(shape)).astype("float32"))

    def loss(x, kernel):
        y = correlate_patches(layer, x, kernel) if implementation == "patches" else layer.convolution_op(x, kernel)
        return keras.ops.sum(keras.ops.reshape(y, upstream.shape) * upstream)

    if ARGUMENTS.backend == "jax":
        import jax

        gradient = jax.jit(jax.grad(loss, (0, 1)))
        return lambda: jax.block_until_ready(gradient(x, kernel))
    import tensorflow as tf

    @tf.function(jit_compile=mode == "xla")
    def gradients():
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            value = loss(x, kernel)
        return tape.gradient(value, [x, kernel])

    return lambda: [gradient.numpy() for gradient in gradients()]


def peak_memory(name, implementation, mode):
    """Megabytes that three steps add to what the process has taken before, measured in a process of its own."""
    command = [sys.executable, __file__, "--backend", ARGUMENTS.backend, "--one", f"{name}/{implementation}/{mode}"]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def added_megabytes(name, implementation, mode):
    run = step(name, implementation, mode)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(3):
        run()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def compare_layers():
    for name, (symmetry, channels, kernel_size, _, _) in CASES.items():
        if ARGUMENTS.cases not in name:
            continue
        chosen = is_faster(get_symmetry(symmetry), channels, channels, kernel_size, 1)
        for mode in MODES[ARGUMENTS.backend]:
            row = {"case": name, "mode": f"{ARGUMENTS.backend} {mode}", "auto": "spectral" if chosen else "planar"}
            if ARGUMENTS.memory:
                row |= {f"{kind}_megabytes": peak_memory(name, kind, mode) for kind in ("planar", "spectral")}
                yield row
                continue
            spectral = step(name, "spectral", mode)
            rivals = ("planar", "patches") if ARGUMENTS.backend == "jax" else ("planar",)
            ratios = [(*time_ratio(step(name, rival, mode), spectral, ARGUMENTS.rounds), rival) for rival in rivals]
            times, ratio, interval, rival = min(ratios, key=lambda found: found[1])
            row |= {"against": rival, "milliseconds": (1e3 * times).round(2).tolist()}
            yield row | {"ratio": ratio, "interval": interval.tolist()}


def training_step(build, batch, **changes):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EquivarianceWarning)
        model = build(**changes)
    model.compile(keras.optimizers.SGD(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(batch, *model.input_shape[1:])).astype("float32"), rng.integers(0, 10, batch)
    return model, lambda: model.train_on_batch(x, y)


def all_planar(model):
    """The same network, each group convolution planar."""
    return keras.models.clone_model(
        model,
        clone_function=lambda layer: type(layer).from_config(
            layer.get_config() | ({"implementation": "planar"} if isinstance(layer, GroupConv2D) else {})
        ),
    )


def compare_models():
    wide = {"filters": (64, 128, 256), "blocks": 1}
    networks = [
        ("p4cnn", zoo.p4cnn, {}, None, {}, 64),
        ("p4_all_cnn_c", zoo.p4_all_cnn_c, {}, zoo.all_cnn_c, {}, 16),
        ("p4m_all_cnn_c", zoo.p4m_all_cnn_c, {}, zoo.all_cnn_c, {"filters": (91, 182)}, 16),
        ("p4m_resnet44", zoo.p4m_resnet44, {}, zoo.resnet44, {}, 16),
        ("p4m_resnet26", zoo.p4m_resnet26, {}, zoo.resnet26, {}, 8),
        ("wide p4m ResNet, one block", zoo.p4m_resnet44, wide, zoo.resnet44, wide | {"filters": (181, 362, 724)}, 4),
    ]
    for name, build, changes, ordinary, others, batch in networks:
        if ARGUMENTS.cases not in name:
            continue
        model, run = training_step(build, batch, **changes)
        planar, run_planar = training_step(lambda model=model: all_planar(model), batch)
        planar.set_weights(model.get_weights())
        pairs = [("planar", run_planar)]
        if ordinary:
            pairs.append(("ordinary", training_step(ordinary, batch, **others)[1]))
        for rival, other in pairs:
            times, ratio, interval = time_ratio(other, run, ARGUMENTS.rounds)
            row = {"case": name, "mode": f"{ARGUMENTS.backend} fit, batch {batch}", "auto": "", "against": rival}
            yield row | {"milliseconds": (1e3 * times).tolist(), "ratio": ratio, "interval": interval.tolist()}


def describe(row):
    text = f"{row['case']:<30}{row['mode']:<26}{row['auto']:<10}"
    if "ratio" not in row:
        return f"{text}planar {row['planar_megabytes']:.0f} MB, spectral {row['spectral_megabytes']:.0f} MB"
    low, high = row["interval"]
    times = " against ".join(f"{time:.1f}" for time in row["milliseconds"])
    return f"{text}{row['against']:<10}{times} ms: {row['ratio']:.2f} ({low:.2f} to {high:.2f})"


def main():
    if ARGUMENTS.one:
        print(added_megabytes(*ARGUMENTS.one.split("/")))
        return
    rows = []
    for row in compare_models() if ARGUMENTS.models else compare_layers():
        rows.append(row)
        print(describe(row), flush=True)
    if ARGUMENTS.json:
        with open(ARGUMENTS.json, "w") as file:
            json.dump(rows, file, indent=2)


if __name__ == "__main__":
    main()
