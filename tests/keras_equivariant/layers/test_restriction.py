import keras
import numpy as np
import pytest
from helpers import cases, random_array, relative_error, to_numpy

from keras_equivariant.equivariance import equivariance_error, transform_feature_map
from keras_equivariant.layers import GroupConv2D, SubgroupRestriction
from keras_equivariant.symmetry import get_symmetry

CASES = [
    ("p4m", "p4", 2),
    ("p4m", "pm", 2),
    ("p4m", "p1", 2),
    ("p6m", "p3", 2),
    ("mirror", "mirror", 1),
    ("Oh", "D4h", 3),
]
CASES = cases(CASES, [("p4m", "p4", 2), ("p4m", "p1", 2), ("mirror", "mirror", 1)])


@pytest.mark.parametrize("symmetry, subgroup, dimension", CASES)
def test_each_part_is_a_map_on_the_subgroup(symmetry, subgroup, dimension):
    """Moving the input by an element of H moves the output as a map on H, and all values are there."""
    group = get_symmetry(symmetry)
    x = random_array(2, *(3,) * dimension, group.order, 2)
    layer = SubgroupRestriction(symmetry, subgroup)
    y = to_numpy(layer(x))
    assert sorted(y.ravel()) == sorted(x.ravel())
    for element, index in enumerate(group.subgroup(subgroup)):
        moved = transform_feature_map(x, symmetry, index)
        assert relative_error(layer(moved), transform_feature_map(y, subgroup, element)) == 0


@pytest.mark.parametrize("subgroup", cases(["p4", "pm", "pmm", "p2"], ["pm"]))
def test_agrees_with_matrix_products(subgroup):
    """y(h, (k, c)) = x(h k, c), k the first elements of the right cosets."""
    matrices = get_symmetry("p4m").matrices
    position = {matrix.tobytes(): index for index, matrix in enumerate(matrices)}
    seen, representatives = set(), []
    for k in matrices:
        if position[k.tobytes()] not in seen:
            representatives.append(k)
            seen |= {position[(h @ k).tobytes()] for h in get_symmetry(subgroup).matrices}
    x = random_array(1, 2, 2, 8, 3)
    y = to_numpy(SubgroupRestriction("p4m", subgroup)(x))
    for row, h in enumerate(get_symmetry(subgroup).matrices):
        for column, k in enumerate(representatives):
            expected = x[..., position[(h @ k).tobytes()], :]
            np.testing.assert_array_equal(y[..., row, 3 * column : 3 * column + 3], expected)


def test_a_network_that_loses_symmetry_in_the_middle():
    layers = [GroupConv2D(3, 3, "p4m"), SubgroupRestriction("p4m", "pm"), GroupConv2D(4, 3, "pm")]
    model = keras.Sequential(layers)
    x = random_array(2, 7, 8, 3)
    assert equivariance_error(model, x, "pm") < 1e-5
    assert model.output_shape == (2, 3, 4, 2, 4)


def test_another_number_of_orientations_after_it_is_built():
    layer = SubgroupRestriction("p4", "p2")
    layer(random_array(1, 5, 5, 4, 3))
    with pytest.raises(ValueError, match="expected axis -2 of input shape to have value 4"):
        layer(random_array(1, 5, 5, 8, 3))


@pytest.mark.parametrize(
    "arguments, shape, message",
    [
        (("p4", "pm"), (1, 4, 4, 4, 3), "Received: subgroup='pm'"),
        (("p5", "p1"), (1, 4, 4, 4, 3), "Received: symmetry='p5'"),
        (("p4m", "p4"), (1, 4, 4, 4, 3), r"needs a feature map .*8, channels.*Received: input_shape=\(1, 4, 4, 4, 3\)"),
        (("p4m", "p4"), (1, 4, 4, 3), "Received: input_shape="),
    ],
)
def test_bad_arguments(arguments, shape, message):
    with pytest.raises(ValueError, match=message):
        SubgroupRestriction(*arguments)(random_array(*shape))
