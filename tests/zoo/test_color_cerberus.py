import keras
import numpy as np
import pytest
from helpers import COMPILES, predict, relative_error, to_numpy
from keras_equivariant.zoo.color_cerberus import PUBLISHED_COUNTS

from keras_equivariant import zoo
from keras_equivariant.layers import LogRGB, OffsetReLU, RandomIlluminant
from keras_equivariant.losses import ReproductionAngularError
from keras_equivariant.metrics import reproduction_angular_error

NAMES = ["color_cerberus", "offset_color_cerberus"]
SMALL = {"input_shape": (32, 48, 3), "filters": (3, 6), "bottleneck": 6, "units": 9}


def create_with_random_biases(name, **arguments):
    model = zoo.create(name, **arguments)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if getattr(layer, "bias", None) is not None:
            layer.bias.assign(rng.uniform(0, 1, size=layer.bias.shape))
    if name == "color_cerberus":  # whose last kernel is zero
        last = model.get_layer("illuminant" if arguments.get("estimates", 1) == 1 else "estimates")
        last.kernel.assign(rng.uniform(0, 0.1, size=last.kernel.shape))
    return model


def images(count=5, size=(64, 64)):
    """Bright enough for strong lights: nothing is clipped."""
    return np.random.default_rng(0).uniform(0.3, 1, (count, *size, 3)).astype("float32")


def estimate(model, linear):
    x = LogRGB()(linear) if model.name.startswith("offset") else linear
    return predict(model, x)


@pytest.mark.parametrize("name, count, published", [(NAMES[0], 204_819, 206_345), (NAMES[1], 202_704, 196_668)])
def test_parameter_counts(name, count, published, once):
    model = zoo.create(name)
    assert model.count_params() == count == sum(np.prod(variable.shape) for variable in model.trainable_variables)
    assert abs(count / published - 1) < (0.01 if name == "color_cerberus" else 0.04)
    assert model.name == name and model.output_shape == (None, 3)


def test_widths_with_exactly_the_published_counts(once):
    counts = {name: zoo.create(name, **PUBLISHED_COUNTS[name]).count_params() for name in NAMES}
    assert counts == {"color_cerberus": 206_345, "offset_color_cerberus": 196_668}
    closest = [3 * round(width / 3) for width in (24, 30, 36, 80, 16, 621)]
    offset = PUBLISHED_COUNTS["offset_color_cerberus"]
    assert closest == [*offset["filters"], offset["bottleneck"], offset["units"]]


@pytest.mark.parametrize("name", NAMES)
def test_several_estimates_are_combined_by_their_mean(name):
    model = create_with_random_biases(name, estimates=3, **SMALL)
    assert model.output_shape == (None, 3)
    x = images(3, (32, 48))
    inputs = LogRGB()(x) if name.startswith("offset") else x
    last = model.get_layer("estimates")
    estimates = predict(keras.Model(model.inputs[0], last.output), inputs)
    # Colour by colour in the offset-equivariant network, whose features of a colour stay together.
    parts = estimates.reshape(3, 3, 3) if name.startswith("offset") else estimates.reshape(3, 3, 3).swapaxes(1, 2)
    np.testing.assert_allclose(predict(model, inputs), parts.mean(-1), rtol=1e-5)
    assert np.ptp(parts, axis=-1).max() > 1e-3, "the estimates differ"


def test_several_estimates_follow_the_light():
    model, x = create_with_random_biases("offset_color_cerberus", estimates=4, **SMALL), images(4, (32, 48))
    light = np.random.default_rng(1).uniform(0.4, 1, (4, 1, 1, 3)).astype("float32")
    np.testing.assert_allclose(estimate(model, x * light), estimate(model, x) * light[:, 0, 0], rtol=1e-4)


@pytest.mark.parametrize("estimates", [0, 1.5, True])
@pytest.mark.parametrize("name", NAMES)
def test_bad_numbers_of_estimates(name, estimates):
    with pytest.raises(ValueError, match=f"`estimates` must be a positive integer. Received: estimates={estimates}"):
        zoo.create(name, estimates=estimates)


