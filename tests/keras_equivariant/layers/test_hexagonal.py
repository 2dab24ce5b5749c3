import keras
import numpy as np
import pytest
from helpers import DTYPES, TOLERANCES, cases, check_layer, random_array, randomise, relative_error, to_numpy

from keras_equivariant.equivariance import equivariance_error
from keras_equivariant.layers import CosetPooling, GroupConv2D, HexagonalMask2D, HexagonalResampling2D
from keras_equivariant.symmetry import get_symmetry


def positions(size, spacing):
    """Where the cells of an axial array lie, in pixels from the centre of the image, y up."""
    row, column = np.indices((size, size)) - (size - 1) / 2
    return spacing * (column + row / 2), -spacing * row * np.sqrt(3) / 2


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape, size, spacing", [((9, 9), 9, None), ((8, 11), 7, None), ((9, 8), 5, 1.3)])
def test_resampling_is_exact_on_linear_images(shape, size, spacing, dtype):
    height, width = shape
    y, x = (height - 1) / 2 - np.arange(height)[:, None], np.arange(width) - (width - 1) / 2
    image = (1 + 2 * x - 3 * y)[None, ..., None].astype(dtype)
    resampled = to_numpy(HexagonalResampling2D(size, spacing, dtype=dtype)(image))[0, ..., 0]
    at_x, at_y = positions(size, spacing or (min(shape) - 1) / (size - 1))
    inside = (abs(at_x) < (width - 1) / 2 + 1e-6) & (abs(at_y) < (height - 1) / 2 + 1e-6)
    assert relative_error(resampled[inside], (1 + 2 * at_x - 3 * at_y)[inside]) < TOLERANCES[dtype]
    assert (resampled[~inside] == 0).all()
    hexagon = get_symmetry("p6").interior((size, size))
    assert (inside | ~hexagon).all(), "the image covers the hexagon"


def test_resampling_keeps_the_symmetries_that_squares_and_hexagons_share():
    image = random_array(2, 8, 8, 3)
    mask = get_symmetry("p6m").interior((9, 9))[..., None]
    resample = HexagonalResampling2D(9)
    y = to_numpy(resample(image)) * mask
    from keras_equivariant.equivariance import transform_image

    for turned, element in [(image[:, ::-1, ::-1], 3), (image[:, :, ::-1], 6), (image[:, ::-1], 9)]:
        moved = transform_image(y, "p6m", element)
        assert relative_error(to_numpy(resample(turned)) * mask, moved) < 1e-5


def test_the_hexagon_and_its_mask():
    x = random_array(2, 5, 5, 3)
    y = HexagonalMask2D()(x)
    hexagon = get_symmetry("p6").interior((5, 5))
    np.testing.assert_array_equal(to_numpy(y), x * hexagon[..., None])
    np.testing.assert_array_equal(to_numpy(y._keras_mask), np.broadcast_to(hexagon, (2, 5, 5)))
    y = HexagonalMask2D()(random_array(2, 5, 5, 6, 3))
    np.testing.assert_array_equal(to_numpy(y._keras_mask), np.broadcast_to(hexagon[..., None], (2, 5, 5, 6)))


@pytest.mark.parametrize("symmetry", cases(["p3", "p6", "p6m"], ["p6"]))
def test_batch_norm_counts_the_cells_of_the_hexagon_alone(symmetry):
    orientations = get_symmetry(symmetry).order
    x = 3 + random_array(4, 5, 5, orientations, 2)
    inputs = keras.Input(x.shape[1:])
    normalise = keras.layers.BatchNormalization(momentum=0.0)
    model = keras.Model(inputs, normalise(HexagonalMask2D()(inputs)))
    model(x, training=True)
    inside = x[:, get_symmetry(symmetry).interior((5, 5))].reshape(-1, 2)
    assert relative_error(normalise.moving_mean, inside.mean(axis=0)) < 1e-5
    assert relative_error(normalise.moving_variance, inside.var(axis=0)) < 1e-4


