"""The residual, wide and dense networks of a useful size: narrow ones in 64 bits, and the parameters of all."""

import keras
import numpy as np
import pytest
from helpers import cases, predict, random_array, relative_error
from keras_equivariant.zoo import features
from networks import create_with_random_statistics

from keras_equivariant import zoo
from keras_equivariant.equivariance import equivariance_error
from keras_equivariant.layers import GridCentring2D, GroupConv2D, GroupSeparableConv2D
from keras_equivariant.planar import to_planar

PARAMETERS = [
    ("resnet18", {}, 11_689_512),
    ("p4m_resnet18", {}, 11_719_799),
    ("p4m_resnet18", {"separable": True}, 1_641_682),
    ("p4m_resnet50", {}, 24_983_439),
    ("p4m_resnet50", {"separable": True}, 14_601_860),
    ("wide_resnet", {}, 36_479_194),
    ("wide_resnet", {"depth": 16, "widen_factor": 8}, 10_961_370),
    ("p4m_wide_resnet", {}, 36_409_836),
    ("p4m_wide_resnet", {"depth": 16, "widen_factor": 8}, 10_973_882),
    ("p4m_wide_resnet", {"separable": True}, 4_309_712),
    ("p4m_wide_resnet", {"depth": 16, "widen_factor": 8, "separable": True}, 1_381_351),
    ("densenet", {}, 130_600),
    ("p4m_densenet", {}, 123_455),
    ("p4m_densenet", {"symmetry": "p4", "growth_rate": 13}, 129_183),
]
NARROW = {
    "p4m_resnet18": {"filters": 2, "blocks": (1, 1, 1, 1), "classes": 4},
    "p4m_resnet50": {"filters": 1, "blocks": (1, 1, 1, 1), "classes": 4},
    "p4m_wide_resnet": {"depth": 10, "widen_factor": 0.5, "classes": 4},
    "p4m_densenet": {"growth_rate": 2, "blocks": (1, 2, 1), "classes": 4},
}
# In 64 bits where Keras computes in them.
PRECISION, EXACT = ("float64", 1e-12) if keras.config.backend() == "tensorflow" else ("float32", 1e-5)
ORDINARY = {"p4m_resnet18": "resnet18", "p4m_wide_resnet": "wide_resnet", "p4m_densenet": "densenet"}


@pytest.fixture(autouse=True)
def double_precision():
    keras.config.set_dtype_policy(PRECISION)
    yield
    keras.config.set_dtype_policy("float32")


def narrow(name, size, **arguments):
    shape = size if isinstance(size, tuple) else (size, size)
    return create_with_random_statistics(name, input_shape=(*shape, 3), **{**NARROW[name], **arguments})


def pictures(*size):
    return random_array(2, *size, 3, dtype=PRECISION)


@pytest.mark.parametrize("name, arguments, count", cases(PARAMETERS, PARAMETERS[-2:]))
def test_parameters(name, arguments, count):
    keras.config.set_dtype_policy("float32")
    model = zoo.create(name, **arguments)
    assert sum(np.prod(variable.shape) for variable in model.trainable_variables) == count
    assert model.name == name


@pytest.mark.parametrize("separable", [False, True])
@pytest.mark.parametrize("name", cases(["p4m_resnet18", "p4m_resnet50", "p4m_wide_resnet"], ["p4m_resnet18"]))
@pytest.mark.parametrize("size", cases([33, 38], [38]))
def test_invariant_on_every_size(name, size, separable):
    model = narrow(name, size, separable=separable)
    images = pictures(size, size)
    assert equivariance_error(model, images, "p4m") < EXACT
    scores = predict(model, images)
    assert np.abs(scores[0] - scores[1]).max() > 1e-3 * np.abs(scores).max()


@pytest.mark.parametrize("size", cases([24, 27, 32], [27]))
def test_the_dense_network_is_invariant_on_every_size(size):
    assert equivariance_error(narrow("p4m_densenet", size), pictures(size, size), "p4m") < EXACT


@pytest.mark.parametrize("name", cases(NARROW, ["p4m_densenet"]))
def test_other_symmetries_and_sides(name):
    model = narrow(name, (26, 35), symmetry="pmm")
    assert equivariance_error(model, pictures(26, 35), "pmm") < EXACT
    assert equivariance_error(narrow(name, 24, symmetry="p4"), pictures(24, 24), "p4m") > 1e-6


@pytest.mark.parametrize("name", cases(ORDINARY, ["p4m_densenet"]))
def test_the_ordinary_networks_are_not_invariant(name):
    arguments = {"growth_rate": 3} if name == "p4m_densenet" else {}
    arguments = {**NARROW[name], **arguments, "input_shape": (32, 32, 3)}
    assert equivariance_error(create_with_random_statistics(ORDINARY[name], **arguments), pictures(32, 32), "p4") > 1e-6


@pytest.mark.parametrize("name", cases(["p4m_resnet18", "p4m_resnet50"], ["p4m_resnet18"]))
def test_sizes_that_need_no_mean(name):
    def means(size):
        return sum(isinstance(layer, GridCentring2D) for layer in narrow(name, size).layers)

    assert means(65) == means(None) == 0
    assert means(64) == 5
    free = narrow(name, None)
    assert equivariance_error(free, pictures(65, 65), "p4m") < EXACT
    fixed = narrow(name, 65)
    fixed.set_weights(free.get_weights())
    assert relative_error(predict(fixed, pictures(65, 65)), predict(free, pictures(65, 65))) < EXACT


