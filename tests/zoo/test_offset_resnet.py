import itertools

import keras
import numpy as np
import pytest
from helpers import COMPILES, ON_TENSORFLOW, cases, predict, random_array, relative_error, to_numpy

from keras_equivariant import zoo
from keras_equivariant.equivariance import equivariance_error
from keras_equivariant.layers import LogRGB, OffsetReLU, RandomIlluminant, RemoveGamma

TRAINABLE_PARAMETERS = {
    "resnet20": 270_410,
    "offset_resnet20": 267_294,
    "p4_offset_resnet20": 267_528,
    "resnet50": 25_557_032,
    "offset_resnet50": 28_831_107,
}
SMALL = {
    "resnet20": {"filters": (3, 6, 9)},
    "offset_resnet20": {"filters": (3, 6, 9)},
    "p4_offset_resnet20": {"filters": (3, 3, 6)},
    "resnet50": {"filters": 3, "classes": 10, "input_shape": (32, 32, 3)},
    "offset_resnet50": {"filters": 3, "classes": 10, "input_shape": (32, 32, 3)},
}
ROUNDING = 1e-4  # of 20 to 50 layers in float32; each layer is held to 1e-5 by its own tests
OFFSET = [name for name in SMALL if "offset" in name]


def create_with_random_weights(name, **arguments):
    """Weights and statistics that no equivariance could come from."""
    model = zoo.create(name, **{**SMALL[name], **arguments})
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
        elif getattr(layer, "bias", None) is not None:
            layer.bias.assign(rng.normal(size=layer.bias.shape))
    return model


def preprocess(images):
    return to_numpy(LogRGB()(RemoveGamma()(images))) - 1.7


@pytest.mark.parametrize("name", cases(TRAINABLE_PARAMETERS, ["offset_resnet20"]))
def test_parameter_counts(name):
    model = zoo.create(name)
    assert sum(np.prod(variable.shape) for variable in model.trainable_variables) == TRAINABLE_PARAMETERS[name]
    assert model.name == name
    assert model.output_shape == (None, 1000 if "50" in name else 10)
    assert getattr(zoo, name) is zoo.get_builder(name) and name in zoo.__all__


def test_there_are_as_many_layers_as_the_name_says(once):
    def weighted(model):
        linear = (keras.layers.Conv2D, keras.layers.Dense)
        return len([layer for layer in model.layers if isinstance(layer, linear)])

    layers = {name: weighted(zoo.create(name, **SMALL[name])) for name in SMALL}
    for name in ("resnet20", "offset_resnet20", "p4_offset_resnet20"):
        assert layers[name] == 20
    for name in ("resnet50", "offset_resnet50"):
        assert layers[name] == 50 + 4, "and the four projections on the shortcuts"


@pytest.mark.parametrize(
    "name, padding", cases(itertools.product(OFFSET, ["same", "edge"]), [(OFFSET[0], "edge"), (OFFSET[1], "same")])
)
def test_light_leaves_the_logits_unchanged(name, padding):
    """Real illuminants of all hues, under which nothing is clipped."""
    model = create_with_random_weights(name, padding=padding)
    images = np.random.default_rng(0).uniform(0.3, 1, (6, 32, 32, 3)).astype("float32")
    lit = RandomIlluminant(0.9, in_prediction=True, seed=0)(images)
    logits = predict(model, preprocess(images))
    assert relative_error(predict(model, preprocess(lit)), logits) < ROUNDING
    shifted = preprocess(images) + random_array(6, 1, 1, 3, seed=1)
    assert relative_error(predict(model, shifted), logits) < ROUNDING


@pytest.mark.parametrize("name", ["resnet20", "resnet50"])
def test_light_changes_the_logits_of_ordinary_networks(name):
    model = create_with_random_weights(name)
    x = random_array(4, 32, 32, 3)
    assert relative_error(predict(model, x + random_array(4, 1, 1, 3, seed=1)), predict(model, x)) > 1e-2


def test_what_the_networks_see_beyond_the_border():
    for name in OFFSET:
        model = zoo.create(name, **SMALL[name], padding="edge")
        padded = [layer for layer in model.layers if hasattr(layer, "kernel_size") and "Conv" in type(layer).__name__]
        assert {layer.padding for layer in padded} == {"edge"}
        with pytest.raises(ValueError, match="`padding` must be one of .'same', 'edge'.. Received: padding='valid'"):
            zoo.create(name, **SMALL[name], padding="valid")


