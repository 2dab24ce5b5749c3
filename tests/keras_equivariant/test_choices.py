import keras
import pytest

from keras_equivariant import layers as ours
from keras_equivariant import zoo
from keras_equivariant.choices import implementation_report

ON_CPU = keras.config.backend() in ("tensorflow", "jax")


def report(layer, *shape):
    inputs = keras.Input(shape)
    (line,) = implementation_report(keras.Model(inputs, layer(inputs)))
    return line


@pytest.mark.parametrize(
    "arguments, shape, reason",
    [
        ({"implementation": "planar"}, (8, 8, 8, 64), "planar (asked for)"),
        ({"implementation": "spectral"}, (8, 8, 8, 64), "spectral (asked for)"),
        ({}, (8, 8, 64), "planar (its input is a planar map)"),
        ({}, (None, 8, 8, 64), "planar (its input is of unknown size)"),
        ({"dilation_rate": 2}, (8, 8, 8, 64), "has no spectral form)"),
        ({"groups": 2}, (8, 8, 8, 64), "has no spectral form)"),
        ({"dtype": "mixed_bfloat16"}, (8, 8, 8, 64), "planar (nothing was measured in bfloat16)"),
        ({"strides": 2}, (9, 9, 8, 64), "planar (the gradient of a strided kernel costs more than is saved)"),
    ],
)
def test_reasons(arguments, shape, reason):
    line = report(ours.GroupConv2D(64, 3, "p4m", name="it", **arguments), *shape)
    assert line.startswith("it: 64 to 64 channels, 3x3, p4m: ")
    assert line.endswith(reason)


@pytest.mark.parametrize("symmetry, channels", [("p4m", 8), ("p4m", 64), ("p4", 33), ("p4", 96), ("pm", 64)])
def test_it_says_what_the_layer_does(symmetry, channels):
    layer = ours.GroupConv2D(channels, 3, symmetry)
    line = report(layer, 8, 8, {"p4m": 8, "p4": 4, "pm": 2}[symmetry], channels)
    choice = "planar" if layer._spectral_convolution is None else "spectral"
    assert f": {choice} (" in line
    if not ON_CPU:
        assert line.endswith("planar (nothing was measured on this backend or device)")
    elif choice == "spectral":
        assert line.endswith(" times less work)")


@pytest.mark.parametrize(
    "arguments, shape, text",
    [
        ({}, (9, 9, 8, 8), "it: 8 to 64 channels, 1x1, p4m: planar (fewer than"),
        ({}, (9, 9, 8, 64), "it: 64 to 64 channels, 1x1, p4m: spectral ("),
        ({"strides": 2}, (9, 9, 64), "it: 64 to 64 channels, 1x1, p4m: spectral ("),
        ({"depth_multiplier": 8}, (9, 9, 8, 8), "it: 64 to 64 channels, 1x1, p4m: spectral ("),
        ({"implementation": "planar"}, (9, 9, 8, 64), "it: 64 to 64 channels, 1x1, p4m: planar (asked for)"),
        ({"implementation": "spectral"}, (9, 9, 8, 8), "it: 8 to 64 channels, 1x1, p4m: spectral (asked for)"),
        ({}, (None, None, 8, 64), "it: 64 to 64 channels, 1x1, p4m: planar (its input is of unknown size)"),
    ],
)
def test_the_second_convolution_of_a_separable_one(arguments, shape, text):
    layer = ours.GroupSeparableConv2D(64, 3, "p4m", name="it", **arguments)
    line = report(layer, *shape)
    assert ("spectral" in line) == (layer._spectral is not None)
    if ON_CPU or "for)" in text:
        assert line.startswith(text)


def test_models_in_models_and_other_layers():
    inner = zoo.create("p4m_small", filters=(3, 4), features=5, input_shape=(16, 16, 3))
    model = keras.Sequential([keras.layers.Rescaling(1 / 255), inner])
    model.build((None, 16, 16, 3))
    assert implementation_report(model) == implementation_report(inner)
    assert [line.partition(", p4m: ")[0] for line in implementation_report(inner)] == [
        f"{layer.name}: {text}"
        for layer, text in zip(
            [layer for layer in inner.layers if isinstance(layer, ours.GroupConv2D)],
            ["3 to 3 channels, 3x3", "3 to 4 channels, 3x3", "4 to 5 channels, 1x1"],
            strict=True,
        )
    ]
    assert implementation_report(keras.layers.Dense(3)) == []


def test_not_built():
    with pytest.raises(ValueError, match="`model` must be built. Received: 'late'"):
        implementation_report(ours.GroupConv2D(4, 3, name="late"))
