"""Random arguments for everything public: an error with a message, or something that works."""

import inspect

import keras
import numpy as np
import pytest
from convention import arguments_of
from conventions import TABLE
from fuzz import CASES, SHAPES, draw, fault, spoiled
from helpers import example_of, random_array

import keras_equivariant as ke
from keras_equivariant import entropy, sampling

# Backends have errors of their own for what Keras does not check.
pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="errors of TensorFlow"),
]
# These go on to Keras as they are, which is not always friendly about them.
OF_KERAS = {*arguments_of(keras.layers.Layer), "reduction"}
POINTS = random_array(12, 3)
OTHERS = [
    (ke.SymmetryGroup, {"name": "mine", "matrices": [[[1, 0], [0, 1]]]}),
    (ke.get_symmetry, {"name": "p4"}),
    (ke.register_symmetry, {"group": ke.get_symmetry("p4")}),
    (ke.get_symmetry("p4m").subgroup, {"name": "p4"}),
    (ke.get_symmetry("p4m").cosets, {"subgroup": "p4"}),
    (ke.get_symmetry("p4m").interior, {"size": (3, 3)}),
    (ke.get_symmetry("p4m").act_on_grid, {"element": 1, "size": (3, 3)}),
    (ke.constraints.OffsetProjection, {}),
    (ke.regularizers.EntropyRegularizer, {}),
    (ke.optimizers.LayerwiseSGD, {}),
    (ke.losses.HalvedSquaredError, {}),
    (ke.losses.SparseHalvedSquaredError, {}),
    (ke.losses.ReproductionAngularError, {}),
    (ke.metrics.ReproductionAngularError, {}),
    (ke.callbacks.DiffusionSpectralEntropy, {"inputs": POINTS}),
    (entropy.diffusion_spectral_entropy, {"x": POINTS}),
    (entropy.spectral_entropy, {"matrix": np.eye(3)}),
    (entropy.diffusion_spectral_mutual_information, {"x": POINTS, "reference": [0, 1, 2] * 4}),
    (sampling.is_centred, {"size": 5, "window": 3, "stride": 2, "padding": "same"}),
    (ke.layers.all_pairs, {"channels": 3}),
    (ke.layers.all_triplets, {"channels": 3}),
    (ke.convert.to_offset_equivariant, {"model": keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])}),
    (ke.planar.to_planar, {"model": keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])}),
    (ke.equivariance.equivariance_error, {"model": ke.layers.GroupConv2D(1, 3), "inputs": random_array(1, 5, 5, 1)}),
]


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
