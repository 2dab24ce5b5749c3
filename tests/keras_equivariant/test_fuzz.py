"""Random arguments for everything public: an error with a message, or something that works."""

import inspect

import keras
import numpy as np
import pytest
from convention import arguments_of
from conventions import TABLE
from fuzz import CASES, SHAPES, draw, fault, spoiled
from fuzz_table import NOT_TRIED, OTHERS
from helpers import ROOT, example_of

# Backends have errors of their own for what Keras does not check.
pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="errors of TensorFlow"),
]
# These go on to Keras as they are, which is not always friendly about them.
OF_KERAS = {*arguments_of(keras.layers.Layer), "reduction"}


def make_and_call(layer_class, arguments, x):
    return lambda: layer_class(**arguments)(x)


def test_layers():
    faults = []
    for case in range(CASES):
        rng = np.random.default_rng([1, case])
        entry = draw(rng, TABLE)
        names = sorted({*arguments_of(entry.layer), "nothing"} - OF_KERAS)
        arguments = spoiled(rng, entry.arguments, names) if rng.random() < 0.8 else entry.arguments
        x = example_of(entry.shape) if rng.random() < 0.7 else np.zeros(draw(rng, SHAPES), "float32")
        found = fault(make_and_call(entry.layer, arguments, x))
        if found:
            changed = {name: value for name, value in arguments.items() if value is not entry.arguments.get(name)}
            faults.append((entry.layer.__name__, changed, np.shape(x) if not isinstance(x, list) else "list", found))
    assert not faults, "\n".join(map(str, faults))


def test_functions_and_other_classes():
    faults = []
    for case in range(CASES):
        rng = np.random.default_rng([2, case])
        function, valid = draw(rng, OTHERS)
        taken = inspect.signature(function).parameters.values()
        names = [one.name for one in taken if one.kind is one.POSITIONAL_OR_KEYWORD and one.name not in OF_KERAS]
        arguments = spoiled(rng, valid, names)
        found = fault(lambda function=function, arguments=arguments: function(**arguments))
        if found:
            faults.append((getattr(function, "__qualname__", function), arguments, found))
    assert not faults, "\n".join(map(str, faults))


def test_everything_public_is_tried():
    lines = (ROOT / "docs" / "public_api.txt").read_text().splitlines()
    names = [line.partition("(")[0].split(".") for line in lines]
    public = {name for _, *_, module, name in names if not module[0].isupper()}  # no methods
    elsewhere = {name for _, package, *_, name in names if package in ("zoo", "training")}
    tried = {getattr(function, "__name__", "") for function, _ in OTHERS} | {entry.layer.__name__ for entry in TABLE}
    assert public - elsewhere - tried == NOT_TRIED
