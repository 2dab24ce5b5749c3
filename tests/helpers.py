"""What the tests of all layers share."""

import os
import pathlib
import subprocess
import sys

import keras
import numpy as np

from keras_equivariant import inference

ROOT = pathlib.Path(__file__).parent.parent
# Groups, masks and indices are the same NumPy on each backend, and JAX compiles every operation for each new shape,
# which takes ten times as long as to run it: so other backends than TensorFlow take some of the cases of long tests,
# and TensorFlow not all pairs of sizes and the like, unless this asks for all.
ALL_CASES = bool(os.environ.get("KERAS_EQUIVARIANT_ALL_CASES"))
ON_TENSORFLOW = keras.config.backend() == "tensorflow"
# torch.compile takes minutes for each model, and warns of its own code.
COMPILES = keras.config.backend() != "torch"
TOLERANCES = {"float32": 1e-5, "float64": 1e-12}


def cases(everything, elsewhere, on_tensorflow=None):
    """The cases of a parametrised test: all of them in nightly runs, else all or most on TensorFlow, some elsewhere.

    Args:
        everything: All cases.
        elsewhere: Those of them that JAX and PyTorch run: one for each way that tensors take through the code.
        on_tensorflow: Those that TensorFlow runs, each group, rank and parity among them; all if not given.
    """
    everything, elsewhere = list(everything), list(elsewhere)
    on_tensorflow = everything if on_tensorflow is None else list(on_tensorflow)
    if unknown := [case for case in [*elsewhere, *on_tensorflow] if case not in everything]:
        raise ValueError(f"`elsewhere` and `on_tensorflow` must be among the cases. Received: {unknown}")
    return everything if ALL_CASES else on_tensorflow if ON_TENSORFLOW else elsewhere


# On JAX the sharper one; group convolutions, models and `check_layer` are in float32 there too.
DTYPES = cases(["float32", "float64"], ["float64"] if keras.config.backend() == "jax" else ["float32", "float64"])


def module_name(path):
    """The name under which a file of ours is imported: zoo and training are inside of keras_equivariant."""
    folder, *parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join([*dict.fromkeys(["keras_equivariant", folder]), *(part for part in parts if part != "__init__")])


def random_array(*shape, dtype="float32", seed=0):
    """Normal random numbers; an image or a feature map without any symmetry of its own."""
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def to_numpy(x):
    return keras.ops.convert_to_numpy(x)


def infer(model, x):
    """What a model returns in inference mode; on JAX as `predict` computes it, in one program.

    JAX would compile each operation by itself, which takes small networks ten times as long.
    """
    one_program = keras.config.backend() == "jax" and not ALL_CASES and isinstance(model, keras.Model)
    return model.predict_on_batch(x) if one_program else inference.infer(model, x)


def predict(model, x):
    """The same of a model with one output, as a NumPy array."""
    return to_numpy(infer(model, x))


def relative_error(actual, expected):
    """Largest deviation, relative to the largest expected value."""
    actual, expected = np.asarray(to_numpy(actual), "float64"), np.asarray(to_numpy(expected), "float64")
    if actual.shape != expected.shape:
        raise AssertionError(f"shapes differ: {actual.shape} and {expected.shape}")
    return np.abs(actual - expected).max() / np.abs(expected).max()


def randomise(layer, seed=0):
    """Gives every weight random values, biases and scales included, which initialisers leave at 0 and 1."""
    rng = np.random.default_rng(seed)
    for variable in layer.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))


def gradients(layer, x, upstream):
    """Gradients of sum(upstream * layer(x)) for x and for each trainable variable, by automatic differentiation."""
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        x = tf.convert_to_tensor(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(upstream * layer(x))
        found = tape.gradient(loss, [x, *(variable.value for variable in layer.trainable_variables)])
    elif keras.config.backend() == "jax":
        import jax

        def loss(x, values):
            return (upstream * layer.stateless_call(values, layer.non_trainable_variables, x)[0]).sum()

        at_x, at_values = jax.jit(jax.grad(loss, (0, 1)))(x, [variable.value for variable in layer.trainable_variables])
        found = [at_x, *at_values]
    else:
        import torch

        x = torch.tensor(x, requires_grad=True)
        values = [variable.value for variable in layer.trainable_variables]
        found = torch.autograd.grad((torch.tensor(upstream) * layer(x)).sum(), [x, *values])
    return [to_numpy(gradient) for gradient in found]


def example_of(shape):
    """Random numbers of a shape, or a list of arrays for a list of shapes."""
    if isinstance(shape, list):
        return [random_array(*one, seed=i) for i, one in enumerate(shape)]
    return random_array(*shape)


def inputs_of(shape):
    """The `keras.Input` of a shape with its batch, or a list of them for a list of shapes."""
    if isinstance(shape, list):
        return [keras.Input(one[1:]) for one in shape]
    return keras.Input(shape[1:])


def copy_of(layer, dtype=None):
    """A layer of the same configuration; of another dtype, also of the layer that it wraps, if one is given."""
    config = layer.get_config()
    if dtype is not None:
        for one in (config, config["layer"]["config"]) if isinstance(config.get("layer"), dict) else (config,):
            one["dtype"] = dtype
    return type(layer).from_config(config)


def check_layer(layer_class, arguments, input_shape):
    """What every layer must do, whatever it computes.

    Args:
        layer_class: The class.
        arguments: Dictionary of constructor arguments, as few as possible at their defaults.
        input_shape: Shape of an input, with the batch; a list of shapes if there are several inputs.
    """
    x = example_of(input_shape)
    layer = layer_class(**arguments)
    y = layer(x)

    for name in arguments:
        assert name in layer.get_config(), f"{name} is missing from the configuration"
    again = copy_of(layer)
    assert again.get_config() == layer.get_config()
    again(x)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(to_numpy(again(x)), to_numpy(y))
    registered = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(registered) is layer_class

    assert layer.compute_output_shape(input_shape) == tuple(y.shape)
    inputs = inputs_of(input_shape)
    trained = copy_of(layer)
    outputs = trained(inputs)
    assert outputs.shape == (None, *y.shape[1:])

    model = keras.Model(inputs, keras.layers.Dense(1)(outputs))
    model.compile("sgd", "mse", jit_compile=COMPILES)
    before = [to_numpy(variable) for variable in trained.trainable_variables]
    loss = model.train_on_batch(x, random_array(*model.compute_output_shape(input_shape), seed=1))
    assert np.isfinite(loss)
    for variable, value in zip(trained.trainable_variables, before, strict=True):
        assert (to_numpy(variable) != value).any(), f"a training step has not changed {variable.path}"

    if ON_TENSORFLOW:  # elsewhere each class once, by `test_dtype_policies`
        assert "bfloat16" in str(copy_of(layer, "mixed_bfloat16")(x).dtype)


def run_python(code, *arguments, **environment):
    """Runs a program in a new process and returns what it printed."""
    result = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout
