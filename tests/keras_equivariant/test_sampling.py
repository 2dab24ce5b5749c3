import math
import warnings

import keras
import numpy as np
import pytest
from helpers import ALL_CASES, cases, random_array

from keras_equivariant.equivariance import equivariance_error
from keras_equivariant.layers import (
    GroupAveragePooling2D,
    GroupConv1D,
    GroupConv2D,
    GroupConv2DTranspose,
    GroupConv3D,
    GroupMaxPooling2D,
)
from keras_equivariant.sampling import EquivarianceWarning, is_centred, output_size
from keras_equivariant.symmetry import get_symmetry

WINDOWS = [
    (kernel_size, stride, padding)
    for kernel_size in (1, 2, 3, 4)
    for stride in (1, 2, 3)
    for padding in ("valid", "same", "reflect", "wrap", "edge")
]
WINDOWS = cases(WINDOWS, [(2, 2, "valid"), (3, 2, "same"), (3, 2, "reflect"), (4, 3, "wrap")])


def warnings_of(layer, x):
    """What a layer says of equivariance when it is built."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        layer(x)
    return [str(warning.message) for warning in caught if warning.category is EquivarianceWarning]


@pytest.mark.parametrize("kernel_size, stride, padding", WINDOWS)
def test_a_convolution_warns_exactly_where_it_is_not_equivariant(kernel_size, stride, padding):
    # A single cell, repeated, is the same everywhere: equivariant by chance.
    smallest = {"valid": kernel_size, "same": 1, "reflect": kernel_size // 2 + 1, "wrap": 2, "edge": 2}[padding]
    # It depends on parity and on what is left over after whole strides: sizes that have all of both.
    for size in range(smallest, smallest + 10 if ALL_CASES else smallest + 1 + math.lcm(2, stride)):
        layer = GroupConv2D(2, kernel_size, "p4", strides=stride, padding=padding)
        x = random_array(1, size, size, 2)
        said = warnings_of(layer, x)
        assert len(said) <= 1
        assert (equivariance_error(layer, x) > 1e-3) == bool(said), size
        assert is_centred(size, kernel_size, stride, padding) == (not said)
        assert layer(x).shape[1] == output_size(size, kernel_size, stride, padding)


@pytest.mark.parametrize("layer_class", [GroupMaxPooling2D, GroupAveragePooling2D])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("pool_size, stride", cases([(2, 2), (3, 2), (2, 1), (3, 3), (1, 2)], [(3, 2)]))
def test_a_pooling_warns_exactly_where_it_is_not_equivariant(pool_size, stride, padding, layer_class):
    for size in (6, 7, 8):
        layer = layer_class(pool_size, stride, padding=padding)
        x = random_array(1, size, size, 4, 2)
        said = warnings_of(layer, x)
        assert (equivariance_error(layer, x, "p4") > 1e-3) == bool(said)


def test_only_axes_that_a_symmetry_reverses_count():
    for symmetry, sizes in [("pm", (8, 9)), ("p1", (8, 8)), ("p2", (9, 9))]:
        layer = GroupConv2D(2, 3, symmetry, strides=2)
        x = random_array(1, *sizes, 2)
        assert warnings_of(layer, x) == []
        assert equivariance_error(layer, x) < 1e-5
    assert warnings_of(GroupConv2D(2, 3, "pm", strides=2), random_array(1, 9, 8, 2))
    exchanged = GroupConv2D(2, 3, "p4", strides=(2, 1))
    x = random_array(1, 9, 9, 2)
    assert "exchanges axes" in warnings_of(exchanged, x)[0]


@pytest.mark.parametrize("size", [5, 7, 9, 11])
def test_a_hexagonal_grid_needs_the_centre_among_its_samples(size):
    hexagon = get_symmetry("p6").interior((size, size))[..., None]
    x = random_array(1, size, size, 2) * hexagon
    layer = GroupConv2D(2, 3, "p6", strides=2, padding="same")
    said = warnings_of(layer, x)
    outputs = get_symmetry("p6").interior(((size + 1) // 2,) * 2)[..., None, None] if not said else 1
    assert (
        equivariance_error(lambda x: np.asarray(keras.ops.convert_to_numpy(layer(x))) * outputs, x, "p6") > 1e-3
    ) == bool(said)
    assert bool(said) == (size in (7, 11))


def test_other_dimensions():
    assert warnings_of(GroupConv1D(2, 3, strides=2), random_array(1, 8, 2))
    assert warnings_of(GroupConv1D(2, 3, strides=2), random_array(1, 9, 2)) == []
    along_depth = random_array(1, 6, 5, 5, 2)
    assert warnings_of(GroupConv3D(2, 3, "C4", strides=2), along_depth) == []
    assert warnings_of(GroupConv3D(2, 3, "D4", strides=2), along_depth)


@pytest.mark.parametrize(
    "kernel_size, stride",
    cases([(1, 1), (2, 1), (3, 1), (2, 2), (3, 2), (4, 2), (1, 2), (3, 3), (2, 3)], [(2, 1), (3, 2), (2, 3)]),
)
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_a_transposed_convolution_warns_exactly_where_it_is_not_equivariant(kernel_size, stride, padding):
    for size in (4, 5):
        layer = GroupConv2DTranspose(2, kernel_size, strides=stride, padding=padding)
        x = random_array(1, size, size, 4, 2)
        said = warnings_of(layer, x)
        assert (equivariance_error(layer, x) > 1e-3) == bool(said)


@pytest.mark.parametrize(
    "symmetry, arguments, broken",
    [
        ("p4", {"strides": (1, 2)}, "exchanges axes"),
        ("p4", {"strides": 3, "padding": "same", "output_padding": (0, 2)}, "exchanges axes"),
        ("p2", {"strides": (1, 2)}, None),
        ("pm", {"strides": (2, 1), "padding": "same"}, None),
        ("pm", {"strides": (1, 2), "padding": "same"}, "more on one side"),
    ],
)
def test_a_transposed_convolution_counts_the_axes_that_its_symmetry_moves(symmetry, arguments, broken):
    layer = GroupConv2DTranspose(2, 3, symmetry, **arguments)
    x = random_array(1, 5, 5, get_symmetry(symmetry).order, 2)
    said = warnings_of(layer, x)
    assert [broken in one for one in said] == ([True] if broken else [])
    if broken == "exchanges axes":
        assert layer(x).shape[1] != layer(x).shape[2]
    else:
        assert (equivariance_error(layer, x) > 1e-3) == bool(broken)


def test_maps_smaller_than_the_window():
    layer = GroupConv2D(8, 3, "p4", padding="same")
    x = random_array(1, 2, 2, 4, 16)
    assert warnings_of(layer, x) == []
    assert equivariance_error(layer, x) < 1e-5


def test_the_message_names_the_sizes_that_do():
    said = warnings_of(GroupConv2D(2, 3, "p4m", strides=2, padding="same", name="conv"), random_array(1, 32, 32, 2))
    assert len(said) == 1
    for part in (
        "`GroupConv2D` 'conv'",
        "under 'p4m'",
        "window of 3",
        "stride of 2",
        "29, 31, 33, 35",
        "Received: size=32",
    ):
        assert part in said[0]
    said = warnings_of(GroupConv2D(2, 4, padding="same"), random_array(1, 8, 8, 2))
    assert "no size does" in said[0]


def test_it_warns_once_and_says_nothing_of_unknown_sizes():
    layer = GroupConv2D(2, 3, strides=2)
    x = random_array(1, 8, 8, 2)
    assert len(warnings_of(layer, x)) == 1
    assert warnings_of(layer, x) == []
    assert warnings_of(GroupConv2D(2, 3, strides=2), keras.Input((None, None, 2))) == []
    assert warnings_of(GroupConv2D(2, 4, padding="same"), keras.Input((None, None, 2)))


def test_it_can_be_silenced_or_made_an_error():
    x = random_array(1, 8, 8, 2)
    with pytest.warns(EquivarianceWarning):
        GroupConv2D(2, 3, strides=2)(x)
    with pytest.raises(EquivarianceWarning):
        GroupConv2D(2, 3, strides=2)(x)


def test_it_points_at_the_line_of_the_program():
    image = random_array(1, 8, 8, 3)
    for build in (
        lambda: GroupConv2D(2, 3, strides=2)(image),
        lambda: keras.Sequential([GroupConv2D(2, 3), GroupMaxPooling2D(3, 2)])(image),
    ):
        with pytest.warns(EquivarianceWarning) as caught:
            build()
        assert {warning.filename for warning in caught} == {__file__}
