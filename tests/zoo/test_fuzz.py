"""Random arguments for the networks of the zoo: an error with a message, or a network."""

import inspect

import keras
import numpy as np
import pytest
from fuzz import CASES, draw, fault, spoiled
from networks import arguments_of_small

from keras_equivariant import zoo

# Backends have errors of their own for what Keras does not check.
pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="errors of TensorFlow"),
]
WEIGHTS = ("rotated_mnist", "stars", "", ".", "\0", "x" * 300, 3, ["rotated_mnist"], zoo.pretrained.FOLDER)
SHAPES = ((16, 16, 3), (13, 8, 1), (33, 33, 3), (28, 28, 1), (None, None, 3), (7, 7, 7), (1, 1, 1), (0, 0, 3), (16, 16))


def random_call(case):
    rng = np.random.default_rng([5, case])
    name = draw(rng, zoo.list_models())
    builder = zoo.get_builder(name)
    names = [*inspect.signature(builder).parameters, "nothing"]
    arguments = spoiled(rng, arguments_of_small(name), names)
    if rng.random() < 0.3:
        arguments["input_shape"] = draw(rng, SHAPES)
    if rng.random() < 0.3:
        return name, builder, arguments
    if rng.random() < 0.3:
        arguments["weights"] = draw(rng, WEIGHTS)
    if rng.random() < 0.2:
        arguments["include_top"] = draw(rng, (False, True, "no", None))
    return name, lambda **given: zoo.create(name, **given), arguments


def test_networks():
    faults = []
    for case in range(CASES):
        name, build, arguments = random_call(case)
        found = fault(lambda build=build, arguments=arguments: build(**arguments))
        if found:
            faults.append((name, arguments, found))
    assert not faults, "\n".join(map(str, faults))
