"""Times, memory and arithmetic of single layers and of whole networks on JAX: parts of `device.py`."""

import contextlib
import functools
import importlib.util
import inspect
import os
import subprocess
import sys
import time

import jax
import keras
import numpy as np
from keras_equivariant.training.model.network import computing_in

from keras_equivariant import get_symmetry, zoo
from keras_equivariant.layers import GroupConv2D

# Name: policy of Keras, and what matrix products of 32 bits are computed in.
PRECISIONS = {"float32": ("float32", "highest"), "TF32": ("float32", "tensorfloat32"), "bfloat16": ("bfloat16", None)}
SIZE, BATCH = 16, 128
NETWORKS = [  # on the group, and the ordinary one with as many parameters
    ("p4_all_cnn_c", "all_cnn_c"),
    ("p4m_all_cnn_c", "all_cnn_c"),
    ("p4m_resnet44", "resnet44"),
    ("offset_resnet20", "resnet20"),
    ("p16m_cnn", "z2cnn"),
]


@contextlib.contextmanager
def precision(name):
    policy, products = PRECISIONS[name]
    with computing_in(policy), jax.default_matmul_precision(products):
        yield policy


def seconds_a_call(function, arguments, least=0.3):
    """The median over calls that together take at least so long, after two that do not count."""
    times = []
    for _ in range(2):
        jax.block_until_ready(function(*arguments))
    while sum(times) < least or len(times) < 5:
        start = time.perf_counter()
        jax.block_until_ready(function(*arguments))
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def measure(function, arguments, flops=None):
    """Compiles a function of arrays; returns seconds, bytes, and floating-point operations a second."""
    start = time.perf_counter()
    compiled = jax.jit(function).lower(*arguments).compile()
    found = {"compile_seconds": time.perf_counter() - start}
    found["seconds"] = seconds_a_call(compiled, arguments)
    with contextlib.suppress(Exception):  # not every device tells
        found["temporary_bytes"] = compiled.memory_analysis().temp_size_in_bytes
    with contextlib.suppress(Exception):
        costs = compiled.cost_analysis()
        costs = costs[0] if isinstance(costs, list) else costs
        found["counted_flops"] = float(costs["flops"])
        found["counted_bytes"] = float(costs["bytes accessed"])
    if flops is not None:
        found["flops"] = flops
        found["flops_a_second"] = flops / found["seconds"]
    return found


