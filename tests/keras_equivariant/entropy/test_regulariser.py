"""The differentiable entropy: its value, its gradient, and training with it."""

import keras
import numpy as np
import pytest
from helpers import COMPILES, gradients, random_array, relative_error, to_numpy

from keras_equivariant import entropy
from keras_equivariant.entropy import DiffusionSpectralEntropyRegularizer


class Penalty(keras.layers.Layer):
    """The regulariser as a layer, for the helper that takes gradients."""

    def __init__(self, regulariser, **kwargs):
        super().__init__(**kwargs)
        self.regulariser = regulariser
        self.built = True

    def call(self, x):
        return keras.ops.reshape(self.regulariser(x), (1,))


@pytest.mark.parametrize("sigma, t", [(1.0, 1), (3.0, 2), (10.0, 1.5)])
def test_value_is_the_entropy(sigma, t):
    x = random_array(12, 5)
    regulariser = DiffusionSpectralEntropyRegularizer(-0.5, sigma, t)
    expected = -0.5 * entropy.diffusion_spectral_entropy(x, sigma, t)
    assert relative_error(regulariser(keras.ops.convert_to_tensor(x)), np.array(expected)) < 1e-4


@pytest.mark.parametrize("sigma, t", [(1.0, 1), (2.0, 3)])
def test_gradient_against_central_differences(sigma, t, tensorflow_backend):
    x = random_array(9, 2, 2, dtype="float64")
    regulariser = DiffusionSpectralEntropyRegularizer(2.0, sigma, t, epsilon=1e-14)
    (gradient,) = gradients(Penalty(regulariser, dtype="float64"), x, np.ones(1))
    expected, step = np.empty_like(x), 6e-6
    for index in np.ndindex(x.shape):
        moved = [x.copy(), x.copy()]
        moved[0][index] += step
        moved[1][index] -= step
        up, down = (2.0 * entropy.diffusion_spectral_entropy(points, sigma, t) for points in moved)
        expected[index] = (up - down) / (2 * step)
    assert relative_error(gradient, expected) < 1e-7


def test_gradient_in_single_precision_on_every_backend():
    x = random_array(9, 4)
    (gradient,) = gradients(Penalty(DiffusionSpectralEntropyRegularizer(1.0, 1.0)), x, np.ones(1, "float32"))
    direction = random_array(9, 4, seed=1).astype("float64")
    step = 1e-5
    up, down = (entropy.diffusion_spectral_entropy(x + sign * step * direction, 1.0) for sign in (1, -1))
    assert abs((gradient * direction).sum() - (up - down) / (2 * step)) < 1e-3


def test_equal_eigenvalues_give_finite_gradients():
    square = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "float32")
    for x in (square, np.zeros((4, 2), "float32")):
        (gradient,) = gradients(Penalty(DiffusionSpectralEntropyRegularizer(1.0, 0.5)), x, np.ones(1, "float32"))
        assert np.isfinite(gradient).all()


def test_training_raises_the_entropy_and_survives_saving():
    x = random_array(32, 6)

    def train(factor):
        regulariser = DiffusionSpectralEntropyRegularizer(factor, sigma=1.0)
        initializer = keras.initializers.GlorotUniform(seed=0)
        dense = keras.layers.Dense(4, kernel_initializer=initializer, activity_regularizer=regulariser)
        model = keras.Sequential([keras.Input((6,)), dense])
        model.compile(keras.optimizers.Adam(0.05), jit_compile=COMPILES and factor != 0, loss="mse")
        model.fit(x, np.zeros((32, 4)), batch_size=32, epochs=30, verbose=0)
        return model, entropy.diffusion_spectral_entropy(to_numpy(model(x)), 1.0)

    rewarded, plain = train(-5.0), train(0.0)
    assert rewarded[1] > plain[1] + 1
    stored = keras.saving.serialize_keras_object(rewarded[0].layers[-1])
    again = keras.saving.deserialize_keras_object(stored).activity_regularizer
    assert again.get_config() == {"factor": -5.0, "sigma": 1.0, "t": 1, "epsilon": 1e-6}


@pytest.mark.parametrize("name, value", [("factor", np.nan), ("factor", "1"), ("sigma", 0), ("t", -1), ("epsilon", 0)])
def test_bad_arguments(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        DiffusionSpectralEntropyRegularizer(**{name: value})