def hexagonal_network(symmetry, dtype):
    layers = [HexagonalMask2D(dtype=dtype)]
    for _ in range(2):
        layers += [
            GroupConv2D(3, 3, symmetry, padding="same", dtype=dtype),
            HexagonalMask2D(dtype=dtype),
            keras.layers.BatchNormalization(dtype=dtype),
            keras.layers.ReLU(dtype=dtype),
            HexagonalMask2D(dtype=dtype),
        ]
    return layers


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("symmetry", cases(["p3", "p6", "p6m"], ["p6"]))
@pytest.mark.parametrize("training", [False, True])
def test_a_network_is_exact_under_all_turns_of_a_hexagonal_patch(symmetry, training, dtype):
    if dtype == "float64" and keras.config.backend() != "tensorflow":
        pytest.skip("stock batch normalisation computes in float64 on TensorFlow only")
    x = random_array(2, 9, 9, 3, dtype=dtype) * get_symmetry("p6").interior((9, 9))[..., None]
    inputs = keras.Input((9, 9, 3), dtype=dtype)
    y = inputs
    for layer in hexagonal_network(symmetry, dtype):
        y = layer(y)
    model = keras.Model(inputs, y)
    randomise(model)
    error = equivariance_error(lambda x: model(x.astype(dtype), training=training), x, symmetry)
    assert error < TOLERANCES[dtype]
    scores = keras.layers.GlobalMaxPooling2D(dtype=dtype)(CosetPooling(symmetry, dtype=dtype)(y))
    model = keras.Model(inputs, scores)
    assert equivariance_error(lambda x: model(x.astype(dtype), training=training), x, symmetry) < TOLERANCES[dtype]


def test_without_the_mask_it_is_not_exact():
    x = random_array(2, 9, 9, 3) * get_symmetry("p6").interior((9, 9))[..., None]
    layer = keras.Sequential([GroupConv2D(3, 3, "p6", padding="same"), GroupConv2D(3, 3, "p6", padding="same")])
    hexagon = get_symmetry("p6").interior((9, 9))[..., None, None]
    assert equivariance_error(lambda x: to_numpy(layer(x)) * hexagon, x, "p6") > 1e-3


@pytest.mark.parametrize("layer", [HexagonalMask2D(), HexagonalResampling2D(5)])
def test_integers(layer):
    x = np.random.default_rng(0).integers(0, 256, (2, 5, 5, 3)).astype("uint8")
    np.testing.assert_array_equal(to_numpy(layer(x)), to_numpy(layer(x.astype("float32"))))


def test_another_size_after_it_is_built():
    layer = HexagonalMask2D()
    layer(random_array(1, 5, 5, 3))
    with pytest.raises(ValueError, match="expected axis 1 of input shape to have value 5"):
        layer(random_array(1, 7, 7, 3))


def test_layer_conventions(once):
    check_layer(HexagonalMask2D, {}, (2, 5, 5, 6, 3))


@pytest.mark.parametrize(
    "layer, arguments, shape, message",
    [
        (HexagonalResampling2D, {"size": 4}, (1, 8, 8, 3), "`size` must be an odd int.*Received: size=4"),
        (HexagonalResampling2D, {"size": 5, "spacing": 0}, (1, 8, 8, 3), "Received: spacing=0"),
        (HexagonalResampling2D, {"size": 5}, (1, 8, 8, 4, 3), "needs images.*Received: input_shape="),
        (HexagonalMask2D, {}, (1, 8, 8, 3), "of odd size n.*Received: input_shape="),
        (HexagonalMask2D, {}, (1, 7, 5, 3), "Received: input_shape="),
        (HexagonalMask2D, {}, (2, 3), "of odd size n.*Received: input_shape="),
        (HexagonalMask2D, {}, (1, 7, 7), "Received: input_shape="),
    ],
)
def test_bad_arguments(layer, arguments, shape, message):
    with pytest.raises(ValueError, match=message):
        layer(**arguments)(random_array(*shape))
