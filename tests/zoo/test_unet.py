import keras
import numpy as np
import pytest
from helpers import ON_TENSORFLOW, cases, predict, random_array, relative_error
from keras_equivariant.zoo.unet import paddings
from networks import create_with_random_statistics

from keras_equivariant import zoo
from keras_equivariant.equivariance import equivariance_error, transform_image
from keras_equivariant.layers import GroupConv2D
from keras_equivariant.symmetry import get_symmetry

PARAMETERS = {"unet": 550_802, "p4m_unet": 548_488}
SMALL = {"filters": 2, "depth": 2}


@pytest.mark.parametrize("name", cases(PARAMETERS, ["p4m_unet"]))
def test_parameters(name):
    model = zoo.create(name)
    assert sum(np.prod(variable.shape) for variable in model.trainable_variables) == PARAMETERS[name]
    assert model.name == name
    assert model.output_shape == (None, 128, 128, 2)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)][:-1]
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert len(convolutions) == len(norms) == (15 if name == "p4m_unet" else 14)


SIZES = cases([(8, 8), (8, 12), (10, 10), (9, 9), (7, 9), (5, 10)], [(8, 8), (7, 9)])
TURNED = [("p4m", size) for size in SIZES]
NARROWER = [("p4", SIZES[0]), ("p4", (7, 9)), ("p8", (8, 8)), ("p8", (7, 10))]


@pytest.mark.parametrize("symmetry, size", [*TURNED, *cases(NARROWER, [])])
def test_the_scores_turn_with_the_picture(symmetry, size):
    model = create_with_random_statistics("p4m_unet", **SMALL, symmetry=symmetry, input_shape=(*size, 3))
    x = random_array(2, *size, 3)
    scores = predict(model, x)
    assert scores.shape == (2, *size, 2)
    assert scores.std() > 1e-3
    lying = zoo.create("p4m_unet", **SMALL, symmetry=symmetry, input_shape=(*size[::-1], 3))
    lying.set_weights(model.get_weights())
    for element in get_symmetry(symmetry).exact_elements.tolist():
        moved = transform_image(x, symmetry, element)
        found = predict(model if moved.shape == x.shape else lying, moved)
        assert relative_error(found, transform_image(scores, symmetry, element)) < 1e-5


@pytest.mark.parametrize("symmetry", ["p4m", "p4", "p8"])
@pytest.mark.parametrize("size", [(12, 12), (11, 11)])
def test_in_64_bits(size, symmetry, tensorflow_backend):
    keras.config.set_dtype_policy("float64")
    try:
        model = create_with_random_statistics("p4m_unet", **SMALL, symmetry=symmetry, input_shape=(*size, 3))
    finally:
        keras.config.set_dtype_policy("float32")
    assert equivariance_error(model, random_array(1, *size, 3, dtype="float64"), symmetry) < 1e-12


def test_the_ordinary_network_does_not_turn(once):
    model = create_with_random_statistics("unet", **SMALL, input_shape=(16, 16, 3))
    assert equivariance_error(model, random_array(2, 16, 16, 3), "p4") > 1e-2
    model = create_with_random_statistics("p4m_unet", **SMALL, symmetry="p4", input_shape=(16, 16, 3))
    assert equivariance_error(model, random_array(2, 16, 16, 3), "p4m") > 1e-2


@pytest.mark.parametrize("symmetry", cases(["p4m", "p4", "p8"], ["p4m"]))
def test_free_sizes(symmetry):
    arguments = {**SMALL, "symmetry": symmetry}
    free = create_with_random_statistics("p4m_unet", **arguments, input_shape=(None, None, 1))
    assert free.output_shape == (None, None, None, 2)
    for size in [(8, 12), (16, 4)]:
        fixed = zoo.create("p4m_unet", **arguments, input_shape=(*size, 1))
        fixed.set_weights(free.get_weights())
        x = random_array(2, *size, 1)
        assert relative_error(predict(free, x), predict(fixed, x)) < 1e-6
    x = random_array(1, 8, 12, 1)
    for element in get_symmetry(symmetry).exact_elements.tolist():
        expected = transform_image(predict(free, x), symmetry, element)
        assert relative_error(predict(free, transform_image(x, symmetry, element)), expected) < 1e-5


def test_an_odd_side_is_padded_in_two_ways():
    """The mean of the network's scores for both, each cropped to the picture."""
    model = create_with_random_statistics("p4m_unet", **SMALL, input_shape=(15, 12, 3))
    inner = zoo.create("p4m_unet", **SMALL, input_shape=(16, 12, 3))
    inner.set_weights(model.get_weights())
    x = random_array(1, 15, 12, 3)
    above = predict(inner, np.pad(x, [(0, 0), (1, 0), (0, 0), (0, 0)]))[:, 1:]
    below = predict(inner, np.pad(x, [(0, 0), (0, 1), (0, 0), (0, 0)]))[:, :-1]
    assert relative_error(predict(model, x), (above + below) / 2) < 1e-5
    assert relative_error(above, below) > 1e-3


@pytest.mark.parametrize("size", range(1, 18))
def test_paddings(size):
    ways = paddings(size, 8)
    assert len(ways) == 1 + size % 2
    for before, behind in ways:
        assert 0 <= before <= 8 and 0 <= behind <= 8
        assert (before + size + behind) % 8 == 0 and before + behind < 8
        assert (behind, before) in ways


def test_filters_depth_and_classes():
    widths = [
        layer.filters for layer in zoo.create("unet", filters=(3, 5, 4), depth=2).layers if hasattr(layer, "filters")
    ]
    assert widths == [3, 3, 5, 5, 4, 4, 5, 5, 3, 3, 2]
    doubled = zoo.create("p4m_unet", filters=2, depth=3, classes=5, symmetry="p4", input_shape=(8, 8, 1))
    widths = [layer.filters for layer in doubled.layers if isinstance(layer, GroupConv2D)]
    assert widths == [2, 2, 4, 4, 8, 8, 16, 16, 8, 8, 4, 4, 2, 2, 4]  # the last one before the mean
    assert doubled.output_shape == (None, 8, 8, 5)
    assert [layer.reduction for layer in doubled.layers if hasattr(layer, "reduction")] == ["mean"]


@pytest.mark.parametrize(
    "arguments", [{"depth": 0}, {"filters": 0}, {"filters": (3, 4)}, {"filters": (3, 0, 4, 4)}, {"classes": 0}]
)
def test_bad_arguments(arguments):
    with pytest.raises(ValueError, match="`classes` .*Received: classes="):
        zoo.create("p4m_unet", **arguments)


@pytest.mark.parametrize("kernel_size", [0, 2])
def test_a_kernel_without_a_centre(kernel_size):
    with pytest.raises(ValueError, match="`kernel_size` must be a positive odd number. Received: kernel_size="):
        zoo.create("p4m_unet", kernel_size=kernel_size)


def test_kernel_sizes(once):
    for symmetry, given, expected in (("p4m", None, 3), ("p4", 5, 5), ("p8", None, 5), ("p8", 7, 7)):
        model = zoo.create("p4m_unet", **SMALL, input_shape=(8, 8, 1), symmetry=symmetry, kernel_size=given)
        sizes = {layer.kernel_size for layer in model.layers if isinstance(layer, GroupConv2D)}
        assert sizes == {(expected, expected), (1, 1)}


def test_saving(tmp_path):
    model = create_with_random_statistics("p4m_unet", **SMALL, input_shape=(11, 8, 3))
    model.save(tmp_path / "model.keras")
    x = random_array(2, 11, 8, 3)
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(predict(again, x), predict(model, x))


def test_it_learns(tensorflow_backend):
    """A few steps on one batch: pixels brighter than their picture's mean."""
    keras.utils.set_random_seed(0)
    model = zoo.create("p4m_unet", filters=2, depth=1, input_shape=(8, 8, 1))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.03), loss, run_eagerly=ON_TENSORFLOW)  # for a few steps quicker than a graph
    x = random_array(4, 8, 8, 1)
    y = (x[..., 0] > 0).astype("int32")
    losses = [float(model.train_on_batch(x, y)) for _ in range(12)]
    assert losses[-1] < 0.5 * losses[0]
