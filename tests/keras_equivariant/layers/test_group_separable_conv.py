import itertools

import keras
import numpy as np
import pytest
from helpers import DTYPES, TOLERANCES, cases, check_layer, random_array, randomise, relative_error, to_numpy

from keras_equivariant.equivariance import equivariance_error
from keras_equivariant.layers import GroupConv2D, GroupDepthwiseConv2D, GroupSeparableConv2D, HexagonalMask2D
from keras_equivariant.symmetry import get_symmetry

SYMMETRIES = cases(["p1", "p2", "p4", "pm", "p4m"], ["p1", "p4m"])
CASES = [(3, 1, "valid"), (3, 2, "valid"), (3, 1, "same"), (2, 1, "valid")]


def turned(kernel, matrix):
    """The filter psi(s^-1 d): what stands at the tap d comes from the tap that s sends to it, one tap at a time."""
    size = kernel.shape[0]
    result = np.zeros_like(kernel)
    for row, column in np.ndindex(size, size):
        x, y = matrix @ [2 * column - (size - 1), size - 1 - 2 * row]
        to_row, to_column = (size - 1 - y) // 2, (x + size - 1) // 2
        if 0 <= to_row < size and 0 <= to_column < size:
            result[to_row, to_column] = kernel[row, column]
    return result


