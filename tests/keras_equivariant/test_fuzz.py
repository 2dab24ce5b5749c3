"""Random arguments for everything public: an error with a message, or something that works."""

import inspect

import keras
import numpy as np
import pytest
from convention import arguments_of
from conventions import TABLE
from fuzz import CASES, SHAPES, draw, fault, spoiled
from fuzz_table import NOT_TRIED, OTHERS, compiled
from fuzz_table import POINTS as X
from helpers import ROOT, example_of

import keras_equivariant as ke
from keras_equivariant import activations, curvature, entropy, gradients, harmonics, interpolation, transforms

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


FOUND = [
    (ke.optimizers.WeightwiseSGD, {"weight_rates": 3}, "`weight_rates` must be a dictionary"),
    (ke.optimizers.LayerwiseSGD, {"layer_rates": 3}, "`layer_rates` must be a dictionary"),
    (gradients.check_gradients, {"model": "model", "x": X, "y": X}, "`model` must be a Keras model"),
    (gradients.check_gradients, {"model": compiled(), "x": X, "y": X[1:]}, "`y` must have a target for each input"),
    (curvature.diagonal_hessian, {"model": compiled(), "x": X, "y": X, "step": False}, "`step` must be a positive"),
    (ke.metrics.check_same_shape, {"y_true": 2.0, "y_pred": X}, "`y_true` must have the shape"),
    (ke.metrics.reproduction_angular_error, {"y_true": 2.0, "y_pred": 2.0}, "`y_pred` must be colours"),
    (entropy.entropy_of_spectrum, {"eigenvalues": [1, 2], "weights": 2}, "`weights` must be one for each"),
    (harmonics.harmonics, {"points": [1, 2], "kernel_size": 3}, "`points` must be an array"),
    (harmonics.turned_harmonics, {"group": "p8", "kernel_size": 3}, "`group` must be a SymmetryGroup"),
    (interpolation.interpolate, {"image": X, "matrix": np.eye(2)}, "`image` must have 4 axes"),
    (interpolation.interpolate, {"image": X[None, None], "matrix": 2}, "`matrix` the shape"),
    (transforms.transform_array, {"array": 3, "symmetry": "p4", "element": 1}, "`feature_map` must have 5 axes"),
    (ke.constraints.warn_of_violation, {"variable": 3}, "`variable` must be one with an OffsetProjection"),
    (activations.sparsemax, {"x": [1, 2]}, "`x` must hold floating-point numbers"),
]


@pytest.mark.parametrize("function, arguments, message", FOUND)
def test_what_random_arguments_found(function, arguments, message):
    with pytest.raises(ValueError, match=f"{message}.*Received: "):
        function(**arguments)


def test_everything_public_is_tried():
    lines = (ROOT / "docs" / "public_api.txt").read_text().splitlines()
    names = [line.partition("(")[0].split(".") for line in lines]
    public = {name for _, *_, module, name in names if not module[0].isupper()}  # no methods
    elsewhere = {name for _, package, *_, name in names if package in ("zoo", "training")}
    tried = {getattr(function, "__name__", "") for function, _ in OTHERS} | {entry.layer.__name__ for entry in TABLE}
    assert public - elsewhere - tried == NOT_TRIED
