import keras
import numpy as np
import pytest
from helpers import random_array

from keras_equivariant import equivariance, inference
from keras_equivariant.equivariance import (
    equivariance_error,
    equivariance_report,
    transform_feature_map,
    transform_image,
)
from keras_equivariant.layers import CosetPooling, GroupConv1D, GroupConv2D, SubgroupRestriction
from keras_equivariant.symmetry import get_symmetry


@pytest.mark.parametrize("size", [(4, 4), (5, 5), (4, 7)])
def test_images_turn_as_numpy_turns_them(size):
    image = random_array(2, *size, 3)
    for element in range(8):
        expected = np.rot90(image, element % 4, axes=(1, 2))
        if element >= 4:
            expected = expected[:, :, ::-1]
        np.testing.assert_array_equal(transform_image(image, "p4m", element), expected)


@pytest.mark.parametrize("symmetry, subgroup", [("p4", None), ("p4m", None), ("p4m", "p4"), ("p4m", "pm")])
def test_transforms_are_a_representation(symmetry, subgroup):
    group = get_symmetry(symmetry)
    orientations = group.order if subgroup is None else len(group.cosets(subgroup))
    x = random_array(1, 3, 4, orientations, 2)
    for a in range(group.order):
        for b in range(group.order):
            one_by_one = transform_feature_map(transform_feature_map(x, symmetry, b, subgroup), symmetry, a, subgroup)
            at_once = transform_feature_map(x, symmetry, group.product[a, b], subgroup)
            np.testing.assert_array_equal(one_by_one, at_once)


def test_a_quarter_turn_of_a_p4_map_turns_planes_and_moves_each_to_the_next():
    x = random_array(1, 3, 3, 4, 1)
    turned = transform_feature_map(x, "p4", 1)
    for r in range(4):
        np.testing.assert_array_equal(turned[:, :, :, (r + 1) % 4], np.rot90(x[:, :, :, r], axes=(1, 2)))


def test_an_ordinary_convolution_is_far_from_equivariant():
    assert equivariance_error(keras.layers.Conv2D(4, 3), random_array(1, 8, 8, 3), "p4") > 0.1


def test_the_symmetry_is_read_off_the_model():
    model = keras.Sequential([keras.Sequential([GroupConv2D(2, 3, "p4m")]), CosetPooling("p4m")])
    assert equivariance_error(model, random_array(1, 8, 8, 3)) < 1e-5
    with pytest.raises(ValueError, match=r"layers naming \[\]"):
        equivariance_error(keras.layers.ReLU(), random_array(1, 8, 8, 3))
    mixed = keras.Sequential([GroupConv2D(2, 3, "p4"), CosetPooling("p4"), GroupConv2D(2, 3, "p4m")])
    with pytest.raises(ValueError, match=r"layers naming \['p4', 'p4m'\]"):
        equivariance_error(mixed, random_array(1, 8, 8, 3))


def test_vectors_must_not_change():
    assert equivariance_error(keras.layers.GlobalMaxPooling2D(), random_array(1, 6, 6, 3), "p4m") == 0
    assert equivariance_error(keras.layers.Flatten(), random_array(1, 6, 6, 3), "p4m") > 0.1


def test_a_model_that_returns_zeros_is_equivariant():
    assert equivariance_error(lambda x: 0 * x, random_array(1, 6, 6, 3), "p4m") == 0


def test_bad_shapes():
    with pytest.raises(ValueError, match=r"`image` must have 4 axes.*\(2, 6, 6\)"):
        transform_image(random_array(2, 6, 6), "p4", 1)
    with pytest.raises(ValueError, match=r"4 orientations.*\(2, 6, 6, 8, 3\)"):
        transform_feature_map(random_array(2, 6, 6, 8, 3), "p4", 1)
    with pytest.raises(ValueError, match="must have 5 axes and 2 orientations"):
        transform_feature_map(random_array(2, 6, 6, 8, 3), "p4m", 1, "p4")