def depthwise_by_hand(f, kernel, symmetry, stride=1, padding="valid"):
    """The formula of the class, by loops; `f` is planar or on the group."""
    size = kernel.shape[0]
    if f.ndim == 4:
        f = np.repeat(f[:, :, :, None], get_symmetry(symmetry).order, axis=3)
    if padding == "same":
        before = (size - 1) // 2
        f = np.pad(f, [(0, 0), (before, size - 1 - before), (before, size - 1 - before), (0, 0), (0, 0)])
    rows, columns = ((n - size) // stride + 1 for n in f.shape[1:3])
    y = np.zeros((len(f), rows, columns, f.shape[3], *kernel.shape[2:]))
    for s, matrix in enumerate(get_symmetry(symmetry).matrices):
        psi = turned(kernel, matrix)
        for (i, j), (row, column) in itertools.product(np.ndindex(size, size), np.ndindex(rows, columns)):
            y[:, row, column, s] += f[:, stride * row + i, stride * column + j, s, :, None] * psi[i, j]
    return y.reshape(*y.shape[:4], -1)


def inputs_for(symmetry, lifts, dtype="float32"):
    order = get_symmetry(symmetry).order
    return random_array(2, 7, 6, 3, dtype=dtype) if lifts else random_array(2, 7, 6, order, 3, dtype=dtype)


@pytest.mark.filterwarnings("ignore::keras_equivariant.sampling.EquivarianceWarning")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("lifts", [True, False])
@pytest.mark.parametrize("size, stride, padding", CASES)
@pytest.mark.parametrize("symmetry", cases(["p2", "p4", "p4m"], ["p4m"]))
def test_depthwise_agrees_with_the_formula(symmetry, size, stride, padding, lifts, dtype):
    x = inputs_for(symmetry, lifts, dtype)
    layer = GroupDepthwiseConv2D(size, symmetry, stride, padding, depth_multiplier=2, dtype=dtype)
    layer.build(x.shape)
    randomise(layer)
    expected = depthwise_by_hand(x, to_numpy(layer.kernel), symmetry, stride, padding) + to_numpy(layer.bias)
    assert relative_error(layer(x), expected) < TOLERANCES[dtype]


@pytest.mark.parametrize("implementation", ["planar", "spectral"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("lifts", [True, False])
@pytest.mark.parametrize("symmetry", cases(["p2", "p4", "p4m"], ["p4m"]))
def test_separable_agrees_with_the_formula(symmetry, lifts, dtype, implementation):
    x, group = inputs_for(symmetry, lifts, dtype), get_symmetry(symmetry)
    layer = GroupSeparableConv2D(4, 3, symmetry, depth_multiplier=2, implementation=implementation, dtype=dtype)
    layer.build(x.shape)
    randomise(layer)
    z = depthwise_by_hand(x, to_numpy(layer.depthwise_kernel), symmetry)
    w, y = to_numpy(layer.pointwise_kernel)[0, 0], 0
    for s, t in np.ndindex(group.order, group.order):
        one = np.zeros((group.order, 1))
        one[s] = 1
        y = y + (z[:, :, :, t] @ w[group.product[group.inverse[s], t]])[:, :, :, None] * one
    assert relative_error(layer(x), y + to_numpy(layer.bias)) < TOLERANCES[dtype]


@pytest.mark.parametrize("lifts", [True, False])
@pytest.mark.parametrize("symmetry", SYMMETRIES)
@pytest.mark.parametrize("make", [GroupDepthwiseConv2D, lambda *a, **k: GroupSeparableConv2D(5, *a, **k)])
def test_equivariance(make, symmetry, lifts):
    order = get_symmetry(symmetry).order
    shape = (2, 9, 9, 3) if lifts else (2, 9, 9, order, 3)
    for padding, dilation_rate in (("valid", 1), ("same", 1), ("valid", 2)):
        layer = make(3, symmetry, padding=padding, dilation_rate=dilation_rate, activation="tanh")
        layer.build(shape)
        randomise(layer)
        assert equivariance_error(layer, random_array(*shape), symmetry) < 1e-5


@pytest.mark.parametrize("symmetry", cases(["p3", "p6", "p6m"], ["p6"]))
@pytest.mark.parametrize("make", [GroupDepthwiseConv2D, lambda *args, **how: GroupSeparableConv2D(3, *args, **how)])
def test_equivariance_on_hexagonal_grids(make, symmetry):
    for size in (5, 7):
        layers = [HexagonalMask2D()]
        for _ in range(2):  # the first lifts
            layers += [make(3, symmetry, padding="same", depth_multiplier=2), HexagonalMask2D()]
        model = keras.Sequential(layers)
        model.build((None, size, size, 3))
        randomise(model)
        assert equivariance_error(model, random_array(2, size, size, 3), symmetry) < 1e-5
    with pytest.raises(ValueError, match="give a square kernel of odd size. Received: kernel_size=.2, 2."):
        make(2, symmetry)(random_array(1, 6, 6, 3))


def test_an_unequal_kernel_is_not_symmetric():
    layer = GroupDepthwiseConv2D(3, "p4")
    layer.build((None, 9, 9, 4, 2))
    randomise(layer)
    x = random_array(1, 9, 9, 4, 2)
    plain = keras.layers.DepthwiseConv2D(3)
    plain.build((None, 9, 9, 2))
    plain.set_weights(layer.get_weights())
    copies = np.stack([to_numpy(plain(x[:, :, :, s])) for s in range(4)], axis=3)
    found = to_numpy(layer(x))
    np.testing.assert_allclose(found[:, :, :, 0], copies[:, :, :, 0], rtol=1e-5, atol=1e-5)
    assert np.abs(found - copies)[:, :, :, 1:].max() > 0.1, "the other orientations see turned filters"


def test_fewer_weights_than_a_full_convolution():
    separable, full = GroupSeparableConv2D(16, 3, "p4m"), GroupConv2D(16, 3, "p4m")
    for layer in (separable, full):
        layer.build((None, 9, 9, 8, 16))
    assert separable.count_params() == 9 * 16 + 8 * 16 * 16 + 16
    assert full.count_params() == 9 * 8 * 16 * 16 + 16


@pytest.mark.parametrize(
    "layer_class, arguments",
    [
        (GroupDepthwiseConv2D, {"kernel_size": 3, "symmetry": "p4m", "depth_multiplier": 2, "padding": "same"}),
        (GroupSeparableConv2D, {"filters": 5, "kernel_size": 3, "symmetry": "p4m", "depth_multiplier": 2}),
    ],
)
def test_layer(layer_class, arguments):
    check_layer(layer_class, {**arguments, "activation": "relu", "bias_initializer": "ones"}, (2, 7, 7, 8, 3))
    check_layer(layer_class, arguments, (2, 7, 7, 3))


@pytest.mark.parametrize(
    "arguments, shape, message",
    [
        ({"symmetry": "p5"}, (2, 9, 9, 3), "Received: .*'p5'"),
        ({"symmetry": "mirror"}, (2, 9, 9, 3), "must act on 2 dimensions. Received: symmetry='mirror'"),
        ({"padding": "wrap"}, (2, 9, 9, 3), "Received: padding='wrap'"),
        ({"data_format": "channels_first"}, (2, 3, 9, 9), "Received: data_format='channels_first'"),
        ({}, (2, 9, 9, 8, 3), r"needs a planar map or a feature map .*4, channels.*Received: input_shape=\(2, 9, 9, 8"),
        ({}, (2, 9, 3), "min_ndim=4, found ndim=3"),
        ({}, (2, 2, 9, 3), "at least as large as the kernel. Received: kernel_size"),
        ({"kernel_size": (3, 5)}, (2, 9, 9, 3), "`kernel_size` must be mapped onto itself"),
    ],
)
@pytest.mark.parametrize("layer_class, first", [(GroupDepthwiseConv2D, {}), (GroupSeparableConv2D, {"filters": 4})])
def test_bad_arguments(layer_class, first, arguments, shape, message):
    with pytest.raises(ValueError, match=message):
        layer_class(**{**first, "kernel_size": 3, **arguments})(random_array(*shape))


def test_bad_implementations():
    with pytest.raises(ValueError, match="`implementation` must be one of .*Received: implementation='fast'"):
        GroupSeparableConv2D(4, 3, implementation="fast")
    with pytest.raises(ValueError, match="can be 'spectral' .* only turns by 90 degrees.*Received: .*symmetry='p8'"):
        GroupSeparableConv2D(4, 3, "p8", implementation="spectral")
    with pytest.raises(ValueError, match="can be 'spectral' only on .* of known height and width. Received: input_sha"):
        GroupSeparableConv2D(4, 3, implementation="spectral")(keras.Input((None, None, 3)))
