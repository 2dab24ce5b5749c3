"""Several devices train the weights of one device, batch normalisation and constraints included."""

import importlib.util
import os
import socket
import subprocess
import sys

import keras
import numpy as np
import pytest
from helpers import ROOT, run_python
from keras_equivariant.training.files import read_json
from keras_equivariant.training.model.devices import check_distribution, synchronise_batch_norm
from keras_equivariant.training.tasks.inpainting.adversary import Adversarial

from keras_equivariant.layers import OffsetAdapter

JAX_TOLERANCE = 1e-4

# Devices differ in how weights, statistics and constraints are kept, whatever network has them: one with few layers, of
# each kind, compiles in a fraction of the time. Trains it for some steps on made-up images, without a distribution and
# in another, if there is another. Saves the weights, and prints how far the furthest one went, and how far the
# constrained ones of any replica are from where the constraints want them.
TRAIN = """
import dataclasses, sys
import numpy as np
precision, folder, distributions = sys.argv[1:]
distributions = distributions.split(",")
if "mirrored" in distributions:
    import tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
from keras_equivariant import layers
from keras_equivariant.training.data.images import LabelledImages, Split
from keras_equivariant.training.model.devices import distributed, workers
from keras_equivariant.training.runs.fit import build
from keras_equivariant.training.tasks import get_task
from keras_equivariant.training.tasks.task import Part
from keras_equivariant.training.input.pipelines import training_batches
from keras_equivariant.training.input.preprocessing import Standardise
from keras_equivariant.training.recipes import get_recipe
from keras_equivariant.zoo.registry import register

SIZE, STEPS = (12, 12, 3), 12
keras.config.set_floatx(precision)


@register
def of_each_kind():
    inputs = keras.Input(SIZE)
    x = layers.OffsetGroupConv2D(6, 3, "p4")(inputs)
    x = layers.OffsetReLU()(layers.OffsetBatchNormalization()(x))
    x = layers.OffsetConv2D(6, 3, strides=2, use_bias=False)(layers.CosetPooling("p4")(x))
    offset = keras.layers.GlobalAveragePooling2D()(x)
    x = layers.GroupConv2D(3, 3, "p4", use_bias=False)(inputs)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    plain = keras.layers.GlobalAveragePooling2D()(layers.CosetPooling("p4", reduction="mean")(x))
    return keras.Model(inputs, keras.layers.Dense(10)(keras.layers.Concatenate()([offset, plain])))


def train(distribution):
    rate = {"float64": 1e-3, "float32": 1e-4}[precision]
    optimizer = {"class_name": "SGD", "config": {"learning_rate": rate, "momentum": 0.9}}
    recipe = get_recipe("rotated_digits", model="of_each_kind", precision=precision)
    recipe = dataclasses.replace(recipe, optimizer=optimizer, schedule=None, distribution=distribution)
    recipe = dataclasses.replace(recipe, batch_size=8, reestimate_batch_norm=False)
    rng = np.random.default_rng(0)
    split = Split(rng.uniform(size=(40, *SIZE)).astype("float32"), rng.integers(0, 10, 40))
    data = LabelledImages(split, split, 10)
    _, model = build(get_task(recipe.task), recipe, data, Part("", range(STEPS * recipe.batch_size)))
    start = [np.asarray(variable) for variable in model.trainable_variables]
    batches = training_batches(split, Standardise(0.5, 0.3), ["rotate"], 8, seed=0, workers=workers(distribution))
    model.fit(batches, steps_per_epoch=STEPS, verbose=0, shuffle=False)
    np.savez(f"{folder}/{distribution}.npz", *[np.asarray(weight) for weight in model.get_weights()])
    moved = max(np.abs(np.asarray(v) - old).max() for v, old in zip(model.trainable_variables, start))
    violation, constrained = 0.0, [v for v in model.trainable_variables if v.constraint is not None]
    assert len(constrained) == 2
    for variable in constrained:
        copies = getattr(variable.value, "values", [variable.value])  # one for each replica of MirroredStrategy
        expected = 2 if distribution == "mirrored" else 1
        assert len(copies) == expected, f"{len(copies)} copies of {variable.path}"
        for copy in map(np.asarray, copies):
            violation = max(violation, np.abs(np.asarray(variable.constraint(copy)) - copy).max())
    print("trained", distribution, moved, violation)


for distribution in distributions:
    distribution = None if distribution == "none" else distribution
    with distributed(distribution):
        train(distribution)
"""


def load(path):
    with np.load(path) as arrays:
        return [arrays[name] for name in arrays.files]


def trained(printed):
    """For each distribution, how far the weights moved and how far they are off their constraints."""
    lines = [line.split()[1:] for line in printed.splitlines() if line.startswith("trained ")]
    return {distribution: (float(moved), float(off)) for distribution, moved, off in lines}


def test_two_replicas_on_one_host(tmp_path, tensorflow_backend):
    found = trained(run_python(TRAIN, "float64", tmp_path, "none,mirrored"))
    assert found["None"][0] > 1e-3 and found["mirrored"][1] < 1e-14
    one, two = (load(tmp_path / f"{distribution}.npz") for distribution in ("None", "mirrored"))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-9 * max(1, np.abs(a).max()))


