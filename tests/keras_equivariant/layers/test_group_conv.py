import itertools

import keras
import numpy as np
import oracle
import pytest
from helpers import TOLERANCES, cases, check_layer, gradients, random_array, randomise, relative_error, to_numpy

from keras_equivariant.equivariance import equivariance_error
from keras_equivariant.layers import GroupConv1D, GroupConv2D
from keras_equivariant.symmetry import get_symmetry

# Some of the layers below are meant to break equivariance; test_sampling.py is about the warning.
pytestmark = pytest.mark.filterwarnings("ignore::keras_equivariant.sampling.EquivarianceWarning")


SYMMETRIES = ["p1", "p2", "p4", "pm", "pmm", "p4m"]


QUOTIENTS = [("p4", "p2"), ("p4m", "p4"), ("p4m", "pm"), ("p4m", "pmm"), ("pmm", "pm")]


# (symmetry, input_subgroup, the subgroup whose cosets the input's orientations are)
KINDS = [
    *((symmetry, None, symmetry) for symmetry in SYMMETRIES),
    *((symmetry, None, "p1") for symmetry in SYMMETRIES),
    *((symmetry, subgroup, subgroup) for symmetry, subgroup in QUOTIENTS),
]


KINDS = cases(KINDS, [("p1", None, "p1"), ("p4", None, "p4"), ("p4m", None, "p1"), ("p4m", "p4", "p4")])


def random_input(symmetry, input_subgroup, cosets_of, size, dtype, channels=3):
    """A planar map where the layer is to lift, else a feature map; and its number of orientations."""
    orientations = get_symmetry(symmetry).order // get_symmetry(cosets_of).order
    planar = input_subgroup is None and cosets_of == symmetry and symmetry != "p1"
    shape = (2, *size, channels) if planar else (2, *size, orientations, channels)
    return random_array(*shape, dtype=dtype), orientations


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kernel_size", cases([1, 2, 3, 4], [2, 3]))
@pytest.mark.parametrize("symmetry, input_subgroup, cosets_of", KINDS)
def test_agrees_with_the_formula(symmetry, input_subgroup, cosets_of, kernel_size, dtype):
    x, orientations = random_input(symmetry, input_subgroup, cosets_of, (6, 7), dtype)
    layer = GroupConv2D(2, kernel_size, symmetry, input_subgroup=input_subgroup, dtype=dtype)
    layer.build(x.shape)
    randomise(layer)
    expected = oracle.correlate(
        x.reshape(2, 6, 7, orientations, 3), to_numpy(layer.kernel), get_symmetry(symmetry), get_symmetry(cosets_of)
    )
    assert relative_error(layer(x), expected + to_numpy(layer.bias)) < TOLERANCES[dtype]


@pytest.mark.parametrize("arguments", [{"strides": 2}, {"strides": 3}, {"dilation_rate": 2}])
@pytest.mark.parametrize(
    "symmetry, input_subgroup, cosets_of", cases([("p4", None, "p4"), ("p4m", None, "p1")], [("p4m", None, "p1")])
)
def test_strides_and_dilation_agree_with_the_formula(symmetry, input_subgroup, cosets_of, arguments):
    x, orientations = random_input(symmetry, input_subgroup, cosets_of, (9, 8), "float32")
    layer = GroupConv2D(2, 3, symmetry, use_bias=False, **arguments)
    y = layer(x)
    expected = oracle.correlate(
        x.reshape(2, 9, 8, orientations, 3),
        to_numpy(layer.kernel),
        get_symmetry(symmetry),
        get_symmetry(cosets_of),
        strides=arguments.get("strides", 1),
        dilation=arguments.get("dilation_rate", 1),
    )
    assert relative_error(y, expected) < 1e-5