@pytest.mark.parametrize("name", NAMES)
def test_the_parts_of_the_paper(name):
    model = zoo.create(name)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.kernel_size for layer in convolutions] == [(3, 3)] * 4 + [(1, 1)]
    assert [layer.output.shape[1] for layer in convolutions] == [64, 32, 16, 8, 4]
    assert convolutions[0].input.shape[-1] == 6
    assert len([layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]) == 2
    rectifiers = [layer for layer in model.layers if isinstance(layer, OffsetReLU)]
    rectified = [layer for layer in model.layers if getattr(layer, "activation", None) is keras.activations.relu]
    assert (len(rectifiers), len(rectified)) == ((6, 0) if name.startswith("offset") else (0, 7))


def test_the_six_channels_are_the_colours_each_with_its_mean():
    x = images(2)
    for name in NAMES:
        model = zoo.create(name)
        first = next(layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D))
        y = to_numpy(keras.Model(model.inputs[0], first.input)(x))
        means = np.broadcast_to(x.mean((1, 2), keepdims=True), x.shape)
        order = [0, 3, 1, 4, 2, 5] if name.startswith("offset") else range(6)
        np.testing.assert_allclose(y, np.concatenate([x, means], axis=-1)[..., order], rtol=1e-5)


@pytest.mark.parametrize("padding", ["same", "edge"])
def test_the_estimate_follows_the_light(padding):
    model = create_with_random_biases("offset_color_cerberus", padding=padding)
    x = images()
    before = estimate(model, x)
    for saturation in (0.5, 0.9):
        lit = to_numpy(RandomIlluminant(saturation, gamma=False, in_prediction=True, seed=0)(x))
        light = (lit / x).mean((1, 2))
        assert np.ptp(light, axis=1).min() > 0.4, "the lights are coloured"
        np.testing.assert_allclose(estimate(model, lit), before * light, rtol=1e-4)
    estimates = np.linalg.norm(before, axis=1, keepdims=True)
    assert np.ptp(before / estimates, axis=0).max() > 1e-3, "different images get different estimates"


def test_any_size_and_width():
    x = images(size=(32, 48))
    model = create_with_random_biases("offset_color_cerberus", **SMALL)
    light = np.array([0.2, 0.9, 0.5], "float32")
    np.testing.assert_allclose(estimate(model, x * light), estimate(model, x) * light, rtol=1e-4)
    assert zoo.color_cerberus(**SMALL, name="other").name == "other"


def test_the_estimate_of_the_ordinary_network_does_not():
    model = create_with_random_biases("color_cerberus")
    x, light = images(), np.array([0.1, 1.0, 0.4], "float32")
    errors = to_numpy(reproduction_angular_error(estimate(model, x) * light, estimate(model, x * light)))
    assert errors.min() > 1


def test_fresh_estimates_are_positive():
    for name in NAMES:
        assert estimate(zoo.create(name), images()).min() > 0


@pytest.mark.parametrize("name", NAMES)
def test_training(name):
    model = zoo.create(name, **SMALL)
    model.compile(keras.optimizers.Adam(1e-3), ReproductionAngularError(), jit_compile=COMPILES)
    x = images(8, (32, 48))
    lights = np.random.default_rng(1).uniform(0.3, 1, (8, 3)).astype("float32")
    inputs = to_numpy(LogRGB()(x * lights[:, None, None])) if name.startswith("offset") else x * lights[:, None, None]
    errors = [float(model.train_on_batch(inputs, lights)) for _ in range(30)]
    assert errors[-1] < errors[0]
    if name.startswith("offset"):
        light = np.array([0.5, 1.0, 0.8], "float32")
        np.testing.assert_allclose(estimate(model, x * light), estimate(model, x) * light, rtol=1e-4)


def test_mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = zoo.color_cerberus(**SMALL)
    finally:
        keras.config.set_dtype_policy("float32")
    again = zoo.color_cerberus(**SMALL)
    again.set_weights(model.get_weights())
    x = images(2, (32, 48))
    assert relative_error(keras.ops.cast(predict(model, x), "float32"), predict(again, x)) < 0.05


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(15, 64, 3), (64, 64, 1), (None, 64, 3)])
def test_bad_shapes(name, shape):
    with pytest.raises(ValueError, match="Received: input_shape="):
        zoo.create(name, input_shape=shape)


def test_bad_widths():
    with pytest.raises(ValueError, match="Received: filters=16, feature_groups=3"):
        zoo.offset_color_cerberus(filters=(16, 33, 63, 129))