def peak(name, scale):
    """A large matrix product: what the shares are shares of."""
    with precision(name) as policy:
        n = max(256, int(8192 * min(1.0, scale**0.5)) // 128 * 128)
        dtype = "bfloat16" if policy == "bfloat16" else "float32"
        x, y = (jax.random.normal(jax.random.key(k), (n, n), dtype) for k in (0, 1))
        return {"size": n, **measure(lambda x, y: x @ y, (x, y), 2.0 * n**3)}


def bandwidth(scale):
    """A large copy: bytes read and written in a second."""
    x = jax.numpy.ones(max(2**20, int(2**30 * scale)), "float32")
    seconds = seconds_a_call(jax.jit(lambda x: x + 1), (x,))
    return {"bytes": 2 * x.nbytes, "seconds": seconds, "bytes_a_second": 2 * x.nbytes / seconds}


def layer(symmetry, name, channels, kernel_size, implementation, scale):
    """A group convolution forward and backward, with gradients for the input and the kernel."""
    batch = max(2, round(BATCH * scale))
    order = get_symmetry(symmetry).order
    with precision(name):
        conv = GroupConv2D(channels, kernel_size, symmetry, padding="same", implementation=implementation)
        shape = (batch, SIZE, SIZE, order, channels)
        conv.build(shape)
        x = jax.random.normal(jax.random.key(0), shape, conv.compute_dtype)
        upstream = jax.random.normal(jax.random.key(1), shape, conv.compute_dtype)
        constants = [v.value for v in conv.non_trainable_variables]

        def loss(weights, x, upstream):
            y, _ = conv.stateless_call(weights, constants, x)
            return (y * upstream).sum()

        weights = [v.value for v in conv.trainable_variables]
        # What the planar convolution computes, forward and for both gradients.
        flops = 3 * 2.0 * batch * SIZE**2 * kernel_size**2 * (order * channels) ** 2
        return measure(jax.grad(loss, argnums=(0, 1)), (weights, x, upstream), flops)


def step_of(model, optimizer, loss):
    """A training step on JAX: function of the state and a batch that returns the new state and the loss."""

    def objective(trainable, others, x, y):
        logits, others = model.stateless_call(trainable, others, x, training=True)
        return loss(y, logits), others

    def step(state, x, y):
        trainable, others, slots = state
        (value, others), gradients = jax.value_and_grad(objective, has_aux=True)(trainable, others, x, y)
        trainable, slots = optimizer.stateless_apply(slots, gradients, trainable)
        return (trainable, others, slots), value

    optimizer.build(model.trainable_variables)
    state = [model.trainable_variables, model.non_trainable_variables, optimizer.variables]
    return step, tuple([variable.value for variable in part] for part in state)


def sizes(name, scale):
    """Arguments of a network's builder: none for its own size; fewer filters and blocks where only a trial is made."""
    if scale >= 0.1:
        return {}
    defaults = {key: found.default for key, found in inspect.signature(zoo.get_builder(name)).parameters.items()}
    smaller = {"blocks": 1} if "blocks" in defaults else {}
    filters = np.maximum(3, np.asarray(defaults["filters"]) // 12 * 3)  # by threes, as offset layers want them
    return {**smaller, "filters": filters.tolist()}


def computed(implementation, layer):
    """A copy of a layer that is computed in this way, if it is a convolution on a group."""
    config = layer.get_config()
    if isinstance(layer, GroupConv2D) and len(layer.input.shape) == 5:
        config = {**config, "implementation": implementation}
    return type(layer).from_config(config)


def network(name, precision_name, implementation, scale):
    """A training step of a network: SGD on a batch of made-up images."""
    if name not in zoo.list_models():
        return {"left_out": "not in the zoo"}
    batch = max(2, round(BATCH * scale))
    policy = "mixed_bfloat16" if precision_name == "bfloat16" else "float32"
    with computing_in(policy), jax.default_matmul_precision(PRECISIONS[precision_name][1]):
        model = zoo.create(name, **sizes(name, scale))
        if implementation != "auto":
            model = keras.models.clone_model(model, clone_function=functools.partial(computed, implementation))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        step, state = step_of(model, keras.optimizers.SGD(0.01, momentum=0.9), loss)
        x = jax.random.normal(jax.random.key(0), (batch, *model.input_shape[1:]), "float32")
        y = jax.numpy.arange(batch) % model.output_shape[-1]
        found = measure(step, (state, x, y))
    return {"parameters": model.count_params(), "batch": batch, "images_a_second": batch / found["seconds"], **found}


def escnn(scale):
    """The p4m network of 44 layers in escnn, if that is installed."""
    if importlib.util.find_spec("escnn") is None or importlib.util.find_spec("torch") is None:
        return {"left_out": "escnn is not installed"}
    batch = max(2, round(BATCH * scale))
    device = "cuda" if jax.default_backend() == "gpu" else "cpu"
    script = os.path.join(os.path.dirname(__file__), "escnn_network.py")
    command = [
        sys.executable,
        script,
        "--network",
        "p4m_resnet44",
        "--filters",
        "11",
        "23",
        "45",
        "--batch",
        str(batch),
    ]
    printed = subprocess.run(
        [*command, "--device", device], input="\n" * 12, text=True, capture_output=True, check=True, timeout=240
    ).stdout.split()
    seconds = float(np.median([float(value) for value in printed[4:]]))
    return {
        "building_seconds": float(printed[0]),
        "parameters": int(printed[1]),
        "batch": batch,
        "seconds": seconds,
        "images_a_second": batch / seconds,
        "device": device,
    }
