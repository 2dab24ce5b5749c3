import keras
import numpy as np
import pytest
from helpers import ON_TENSORFLOW, random_array, relative_error

from keras_equivariant.activations import Logistic, ScaledTanh
from keras_equivariant.curvature import diagonal_hessian, lecun_rates
from keras_equivariant.layers import Subsampling1D, Subsampling2D, TableConv2D
from keras_equivariant.losses import HalvedSquaredError
from keras_equivariant.optimizers import WeightwiseSGD

# JAX and PyTorch leave float64 in some operations.
DTYPE, TOLERANCE = ("float64", 1e-5) if ON_TENSORFLOW else ("float32", 0.05)


def compiled(*layers, shape=(4,), loss=None):
    model = keras.Sequential([keras.Input(shape), *layers])
    rng = np.random.default_rng(0)
    model.set_weights([0.5 * rng.normal(size=weight.shape) for weight in model.get_weights()])
    model.compile("sgd", loss or HalvedSquaredError())
    return model


def both(model, count=6, y=None):
    x = random_array(count, *model.input_shape[1:], seed=1)
    y = random_array(count, *model.output_shape[1:], seed=2) if y is None else y
    return diagonal_hessian(model, x, y, dtype=DTYPE), diagonal_hessian(model, x, y, "finite_differences", dtype=DTYPE)


EXACT = {
    "a dense layer": lambda: compiled(keras.layers.Dense(3)),
    "two": lambda: compiled(keras.layers.Dense(5, "relu"), keras.layers.Dense(3)),
    "mean squared error": lambda: compiled(keras.layers.Dense(5, "relu"), keras.layers.Dense(3), loss="mse"),
    "cross-entropy": lambda: compiled(keras.layers.Dense(1), loss=keras.losses.BinaryCrossentropy(from_logits=True)),
    "ReLU as a layer": lambda: compiled(keras.layers.Dense(5), keras.layers.ReLU(), keras.layers.Dense(3)),
}


@pytest.mark.parametrize("name", EXACT)
def test_is_the_diagonal_of_the_hessian_where_nothing_is_left_out(name):
    model = EXACT[name]()
    targets = np.array([[0.0], [1.0]] * 3) if name == "cross-entropy" else None
    found, expected = both(model, y=targets)
    assert list(found) == list(expected) == [variable.path for variable in model.trainable_variables]
    for values, true in zip(found.values(), expected.values(), strict=True):
        assert relative_error(values, true) < TOLERANCE


@pytest.mark.skipif(keras.config.backend() == "jax", reason="float64 is switched off there")
def test_in_float64_on_backends_that_leave_it_too():
    model, x, y = EXACT["mean squared error"](), random_array(6, 4, seed=1), random_array(6, 3, seed=2)
    for method in ("lecun", "finite_differences"):
        found = list(diagonal_hessian(model, x, y, method).values())
        np.testing.assert_allclose(found[-1], 2 / 3, rtol=TOLERANCE / 10)  # of a bias of three outputs
        hidden = np.maximum(x.astype("float64") @ model.get_weights()[0] + model.get_weights()[1], 0)
        expected = np.repeat(2 / 3 * (hidden**2).mean(0)[:, None], 3, axis=1)
        np.testing.assert_allclose(found[-2], expected, rtol=TOLERANCE / 10, atol=TOLERANCE / 100)


def test_shared_weights_are_exact_where_windows_do_not_meet():
    """A convolution whose windows do not overlap, each output of which goes its own way."""
    apart = compiled(keras.layers.Conv1D(2, 2, strides=2), keras.layers.Flatten(), shape=(6, 3))
    found, expected = both(apart)
    for values, true in zip(found.values(), expected.values(), strict=True):
        assert relative_error(values, true) < TOLERANCE


