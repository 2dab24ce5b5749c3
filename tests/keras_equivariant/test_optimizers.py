import keras
import numpy as np
import pytest
from helpers import COMPILES, random_array

from keras_equivariant.optimizers import LayerwiseSGD, WeightwiseSGD


def model_of_three():
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="deep")], name="inner")
    layers = [keras.layers.Dense(4, name="first"), inner, keras.layers.Dense(2, name="last")]
    model = keras.Sequential([keras.Input((5,)), *layers])
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.get_weights()])
    return model


def steps(optimizer, count):
    """How far each layer's weights go."""
    model = model_of_three()
    before = model.get_weights()
    model.compile(optimizer, "mse", jit_compile=COMPILES)
    for seed in range(count):
        model.train_on_batch(random_array(8, 5, seed=seed), random_array(8, 2, seed=seed + 9))
    return [after - start for after, start in zip(model.get_weights(), before, strict=True)]


@pytest.mark.parametrize("arguments", [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}])
def test_a_rate_multiplies_the_steps_of_its_layer(arguments):
    plain = steps(keras.optimizers.SGD(0.01, **arguments), 1)
    rates = {"first": 3.0, "inner": 0.5, "deep": 0.0}
    layerwise = steps(LayerwiseSGD(0.01, rates, **arguments), 1)
    for step, other, rate in zip(layerwise, plain, [3, 3, 0, 0, 1, 1], strict=True):
        np.testing.assert_allclose(step, rate * other, rtol=1e-4, atol=1e-7)


def test_a_rate_for_all_is_a_learning_rate():
    rates = {"first": 3.0, "inner": 3.0, "last": 3.0}
    layerwise = steps(LayerwiseSGD(0.01, rates, momentum=0.9), 4)
    for step, other in zip(layerwise, steps(keras.optimizers.SGD(0.03, momentum=0.9), 4), strict=True):
        np.testing.assert_allclose(step, other, rtol=1e-4, atol=1e-6)


def test_it_is_saved_with_the_model(tmp_path):
    model = model_of_three()
    model.compile(LayerwiseSGD(0.01, {"first": 2.0}, momentum=0.5), "mse", jit_compile=COMPILES)
    model.train_on_batch(random_array(8, 5), random_array(8, 2))
    model.save(tmp_path / "model.keras")
    optimizer = keras.models.load_model(tmp_path / "model.keras").optimizer
    assert type(optimizer) is LayerwiseSGD
    assert optimizer.layer_rates == {"first": 2.0}
    assert float(optimizer.momentum) == 0.5


def test_bad_rates():
    with pytest.raises(ValueError, match="must be at least 0. Received: layer_rates={'first': -1}"):
        LayerwiseSGD(0.01, {"first": -1})
    with pytest.raises(ValueError, match=r"must name layers.*'deep'.*Received: layer_rates={'missing': 2}"):
        steps(LayerwiseSGD(0.01, {"missing": 2}), 1)


def test_sparse_gradients_have_rates_too():
    """TensorFlow's gradients of an embedding hold only the rows that were looked up."""

    def step(**rates):
        model = keras.Sequential([keras.Input((2,), dtype="int32"), keras.layers.Embedding(5, 3, "ones", name="table")])
        model.compile(LayerwiseSGD(0.1, rates), "mse", jit_compile=False)
        model.train_on_batch(np.array([[1, 3]]), np.zeros((1, 2, 3)))
        return 1 - model.get_weights()[0]

    np.testing.assert_allclose(step(table=2.0), 2 * step(), rtol=1e-5)
    assert (step() > 0).any(axis=1).tolist() == [False, True, False, True, False]


@pytest.mark.parametrize("arguments", [{}, {"momentum": 0.9}])
def test_a_rate_for_each_weight(arguments):
    rng = np.random.default_rng(3)
    kernel, last = rng.uniform(0, 2, (5, 4)), rng.uniform(0, 2, 2)
    plain = steps(keras.optimizers.SGD(0.01, **arguments), 1)
    weightwise = steps(
        WeightwiseSGD(0.01, {"first/kernel": kernel, "last/bias": last, "deep/kernel": 0.0}, **arguments), 1
    )
    for step, other, rate in zip(weightwise, plain, [kernel, 1, 0, 1, 1, last], strict=True):
        np.testing.assert_allclose(step, rate * other, rtol=1e-4, atol=1e-7)


def test_rates_of_weights_are_saved_with_the_model(tmp_path):
    model = model_of_three()
    model.compile(WeightwiseSGD(0.01, {"last/bias": [0.5, 2.0]}), "mse", jit_compile=COMPILES)
    model.train_on_batch(random_array(8, 5), random_array(8, 2))
    model.save(tmp_path / "model.keras")
    optimizer = keras.models.load_model(tmp_path / "model.keras").optimizer
    assert type(optimizer) is WeightwiseSGD
    assert optimizer.weight_rates["last/bias"].tolist() == [0.5, 2.0]


@pytest.mark.parametrize(
    "rates, message",
    [
        ({"last/bias": [-1, 2]}, "must be at least 0. Received: -1.0 for 'last/bias'"),
        ({"missing/bias": 2}, "must name one variable each, of .*Received: 'missing/bias', the name of 0"),
        ({"bias": 2}, "Received: 'bias', the name of 3"),
        (
            {"last/bias": [1, 2, 3]},
            r"of the shapes of the variables. Received: rates of shape \(3,\) for '.*last/bias'",
        ),
    ],
)
def test_bad_rates_of_weights(rates, message):
    with pytest.raises(ValueError, match=message):
        steps(WeightwiseSGD(0.01, rates), 1)
