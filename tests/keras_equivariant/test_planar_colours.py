import keras
import numpy as np
import pytest
from helpers import DTYPES, predict, relative_error
from planar_models import layers

from keras_equivariant.layers import (
    ApplyGamma,
    InverseLogRGB,
    LogRGB,
    RandomIlluminant,
    RemoveGamma,
)
from keras_equivariant.planar import to_planar


def colour_values(*shape):
    """Random pixels, and those where a formula changes: black, epsilon, the thresholds of gamma, white."""
    x = np.random.default_rng(0).uniform(size=shape).astype("float32")
    x.reshape(-1)[:8] = [0, 1e-4, 2e-4, 3e-4, 0.0031308, 0.04045, 0.0405, 1]
    return x


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "layer_class, tolerance",
    # Keras' operation rounds the factor of the gamma to 32 bits.
    [(LogRGB, 1e-14), (InverseLogRGB, 1e-14), (RemoveGamma, 1e-14), (ApplyGamma, 1e-7)],
)
def test_colours(layer_class, tolerance, dtype, tensorflow_backend):
    inputs = keras.Input((4, 5, 3), dtype=dtype)
    # The precision of a model is that of its weights.
    model = keras.Model(inputs, layers.Dense(3, dtype=dtype)(layer_class(dtype=dtype)(inputs)))
    x = colour_values(2, 4, 5, 3).astype(dtype)
    error = relative_error(predict(to_planar(model), x), predict(model, x))
    assert error < {"float32": 1e-6, "float64": tolerance}[dtype]


def test_lights_that_are_drawn_in_training_only_are_left_out():
    inputs = keras.Input((4, 4, 3))
    model = keras.Model(inputs, keras.layers.ReLU()(RandomIlluminant(0.5)(inputs)))
    assert [type(layer).__name__ for layer in to_planar(model).layers] == ["InputLayer", "ReLU"]
    model = keras.Model(inputs, RandomIlluminant(0.5, in_prediction=True)(inputs))
    with pytest.raises(ValueError, match="a RandomIlluminant: it draws random lights in prediction too"):
        to_planar(model)