# A painter and its adversary, on one device and on two: how far their weights are apart. In a process of its own, since
# the collective operations of a second network would be taken for those of the first.
PAINT = """
import numpy as np
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
keras.config.set_floatx("float64")  # before any layer is made
from keras import layers
from keras_equivariant.training.model.devices import distributed, synchronise_batch_norm
from keras_equivariant.training.tasks.inpainting.adversary import Adversarial

x = np.random.default_rng(0).normal(size=(24, 6, 6, 2)) * (1 + np.arange(24) % 8).reshape(-1, 1, 1, 1)
weights = []
for distribution in (None, "mirrored"):
    with distributed(distribution):
        keras.utils.set_random_seed(0)
        norms = [layers.BatchNormalization(), layers.BatchNormalization()]
        painter = keras.Sequential([keras.Input((6, 6, 2)), norms[0], layers.Conv2D(2, 3, padding="same")])
        judge = [layers.Conv2D(2, 3), norms[1], layers.LeakyReLU(), layers.Flatten(), layers.Dense(1)]
        model = Adversarial(painter, keras.Sequential([keras.Input((6, 6, 2)), *judge]), 0.3)
        synchronise_batch_norm(model, distribution is not None)
        model.compile(keras.optimizers.SGD(0.01), jit_compile=False)
        data = tf.data.Dataset.from_tensor_slices((x, x[:, ::-1])).batch(8)
        logs = model.fit(data, epochs=2, verbose=0, shuffle=False).history
        weights.append([*model.get_weights(), np.array(logs["loss"])])
print(*[np.abs(one - two).max() for one, two in zip(*weights, strict=True)])
"""


def test_an_adversary_on_two_replicas(tensorflow_backend):
    apart = [float(number) for number in run_python(PAINT).splitlines()[-1].split()]
    assert max(apart) < 1e-12  # and if not, which of them


def test_normalisations_of_inner_models_are_synchronised_too():
    norms = [keras.layers.BatchNormalization() for _ in range(3)]
    painter = keras.Sequential([keras.Input((4,)), norms[0], keras.Sequential([keras.Input((4,)), norms[1]])])
    discriminator = keras.Sequential([keras.Input((4,)), OffsetAdapter(norms[2], 2)])
    model = Adversarial(painter, discriminator)
    for synchronised in (True, False):
        synchronise_batch_norm(model, synchronised)
        assert [norm.synchronized for norm in norms] == [synchronised] * 3


needs_jax = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs JAX")


def run_on_two_hosts(*commands):
    """Runs a command of Python on each of two JAX processes that find one another; returns what they print."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "KERAS_BACKEND": "jax",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "JAX_CPU_COLLECTIVES_IMPLEMENTATION": "gloo",
        "KERAS_DISTRIBUTION_JOB_ADDRESSES": address,
        "KERAS_DISTRIBUTION_NUM_PROCESSES": "2",
    }
    hosts = [
        subprocess.Popen(
            [sys.executable, *map(str, command)],
            env={**environment, "KERAS_DISTRIBUTION_PROCESS_ID": str(i)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for i, command in enumerate(commands)
    ]
    printed = []
    try:
        for host in hosts:
            output, errors = host.communicate(timeout=900)
            assert host.returncode == 0, errors[-3000:]
            printed.append(output)
    finally:
        for host in hosts:
            host.kill()
    return printed


# The command line, and then what the networks above do, in the same processes: to begin one takes as long. JAX joins
# them once.
COMMAND = """
import sys
import keras
from keras_equivariant.training import cli

how = ["--epochs", "1", "--distribute", "jax", "--output", sys.argv[2] + "/run"]
if status := cli.main(["fit", "bouvrie_digits", *how]):
    sys.exit(status)
keras.distribution.initialize = lambda: None
"""


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    """The folders of two hosts, and what they print. The first trains alone too, at the end."""
    folders = [tmp_path_factory.mktemp(f"host{i}") for i in range(2)]
    distributions = "jax,none", "jax"
    commands = [("-c", COMMAND + TRAIN, "float32", *pair) for pair in zip(folders, distributions, strict=True)]
    return folders, run_on_two_hosts(*commands)


@needs_jax
def test_two_hosts_on_jax(hosts):
    """In 32 bits, rounding now and then carries an activation across the kink of a rectifier, and a single one of them
    changes a gradient by percents, on one device as on two: hence the smaller rate."""
    folders, together = hosts
    assert trained(together[0])["None"][0] > 5 * JAX_TOLERANCE
    assert max(trained(printed)["jax"][1] for printed in together) < 1e-6
    one = load(folders[0] / "None.npz")
    for folder in folders:
        for a, b in zip(one, load(folder / "jax.npz"), strict=True):
            np.testing.assert_allclose(b, a, rtol=JAX_TOLERANCE, atol=JAX_TOLERANCE * max(1, np.abs(a).max()))


@needs_jax
def test_command_line_on_two_hosts(hosts):
    metrics = [read_json(folder / "run" / "metrics.json") for folder in hosts[0]]
    assert metrics[0]["test_error"] == metrics[1]["test_error"] < 50
    assert max(metrics[0][f"{name}_difference"] for name in ("keras", "saved_model")) < 1e-5


def test_the_backend_must_suit(tensorflow_backend):
    check_distribution(None)
    check_distribution("mirrored")
    with pytest.raises(ValueError, match="'jax' needs KERAS_BACKEND=jax. Received: distribution='jax'"):
        check_distribution("jax")
    assert keras.config.backend() == "tensorflow"
