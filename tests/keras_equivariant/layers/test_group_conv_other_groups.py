import numpy as np
import oracle
import pytest
from helpers import DTYPES, TOLERANCES, cases, gradients, random_array, randomise, relative_error, to_numpy

from keras_equivariant.equivariance import equivariance_error
from keras_equivariant.layers import GroupConv1D, GroupConv2D, GroupConv3D
from keras_equivariant.symmetry import SymmetryGroup, get_symmetry, register_symmetry

# Some of the layers below are meant to break equivariance; test_sampling.py is about the warning.
pytestmark = pytest.mark.filterwarnings("ignore::keras_equivariant.sampling.EquivarianceWarning")


LAYERS = {1: GroupConv1D, 2: GroupConv2D, 3: GroupConv3D}


# (symmetry, input_subgroup, the subgroup whose cosets the input's orientations are, spatial size, kernel sizes)
OTHER_KINDS = [
    ("mirror", None, "mirror", (9,), [1, 2, 3, 4, 5]),
    ("mirror", None, None, (8,), [1, 2, 3, 4, 5]),
    *((symmetry, None, symmetry, (7, 7), [1, 3, 5]) for symmetry in ("p3", "p6", "p6m")),
    *((symmetry, None, None, (7, 7), [1, 3, 5]) for symmetry in ("p3", "p6")),
    ("p6m", None, None, (5, 5), [3]),
    ("p6", "p3", "p3", (5, 5), [3]),
    ("p6m", "p6", "p6", (7, 7), [5]),
    *((symmetry, None, symmetry, (3, 4, 4), [1, 2, 3]) for symmetry in ("C4", "D4", "D4h", "O", "Oh")),
    *((symmetry, None, None, (4, 4, 4), [2, 3]) for symmetry in ("C4", "D4")),
    *((symmetry, None, None, (3, 3, 3), [2]) for symmetry in ("D4h", "O", "Oh")),
    ("O", "D4", "D4", (4, 4, 4), [3]),
    ("Oh", "O", "O", (4, 4, 4), [3]),
    ("D4h", "C4", "C4", (4, 4, 4), [3]),
]


ELSEWHERE = [("mirror", None, None, (8,), [1, 2, 3, 4, 5]), ("p3", None, "p3", (7, 7), [1, 3, 5])]


OTHER_KINDS = cases(OTHER_KINDS, [*ELSEWHERE, ("p6m", "p6", "p6", (7, 7), [5]), ("D4h", "C4", "C4", (4, 4, 4), [3])])


def subgroup_of(symmetry, name):
    """The subgroup of that name, or the trivial one of the same dimension."""
    return get_symmetry(name) if name else SymmetryGroup("trivial", [np.eye(get_symmetry(symmetry).dimension)])


