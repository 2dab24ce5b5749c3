import keras
import numpy as np
import pytest
from helpers import cases, random_array, relative_error, to_numpy
from offsets import offset_error, pooled, spread

from keras_equivariant.equivariance import equivariance_error
from keras_equivariant.layers import OffsetConv2D, OffsetConv2DTranspose, OffsetGroupConv2D


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("kernel_size", cases([1, 2, 3], [2, 3]))
def test_is_a_convolution_that_sees_the_mean_beyond_the_border(kernel_size, strides, padding):
    x = random_array(2, 6, 7, 6)
    layer = OffsetConv2D(9, kernel_size, strides, padding=padding)
    y = layer(x)
    layer.bias.assign(random_array(9))
    y = layer(x)
    margin = kernel_size  # one more than needed: the same windows, further out
    wide = np.broadcast_to(spread(pooled(x, 3), x), (2, 6 + 2 * margin, 7 + 2 * margin, 6)).copy()
    wide[:, margin:-margin, margin:-margin] = x
    rows, columns = y.shape[1:3]
    before = [0, 0]
    if padding == "same":  # as Keras splits it: the smaller half first
        before = [max((n - 1) * strides + kernel_size - size, 0) // 2 for n, size in ((rows, 6), (columns, 7))]
    kernel, expected = to_numpy(layer.kernel), np.zeros(y.shape)
    for i in range(rows):
        for j in range(columns):
            top, left = margin - before[0] + i * strides, margin - before[1] + j * strides
            window = wide[:, top : top + kernel_size, left : left + kernel_size]
            expected[:, i, j] = np.einsum("nhwc,hwco->no", window, kernel) + to_numpy(layer.bias)
    assert relative_error(y, expected) < 1e-5


@pytest.mark.parametrize("strides", [1, 2, 3])
@pytest.mark.parametrize("kernel_size, dilation", [(1, 1), (2, 1), (3, 1), (4, 1), (3, 2)])
def test_is_a_convolution_that_sees_the_outermost_pixels_again(kernel_size, dilation, strides):
    if strides > 1 and dilation > 1:
        return
    x, reach = random_array(2, 6, 7, 6), (kernel_size - 1) * dilation
    arguments = {"strides": strides, "dilation_rate": dilation}
    layer = OffsetConv2D(9, kernel_size, padding="edge", **arguments)
    y = layer(x)
    layer.bias.assign(random_array(9))
    wide = np.pad(x, [(0, 0), *[(reach // 2, reach - reach // 2)] * 2, (0, 0)], mode="edge")
    ordinary = keras.layers.Conv2D(9, kernel_size, **arguments)
    ordinary.build(wide.shape)
    ordinary.set_weights(layer.get_weights())
    assert relative_error(layer(x), ordinary(wide)) < 1e-6
    assert y.shape[1:3] == (-(-6 // strides), -(-7 // strides))


@pytest.mark.parametrize("size, strides", [(1, 1), (2, 1), (3, 1), (4, 2), (3, 2), (5, 2), (2, 3), (4, 4), (1, 2)])
def test_is_a_transposed_convolution_that_sees_the_outermost_pixels_again(size, strides):
    x = random_array(1, 3, 4, 6)
    layer = OffsetConv2DTranspose(3, size, strides=strides, padding="edge", use_bias=False)
    y = layer(x)
    ordinary = keras.layers.Conv2DTranspose(3, size, strides=strides, padding="same", use_bias=False)
    wide = np.pad(x, [(0, 0), (5, 5), (5, 5), (0, 0)], mode="edge")
    ordinary.build(wide.shape)
    ordinary.set_weights([layer.kernel])
    crop = slice(5 * strides, -5 * strides)
    assert relative_error(y, to_numpy(ordinary(wide))[:, crop, crop]) < 1e-5


def test_a_repeated_border_in_models_of_any_size():
    inputs = keras.Input((None, None, 3))
    x = OffsetConv2DTranspose(6, 4, strides=2, padding="edge")(OffsetConv2D(6, 3, padding="edge")(inputs))
    model = keras.Model(inputs, OffsetGroupConv2D(3, 3, "p4", padding="edge")(x))
    assert model.output_shape == (None, None, None, 4, 3)
    assert offset_error(lambda images: model.predict(images, verbose=0), random_array(2, 5, 6, 3), 3) < 1e-5
    assert model(random_array(2, 5, 6, 3)).shape == (2, 10, 12, 4, 3)
    layer = OffsetGroupConv2D(3, 3, "p4m", padding="edge")
    assert equivariance_error(layer, random_array(1, 5, 5, 3), "p4m") < 1e-5


@pytest.mark.parametrize("size, strides, padding", [(4, 2, "same"), (3, 2, "valid"), (3, 1, "same"), (4, 4, "valid")])
def test_is_a_transposed_convolution_that_sees_the_mean_beyond_the_border(size, strides, padding):
    """The interior of what an ordinary one makes of a map that goes on beyond its borders."""
    x = random_array(1, 3, 4, 6)
    layer = OffsetConv2DTranspose(3, size, strides=strides, padding=padding, use_bias=False)
    y = layer(x)
    ordinary = keras.layers.Conv2DTranspose(3, size, strides=strides, padding=padding, use_bias=False)
    wide = np.broadcast_to(spread(pooled(x, 3), x), (1, 9, 10, 6)).astype("float32").copy()
    wide[:, 3:-3, 3:-3] = x
    ordinary.build(wide.shape)
    ordinary.set_weights([layer.kernel])
    expected = to_numpy(ordinary(wide))[:, 3 * strides :, 3 * strides :][:, : y.shape[1], : y.shape[2]]
    assert relative_error(y, expected) < 1e-5