def recursion(weights, derivatives, x, curvature):
    """LeCun's recursion for dense layers by hand; the last derivative is that of the outputs."""
    values, slopes, found = [x], [], []
    for (kernel, bias), (function, derivative) in zip(weights, derivatives, strict=True):
        a = values[-1] @ kernel + bias
        values.append(function(a))
        slopes.append(derivative(a))
    for (kernel, _), value, slope in list(zip(weights, values, slopes, strict=False))[::-1]:
        of_sums = curvature * slope**2
        found[:0] = [(value**2).T @ of_sums, of_sums.sum(0)]
        curvature = of_sums @ (kernel**2).T
    return found


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "scaled", "logistic"])
def test_is_lecuns_recursion_for_curved_activations(name):
    activation = {"scaled": ScaledTanh(1.5, 0.7), "logistic": Logistic(2.0)}.get(name, name)
    curves = {
        "tanh": (np.tanh, lambda a: 1 - np.tanh(a) ** 2),
        "sigmoid": (lambda a: 1 / (1 + np.exp(-a)), lambda a: np.exp(-a) / (1 + np.exp(-a)) ** 2),
        "scaled": (lambda a: 1.5 * np.tanh(0.7 * a), lambda a: 1.05 / np.cosh(0.7 * a) ** 2),
        "logistic": (lambda a: 1 / (1 + np.exp(-2 * a)), lambda a: 2 * np.exp(-2 * a) / (1 + np.exp(-2 * a)) ** 2),
    }
    model = compiled(
        keras.layers.Dense(5, activation), keras.layers.Dense(4, activation), keras.layers.Dense(3, activation)
    )
    x, y = random_array(6, 4, seed=1), random_array(6, 3, seed=2)
    weights = model.get_weights()
    pairs = [(weights[i], weights[i + 1]) for i in (0, 2, 4)]
    expected = recursion(pairs, [curves[name]] * 3, x.astype("float64"), np.ones((6, 3)) / 6)
    found = diagonal_hessian(model, x, y, dtype=DTYPE)
    for values, true in zip(found.values(), expected, strict=True):
        assert relative_error(values, true) < TOLERANCE
    assert all((values >= 0).all() for values in found.values())


def test_the_layers_of_the_notes():
    """One layer of weights at a time, of which everything after is a sum: nothing is left out."""
    maps = compiled(Subsampling2D(2), keras.layers.Flatten(), shape=(4, 6, 3))
    table = compiled(TableConv2D([[0, 1], [2]], 2, strides=2), keras.layers.Flatten(), shape=(4, 6, 3))
    signal = compiled(keras.layers.Dense(2, "relu"), Subsampling1D(3, reduction="decimate"), shape=(6, 4))
    # A step of float32 is long enough to cross a kink.
    for model in (maps, table, signal) if DTYPE == "float64" else (maps, table):
        found, expected = both(model)
        for values, true in zip(found.values(), expected.values(), strict=True):
            assert relative_error(values, true) < TOLERANCE


def test_rates_from_curvatures_train_badly_scaled_weights():
    """A feature a hundred times as large as the other: one rate for both is too large or too small."""
    x = random_array(64, 2) * [100.0, 1.0]
    y = x @ np.array([[0.02], [3.0]])

    def loss_after(optimizer):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
        # For steps as small as these TensorFlow is quicker without a graph.
        model.compile(optimizer, HalvedSquaredError(), jit_compile=False, run_eagerly=ON_TENSORFLOW)
        return model, lambda: model.fit(x, y, epochs=30, batch_size=64, verbose=0).history["loss"][-1]

    model, _ = loss_after("sgd")
    rates = lecun_rates(diagonal_hessian(model, x, y, dtype=DTYPE), damping=1e-3)
    _, train = loss_after(WeightwiseSGD(0.5, {"kernel": next(iter(rates.values()))}))
    _, plain = loss_after(keras.optimizers.SGD(1e-4))
    assert train() < 1e-6 < 0.1 < plain()


@pytest.mark.parametrize(
    "layers, message",
    [
        ([keras.layers.Dense(3, "swish")], "an activation for which the recursion has no rule.*Received: dense"),
        ([keras.layers.ReLU(6.0), keras.layers.Dense(3)], "an activation for which the recursion has no rule"),
        ([keras.layers.LayerNormalization(), keras.layers.Dense(3)], "a layer for which the recursion has no rule"),
    ],
)
def test_what_the_recursion_does_not_know_is_named(layers, message):
    model = compiled(*layers)
    with pytest.raises(ValueError, match=message):
        diagonal_hessian(model, random_array(2, 4), random_array(2, *model.output_shape[1:]))


def test_bad_arguments():
    model, x, y = compiled(keras.layers.Dense(3)), random_array(2, 4), random_array(2, 3)
    with pytest.raises(ValueError, match="`method` must be one of .*Received: method='exact'"):
        diagonal_hessian(model, x, y, method="exact")
    with pytest.raises(ValueError, match="`model` must be compiled with a loss"):
        diagonal_hessian(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]), x, y)
    inputs = keras.Input((4,))
    fork = keras.Model(inputs, keras.layers.Dense(3)(inputs) + keras.layers.Dense(3)(inputs))
    fork.compile("sgd", "mse")
    with pytest.raises(ValueError, match="Received"):
        diagonal_hessian(fork, x, y)
    for damping in (0, -1.0, np.nan, np.inf, True, "0.1", None):
        with pytest.raises(ValueError, match=f"`damping` must be a positive number. Received: damping={damping!r}"):
            lecun_rates({}, damping=damping)