def test_the_report_finds_the_layer_that_loses_equivariance():
    inputs = keras.Input((8, 8, 3))
    x = GroupConv2D(3, 3, "p4m", padding="same", name="lift")(inputs)
    x = CosetPooling("p4m", "p4", name="quotient")(x)
    x = keras.layers.BatchNormalization(name="normalise")(x)
    y = GroupConv2D(3, 3, "p4m", padding="same", input_subgroup="p4", name="before")(x)
    y = keras.layers.LayerNormalization(axis=(-2, -1), name="loses")(y)
    after = GroupConv2D(3, 3, "p4m", name="after")(y)
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling3D(name="mean")(after))
    layer = model.get_layer("loses")
    layer.set_weights([random_array(8, 3, seed=i) for i in range(2)])
    image = random_array(2, 8, 8, 3)
    errors = equivariance_report(model, image)
    assert list(errors) == [layer.name for layer in model.layers]
    assert [name for name, error in errors.items() if error > 1e-5] == ["loses", "after", "mean"]
    assert abs(errors["mean"] - equivariance_error(model, image)) < 1e-6
    until = keras.Model(inputs, x)
    assert abs(errors["normalise"] - equivariance_error(until, image, output_subgroup="p4")) < 1e-6


def test_the_report_follows_a_restriction_to_a_subgroup():
    layers = [GroupConv2D(3, 3, "p4m"), SubgroupRestriction("p4m", "pm"), GroupConv2D(4, 3, "pm"), CosetPooling("pm")]
    model = keras.Sequential([keras.Input((8, 8, 3)), *layers])
    errors = equivariance_report(model, random_array(1, 8, 8, 3), "pm")
    assert len(errors) == 4 and max(errors.values()) < 1e-5
    with pytest.raises(ValueError, match="must name a subgroup of 'pm'"):
        equivariance_report(model, random_array(1, 8, 8, 3), "p4m")


def test_the_report_on_lines_and_on_layers_that_are_no_maps():
    with pytest.raises(ValueError, match="Received"):
        equivariance_report(keras.layers.ReLU(), random_array(1, 6, 8, 3), "p4")
    layers = [GroupConv1D(2, 3, name="lift"), keras.layers.Reshape((6, 2, 2, 1), name="other")]
    model = keras.Sequential([keras.Input((8, 3)), *layers])
    errors = equivariance_report(model, random_array(1, 8, 3))
    assert errors["lift"] < 1e-5
    assert np.isnan(errors["other"])


@pytest.mark.parametrize("broken", [1, 2, 3])
def test_no_number_hides_behind_others(broken):
    calls = iter(range(9))
    error = equivariance_error(lambda x: x * (np.nan if next(calls) == broken else 1), np.ones((1, 2, 2, 1)), "p4")
    assert np.isnan(error)


def test_inference_mode_is_used():
    model = keras.Sequential([keras.Input((6, 6, 1)), keras.layers.RandomRotation(0.3), keras.layers.Dropout(0.5)])
    image = random_array(1, 6, 6, 1)
    assert equivariance_error(model, image, "p4", feature_groups=1) < 1e-6
    assert equivariance_error(keras.layers.RandomTranslation(0.5, 0.5), image, "p4") == 0


@pytest.mark.parametrize("element", [4, -1, 1.0])
def test_elements_that_do_not_exist(element):
    for transform, shape in ((transform_image, (1, 3, 3, 2)), (transform_feature_map, (1, 3, 3, 4, 2))):
        with pytest.raises(ValueError, match=f"`element` must be an int from 0 to 3. Received: element={element}"):
            transform(random_array(*shape), "p4", element)


@pytest.mark.parametrize("report", [False, True])
def test_a_fixed_input_that_is_not_square(report, monkeypatch):
    """Half turns and mirrors still apply, and are tested."""
    monkeypatch.setattr(equivariance, "infer", inference.infer)  # on JAX `predict` takes any size

    def errors(model):
        with pytest.warns(UserWarning, match=told) as caught:
            found = equivariance_report(model, x) if report else {"all": equivariance_error(model, x)}
        ours = [warning for warning in caught if "alone are tested" in str(warning.message)]
        assert len(ours) == 1 and ours[0].filename == __file__
        return list(found.values())

    told = r"The elements \[0, 2, 4, 6\] alone are tested: .* \(5, 6\), .* \[1, 3, 5, 7\] exchange"
    x = random_array(2, 5, 6, 3)
    inputs = keras.Input((5, 6, 3))
    maps = GroupConv2D(2, 3, "p4m")(inputs)
    assert max(errors(keras.Model(inputs, keras.layers.GlobalMaxPooling3D()(maps)))) < 1e-6
    assert max(errors(keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(maps))))) > 0.1


def test_an_error_inside_a_model_is_not_taken_for_a_size():
    def fails(x):
        if x[0, 0, 0, 0] != first:
            raise ValueError("of its own")
        return x

    x = random_array(1, 5, 5, 3)
    first = x[0, 0, 0, 0]
    with pytest.raises(ValueError, match="of its own"):
        equivariance_error(fails, x, "p4")
