import bouvrie_oracle as oracle
import keras
import numpy as np
import pytest
from helpers import random_array, to_numpy

from keras_equivariant.activations import ScaledTanh
from keras_equivariant.gradients import check_gradients
from keras_equivariant.layers import CombinationConv2D, Subsampling2D, TableConv2D
from keras_equivariant.losses import HalvedSquaredError

ON_TENSORFLOW = keras.config.backend() == "tensorflow"
DTYPE, TOLERANCE = ("float64", 1e-7) if ON_TENSORFLOW else ("float32", 1e-3)
TABLE = ((0, 1), (1, 2), (0, 1, 2))


def network(mixing="softmax", dtype="float32"):
    """Every layer of the notes, and every one in its place: both kinds of combination, both sub-samplings."""
    layers = [
        keras.layers.Conv2D(3, 3, activation=ScaledTanh(), dtype=dtype),
        Subsampling2D(2, ScaledTanh(), dtype=dtype),
        TableConv2D(TABLE, 2, activation=ScaledTanh(), dtype=dtype),
        CombinationConv2D(2, 2, activation=ScaledTanh(), mixing=mixing, dtype=dtype),
        Subsampling2D(2, ScaledTanh(), dtype=dtype),
        keras.layers.Flatten(dtype=dtype),
        keras.layers.Dense(4, activation=ScaledTanh(), dtype=dtype),
        keras.layers.Dense(3, activation=ScaledTanh(), dtype=dtype),
    ]
    model = keras.Sequential([keras.Input((14, 14, 1), dtype=dtype), *layers])
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(scale=0.5, size=weight.shape) for weight in model.get_weights()])
    model.compile("sgd", HalvedSquaredError(dtype=dtype), jit_compile=False)
    return model


@pytest.mark.parametrize("mixing", ["softmax", "sparsemax"])
def test_differences_agree_with_automatic_differentiation(mixing):
    model = network(mixing)
    x, t = random_array(2, 14, 14, 1), np.sign(random_array(2, 3, seed=1))
    report = check_gradients(model, x, t, samples=8 if ON_TENSORFLOW else 3, dtype=DTYPE)
    assert report.relative_error < TOLERANCE, report
    assert len(report.layers) == 7
    assert all(layer.largest_gradient > 1e-3 for layer in report.layers), report


def maps(x):
    return list(np.moveaxis(x, -1, 0))


def kernels(kernel):
    """Keras' (height, width, ...) as the notes' flipped kernels, counted by the last axis."""
    return list(np.moveaxis(kernel[::-1, ::-1], -1, 0))


def backward_pass(weights, x, t):
    """The whole network by the equations of the notes, for one pattern: the gradients in the order of the weights."""
    first, b1, beta2, b2, table_kernel, b3, depthwise, c, b4, beta5, b5, w6, b6, w7, b7 = weights
    k1 = [[k] for k in kernels(first[:, :, 0])]
    everywhere = [(0,)] * 3
    stored = iter(kernels(table_kernel))
    k3 = [[next(stored) for _ in inputs] for inputs in TABLE]
    k4, alpha = kernels(depthwise[..., 0]), oracle.softmax(c[0, 0])
    f, f_prime = oracle.f, oracle.f_prime

    x0 = maps(x)
    u1 = oracle.table_forward(x0, k1, everywhere, b1)
    u2 = oracle.subsampling_forward([f(u) for u in u1], 2, beta2, b2)
    u3 = oracle.table_forward([f(u) for u in u2], k3, TABLE, b3)
    u4 = oracle.combination_forward([f(u) for u in u3], k4, alpha, b4)
    u5 = oracle.subsampling_forward([f(u) for u in u4], 2, beta5, b5)
    x5 = np.stack([f(u) for u in u5], -1)
    u6 = w6.T @ x5.reshape(-1) + b6
    u7 = w7.T @ f(u6) + b7

    d7 = oracle.output_sensitivity(u7, t)
    d6 = oracle.dense_sensitivity(w7.T, d7, u6)
    d5 = [d * f_prime(u) for d, u in zip(maps((w6 @ d6).reshape(x5.shape)), u5, strict=True)]
    d4 = [d * f_prime(u) for d, u in zip(oracle.subsampling_input_gradients(d5, beta5, 2), u4, strict=True)]
    d3 = [d * f_prime(u) for d, u in zip(oracle.combination_input_gradients(d4, k4, alpha), u3, strict=True)]
    d2 = [d * f_prime(u) for d, u in zip(oracle.table_input_gradients(d3, k3, TABLE, 3), u2, strict=True)]
    d1 = [d * f_prime(u) for d, u in zip(oracle.subsampling_input_gradients(d2, beta2, 2), u1, strict=True)]

    def stack(kernel_gradients):
        return np.stack(kernel_gradients, -1)[::-1, ::-1]

    at_1 = [g for row in oracle.table_kernel_gradients(x0, d1, everywhere) for g in row]
    at_3 = [g for row in oracle.table_kernel_gradients([f(u) for u in u2], d3, TABLE) for g in row]
    at_4 = oracle.combination_kernel_gradients([f(u) for u in u3], d4, alpha)
    at_c = oracle.c_gradients(alpha, oracle.alpha_gradients([f(u) for u in u3], k4, d4))
    gradients = [
        (stack(at_1)[:, :, None], oracle.bias_gradients(d1)),
        (oracle.beta_gradients(d2, [f(u) for u in u1], 2), oracle.bias_gradients(d2)),
        (stack(at_3), oracle.bias_gradients(d3)),
        (stack(at_4)[..., None], at_c[None, None], oracle.bias_gradients(d4)),
        (oracle.beta_gradients(d5, [f(u) for u in u4], 2), oracle.bias_gradients(d5)),
        (oracle.dense_gradient(x5.reshape(-1), d6), d6),
        (oracle.dense_gradient(f(u6), d7), d7),
    ]
    return oracle.error(f(u7), t), [gradient for layer in gradients for gradient in layer]