@pytest.mark.parametrize("symmetry, size, padding", [("p4", 32, "same"), ("p4m", 15, "same"), ("p4", 32, "edge")])
def test_neither_a_turn_nor_the_light_changes_the_logits(symmetry, size, padding):
    """To 12 digits in float64, where TensorFlow computes all layers in it."""
    dtype, tolerance = ("float64", 1e-12) if keras.config.backend() == "tensorflow" else ("float32", ROUNDING)
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    try:
        arguments = {"symmetry": symmetry, "input_shape": (size, size, 3), "blocks": 1, "padding": padding}
        model = create_with_random_weights("p4_offset_resnet20", **arguments)
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")
    x = random_array(3, size, size, 3, dtype=dtype)
    assert equivariance_error(model, x, symmetry) < tolerance
    light = random_array(3, 1, 1, 3, seed=1, dtype=dtype)
    assert relative_error(predict(model, x + light), predict(model, x)) < tolerance
    assert relative_error(predict(model, np.rot90(x + light, axes=(1, 2)).copy()), predict(model, x)) < tolerance


def test_other_numbers_of_feature_groups():
    for groups in (1, 8):
        model = zoo.offset_resnet20(
            (16, 16, groups), 5, [groups, 2 * groups, 3 * groups], 1, groups, name="multispectral"
        )
        x = random_array(2, 16, 16, groups)
        assert model.output_shape == (None, 5) and model.name == "multispectral"
        assert relative_error(predict(model, x + random_array(2, 1, 1, groups, seed=1)), predict(model, x)) < ROUNDING


@pytest.mark.parametrize(
    "name, jit", cases([("offset_resnet20", True), ("p4_offset_resnet20", False)], [("p4_offset_resnet20", False)])
)
def test_still_offset_invariant_after_training(name, jit):
    model = zoo.create(name, **SMALL[name], blocks=1)
    optimizer = keras.optimizers.SGD(0.01, momentum=0.9, weight_decay=1e-4)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, run_eagerly=ON_TENSORFLOW and not jit, jit_compile=COMPILES and jit)
    x, labels = random_array(8, 32, 32, 3), np.arange(8)
    assert np.isfinite([float(model.train_on_batch(x, labels)) for _ in range(5)]).all()
    assert relative_error(predict(model, x + random_array(8, 1, 1, 3, seed=1)), predict(model, x)) < ROUNDING


def test_mixed_precision():
    """bfloat16 has 8 significant bits: logits move by up to some tenths of the largest."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = zoo.create("offset_resnet20", **SMALL["offset_resnet20"], blocks=1)
    finally:
        keras.config.set_dtype_policy("float32")
    x = random_array(4, 32, 32, 3)
    before, after = (keras.ops.cast(predict(model, v), "float32") for v in (x, x + random_array(4, 1, 1, 3, seed=1)))
    assert relative_error(after, before) < 0.2


def test_the_ordinary_network_has_shortcuts_without_parameters():
    model = zoo.create("resnet20")
    maps = [layer.output.shape[1:] for layer in model.layers if isinstance(layer, keras.layers.Add)]
    assert maps == [(32, 32, 16)] * 3 + [(16, 16, 32)] * 3 + [(8, 8, 64)] * 3
    widths = [layer.output.shape[-1] for layer in zoo.create("offset_resnet20").layers if isinstance(layer, OffsetReLU)]
    assert widths == [15] * 3 + [33] * 3 + [63] * 3


@pytest.mark.parametrize(
    "name, arguments, message",
    [
        ("resnet20", {"filters": (16, 32)}, r"three numbers. Received: filters=\(16, 32\)"),
        ("resnet20", {"blocks": 0}, "at least 1. Received: blocks=0"),
        ("resnet50", {"blocks": (3, 4, 6)}, r"four numbers of at least 1. Received: blocks=\(3, 4, 6\)"),
        ("offset_resnet20", {"filters": (16, 33, 63)}, "Received: filters=16, feature_groups=3"),
        ("offset_resnet50", {"filters": 64}, "Received: filters=64"),
        ("p4_offset_resnet20", {"symmetry": "p5"}, "Received: symmetry='p5'"),
    ],
)
def test_bad_arguments(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        zoo.create(name, **arguments)
