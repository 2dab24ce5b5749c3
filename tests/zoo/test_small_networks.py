import keras
import numpy as np
import pytest
from helpers import cases, random_array
from networks import create_with_random_statistics

from keras_equivariant import zoo
from keras_equivariant.equivariance import equivariance_error
from keras_equivariant.layers import CosetPooling, GridCentring2D

PARAMETERS = {"small": 69_414, "p4_small": 69_266, "p4m_small": 69_350}
SYMMETRIES = {"p4_small": "p4", "p4m_small": "p4m"}


def narrow(name, **arguments):
    return create_with_random_statistics(name, **{"filters": (3, 4, 4, 5), "features": 6, **arguments})


@pytest.mark.parametrize("name", cases(PARAMETERS, ["p4m_small"]))
def test_parameters(name):
    model = zoo.create(name)
    assert sum(np.prod(variable.shape) for variable in model.trainable_variables) == PARAMETERS[name]
    assert model.name == name
    assert model.output_shape == (None, 10)


@pytest.mark.parametrize("size", cases([8, 9, 13, 33], [8, 9]))
@pytest.mark.parametrize("name", SYMMETRIES)
def test_invariant_on_every_size(name, size):
    model = narrow(name, input_shape=(size, size, 3))
    assert equivariance_error(model, random_array(2, size, size, 3)) < 1e-5


def test_the_ordinary_network_is_not_invariant():
    images = random_array(2, 16, 16, 3)
    model = narrow("small", input_shape=images.shape[1:])
    assert equivariance_error(model, images, "p4") > 1e-3
    assert equivariance_error(narrow("p4_small", input_shape=images.shape[1:]), images, "p4m") > 1e-3


def test_other_symmetries_and_sides():
    model = narrow("p4_small", input_shape=(18, 11, 2), symmetry="pmm", classes=3, dropout=0.5)
    assert model.output_shape == (None, 3)
    assert equivariance_error(model, random_array(2, 18, 11, 2)) < 1e-5
    assert sum(isinstance(layer, keras.layers.Dropout) for layer in model.layers) == 1


def test_it_widens_before_it_pools_over_orientations():
    layers = zoo.create("p4m_small").layers
    (pooling,) = [layer for layer in layers if isinstance(layer, CosetPooling)]
    assert pooling.reduction == "max"
    assert pooling.input.shape[-2:] == (8, 64)
    assert not any(isinstance(layer, GridCentring2D) for layer in layers)  # 64 is halved without


def test_an_unknown_size_becomes_known_later():
    model = zoo.create("p4m_small", input_shape=(None, None, 3), include_top=False, filters=(3, 4))
    assert equivariance_error(model, random_array(1, 12, 12, 3)) < 1e-5


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"filters": ()}, "`filters` must be one number or more. Received"),
        ({"input_shape": (7, 9, 3)}, "nearest good sizes: a height of 8 and a width of 9. Received"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        zoo.create("p4m_small", **arguments)


def test_the_choice_of_a_network():
    assert zoo.default_model(64, 500) == ("p4m_small", {})
    assert zoo.default_model(127, 4999, "p4") == ("p4_small", {})
    assert zoo.default_model(20, 1, None) == zoo.default_model(20, 1, "p1") == ("small", {})
    for size, stages in [(128, 5), (255, 5), (256, 6), (2000, 6)]:
        name, arguments = zoo.default_model(size, 100, "p4m")
        assert zoo.create(name, **arguments, input_shape=(size, size, 3)).count_params() > PARAMETERS[name]
        assert len(arguments["filters"]) == stages
    assert zoo.default_model(64, 5000)[1] == {"filters": (12, 22, 44, 44), "features": 128}
    for arguments in [(64, 500, "p6"), (0, 500), (64, 0)]:
        with pytest.raises(ValueError, match="must be .*Received: "):
            zoo.default_model(*arguments)