def test_the_notes_backward_pass_is_that_of_the_network(tensorflow_backend):
    """Equations 1 to 10, end to end, against a step of gradient descent."""
    model = network(dtype="float64")
    x, t = random_array(1, 14, 14, 1, dtype="float64"), np.sign(random_array(1, 3, dtype="float64", seed=1))
    weights = model.get_weights()
    error, gradients = backward_pass(weights, x[0], t[0])
    assert float(model.loss(t, model(x))) == pytest.approx(error, rel=1e-12)
    model.compile(keras.optimizers.SGD(1.0), HalvedSquaredError(dtype="float64"), jit_compile=False)
    model.train_on_batch(x, t)
    for after, before, gradient in zip(model.get_weights(), weights, gradients, strict=True):
        assert before.shape == gradient.shape
        np.testing.assert_allclose(before - after, gradient, atol=1e-12 * max(np.abs(g).max() for g in gradients))


def small_model(*layers, loss="mse"):
    model = keras.Sequential([keras.Input((4,)), *layers, keras.layers.Dense(2)])
    model.compile("adam", loss)
    return model


@keras.saving.register_keras_serializable(package="tests")
def wrong_square(x):
    """x**2 with the gradient of x**2 / 2."""

    @keras.ops.custom_gradient
    def square(x):
        def gradient(*args, upstream=None):
            return (args[0] if upstream is None else upstream) * x

        return x * x, gradient

    return square(keras.ops.convert_to_tensor(x))


def test_a_wrong_gradient_is_found():
    model = small_model(keras.layers.Dense(3), keras.layers.Dense(3, activation=wrong_square))
    report = check_gradients(model, random_array(5, 4), random_array(5, 2), dtype=DTYPE)
    below, wrong, above = report.layers
    assert above.relative_error < TOLERANCE
    assert wrong.relative_error > 0.1
    assert below.relative_error > 0.1


def test_penalties_statistics_and_dropout_are_part_of_it():
    layers = [
        keras.layers.Dense(3, kernel_regularizer="l2", kernel_constraint="max_norm"),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.3, seed=1),
        keras.layers.Activation("tanh"),
    ]
    model = small_model(*layers, loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = [to_numpy(variable).copy() for variable in model.variables]
    optimizer = model.optimizer
    report = check_gradients(model, random_array(6, 4), np.arange(6) % 2, dtype=DTYPE)
    assert report.relative_error < 2 * TOLERANCE, report
    assert model.optimizer is optimizer
    assert keras.config.floatx() == "float32"
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(to_numpy(variable), value)


def test_samples_and_the_report():
    model = small_model(keras.layers.Dense(3, "tanh", name="hidden"))
    x, y = random_array(5, 4), random_array(5, 2)
    whole = check_gradients(model, x, y, dtype=DTYPE)
    assert [(layer.weights, layer.checked) for layer in whole.layers] == [(15, 15), (8, 8)]
    report = check_gradients(model, x, y, samples=2, seed=3, dtype=DTYPE)
    assert [(layer.weights, layer.checked) for layer in report.layers] == [(15, 4), (8, 4)]
    assert report == check_gradients(model, x, y, samples=2, seed=3, dtype=DTYPE)
    assert report.relative_error == max(layer.relative_error for layer in report.layers)
    assert "hidden" in str(report)
    assert DTYPE in str(report)


def test_the_step_of_the_notes_is_too_small(tensorflow_backend):
    model = small_model(keras.layers.Dense(3, "tanh"))
    x, y = random_array(5, 4), random_array(5, 2)
    chosen, notes, large = (check_gradients(model, x, y, step=step).relative_error for step in (None, 1e-8, 1e-2))
    assert chosen < 1e-8
    assert notes > 10 * chosen
    assert large > 10 * chosen


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"samples": 0}, "`samples` must be positive. Received: samples=0"),
        ({"step": -1.0}, "`step` must be positive. Received: step=-1.0"),
        ({"dtype": "float16"}, "must be 'float32' or 'float64'. Received: dtype='float16'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        check_gradients(small_model(), random_array(5, 4), random_array(5, 2), **arguments)


def test_models_that_cannot_be_checked():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)], name="plain")
    with pytest.raises(ValueError, match="must be compiled with a loss. Received: model='plain'"):
        check_gradients(model, random_array(5, 4), random_array(5, 2))
    model.compile("sgd", "mse")
    model.trainable = False
    with pytest.raises(ValueError, match="with trainable weights"):
        check_gradients(model, random_array(5, 4), random_array(5, 2))


@keras.saving.register_keras_serializable(package="tests")
class NoGradient(keras.layers.Layer):
    """A shift whose gradient is no number, whatever its value."""

    def build(self, input_shape):
        self.shift = self.add_weight(shape=(2,), name="shift", initializer="ones")

    def call(self, x):
        return x + keras.ops.sqrt(self.shift - self.shift)


@pytest.mark.parametrize("first", [True, False])
def test_a_gradient_that_is_no_number_is_no_agreement(first):
    layers = [NoGradient(name="broken"), keras.layers.Dense(2, name="sound")]
    model = keras.Sequential([keras.Input((2,)), *(layers if first else layers[::-1])])
    model.compile("sgd", "mse", jit_compile=False)
    report = check_gradients(model, random_array(3, 2), np.ones((3, 2)), dtype=DTYPE)
    errors = {layer.layer.rpartition("/")[2]: layer.relative_error for layer in report.layers}
    assert np.isnan(errors["broken"]) and np.isnan(report.relative_error)
    assert first is False or errors["sound"] < TOLERANCE
