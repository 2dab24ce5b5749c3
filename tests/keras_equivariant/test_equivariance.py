import keras
import numpy as np
import pytest
from helpers import random_array

from keras_equivariant.equivariance import equivariance_error, transform_feature_map, transform_image
from keras_equivariant.layers import CosetPooling, GroupConv2D
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
