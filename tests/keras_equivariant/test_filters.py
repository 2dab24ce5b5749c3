import numpy as np
import pytest
from helpers import random_array, to_numpy

from keras_equivariant.filters import FilterExpansion
from keras_equivariant.symmetry import get_symmetry


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("symmetry", ["p2", "p4", "pm", "pmm", "p4m"])
def test_copies_of_planar_filters_are_turned_filters(symmetry, size):
    group = get_symmetry(symmetry)
    kernel = random_array(size, size, 1, 3, 2)
    expand = FilterExpansion(group, (size, size), np.zeros((group.order, 1), int), channels=3)
    expanded = to_numpy(expand(kernel)).reshape(size, size, 3, group.order, 2)
    for s, matrix in enumerate(group.matrices):
        turns = [r for r in range(4) for m in range(2) if (p4m_matrix(m, r) == matrix).all()]
        expected = np.rot90(kernel[:, :, 0], turns[0])
        if np.linalg.det(matrix) < 0:
            expected = expected[:, ::-1]
        np.testing.assert_array_equal(expanded[..., s, :], expected)


def p4m_matrix(m, r):
    return np.diag([(-1) ** m, 1]) @ np.linalg.matrix_power(np.array([[0, -1], [1, 0]]), r)


@pytest.mark.parametrize("size", [2, 3, 4])
def test_every_copy_uses_every_weight_once(size):
    group = get_symmetry("p4m")
    sources = FilterExpansion(group, (size, size), group.product, channels=3).sources
    assert sources.shape == (size, size, 8 * 3, 8)
    for s in range(8):
        assert sorted(sources[..., s].ravel()) == list(range(size * size * 8 * 3))


def test_rectangular_kernels():
    pmm = get_symmetry("pmm")
    assert FilterExpansion(pmm, (3, 5), pmm.product, channels=1).sources.shape == (3, 5, 4, 4)
    with pytest.raises(ValueError, match=r"give a square kernel. Received: kernel_size=\(3, 5\)"):
        p4 = get_symmetry("p4")
        FilterExpansion(p4, (3, 5), p4.product, channels=1)


@pytest.mark.parametrize("symmetry", ["p3", "p6", "p6m"])
def test_hexagonal_filters_have_no_corners(symmetry):
    group = get_symmetry(symmetry)
    kernel = random_array(3, 3, group.order, 3, 2)
    expand = FilterExpansion(group, (3, 3), group.product, channels=3)
    expanded = to_numpy(expand(kernel)).reshape(3, 3, group.order, 3, group.order, 2)
    hexagon = np.array([[0, 1, 1], [1, 1, 1], [1, 1, 0]], bool)
    assert (expanded[~hexagon] == 0).all()
    np.testing.assert_array_equal(expanded[..., 0, :], kernel * hexagon[..., None, None, None])
    for s in range(group.order):
        assert sorted(expanded[hexagon][..., s, :].ravel()) == sorted(kernel[hexagon].ravel())
        assert sorted(expand.sources[..., s].ravel()) == list(range(9 * group.order * 3))


@pytest.mark.parametrize("kernel_size", [(2, 2), (4, 4), (3, 5)])
def test_hexagonal_kernels_of_other_sizes(kernel_size):
    p6 = get_symmetry("p6")
    with pytest.raises(ValueError, match="give a square kernel of odd size. Received: kernel_size="):
        FilterExpansion(p6, kernel_size, p6.product, channels=1)
