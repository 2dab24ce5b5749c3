"""`create` for every classifier: without its head, on other sizes, and from trained weights."""

import inspect
import json

import keras
import numpy as np
import pytest
from helpers import cases, predict, random_array, to_numpy
from keras_equivariant.zoo.features import split, without_top
from networks import create_with_random_statistics, small_network

from keras_equivariant import zoo
from keras_equivariant.equivariance import equivariance_error

CLASSIFIERS = [
    name
    for name in zoo.list_models()
    if "classes" in inspect.signature(zoo.get_builder(name)).parameters and not name.endswith("unet")
]
EXACT = {
    "p4cnn": {"input_shape": (30, 30, 3), "filters": 5},
    "p4cnn_rotation_pooling": {"input_shape": (30, 30, 3), "filters": 5},
    "p4_all_cnn_c": {"downsampling": "centred", "filters": (3, 4), "input_shape": (18, 18, 3)},
    "p4m_all_cnn_c": {"downsampling": "centred", "filters": (3, 4), "head": "oriented", "input_shape": (17, 17, 3)},
    "p4m_resnet44": {"downsampling": "centred", "filters": (2, 3, 4), "blocks": 1, "input_shape": (14, 14, 3)},
    "p4_offset_resnet20": {"filters": (3, 6, 6), "blocks": 1, "input_shape": (14, 14, 3)},
    "p4m_small": {"filters": (3, 4), "input_shape": (13, 13, 3)},
}


@pytest.mark.parametrize("name", cases(CLASSIFIERS, ["p4cnn", "resnet20", "p4m_small"]))
def test_without_the_head(name):
    model = small_network(name)
    body = without_top(model)
    assert len(body.output_shape) == 4
    assert body.name == model.name
    assert 0 < body.count_params() < model.count_params()
    assert body.output_shape[-1] != 0
    rest = [layer for layer in split(model)[1] if layer.weights]
    assert body.count_params() + sum(layer.count_params() for layer in rest) == model.count_params()


@pytest.mark.parametrize("name", cases(EXACT, ["p4cnn_rotation_pooling", "p4m_resnet44", "p4_offset_resnet20"]))
def test_the_features_turn_with_the_image(name):
    body = create_with_random_statistics(name, include_top=False, **EXACT[name])
    images = random_array(2, *EXACT[name]["input_shape"])
    symmetry = "p4m" if "p4m" in name else "p4"
    assert equivariance_error(body, images, symmetry) < 1e-5
    assert predict(body, images).std() > 1e-3


def test_the_features_are_the_maximum_over_the_orientations():
    model = small_network("p4cnn")
    images = random_array(2, 28, 28, 1)
    feature_map, head = split(model)
    assert [type(layer).__name__ for layer in head] == ["GlobalMaxPooling2D", "CosetPooling", "GroupConv2D"]
    on_the_group = predict(keras.Model(model.inputs[0], feature_map), images)
    np.testing.assert_array_equal(predict(without_top(model), images), on_the_group.max(axis=-2))


def test_what_has_no_head():
    with pytest.raises(ValueError, match="`include_top` must be True for a model that is not a classifier. Received"):
        zoo.create("context_encoder", include_top=False, filters=3, bottleneck=6)


@pytest.mark.parametrize(
    "arguments, nearest",
    [
        ({"input_shape": (29, 29, 1)}, "a side of 28 or 30. Received: input_shape=.29, 29, 1.$"),
        ({"input_shape": (16, 16, 1)}, "a side of 28. Received"),
        ({"input_shape": (31, 40, 3)}, "a height of 30 or 32 and a width of 40. Received"),
    ],
)
def test_sizes_that_do_not_suit(arguments, nearest):
    with pytest.raises(ValueError, match=nearest):
        zoo.create("p4cnn", filters=2, **arguments)


def test_other_errors_stay_as_they_are():
    with pytest.raises(ValueError, match="`symmetry` must be one of"):
        zoo.create("p4cnn", symmetry="p5", input_shape=(28, 28, 1))
    with pytest.raises(TypeError, match="colour"):
        zoo.create("p4cnn", colour=True)


@pytest.fixture
def trained(tmp_path):
    """A trained grey network of seven classes in all the forms that `weights` takes, but for those of the package."""
    model = create_with_random_statistics("p4cnn", filters=3, classes=7, dropout=0.2)
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "mine.weights.h5")
    recipe = {"model": "p4cnn", "model_arguments": {"filters": 3, "dropout": 0.2}}
    (tmp_path / "config.json").write_text(json.dumps({"recipe": recipe}))
    return model, tmp_path


FORMS = [(".", {}), ("model.keras", {"filters": 3}), ("mine.weights.h5", {"filters": 3})]


@pytest.mark.parametrize("form, known", FORMS)
def test_the_same_network_again(trained, form, known):
    model, folder = trained
    classes = {"classes": 7} if form == "mine.weights.h5" else {}
    loaded = zoo.create("p4cnn", weights=folder / form, **known, **classes)
    for old, new in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    images = random_array(2, 28, 28, 1)
    np.testing.assert_array_equal(predict(loaded, images), predict(model, images))


