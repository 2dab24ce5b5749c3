import inspect

import keras
import numpy as np
import pytest
from helpers import ON_TENSORFLOW, predict, random_array, relative_error, to_numpy

from keras_equivariant import zoo
from keras_equivariant.layers import LogRGB, RandomIlluminant

SMALL = {"context_encoder": {"filters": 4, "bottleneck": 8}, "offset_context_encoder": {"filters": 3, "bottleneck": 9}}


def create_with_random_weights(name, **arguments):
    """Biases and statistics that no equivariance could come from."""
    model = zoo.create(name, **SMALL[name], **arguments)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
        elif getattr(layer, "bias", None) is not None:
            layer.bias.assign(0.3 * rng.normal(size=layer.bias.shape))
    return model


def images(count=4):
    return np.random.default_rng(0).uniform(0.3, 1, (count, 128, 128, 3)).astype("float32")


def expected_count(filters, bottleneck, colours=3):
    """Weights and biases of 4x4 convolutions; scale, shift and two moving statistics of each normalised channel."""
    widths = [filters, filters, 2 * filters, 4 * filters, 8 * filters, bottleneck]
    widths += [8 * filters, 4 * filters, 2 * filters, filters, colours]
    linear = sum(16 * a * b + b for a, b in zip([colours, *widths[:-1]], widths, strict=True))
    normalised = sum(widths[1:-1])
    return linear + 2 * normalised, linear + 4 * normalised


@pytest.mark.parametrize(
    "name, widths, trainable, total, published",
    [
        ("context_encoder", (64, 4000), 71_130_531, 71_142_371, 71.14),
        ("offset_context_encoder", (63, 3999), 69_917_493, 69_929_271, 69.94),
    ],
)
def test_parameter_counts(name, widths, trainable, total, published, once):
    assert expected_count(*widths) == (trainable, total)
    assert total / 1e6 == pytest.approx(published, abs=0.012), "moving statistics counted"
    small = zoo.create(name, **SMALL[name])
    counts = sum(np.prod(variable.shape) for variable in small.trainable_variables), small.count_params()
    assert counts == expected_count(**SMALL[name])


def test_the_default_widths():
    """Without building 70 million weights."""
    for name, (filters, bottleneck) in {"context_encoder": (64, 4000), "offset_context_encoder": (63, 3999)}.items():
        parameters = inspect.signature(zoo.get_builder(name)).parameters
        assert (parameters["filters"].default, parameters["bottleneck"].default) == (filters, bottleneck)


@pytest.mark.parametrize("name", SMALL)
def test_the_maps_of_the_paper(name, once):
    model = zoo.create(name, **SMALL[name])
    linear = [layer for layer in model.layers if isinstance(layer, (keras.layers.Conv2D, keras.layers.Conv2DTranspose))]
    assert [layer.output.shape[1] for layer in linear] == [64, 32, 16, 8, 4, 1, 4, 8, 16, 32, 64]
    assert {layer.kernel_size for layer in linear} == {(4, 4)}
    normalisations = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert len(normalisations) == 9, "all but the first and the last convolution"
    rectifiers = [getattr(layer, "layer", layer) for layer in model.layers]
    assert [one.negative_slope for one in rectifiers if isinstance(one, keras.layers.LeakyReLU)] == [0.2] * 6
    assert model.output_shape == (None, 64, 64, 3)


@pytest.mark.parametrize("padding, saturation", [("same", 0.5), ("same", 0.9), ("edge", 0.9)])
def test_the_drawn_centre_follows_the_light(padding, saturation):
    """To 9 digits in float64, where TensorFlow computes all layers in it; 21 layers round to 4 in float32."""
    dtype, tolerance = ("float64", 1e-9) if keras.config.backend() == "tensorflow" else ("float32", 1e-3)
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    try:
        model = create_with_random_weights("offset_context_encoder", padding=padding)
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")
    x = images().astype(dtype)
    light = to_numpy(RandomIlluminant(saturation, gamma=False, in_prediction=True, seed=0)(np.ones_like(x[:, :1, :1])))
    assert np.ptp(light, axis=-1).min() > 0.4

    def draw(linear):
        return predict(model, -np.log(linear)) / 2 + 0.5

    centre = draw(x)
    assert centre.std() > 1e-3 and centre.min() > 0
    np.testing.assert_allclose(draw(x * light), centre * light, rtol=tolerance)


def test_the_ordinary_centre_does_not_follow_and_is_bounded():
    model = create_with_random_weights("context_encoder")
    x, light = images(), np.array([0.2, 1.0, 0.5], "float32")
    centre, other = (predict(model, 2 * v - 1) for v in (x, x * light))
    assert np.abs(centre).max() <= 1
    assert relative_error((other + 1) / 2, (centre + 1) / 2 * light) > 0.05


def test_the_discriminator(once):
    model = zoo.context_discriminator()
    assert sum(np.prod(variable.shape) for variable in model.trainable_variables) == 2_766_529
    maps = [layer.output.shape[1] for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert maps == [32, 16, 8, 4, 1]
    small = zoo.context_discriminator(filters=3, name="judge")
    assert small.name == "judge"
    assert small(random_array(2, 64, 64, 3)).shape == (2, 1)


@pytest.mark.parametrize("name", SMALL)
def test_a_step_of_training_keeps_the_equivariance(name):
    model = zoo.create(name, **SMALL[name])
    model.compile("adam", "mse", run_eagerly=ON_TENSORFLOW)
    x = to_numpy(LogRGB()(images()))
    losses = [float(model.train_on_batch(x, random_array(4, 64, 64, 3))) for _ in range(3)]
    assert np.isfinite(losses).all()
    offset = random_array(4, 1, 1, 3, seed=1)
    after, before = (predict(model, v) / 2 + 0.5 for v in (x + offset, x))
    deviation = np.abs(after / (before * np.exp(-offset)) - 1).max()
    assert deviation < 1e-3 if name.startswith("offset") else deviation > 1e-2


@pytest.mark.parametrize("name", SMALL)
def test_saved_and_loaded(name, tmp_path):
    model = create_with_random_weights(name)
    model.save(tmp_path / "model.keras")
    x = images(2)
    assert relative_error(predict(keras.models.load_model(tmp_path / "model.keras"), x), predict(model, x)) < 1e-6


@pytest.mark.parametrize(
    "name, arguments, message",
    [
        ("offset_context_encoder", {"filters": 64}, "Received: filters=64, feature_groups=3"),
        ("offset_context_encoder", {"filters": 3, "bottleneck": 4000}, "Received: filters=4000"),
        ("context_encoder", {"bottleneck": 0}, "Received: .*bottleneck=0"),
    ],
)
def test_bad_arguments(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        zoo.create(name, **arguments)
