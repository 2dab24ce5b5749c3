import numpy as np
import pytest
from helpers import TOLERANCES, check_layer, random_array, relative_error, to_numpy

from keras_equivariant.equivariance import transform_feature_map
from keras_equivariant.layers import GroupGlobalAveragePooling2D, GroupGlobalMaxPooling2D

CLASSES = {"mean": GroupGlobalAveragePooling2D, "max": GroupGlobalMaxPooling2D}


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("reduction", CLASSES)
def test_agrees_with_the_formula(reduction, keepdims):
    x = random_array(2, 4, 5, 4, 3)
    expected = getattr(np, reduction)(x, axis=(1, 2), keepdims=keepdims)
    assert relative_error(CLASSES[reduction](keepdims=keepdims)(x), expected) < TOLERANCES["float32"]


@pytest.mark.parametrize("reduction", CLASSES)
@pytest.mark.parametrize("symmetry, order", [("p4", 4), ("p4m", 8), ("pm", 2)])
def test_orientations_permute(symmetry, order, reduction):
    layer, x = CLASSES[reduction](keepdims=True), random_array(2, 5, 5, order, 3)
    for element in range(order):
        expected = transform_feature_map(to_numpy(layer(x)), symmetry, element)
        assert relative_error(layer(transform_feature_map(x, symmetry, element)), expected) < 1e-6


@pytest.mark.parametrize("layer_class", CLASSES.values())
def test_layer(layer_class):
    check_layer(layer_class, {"keepdims": True}, (2, 4, 5, 4, 3))
    assert layer_class().compute_output_shape((None, None, None, 4, 3)) == (None, 4, 3)


@pytest.mark.parametrize("layer_class", CLASSES.values())
def test_bad_arguments(layer_class):
    with pytest.raises(ValueError, match="Received: data_format='channels_first'"):
        layer_class(data_format="channels_first")
    with pytest.raises(ValueError, match="ndim=5, found ndim=4"):
        layer_class()(random_array(2, 6, 6, 3))
