import keras
import numpy as np
import pytest
from helpers import relative_error, run_python, to_numpy
from planar_models import layers

from keras_equivariant import zoo
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


@pytest.mark.parametrize("dtype", ["float32", "float64"])
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
    assert relative_error(to_planar(model)(x), model(x)) < {"float32": 1e-6, "float64": tolerance}[dtype]


def estimator():
    """As the networks that estimate the light are trained: logarithms inside, one network for each fold."""
    networks = []
    for i in range(2):
        inputs = keras.Input((64, 64, 3))
        network = zoo.offset_color_cerberus(filters=(3, 3, 3), bottleneck=3, units=6, input_shape=(64, 64, 3))
        networks.append(keras.Model(inputs, network(LogRGB()(inputs)), name=f"fold_{i}"))
    inputs = keras.Input((64, 64, 3))
    return keras.Model(inputs, keras.layers.Average()([network(inputs) for network in networks]))


def generator():
    """As the networks that paint a centre are trained."""
    inputs = keras.Input((128, 128, 3))
    x = zoo.offset_context_encoder(filters=3, bottleneck=3)(LogRGB()(inputs))
    outputs = keras.layers.Rescaling(2.0, -1.0)(ApplyGamma()(keras.layers.Rescaling(0.5, 0.5)(x)))
    return keras.Model(inputs, outputs)


def test_networks_with_colours_inside_load_without_the_package(tmp_path, tensorflow_backend):
    for build in (estimator, generator):
        model = build()
        x = colour_values(2, *model.input_shape[1:])
        planar = to_planar(model)
        assert relative_error(planar(x), model(x)) < 1e-3, "dark pixels differ by the rounding of a logarithm"
        planar.save(tmp_path / f"{build.__name__}.keras")
        np.savez(tmp_path / f"{build.__name__}.npz", x=x, y=to_numpy(planar(x)))
    code = """
import pathlib, sys
sys.modules["keras_equivariant"] = None  # makes its import fail
import keras, numpy as np
for path in pathlib.Path(sys.argv[1]).glob("*.keras"):
    with np.load(path.with_suffix(".npz")) as arrays:
        y = keras.ops.convert_to_numpy(keras.models.load_model(path)(arrays["x"]))
        print(abs(y - arrays["y"]).max() / abs(arrays["y"]).max())
"""
    differences = run_python(code, tmp_path).split()
    assert len(differences) == 2 and max(map(float, differences)) < 1e-5


def test_lights_that_are_drawn_in_training_only_are_left_out():
    inputs = keras.Input((4, 4, 3))
    model = keras.Model(inputs, keras.layers.ReLU()(RandomIlluminant(0.5)(inputs)))
    assert [type(layer).__name__ for layer in to_planar(model).layers] == ["InputLayer", "ReLU"]
    model = keras.Model(inputs, RandomIlluminant(0.5, in_prediction=True)(inputs))
    with pytest.raises(ValueError, match="a RandomIlluminant: it draws random lights in prediction too"):
        to_planar(model)