def other_input(symmetry, cosets_of, size, dtype, channels=2):
    orientations = get_symmetry(symmetry).order // subgroup_of(symmetry, cosets_of).order
    x = random_array(2, *size, orientations, channels, dtype=dtype)
    if len(size) == 2 and (
        "6" in symmetry or symmetry == "p3"
    ):  # turns of a hexagonal grid keep a hexagon, and no square
        x = x * get_symmetry(symmetry).interior(size)[None, ..., None, None]
    return (x[..., 0, :] if cosets_of == symmetry else x).astype(dtype), x


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("symmetry, input_subgroup, cosets_of, size, kernel_sizes", OTHER_KINDS)
def test_other_groups_agree_with_the_formula(symmetry, input_subgroup, cosets_of, size, kernel_sizes, dtype):
    for kernel_size in kernel_sizes:
        x, with_orientations = other_input(symmetry, cosets_of, size, dtype)
        layer = LAYERS[len(size)](2, kernel_size, symmetry, input_subgroup=input_subgroup, dtype=dtype)
        layer.build(x.shape)
        randomise(layer)
        group, subgroup = get_symmetry(symmetry), subgroup_of(symmetry, cosets_of)
        kernel = to_numpy(layer.kernel)
        expected = oracle.correlate(with_orientations, kernel, group, subgroup) + to_numpy(layer.bias)
        assert relative_error(layer(x), expected) < TOLERANCES[dtype], kernel_size


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("symmetry, input_subgroup, cosets_of, size, kernel_sizes", OTHER_KINDS)
def test_other_groups_are_equivariant(symmetry, input_subgroup, cosets_of, size, kernel_sizes, dtype):
    hexagonal = "6" in symmetry or symmetry == "p3"
    for kernel_size in kernel_sizes:
        x, _ = other_input(symmetry, cosets_of, size, dtype)
        padding = "same" if hexagonal or (len(size) == 1 and kernel_size % 2) else "valid"
        layer = LAYERS[len(size)](
            2, kernel_size, symmetry, padding=padding, input_subgroup=input_subgroup, activation="relu", dtype=dtype
        )
        layer.build(x.shape)
        randomise(layer)

        def convolve(x, layer=layer):
            y = to_numpy(layer(x))
            return y * get_symmetry(symmetry).interior(size)[..., None, None] if hexagonal else y

        error = equivariance_error(convolve, x, symmetry, input_subgroup=input_subgroup)
        assert error < TOLERANCES[dtype], kernel_size


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "symmetry, cosets_of, size, kernel_size",
    cases(
        [("mirror", None, (6,), 3), ("p6", None, (5, 5), 3), ("p6", "p6", (5, 5), 5), ("C4", None, (4, 4, 4), 2)],
        [("mirror", None, (6,), 3), ("p6", "p6", (5, 5), 5), ("C4", None, (4, 4, 4), 2)],
    ),
)
def test_gradients_of_other_groups(symmetry, cosets_of, size, kernel_size, dtype):
    x, with_orientations = other_input(symmetry, cosets_of, size, dtype)
    layer = LAYERS[len(size)](2, kernel_size, symmetry, dtype=dtype)
    upstream = random_array(*layer(x).shape, dtype=dtype, seed=1)
    at_input, at_kernel, _ = gradients(layer, x, upstream)
    group, subgroup = get_symmetry(symmetry), subgroup_of(symmetry, cosets_of)
    kernel = to_numpy(layer.kernel)
    expected = oracle.input_gradient(upstream, kernel, group, subgroup, with_orientations.shape)
    assert relative_error(at_input, expected.reshape(x.shape)) < TOLERANCES[dtype]
    expected = oracle.kernel_gradient(with_orientations, upstream, group, subgroup, (kernel_size,) * len(size))
    assert relative_error(at_kernel, expected) < TOLERANCES[dtype]
    if symmetry == "p6":
        assert (to_numpy(at_kernel)[0, 0] == 0).all()


def test_a_group_from_outside():
    """Adding a group is giving its matrices: here the mirror in the diagonal, and the half turn of a volume."""
    register_symmetry(SymmetryGroup("diagonal", [np.eye(2), [[0, 1], [1, 0]]]))
    register_symmetry(SymmetryGroup("C2", [np.eye(3), np.diag([-1, -1, 1])]))
    for layer, size in ((GroupConv2D(2, 3, "diagonal"), (5, 6)), (GroupConv3D(2, 2, "C2", strides=2), (4, 4, 6))):
        x = random_array(1, *size, 2, 3)
        assert equivariance_error(layer, x) < 1e-5
        assert (
            relative_error(
                layer(x),
                oracle.correlate(
                    x,
                    to_numpy(layer.kernel),
                    get_symmetry(layer.symmetry),
                    subgroup_of(layer.symmetry, None),
                    strides=layer.strides[0],
                ),
            )
            < 1e-5
        )


@pytest.mark.parametrize("mode", ["reflect", "wrap", "edge"])
@pytest.mark.parametrize("symmetry, size", [("mirror", (7,)), ("p4m", (6, 7)), ("D4", (4, 4, 4))])
def test_padding_from_the_data(symmetry, size, mode):
    x = random_array(2, *size, get_symmetry(symmetry).order, 2)
    for kernel_size in cases((2, 3, 4, 5), (3, 4)):
        layer = LAYERS[len(size)](2, kernel_size, symmetry, padding=mode)
        y = layer(x)
        before = (kernel_size - 1) // 2
        margins = [(0, 0), *[(before, kernel_size - 1 - before)] * len(size), (0, 0), (0, 0)]
        padded = np.pad(x, margins, mode=mode)
        valid = LAYERS[len(size)](2, kernel_size, symmetry)
        valid.build(padded.shape)
        valid.set_weights(layer.get_weights())
        assert relative_error(y, valid(padded)) < 1e-6
        assert y.shape[1:-2] == size
        if kernel_size % 2:
            assert equivariance_error(layer, x) < 1e-5
