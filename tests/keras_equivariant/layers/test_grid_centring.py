import keras
import numpy as np
import pytest
from helpers import DTYPES, TOLERANCES, cases, check_layer, random_array, relative_error, to_numpy

from keras_equivariant.equivariance import equivariance_error
from keras_equivariant.layers import CosetPooling, GridCentring2D, GroupConv2D, GroupMaxPooling2D


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", cases([(7, 7), (8, 8), (7, 8), (9, 10)], [(7, 8)]))
@pytest.mark.parametrize(
    "kernel_size, strides, padding", [(3, 2, "same"), (2, 2, "valid"), (3, 3, "valid"), (1, 2, "same"), (3, 2, "edge")]
)
def test_a_strided_layer_after_it_is_equivariant_on_every_size(kernel_size, strides, padding, size, dtype):
    x = random_array(2, *size, 8, 3, dtype=dtype)
    centring = GridCentring2D(kernel_size, strides, padding, dtype=dtype)
    convolution = GroupConv2D(2, kernel_size, "p4m", strides=strides, padding=padding, dtype=dtype)
    pooled = [] if padding == "edge" else [GroupMaxPooling2D(kernel_size, strides, padding, dtype=dtype)]
    for layer in (convolution, *pooled):
        error = equivariance_error(lambda x, layer=layer: layer(centring(x)), x, "p4m")
        assert error < TOLERANCES[dtype]


def test_means_of_neighbours():
    x = random_array(2, 8, 7, 3)
    y = GridCentring2D()(x)
    assert relative_error(y, (x[:, :-1] + x[:, 1:]) / 2) < 1e-6
    x = random_array(2, 5, 6, 4, 3)
    y = GridCentring2D(3, 3, "valid")(x)
    rows = (x[:, :-2] + 2 * x[:, 1:-1] + x[:, 2:]) / 4
    assert relative_error(y, rows) < 1e-6
    np.testing.assert_array_equal(GridCentring2D()(random_array(1, 7, 7, 3)), random_array(1, 7, 7, 3))


@pytest.mark.parametrize("size", cases([32, 33], [32]))
def test_a_network_of_exact_layers_is_invariant(size):
    """Lift, convolve, downsample by convolution and by pooling, convolve, pool over orientations."""
    layers = [
        GroupConv2D(4, 3, "p4m", padding="same", activation="relu"),
        GridCentring2D(3, 2, "same"),
        GroupConv2D(5, 3, "p4m", strides=2, padding="same"),
        keras.layers.BatchNormalization(),
        keras.layers.ReLU(),
        GridCentring2D(2, 2, "valid"),
        GroupMaxPooling2D(2),
        GroupConv2D(6, 3, "p4m", activation="relu"),
        CosetPooling("p4m"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(10),
    ]
    model = keras.Sequential(layers)
    assert equivariance_error(model, random_array(2, size, size, 3), "p4m") < 1e-5


@pytest.mark.parametrize("size", cases([32, 33], [32]))
def test_pooled_over_p4_and_convolved_on_it_is_equivariant_under_all_eight(size):
    layers = [
        GroupConv2D(4, 3, "p4m", padding="same", activation="relu"),
        CosetPooling("p4m", "p4"),
        GroupConv2D(5, 3, "p4m", padding="same", input_subgroup="p4", activation="relu"),
        GridCentring2D(),
        GroupConv2D(5, 3, "p4m", strides=2, padding="same"),
    ]
    assert equivariance_error(keras.Sequential(layers), random_array(2, size, size, 3), "p4m") < 1e-5


@pytest.mark.parametrize("size", [1, 2, 3])
def test_maps_smaller_than_the_window(size):
    x = random_array(1, size, size, 4, 8)
    y = GridCentring2D()(x)
    assert y.shape[1] == size - (size + 1) % 2
    model = keras.Sequential([GridCentring2D(), GroupConv2D(2, 3, strides=2, padding="same")])
    assert equivariance_error(model, x, "p4") < 1e-5


def test_integers_do_not_overflow():
    y = GridCentring2D()(np.full((1, 4, 4, 1), 200, "uint8"))
    np.testing.assert_array_equal(to_numpy(y), np.full((1, 3, 3, 1), 200, "float32"))


def test_arguments_as_other_layers_take_them():
    layer = GridCentring2D(np.int64(3), [2, np.int32(2)], "SAME")
    assert layer.get_config() == GridCentring2D(name=layer.name).get_config()


def test_layer_conventions(once):
    check_layer(GridCentring2D, {}, (2, 6, 7, 3))


@pytest.mark.parametrize(
    "arguments, shape, message",
    [
        ({"kernel_size": 0}, (1, 8, 8, 3), "`kernel_size` must be a positive int.*Received: kernel_size=0"),
        ({"kernel_size": 2.5}, (1, 8, 8, 3), "Received: kernel_size=2.5"),
        ({"kernel_size": "33"}, (1, 8, 8, 3), "Received: kernel_size=33"),
        ({"strides": (1, 2, 3)}, (1, 8, 8, 3), "Received: strides="),
        ({"padding": "zeros"}, (1, 8, 8, 3), "Received: padding='zeros'"),
        ({"padding": "valid"}, (1, 2, 8, 3), "No size slightly below"),
        ({}, (1, 8, 3), r"Received: input_shape=\(1, 8, 3\)"),
        ({"kernel_size": 4, "strides": 1}, (1, 8, 8, 3), "No size slightly below.*window of 4.*Received"),
    ],
)
def test_bad_arguments(arguments, shape, message):
    with pytest.raises(ValueError, match=message):
        GridCentring2D(**arguments)(random_array(*shape))


def test_unknown_sizes():
    with pytest.raises(ValueError, match="of known height and width"):
        GridCentring2D()(keras.Input((None, None, 3)))
