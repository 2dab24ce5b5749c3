import numpy as np
import pytest
from helpers import TOLERANCES, check_layer, random_array, relative_error

from keras_equivariant.equivariance import equivariance_error
from keras_equivariant.layers import CosetPooling
from keras_equivariant.symmetry import get_symmetry

CASES = [("p4", None), ("p4", "p2"), ("p4", "p1"), ("p4m", None), ("p4m", "p4"), ("p4m", "pm"), ("pmm", "p2")]


def pool_by_hand(x, symmetry, subgroup, reduce):
    """Group elements multiplied as matrices, one coset at a time."""
    matrices = get_symmetry(symmetry).matrices
    subgroup = matrices if subgroup is None else get_symmetry(subgroup).matrices
    position = {matrix.tobytes(): index for index, matrix in enumerate(matrices)}
    pooled, done = [], set()
    for g in matrices:
        coset = [position[(g @ h).tobytes()] for h in subgroup]
        if done.isdisjoint(coset):
            pooled.append(reduce(x[:, :, :, coset], axis=3))
            done.update(coset)
    return pooled[0] if len(pooled) == 1 else np.stack(pooled, axis=3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("reduction", ["max", "mean"])
@pytest.mark.parametrize("symmetry, subgroup", CASES)
def test_agrees_with_matrix_products(symmetry, subgroup, reduction, dtype):
    x = random_array(2, 5, 4, get_symmetry(symmetry).order, 3, dtype=dtype)
    y = CosetPooling(symmetry, subgroup, reduction, dtype=dtype)(x)
    assert relative_error(y, pool_by_hand(x, symmetry, subgroup, getattr(np, reduction))) < TOLERANCES[dtype]


@pytest.mark.parametrize("reduction", ["max", "mean"])
@pytest.mark.parametrize("symmetry, subgroup", CASES)
def test_equivariant_under_every_element(symmetry, subgroup, reduction):
    for size in [(5, 5), (6, 6), (5, 6)]:
        x = random_array(2, *size, get_symmetry(symmetry).order, 3)
        layer = CosetPooling(symmetry, subgroup, reduction)
        assert equivariance_error(layer, x, output_subgroup=subgroup) < 1e-6


def test_layer_conventions():
    for subgroup in (None, "pmm"):
        arguments = {"symmetry": "p4m", "subgroup": subgroup, "reduction": "mean", "name": "pool"}
        check_layer(CosetPooling, arguments, (2, 5, 4, 8, 3))


@pytest.mark.parametrize(
    "arguments, shape, message",
    [
        (("p5",), None, "Received: symmetry='p5'"),
        (("p4", "pm"), None, "Received: subgroup='pm'"),
        (("p4", None, "sum"), None, "Received: reduction='sum'"),
        (("p4",), (1, 8, 8, 8, 3), r"needs a feature map .*4.*Received: input_shape=\(1, 8, 8, 8, 3\)"),
        (("p4",), (1, 8, 8, 3), r"Received: input_shape=\(1, 8, 8, 3\)"),
    ],
)
def test_bad_arguments(arguments, shape, message):
    with pytest.raises(ValueError, match=message):
        CosetPooling(*arguments)(np.zeros(shape or (1, 8, 8, 4, 3), "float32"))