# Sizes of kernels and of maps, in pairs: each of them odd, even and both.
SIZES = [(6, 6), (7, 7), (6, 7)]
PAIRS = {
    "valid": cases(
        itertools.product([1, 2, 3, 4], SIZES), [(2, (6, 7))], [(1, (6, 7)), (2, (6, 6)), (3, (6, 7)), (4, (7, 7))]
    ),
    "same": cases(itertools.product([1, 3, 5], SIZES), [(3, (6, 7))], [(1, (7, 7)), (3, (6, 6)), (5, (6, 7))]),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("padding", PAIRS)
@pytest.mark.parametrize("symmetry, input_subgroup, cosets_of", KINDS)
def test_equivariant_under_every_element(symmetry, input_subgroup, cosets_of, padding, dtype):
    for kernel_size, size in PAIRS[padding]:
        x, _ = random_input(symmetry, input_subgroup, cosets_of, size, dtype)
        layer = GroupConv2D(
            2, kernel_size, symmetry, padding=padding, input_subgroup=input_subgroup, activation="relu", dtype=dtype
        )
        layer.build(x.shape)
        randomise(layer)
        error = equivariance_error(layer, x, symmetry, input_subgroup=input_subgroup)
        assert error < TOLERANCES[dtype], (kernel_size, size)


@pytest.mark.parametrize("strides, size", [(2, 7), (2, 9), (3, 9)])
def test_equivariant_when_strided_on_a_size_that_fits(strides, size):
    layer = GroupConv2D(2, 3, "p4m", strides=strides)
    assert equivariance_error(layer, random_array(2, size, size, 3)) < 1e-5


@pytest.mark.parametrize("arguments, size", [({"strides": 2}, 8), ({"padding": "same", "kernel_size": 4}, 8)])
def test_not_equivariant_where_the_documentation_says_so(arguments, size):
    layer = GroupConv2D(**{"filters": 2, "kernel_size": 3, **arguments})
    assert equivariance_error(layer, random_array(2, size, size, 3)) > 0.1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kernel_size", [2, 3])
@pytest.mark.parametrize("symmetry, input_subgroup, cosets_of", KINDS)
def test_gradients_are_group_convolutions(symmetry, input_subgroup, cosets_of, kernel_size, dtype):
    x, orientations = random_input(symmetry, input_subgroup, cosets_of, (5, 6), dtype)
    layer = GroupConv2D(2, kernel_size, symmetry, input_subgroup=input_subgroup, dtype=dtype)
    upstream = random_array(*layer(x).shape, dtype=dtype, seed=1)
    at_input, at_kernel, at_bias = gradients(layer, x, upstream)
    group, subgroup = get_symmetry(symmetry), get_symmetry(cosets_of)
    f, kernel = x.reshape(2, 5, 6, orientations, 3), to_numpy(layer.kernel)
    expected = oracle.input_gradient(upstream, kernel, group, subgroup, f.shape).reshape(x.shape)
    assert relative_error(at_input, expected) < TOLERANCES[dtype]
    expected = oracle.kernel_gradient(f, upstream, group, subgroup, (kernel_size, kernel_size))
    assert relative_error(at_kernel, expected) < TOLERANCES[dtype]
    assert relative_error(at_bias, upstream.sum(axis=(0, 1, 2, 3))) < TOLERANCES[dtype]


def test_depthwise():
    x = random_array(2, 6, 6, 4, 3)
    layer = GroupConv2D(6, 3, "p4", groups=3)
    assert layer(x).shape == (2, 4, 4, 4, 6)
    assert layer.kernel.shape == (3, 3, 4, 1, 6)
    assert equivariance_error(layer, x) < 1e-5


@pytest.mark.parametrize("planar", [True, False])
def test_channel_groups_are_separate_convolutions(planar):
    x = random_array(2, 6, 6, 4) if planar else random_array(2, 6, 6, 8, 4)
    layer = GroupConv2D(6, 3, "p4m", groups=2, use_bias=False)
    y = to_numpy(layer(x))
    for block in range(2):
        alone = GroupConv2D(3, 3, "p4m", use_bias=False)
        alone.build((*x.shape[:-1], 2))
        alone.set_weights([to_numpy(layer.kernel)[..., 3 * block : 3 * block + 3]])
        part = alone(x[..., 2 * block : 2 * block + 2])
        assert relative_error(y[..., 3 * block : 3 * block + 3], part) < 1e-5
    assert equivariance_error(layer, x) < 1e-5


def test_the_trivial_symmetry_is_an_ordinary_convolution():
    x = random_array(2, 6, 6, 3)
    layer = GroupConv2D(4, 3, "p1", padding="same")
    ordinary = keras.layers.Conv2D(4, 3, padding="same")
    y, _ = layer(x), ordinary(x)
    ordinary.set_weights([to_numpy(layer.kernel)[:, :, 0], to_numpy(layer.bias)])
    np.testing.assert_array_equal(to_numpy(y)[:, :, :, 0], to_numpy(ordinary(x)))


def test_initialisers_see_the_fan_in_of_the_stored_kernel():
    x = random_array(1, 8, 8, 8, 16)
    layer = GroupConv2D(32, 3, "p4m", kernel_initializer="he_normal")
    layer(x)
    assert abs(to_numpy(layer.kernel).std() / np.sqrt(2 / (3 * 3 * 8 * 16)) - 1) < 0.05


def test_padding_from_the_data_with_strides_dilation_and_unknown_sizes():
    for mode in ("reflect", "wrap", "edge"):
        x = random_array(2, 9, 9, 3)
        for arguments in ({"strides": 2}, {"dilation_rate": 2}, {"strides": 4}):
            layer = GroupConv2D(2, 3, "p4m", padding=mode, activation="relu", **arguments)
            assert equivariance_error(layer, x) < 1e-5
            inputs = keras.Input((None, None, 3))
            model = keras.Model(inputs, layer(inputs))
            assert relative_error(model.predict(x, verbose=0), layer(x)) < 1e-6


def test_layer_conventions(once):
    check_layer(GroupConv2D, {"filters": 4, "kernel_size": 3, "dilation_rate": (2, 2)}, (2, 8, 7, 3))
    check_layer(GroupConv2D, {"filters": 4, "kernel_size": 3, "symmetry": "pmm", "use_bias": False}, (2, 6, 6, 4, 3))
    check_layer(GroupConv2D, {"filters": 4, "kernel_size": 3, "symmetry": "p6", "padding": "same"}, (2, 5, 5, 6, 3))
    check_layer(GroupConv2D, {"filters": 4, "kernel_size": 3, "padding": "reflect"}, (2, 5, 6, 4, 3))
    check_layer(GroupConv1D, {"filters": 4, "kernel_size": 3, "padding": "wrap"}, (2, 7, 2, 4))


def test_spatial_sizes_may_be_unknown():
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, GroupConv2D(2, 3)(GroupConv2D(2, 3)(inputs)))
    assert model.output_shape == (None, None, None, 4, 2)
    assert model(random_array(1, 9, 8, 3)).shape == (1, 5, 4, 4, 2)