@pytest.mark.parametrize("form, known", FORMS)
def test_other_classes_size_and_colours(trained, form, known):
    model, folder = trained
    tuned = zoo.create("p4cnn", weights=str(folder / form), **known, classes=4, input_shape=(32, 30, 3))
    assert tuned.output_shape == (None, 4)
    grey = random_array(2, 32, 30, 1)
    features = without_top(zoo.create("p4cnn", weights=folder / form, **known, input_shape=(32, 30, 1)))(grey)
    assert to_numpy(features).std() > 1e-3
    in_colour = without_top(tuned)(np.repeat(grey, 3, axis=-1))
    np.testing.assert_allclose(to_numpy(in_colour), to_numpy(features), rtol=1e-4, atol=1e-5)
    small = without_top(model)
    np.testing.assert_array_equal(small.get_weights()[-1], without_top(tuned).get_weights()[-1])


def test_from_colour_to_grey(tmp_path):
    model = zoo.create("p4m_small", filters=(3, 4), features=5, input_shape=(12, 12, 3))
    model.save(tmp_path / "colour.keras")
    arguments = {"filters": (3, 4), "features": 5, "input_shape": (12, 12, 1), "classes": 2}
    tuned = zoo.create("p4m_small", weights=tmp_path / "colour.keras", **arguments, include_top=False)
    grey = random_array(2, 12, 12, 1)
    expected = predict(without_top(model), np.repeat(grey, 3, axis=-1))
    np.testing.assert_allclose(predict(tuned, grey), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="layer .* has other shapes. Received"):
        zoo.create("p4m_small", weights=tmp_path / "colour.keras", **{**arguments, "input_shape": (12, 12, 4)})


@pytest.mark.parametrize("name, weights", [(n, w) for n in zoo.list_models() for w in zoo.list_weights(n)])
def test_every_preset(name, weights):
    preset, other = zoo.create(name, weights=weights), zoo.create(name, weights=weights, classes=3)
    assert other.output_shape == (None, 3)
    head = {layer.name for layer in split(preset)[1]}
    kept = [layer.get_weights() for layer in preset.layers if layer.name not in head and layer.weights]
    new = [layer.get_weights() for layer in without_top(other).layers if layer.weights]
    for old_layer, new_layer in zip(kept, new, strict=True):
        for old_value, new_value in zip(old_layer, new_layer, strict=True):
            np.testing.assert_array_equal(old_value, new_value)
    arguments = {"input_shape": (32, 32, 3)} if name != "bouvrie_cnn" else {"input_shape": (40, 36, 1)}
    assert zoo.create(name, weights=weights, **arguments).input_shape[1:] == arguments["input_shape"]


def test_a_head_that_fits_is_kept(trained):
    model, folder = trained
    larger = zoo.create("p4cnn", weights=folder, input_shape=(40, 40, 1))
    for old, new in zip(model.get_weights(), larger.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    "name, form, arguments, message",
    [
        ("p4cnn", ".", {"filters": 4}, "filters=3 must stay as trained. Received: filters=4"),
        ("p4cnn", ".", {"symmetry": "pmm"}, "symmetry='p4' must stay as trained. Received: symmetry='pmm'"),
        ("z2cnn", ".", {}, "must be those of z2cnn, not of p4cnn. Received"),
        ("p4cnn", "model.keras", {}, "same architecture, but for the classes and the input: layer .* other shapes"),
        ("z2cnn", "model.keras", {"filters": 3}, "same architecture.* other shapes. Received"),
        ("p4m_small", "model.keras", {}, "it has 11 layers with weights, not 13, or others. Received"),
        ("p4cnn", "mine.weights.h5", {}, "with these arguments, layers of p4cnn have other shapes. Received"),
        ("p4cnn", "moon.keras", {}, "or the folder of a finished run. Received: weights='.*moon.keras'"),
        ("p4cnn", "moon" * 99 + ".keras", {}, "or the folder of a finished run. Received"),
        ("p4cnn", "rotated", {}, r"must be None, one of \['rotated_mnist'\]"),
        ("p4cnn", ".", {"input_shape": (29, 29, 1)}, "nearest good sizes: a side of 28 or 30. Received"),
    ],
)
def test_weights_that_do_not_suit(trained, name, form, arguments, message):
    with pytest.raises(ValueError, match=message):
        zoo.create(name, weights=form if form == "rotated" else trained[1] / form, **arguments)


def test_a_run_with_arguments_that_there_are_not(trained):
    recipe = {"model": "p4cnn", "model_arguments": {"filters": 3, "colour": True}}
    (trained[1] / "config.json").write_text(json.dumps({"recipe": recipe}))
    with pytest.raises(ValueError, match="config.json must hold arguments of p4cnn .*'colour'.*Received: "):
        zoo.create("p4cnn", weights=trained[1])


@pytest.mark.parametrize("damaged", ["model.keras", "mine.weights.h5", "config.json"])
def test_damaged_files(trained, damaged):
    path = trained[1] / damaged
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match="cannot be"):
        zoo.create("p4cnn", weights=trained[1] if damaged == "config.json" else path, filters=3)


def test_networks_that_are_no_classifiers(tmp_path):
    arguments = {"filters": (3, 6), "input_shape": (16, 16, 3), "units": 6}
    model = zoo.create("color_cerberus", **arguments)
    model.save(tmp_path / "light.keras")
    loaded = zoo.create("color_cerberus", weights=tmp_path / "light.keras", **arguments)
    for old, new in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