def test_a_slide_is_as_good_as_its_patches():
    body = zoo.create("p4m_densenet", growth_rate=2, input_shape=(None, None, 3), include_top=False)
    slide = random_array(1, 128, 112, 3, dtype=PRECISION)
    on_slide = predict(body, slide)
    assert on_slide.shape[1:3] == (4, 3)
    for row, column in [(0, 0), (1, 1), (2, 0)]:
        patch = slide[:, 16 * row : 16 * row + 96, 16 * column : 16 * column + 96]
        assert relative_error(on_slide[:, row : row + 2, column : column + 2], predict(body, patch)) < EXACT


def test_which_convolutions_are_separable(once):
    layers = narrow("p4m_resnet50", 33, separable=True).layers
    sizes = [layer.kernel_size for layer in layers if isinstance(layer, GroupConv2D)]
    assert sizes.count((7, 7)) == 1 and set(sizes) == {(7, 7), (1, 1)}
    assert sum(isinstance(layer, GroupSeparableConv2D) for layer in layers) == 4
    assert not any(isinstance(layer, GroupSeparableConv2D) for layer in narrow("p4m_resnet50", 33).layers)


def test_widths_follow_from_the_group(once):
    def channels(**arguments):
        model = zoo.create("p4m_wide_resnet", depth=10, widen_factor=2, input_shape=(8, 8, 3), **arguments)
        return sorted({layer.filters for layer in model.layers if isinstance(layer, GroupConv2D)})

    assert channels() == [6, 11, 23, 45]
    assert channels(symmetry="p4") == [8, 16, 32, 64]
    assert channels(widths="same") == [16, 32, 64, 128]


def test_dropout(once):
    wide = narrow("p4m_wide_resnet", 12, dropout=0.3)
    assert [layer.rate for layer in wide.layers if isinstance(layer, keras.layers.Dropout)] == [0.3] * 3
    dense = narrow("p4m_densenet", 24, dropout=0.2)
    assert [layer.rate for layer in dense.layers if isinstance(layer, keras.layers.Dropout)] == [0.2]


@pytest.mark.parametrize("name", cases(NARROW, ["p4m_densenet"]))
def test_saving_and_the_planar_form(name, tmp_path):
    separable = {} if name == "p4m_densenet" else {"separable": True}
    model = narrow(name, 34, **separable)
    model.save(tmp_path / "model.keras")
    images = pictures(34, 34)
    expected = predict(model, images)
    np.testing.assert_array_equal(predict(keras.saving.load_model(tmp_path / "model.keras"), images), expected)
    assert relative_error(predict(to_planar(model), images), expected) < max(EXACT, 1e-10)
    arguments = {**NARROW[name], **separable, "input_shape": (37, 33, 3), "classes": 3}
    tuned = zoo.create(name, weights=tmp_path / "model.keras", **arguments)
    for old, new in zip(model.get_weights()[:-2], tuned.get_weights()[:-2], strict=True):
        np.testing.assert_array_equal(old, new)
    body = zoo.create(
        name, weights=tmp_path / "model.keras", **{**arguments, "input_shape": (34, 34, 3)}, include_top=False
    )
    assert equivariance_error(body, images, "p4m") < EXACT


@pytest.mark.parametrize(
    "name, arguments, message",
    [
        ("p4m_resnet18", {"blocks": (1, 1, 1)}, "`blocks` must be four numbers of at least 1. Received"),
        ("p4m_resnet50", {"blocks": (1, 0, 1, 1)}, "`blocks` must be four numbers of at least 1. Received"),
        ("p4m_wide_resnet", {"depth": 17}, "`depth` must be 6 n . 4, of at least 10. Received: depth=17"),
        ("wide_resnet", {"depth": 4}, "`depth` must be 6 n . 4, of at least 10. Received: depth=4"),
        ("p4m_wide_resnet", {"widths": "equal"}, "`widths` must be one of .*Received: widths='equal'"),
        ("p4m_wide_resnet", {"widen_factor": 0.01}, "`widen_factor` must leave a channel in each stage. Received"),
        ("p4m_densenet", {"blocks": ()}, "`blocks` must be one number of at least 1 or more. Received"),
        (
            "p4m_densenet",
            {"blocks": (1, 1), "input_shape": (9, 9, 3), "growth_rate": 1},
            "nearest good sizes: a side of 10",
        ),
        ("p4m_resnet18", {"symmetry": "p5"}, "`symmetry` must be one of"),
    ],
)
def test_bad_arguments(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        zoo.create(name, **{"input_shape": (32, 32, 3), **arguments})


@pytest.mark.parametrize("name", ["p4m_densenet", "densenet"])
def test_images_too_small_for_the_dense_networks(name, monkeypatch):
    monkeypatch.setattr(features, "_FARTHEST", 2)  # of the sizes around, each of which is tried, none is large enough
    with pytest.raises(ValueError, match=r"`input_shape` must be larger .*Received: input_shape=\(32, 32, 3\)"):
        zoo.create(name, input_shape=(32, 32, 3))