@pytest.mark.parametrize("shape", [(1, 9, 9, 4, 16), (1, 9, 9, 16)])
def test_another_number_of_orientations_or_channels_after_it_is_built(shape):
    layer = GroupConv2D(8, 3, "p4")
    layer(random_array(*shape))
    for axis in range(-2 if len(shape) == 5 else -1, 0):
        other = [*shape]
        other[axis] *= 2
        with pytest.raises(ValueError, match=f"expected axis {axis} of input shape to have value"):
            layer(random_array(*other))


@pytest.mark.parametrize("shape", [(1, 9, 9, 8, 2), (1, 9, 9, 8, 2, 2), (1, 9, 9), (1, 9)])
def test_the_output_shape_of_an_input_that_it_refuses(shape):
    with pytest.raises(ValueError, match="needs a planar map or a feature map .*Received: input_shape="):
        GroupConv2D(2, 3, "p4").compute_output_shape(shape)


def test_the_smallest_map_that_can_be_reflected():
    for size, kernel_size in ((2, 3), (3, 4), (3, 5)):
        assert GroupConv2D(2, kernel_size, padding="reflect")(random_array(1, size, size, 3)).shape[1] == size


def test_the_expanded_kernel_before_it_is_built():
    with pytest.raises(ValueError, match="must be built before its `expanded_kernel` is read"):
        _ = GroupConv2D(2, 3).expanded_kernel


@pytest.mark.parametrize(
    "arguments, shape, message",
    [
        ({"symmetry": "p5"}, None, r"'p4'.*Received: symmetry='p5'"),
        ({"symmetry": "p4", "input_subgroup": "pm"}, None, "must name a subgroup of 'p4'. Received: subgroup='pm'"),
        ({"data_format": "channels_first"}, None, "must be 'channels_last'. Received: data_format='channels_first'"),
        ({"kernel_size": 0}, None, "kernel_size"),
        ({"strides": 0}, None, "strides"),
        ({"filters": 0}, None, "filters"),
        ({"kernel_size": (3, 5)}, (1, 8, 8, 3), "give a square kernel"),
        ({}, (1, 8, 8, 8, 3), r"a planar map or a feature map \(.*4, channels\).*Received: input_shape=\(1, 8, 8, 8"),
        ({"input_subgroup": "p2"}, (1, 8, 8, 3), r"needs a feature map .*2, channels"),
        ({"input_subgroup": "p2"}, (1, 8, 8, 4, 3), r"needs a feature map .*2, channels"),
        ({}, (1, 2, 2, 3), "at least as large as the kernel. Received"),
        ({"padding": "reflect"}, (1, 1, 8, 3), "larger than half of the kernel. Received"),
        ({"padding": "reflect", "kernel_size": 5}, (1, 2, 3, 3), "larger than half.*Received: kernel_size=.5, 5"),
        ({"padding": "causal"}, None, "`padding` must be one of .*'wrap'.*Received: padding='causal'"),
        ({"padding": 1}, None, "Received: padding=1"),
        ({"padding": "wrap", "symmetry": "p6"}, None, "must be 'valid' or 'same' on the hexagonal grid"),
        ({"kernel_size": 4, "symmetry": "p6"}, None, "give a square kernel of odd size"),
        ({"symmetry": "O"}, None, "must act on 2 dimensions, not 3. Received: symmetry='O'"),
        ({"groups": 2}, (1, 8, 8, 3), "multiple of `groups`. Received: groups=2"),
    ],
)
def test_bad_arguments(arguments, shape, message):
    with pytest.raises(ValueError, match=message):
        GroupConv2D(**{"filters": 4, "kernel_size": 3, **arguments})(random_array(*(shape or (1, 8, 8, 3))))
