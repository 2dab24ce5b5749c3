import keras
import pytest
from helpers import random_array

from keras_equivariant.equivariance import equivariance_error
from keras_equivariant.layers import CosetPooling, OffsetAdapter, OffsetConv2D, OffsetGroupConv2D


@pytest.mark.parametrize("groups", [1, 3, 8])
def test_measures_offsets(groups):
    x = random_array(3, 7, 7, 2 * groups)
    offset = OffsetConv2D(2 * groups, 3, padding="same", feature_groups=groups)
    assert equivariance_error(offset, x, feature_groups=groups) < 1e-5
    logits = OffsetAdapter(keras.layers.Conv2D(2 * groups + 1, 7), groups, invariant=True)
    assert equivariance_error(logits, x, feature_groups=groups) < 1e-5
    assert equivariance_error(keras.layers.Conv2D(2 * groups, 3), x, feature_groups=groups) > 0.01
    assert equivariance_error(keras.layers.Conv2D(2 * groups + 1, 3), x, feature_groups=groups) > 0.01


def test_measures_offsets_and_a_symmetry_together():
    x = random_array(2, 7, 7, 3)
    both = keras.Sequential([OffsetGroupConv2D(6, 3), CosetPooling("p4", reduction="mean")])
    assert equivariance_error(both, x, "p4", feature_groups=3) < 1e-5
    assert equivariance_error(OffsetConv2D(6, 3), x, "p4", feature_groups=3) > 0.01
    only_rotations = OffsetAdapter(keras.layers.GlobalMaxPooling2D())
    assert equivariance_error(only_rotations, x, "p4", feature_groups=3) < 1e-5


@pytest.mark.parametrize("groups", [0, 2, 1.5])
def test_bad_arguments(groups):
    with pytest.raises(ValueError, match=f"Received: feature_groups={groups}, inputs of shape"):
        equivariance_error(OffsetConv2D(6, 3), random_array(1, 7, 7, 3), feature_groups=groups)
