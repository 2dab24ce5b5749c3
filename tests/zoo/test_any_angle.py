import numpy as np
import pytest
from helpers import cases, random_array
from networks import create_with_random_statistics

from keras_equivariant import zoo
from keras_equivariant.equivariance import equivariance_error
from keras_equivariant.layers import CosetPooling, SubgroupRestriction

PARAMETERS = {"p8_cnn": 69_786, "p16m_cnn": 121_398}
SMALL = {"filters": (2, 2, 2, 2, 2), "features": 5}


@pytest.mark.parametrize("name", cases(PARAMETERS, ["p8_cnn"]))
def test_parameters(name):
    model = zoo.create(name)
    assert sum(np.prod(variable.shape) for variable in model.trainable_variables) == PARAMETERS[name]
    assert model.output_shape == (None, 10)


@pytest.mark.parametrize("size", cases([24, 25, 28], [25]))
@pytest.mark.parametrize("name, kept, lost", [("p8_cnn", "p8", "p4m"), ("p16m_cnn", "p16", "p16m")])
def test_invariant_under_quarter_turns(name, kept, lost, size):
    images = random_array(2, size, size, 1)
    model = create_with_random_statistics(name, input_shape=images.shape[1:], **SMALL)
    assert equivariance_error(model, images, kept) < 1e-5
    assert equivariance_error(model, images, lost) > 1e-4


def test_arguments():
    model = zoo.create("p16m_cnn", symmetry="p8m", subgroup=None, dropout=0.5, classes=3, **SMALL)
    assert not any(isinstance(layer, SubgroupRestriction) for layer in model.layers)
    (pooling,) = [layer for layer in model.layers if isinstance(layer, CosetPooling)]
    assert pooling.input.shape[-2:] == (16, 5)
    assert model.output_shape == (None, 3)
    for arguments in ({"filters": (2, 2)}, {"features": 0}, {"input_shape": (23, 30, 1)}, {"symmetry": "p9"}):
        with pytest.raises(ValueError, match="Received: "):
            zoo.create("p8_cnn", **arguments)
