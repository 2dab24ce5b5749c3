import itertools

import keras
import numpy as np
import pytest
from helpers import cases, random_array, relative_error, to_numpy
from offsets import assignment

from keras_equivariant.constraints import OffsetProjection, project_constraints
from keras_equivariant.layers import GroupConv2D
from keras_equivariant.symmetry import get_symmetry

GROUPS = cases([1, 3, 8], [3])


def least_squares_projection(kernel, groups):
    """The closest kernel with (sum of W_st) G_m = G_n, as the solution of a constrained least-squares problem.

    Each output has the unknowns w (all taps and inputs), the constraint A w = b with one row for each input group, and
    the answer w + A^+ (b - A w).
    """
    *_, inputs, outputs = kernel.shape
    taps = kernel.size // (inputs * outputs)
    a = np.tile(assignment(inputs, groups).T, (1, taps))
    w = kernel.reshape(-1, outputs).astype("float64")
    return (w + np.linalg.pinv(a) @ (assignment(outputs, groups).T - a @ w)).reshape(kernel.shape)


@pytest.mark.parametrize("dtype, tolerance", [("float32", 1e-6), ("float64", 1e-13)])
@pytest.mark.parametrize("groups", GROUPS)
@pytest.mark.parametrize("taps", [(), (1, 1), (3, 3), (2, 5), (3, 3, 4), (3, 3, 3)])
def test_is_the_least_squares_projection(taps, groups, dtype, tolerance):
    kernel = random_array(*taps, 2 * groups, 3 * groups, dtype=dtype)
    projection = OffsetProjection(groups)
    projected = to_numpy(projection(kernel))
    assert projected.dtype == dtype
    assert relative_error(projected, least_squares_projection(kernel, groups)) < tolerance
    assert relative_error(projection(projected), projected) < tolerance


@pytest.mark.parametrize("dtype, tolerance", [("float32", 1e-6), ("float64", 1e-13)])
@pytest.mark.parametrize("groups", GROUPS)
@pytest.mark.parametrize(
    "size, strides", [((4, 4), 2), ((3, 3), 2), ((4, 4), 4), ((5, 3), (2, 3)), ((2, 2), 3), ((3, 3), 1)]
)
def test_projects_a_transposed_kernel_phase_by_phase(size, strides, groups, dtype, tolerance):
    kernel = random_array(*size, 3 * groups, 2 * groups, dtype=dtype)
    projection = OffsetProjection(groups, transposed=True, strides=strides)
    projected = to_numpy(projection(kernel))
    rows, columns = strides if isinstance(strides, tuple) else (strides, strides)
    for row, column in itertools.product(range(min(rows, size[0])), range(min(columns, size[1]))):
        phase = kernel[row::rows, column::columns].swapaxes(-2, -1)
        expected = least_squares_projection(phase, groups).swapaxes(-2, -1)
        assert relative_error(projected[row::rows, column::columns], expected) < tolerance
    assert relative_error(projection(projected), projected) < tolerance


@pytest.mark.parametrize("symmetry, named", [("p4m", False), ("p4m", True), ("p3", True), ("p6", True), ("p6m", True)])
@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("lifts", [True, False])
def test_a_transformed_filter_is_as_good(symmetry, named, size, lifts):
    """The projection goes with the expansion of the filters of a group convolution: on p6, a hexagon of taps."""
    projection = OffsetProjection(3, symmetry=symmetry if named else None)
    layer = GroupConv2D(6, size, symmetry, kernel_constraint=projection)
    order = get_symmetry(symmetry).order
    layer.build((1, 9, 9, 9) if lifts else (1, 9, 9, order, 9))
    project_constraints(layer)
    kernel = to_numpy(layer.kernel)
    assert relative_error(projection(kernel), kernel) < 1e-5
    expanded = to_numpy(layer.expanded_kernel).reshape(-1, 9, order, 6).sum(axis=0)
    sums = np.einsum("cso,cj->sjo", expanded, assignment(9, 3))
    for orientation in range(order):
        np.testing.assert_allclose(sums[orientation], assignment(6, 3).T, atol=1e-5)


def test_project_constraints_reaches_every_variable():
    inner = keras.Sequential([keras.layers.Dense(6, kernel_constraint=OffsetProjection(3))])
    model = keras.Sequential([keras.Input((3,)), inner, keras.layers.Dense(2, kernel_constraint="non_neg")])
    for variable in model.variables:
        variable.assign(random_array(*variable.shape, seed=1))
    assert project_constraints(model) is model
    np.testing.assert_allclose(to_numpy(inner.layers[0].kernel).sum(), 6, rtol=1e-5)
    assert (to_numpy(model.layers[-1].kernel) >= 0).all()


def test_survives_serialisation():
    transposed = OffsetProjection(3, transposed=True, strides=(2, 1))
    for projection in (OffsetProjection(8), transposed, OffsetProjection(3, symmetry="p6")):
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(projection))
        assert type(again) is OffsetProjection
        assert again.get_config() == projection.get_config()


@pytest.mark.parametrize(
    "arguments, shape, message",
    [
        ({"feature_groups": 0}, None, "`feature_groups` must be a positive integer.*Received: feature_groups=0"),
        ({"feature_groups": 1.5}, None, "Received: feature_groups=1.5"),
        ({"strides": 0}, None, "`strides` must be positive. Received: strides=0"),
        ({"strides": (2, -1)}, None, "Received: strides=\\(2, -1\\)"),
        (
            {},
            (4, 6),
            "multiples of `feature_groups`.* feature_groups=3, .*a kernel with 4 inputs and 6 outputs",
        ),
        ({}, (3, 3, 6, 4), "6 inputs and 4 outputs"),
        ({"transposed": True}, (3, 3, 6, 4), "4 inputs and 6 outputs"),
        ({"transposed": True, "strides": (2,)}, (3, 3, 6, 6), "each of the kernel's 2 spatial axes"),
        ({}, (6,), "at least two axes"),
        ({"symmetry": "p5"}, None, "Received: symmetry='p5'"),
        ({"symmetry": "p4", "transposed": True}, None, "`symmetry` must be None if transposed=True"),
        ({"symmetry": "p6"}, (3, 3), "must have 2 axes of positive length"),
    ],
)
def test_bad_arguments(arguments, shape, message):
    with pytest.raises(ValueError, match=message):
        OffsetProjection(**arguments)(random_array(*(shape or (3, 3))))
