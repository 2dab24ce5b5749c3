import keras
import numpy as np
import pytest
from helpers import gradients, random_array, to_numpy

from keras_equivariant.activations import Logistic, ScaledTanh, sparsemax


def test_formulas():
    x = random_array(50, dtype="float64", seed=1)
    np.testing.assert_allclose(to_numpy(ScaledTanh()(x)), 1.7159 * np.tanh(2 / 3 * x), rtol=1e-5)
    np.testing.assert_allclose(to_numpy(ScaledTanh(2.0, 3.0)(x)), 2 * np.tanh(3 * x), rtol=1e-5)
    np.testing.assert_allclose(to_numpy(Logistic(2.5)(x)), 1 / (1 + np.exp(-2.5 * x)), rtol=1e-6)
    np.testing.assert_allclose(to_numpy(ScaledTanh()(np.array([-1.0, 1.0]))), [-1, 1], atol=1e-4)


@pytest.mark.parametrize("activation", [ScaledTanh(1.5, 0.5), Logistic(3.0), sparsemax])
def test_activations_are_saved_with_their_layer(activation):
    layer = keras.layers.Dense(4, activation=activation)
    x = random_array(2, 3)
    y = layer(x)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    again(x)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(to_numpy(again(x)), to_numpy(y))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_sparsemax_is_the_nearest_point_of_the_simplex(axis):
    x = random_array(4, 5, 6, dtype="float64") * np.array([0.1, 1, 3, 10])[:, None, None]
    y = to_numpy(sparsemax(x, axis=axis))
    np.testing.assert_allclose(y.sum(axis=axis), 1, atol=1e-13)
    assert (y >= 0).all()
    # Nearest: all positive entries lie below x by the same amount, and the others by no more than their own x.
    gap = np.where(y > 0, x - y, np.nan)
    threshold = np.nanmax(gap, axis=axis, keepdims=True)
    np.testing.assert_allclose(np.nanmin(gap, axis=axis, keepdims=True), threshold, atol=1e-13)
    assert (x[y == 0] <= np.broadcast_to(threshold, x.shape)[y == 0]).all()
    assert (y == 0).any()


def test_sparsemax_of_ties():
    x = np.array([[0.5, 0.5, 0.5], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(to_numpy(sparsemax(x)), [[1 / 3] * 3, [0.5, 0.5, 0], [1 / 3] * 3], atol=1e-15)


def test_gradient_of_sparsemax():
    layer = keras.layers.Activation(sparsemax, dtype="float64")
    x, upstream = random_array(3, 6, dtype="float64"), random_array(3, 6, dtype="float64", seed=1)
    support = to_numpy(sparsemax(x)) > 0
    expected = support * (upstream - (support * upstream).sum(-1, keepdims=True) / support.sum(-1, keepdims=True))
    np.testing.assert_allclose(gradients(layer, x, upstream)[0], expected, atol=1e-14)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: ScaledTanh(amplitude=0), "`amplitude` must be positive. Received: amplitude=0"),
        (lambda: ScaledTanh(slope=-1), "`slope` must be positive. Received: slope=-1"),
        (lambda: Logistic(0), "`slope` must be positive. Received: slope=0"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
