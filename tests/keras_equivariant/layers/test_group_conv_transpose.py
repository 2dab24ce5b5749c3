import keras
import numpy as np
import pytest
from helpers import DTYPES, TOLERANCES, cases, check_layer, random_array, randomise, relative_error, to_numpy

from keras_equivariant.equivariance import equivariance_error
from keras_equivariant.layers import GroupConv2D, GroupConv2DTranspose
from keras_equivariant.symmetry import get_symmetry

pytestmark = pytest.mark.filterwarnings("ignore::keras_equivariant.sampling.EquivarianceWarning")
# (symmetry, output_subgroup, input_subgroup of the convolution)
KINDS = [("p4", None, None), ("p4m", None, None), ("p4", "p4", None), ("p4m", "p4m", None), ("p4m", "p4", "p4")]
KINDS += [("p4", "p2", "p2"), ("pm", None, None), ("p6", None, None), ("p6m", "p6", "p6")]
KINDS = cases(KINDS, [("p4", None, None), ("p4m", "p4m", None), ("p4m", "p4", "p4"), ("p6m", "p6", "p6")])
WINDOWS = [(3, 1, "valid", 6), (2, 2, "valid", 6), (4, 2, "valid", 8), (3, 2, "valid", 7), (3, 1, "same", 6)]
WINDOWS += [(4, 2, "same", 8), (2, 2, "same", 6)]
OUTPUTS = cases([("p4m", None), ("p4m", "p4m"), ("p4m", "pm"), ("p4", None)], [("p4m", "p4m"), ("p4m", "pm")])
WINDOWS = cases(WINDOWS, [(4, 2, "valid", 8), (3, 2, "valid", 7), (3, 1, "same", 6)])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel_size, strides, padding, size", WINDOWS)
@pytest.mark.parametrize("symmetry, output_subgroup, input_subgroup", KINDS)
def test_is_the_adjoint(symmetry, output_subgroup, input_subgroup, kernel_size, strides, padding, size, dtype):
    """<T(y), x> = <y, convolution(x)>."""
    if symmetry in ("p6", "p6m") and kernel_size % 2 == 0:
        return
    group = get_symmetry(symmetry)
    convolution = GroupConv2D(
        3, kernel_size, symmetry, strides, padding, input_subgroup=input_subgroup, use_bias=False, dtype=dtype
    )
    if output_subgroup == symmetry:
        x = random_array(2, size, size, 2, dtype=dtype)
    else:
        orientations = group.order // (get_symmetry(output_subgroup).order if output_subgroup else 1)
        x = random_array(2, size, size, orientations, 2, dtype=dtype)
    convolved = to_numpy(convolution(x))
    y = random_array(*convolved.shape, dtype=dtype, seed=1)
    transposed = GroupConv2DTranspose(
        2, kernel_size, symmetry, strides, padding, output_subgroup=output_subgroup, use_bias=False, dtype=dtype
    )
    transposed.build(y.shape)
    transposed.set_weights([to_numpy(convolution.kernel)])
    back = to_numpy(transposed(y))
    assert back.shape == x.shape
    first, second = (back.astype("float64") * x).sum(), (convolved.astype("float64") * y).sum()
    assert abs(first - second) < TOLERANCES[dtype] * np.sqrt((back.astype("float64") ** 2).sum() * (x**2).sum())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "kernel_size, arguments",
    [
        (2, {"strides": 2}),
        (3, {"strides": 2}),
        (3, {"padding": "same"}),
        (4, {"strides": 2, "padding": "same"}),
        (3, {"strides": 2, "padding": "same", "output_padding": 0}),
        (3, {"dilation_rate": 2}),
    ],
)
@pytest.mark.parametrize("symmetry, output_subgroup", OUTPUTS)
def test_equivariant_under_every_element(symmetry, output_subgroup, kernel_size, arguments, dtype):
    if arguments.get("dilation_rate") and keras.config.backend() == "tensorflow":
        pytest.skip("TensorFlow's transposed convolution has no dilation on a CPU")
    for size in cases([(4, 4), (5, 5), (4, 5)], [(4, 5)]):
        x = random_array(2, *size, get_symmetry(symmetry).order, 3, dtype=dtype)
        layer = GroupConv2DTranspose(
            2, kernel_size, symmetry, output_subgroup=output_subgroup, activation="relu", dtype=dtype, **arguments
        )
        layer.build(x.shape)
        randomise(layer)
        planar = output_subgroup == symmetry
        error = equivariance_error(layer, x, output_subgroup=None if planar else output_subgroup)
        assert error < TOLERANCES[dtype], size


def test_down_and_up_again():
    layers = [GroupConv2D(4, 4, "p4m", strides=2), GroupConv2DTranspose(3, 4, "p4m", 2, output_subgroup="p4m")]
    model = keras.Sequential(layers)
    x = random_array(2, 10, 10, 3)
    assert model(x).shape == x.shape
    assert equivariance_error(model, x) < 1e-5


def test_the_trivial_symmetry_is_an_ordinary_convolution():
    x = random_array(2, 5, 5, 3)
    layer = GroupConv2DTranspose(4, 4, "p1", strides=2, padding="same")
    ordinary = keras.layers.Conv2DTranspose(4, 4, strides=2, padding="same")
    y, _ = layer(x[:, :, :, None]), ordinary(x)
    ordinary.set_weights([to_numpy(layer.kernel)[:, :, 0], to_numpy(layer.bias)])
    assert relative_error(to_numpy(y)[:, :, :, 0], ordinary(x)) < 1e-6


def test_layer_conventions(once):
    check_layer(GroupConv2DTranspose, {"filters": 2, "kernel_size": 3, "use_bias": False}, (2, 4, 5, 4, 3))
    planar = {"filters": 2, "kernel_size": 3, "symmetry": "pm", "output_subgroup": "pm", "dilation_rate": (1, 1)}
    check_layer(GroupConv2DTranspose, planar, (2, 4, 5, 2, 3))


def test_another_number_of_orientations_after_it_is_built():
    layer = GroupConv2DTranspose(2, 3)
    with pytest.raises(ValueError, match="must be built before its `expanded_kernel` is read"):
        _ = layer.expanded_kernel
    layer(random_array(1, 5, 5, 4, 3))
    with pytest.raises(ValueError, match="expected axis -2 of input shape to have value 4"):
        layer(random_array(1, 5, 5, 8, 3))


@pytest.mark.parametrize(
    "arguments, shape, message",
    [
        ({"symmetry": "p5"}, None, "Received: symmetry='p5'"),
        ({"symmetry": "O"}, None, "must act on 2 dimensions, not 3"),
        ({"output_subgroup": "pm"}, None, "Received: subgroup='pm'"),
        ({"data_format": "channels_first"}, None, "Received: data_format='channels_first'"),
        (
            {"kernel_size": 2, "padding": "same", "output_padding": 0},
            None,
            "of even size. Received: output_padd",
        ),
        ({"kernel_size": (3, 5)}, None, "give a square kernel"),
        ({"padding": "reflect"}, None, "Received: padding='reflect'"),
        ({"padding": 0}, None, "Received: padding=0"),
        ({}, (1, 4, 4, 8, 3), r"needs a feature map .*4, channels.*Received: input_shape="),
        ({}, (1, 4, 4, 3), "Received: input_shape="),
    ],
)
def test_bad_arguments(arguments, shape, message):
    with pytest.raises(ValueError, match=message):
        GroupConv2DTranspose(**{"filters": 2, "kernel_size": 3, **arguments})(random_array(*(shape or (1, 4, 4, 4, 3))))
