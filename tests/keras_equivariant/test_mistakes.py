"""What people get wrong most often, tried on everything public: an error that says so, and never one of a backend."""

import inspect

import keras
import numpy as np
import pytest
from convention import arguments_of
from conventions import TABLE
from helpers import cases, example_of, random_array
from mistakes import complaint

from keras_equivariant import (
    SymmetryGroup,
    activations,
    advice,
    callbacks,
    choices,
    constraints,
    convert,
    curvature,
    entropy,
    equivariance,
    get_symmetry,
    layers,
    losses,
    metrics,
    optimizers,
    planar,
    register_symmetry,
    regularizers,
    transforms,
    zoo,
)

pytestmark = pytest.mark.filterwarnings("ignore")


# 1 a string for a number, 2 None, 3 zero, 4 a negative number, 5 a fraction, 6 a list for a number, 7 not a number
NUMBERS = ("8", None, 0, -1, 2.5, [1, 2, 3, 4, 5], float("nan"))


# 8 a list of the wrong length, 9 of the wrong numbers
SIZES = ("3", 0, -1, 2.5, (2, 2, 2, 2), (2, 0, 2), (-1, -1), ("3", "3", "3", "3"))


# 10 an unknown symmetry, 11 a number or a list for its name, 12 a group of another dimension or none of these
SYMMETRIES = ("p5", "P4", "d4", "", 4, ["p4"])


CHOICES = ("nonsense", 3, ["same"])  # 13 an unknown padding, reduction or way to compute


GROUPS = ("2", None, 0, -1, 2.5, (1,), ("a", "b"), (-1, 1))


MISTAKES = {
    **dict.fromkeys(["filters", "units", "pieces", "depth_multiplier"], NUMBERS),
    **dict.fromkeys(["kernel_size", "pool_size"], (*SIZES, None)),
    **dict.fromkeys(["strides", "dilation_rate"], SIZES),
    **dict.fromkeys(["size", "n"], ("8", 0, -1, 2.5, (1, 2, 3, 4, 5))),
    **dict.fromkeys(["symmetry", "input_subgroup", "output_subgroup", "subgroup"], SYMMETRIES),
    **dict.fromkeys(["padding", "scope", "projection", "implementation", "interpolation", "mixing"], CHOICES),
    **dict.fromkeys(["reduction"], CHOICES),
    **dict.fromkeys(["feature_groups"], GROUPS),
    **dict.fromkeys(["output_groups", "shortcut_groups"], [value for value in GROUPS if value is not None]),
    "groups": NUMBERS,
    "data_format": ("channels_first", "last", 1),  # 14 channels first
    "activation": ("rellu", 3),  # 15 an activation, an initialiser, ... that Keras has not
    "kernel_initializer": ("he", 3),
    "kernel_regularizer": ("l3",),
    "bias_constraint": ("positive",),
    "momentum": ("0.9", None, -1, 2, float("nan")),
    "epsilon": ("0.1", None, 0, -1, float("nan")),
    "spacing": ("1", 0, -1),
    "saturation": ("1", None, -1, 2),
    "blur": ("1", -1, (1, 2)),
    "coefficients": ("1", [], [1, 2, 3], ["a", "b"]),
    "region": ("0", [], [9], [-1], 3, [0.5]),
    "connection_table": ([], [[]], [[-1]], "all", 3, None, [[0.5]]),
    "output_padding": ("1", -1, 0.5, (1, 1, 1, 1)),
    "layer": (None, "conv", 3),
    "dtype": ("float31", 3),
    "name": (3,),
    "nothing": (1,),  # 16 an argument that there is not
}


@pytest.mark.parametrize("entry", TABLE, ids=lambda entry: entry.layer.__name__)
def test_arguments_of_layers(entry):
    x = example_of(entry.shape)
    complaints = {}
    for name in {*arguments_of(entry.layer), "nothing"} & set(MISTAKES):
        for value in MISTAKES[name]:
            arguments = {**entry.arguments, name: value}
            found = complaint(lambda arguments=arguments: entry.layer(**arguments)(x))
            if found:
                complaints[name, repr(value)] = found
    assert complaints == {}


def wrong_inputs(shape):
    """17 no tensor, several for one or one for several; 18 integers and text; 19 the wrong number of axes."""
    if isinstance(shape, list):
        arrays = [np.zeros(one, "float32") for one in shape]
        return {
            "nothing": None,
            "one": arrays[0],
            "nothing in it": [None] * len(arrays),
            "integers": [array.astype("uint8") for array in arrays[:1]] * len(arrays),
            "text": [np.full(one, "a") for one in shape],
        }
    x = np.zeros(shape, "float32")
    return {"nothing": None, "two": [x, x], "a tuple": (x, x, x), "text": np.full(shape, "a"), "a word": "image"}


# Layers that compute with whole numbers too, or leave it to Keras to convert them.
OF_INTEGERS = {
    entry.layer.__name__
    for entry in TABLE
    if getattr(entry.layer, "_kinds_of_numbers", ("float",)) != ("float",)
    or entry.layer.__name__ == "OffsetConcatenate"
}


@pytest.mark.parametrize("entry", TABLE, ids=lambda entry: entry.layer.__name__)
def test_inputs_of_layers(entry):
    layer = entry.layer(**entry.arguments)
    inputs = wrong_inputs(entry.shape)
    if isinstance(entry.shape, list) and entry.layer.__name__ in OF_INTEGERS:
        inputs = {name: inputs[name] for name in ("nothing", "one")}
    elif entry.layer.__name__ not in OF_INTEGERS and not isinstance(entry.shape, list):
        inputs["integers"] = np.zeros(entry.shape, "uint8")
    if getattr(layer, "input_spec", None) is not None and not isinstance(entry.shape, list):
        inputs["one axis"] = np.zeros(3, "float32")
    complaints = {name: complaint(lambda x=x: layer(x)) for name, x in inputs.items()}
    assert {name: found for name, found in complaints.items() if found} == {}


OF_NETWORKS = {
    **dict.fromkeys(["classes", "units", "features", "bottleneck", "estimates", "growth_rate"], NUMBERS),
    "filters": ("8", None, 0, -1, 2.5),
    "blocks": ("1", None, -1, 1.5),
    "depth": ("2", None, 0, -1, 2.5),
    "widen_factor": ("1", None, 0, -1),
    **dict.fromkeys(["dropout", "input_dropout"], ("0.5", None, -1, 1.5)),
    # 20 a shape without its channels, with the batch, of text or of no pixels
    "input_shape": (None, 32, (32, 32), (1, 32, 32, 3), ("32", 32, 3), (0, 32, 3), (-1, 32, 3), (32.5, 32, 3), "32x32"),
    "symmetry": ("p5", 4, ["p4"]),
    **dict.fromkeys(["head", "downsampling", "padding", "widths", "mixing"], ("nonsense", 3)),
    "nothing": (1,),
}


SOME = ["p4cnn", "p4m_small", "p4m_resnet18", "p4_offset_resnet20", "offset_color_cerberus", "p4m_densenet"]


@pytest.mark.parametrize("name", cases(zoo.list_models(), SOME))
def test_networks(name):
    complaints = {}
    taken = inspect.signature(zoo.get_builder(name)).parameters
    for argument in {*taken, "nothing"} & set(OF_NETWORKS):
        for value in OF_NETWORKS[argument]:
            found = complaint(lambda argument=argument, value=value: zoo.create(name, **{argument: value}))
            if found:
                complaints[argument, repr(value)] = found
    assert complaints == {}


def convolutional():
    return keras.Sequential([keras.Input((9, 9, 3)), keras.layers.Conv2D(3, 3), keras.layers.GlobalMaxPooling2D()])


def dense():
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])


X = random_array(2, 9, 9, 3)


MAP = random_array(1, 4, 4, 4, 2)


P4M = get_symmetry("p4m")


NO_MODELS = [(None,), ("model",), (3,)]


FUNCTIONS = {
    "create": (zoo.create, [("p5cnn",), ("P4CNN",), ("",), (None,), (3,)]),
    "weights": (
        lambda weights: zoo.create("p4cnn", weights=weights, filters=2),
        [("imagenet",), ("absent.keras",), (3,)],
    ),
    "list_models": (zoo.list_models, [(None,), (3,)]),
    "list_weights": (zoo.list_weights, [(3,)]),
    "get_card": (zoo.get_card, [("p4cnn", "imagenet"), (3, 3)]),
    "get_symmetry": (get_symmetry, [(value,) for value in (*SYMMETRIES, None)]),
    "register_symmetry": (register_symmetry, [("p4",), (None,), (np.eye(2),)]),
    "SymmetryGroup": (
        SymmetryGroup,
        [
            *[(name, [[[1, 0], [0, 1]]]) for name in (3, "")],
            *[("mine", value) for value in ("p4", None, [], [[1, 0], [0, 1]], [[[1.5, 0], [0, 1]]], [[["x", 0]]])],
        ],
    ),
    "subgroup": (P4M.subgroup, [("p3",), ("p5",), (3,), (None,)]),
    "cosets": (P4M.cosets, [("p3",), ("p5",), (3,)]),
    "act_on_grid": (
        P4M.act_on_grid,
        [
            (9, (3, 3)),
            (-1, (3, 3)),
            ("1", (3, 3)),
            (1.5, (3, 3)),
            (1, 3),
            (1, None),
            (1, (3,)),
            (1, ("3", 3)),
            (1, (0, 0)),
        ],
    ),
    "transform_image": (
        transforms.transform_image,
        [(X, "p5", 1), (X, None, 1), (X, "p4", 9), (X, "p4", -1), (X, "p4", "1"), (X[0], "p4", 1), (None, "p4", 1)],
    ),
    "transform_feature_map": (
        transforms.transform_feature_map,
        [(X, "p4", 1), (MAP, "p5", 1), (MAP, "p4", 9), (MAP, "p4m", 1), (MAP, "p4", 1, "p3")],
    ),
    "to_planar": (
        planar.to_planar,
        [*NO_MODELS, (dense,), (keras.Model,), (keras.Sequential([keras.layers.Dense(3)]),)],
    ),
    "to_offset_equivariant": (
        convert.to_offset_equivariant,
        [*NO_MODELS, *[(dense(), value) for value in ("3", 0, -1, 2.5, None, 5)]],
    ),
    "to_group_equivariant": (
        convert.to_group_equivariant,
        [
            *[(model, "p4") for (model,) in NO_MODELS],
            *[(convolutional(), value) for value in (*SYMMETRIES, None, "C4")],
        ],
    ),
    "equivariance_error": (
        equivariance.equivariance_error,
        [
            *[(model, X) for (model,) in NO_MODELS],
            *[(layers.GroupConv2D(1, 3), value) for value in (None, "x", X[0], X[:0], X.astype("uint8"))],
            *[(layers.GroupConv2D(1, 3), X, value) for value in ("p5", 4, ["p4"], "C4")],
            *[(convolutional(), X[..., :1], "p4"), (convolutional(), X)],
        ],
    ),
    "equivariance_report": (
        equivariance.equivariance_report,
        [*[(model, X) for (model,) in NO_MODELS], *[(convolutional(), value) for value in (None, "x", X[0])]],
    ),
    "project_constraints": (constraints.project_constraints, NO_MODELS),
    "constraint_violations": (constraints.constraint_violations, NO_MODELS),
    "OffsetProjection": (constraints.OffsetProjection, [("3",), (0,), (-1,), (2.5,), (None,)]),
    "DiffusionSpectralEntropy": (callbacks.DiffusionSpectralEntropy, [(None,), ("x",), (X[0, 0, 0],), (X[:0],)]),
    "implementation_report": (choices.implementation_report, NO_MODELS),
    "check_model": (advice.check_model, NO_MODELS),
    "check_layer": (advice.check_layer, [(None, X), ("conv", X), (keras.layers.Dense(3), None)]),
    "diagonal_hessian": (curvature.diagonal_hessian, [*[(model, X, X) for (model,) in NO_MODELS], (dense(), X, X)]),
    "lecun_rates": (curvature.lecun_rates, [(None,), ("x",), ({}, "1"), ({}, -1)]),
    "diffusion_spectral_entropy": (
        entropy.diffusion_spectral_entropy,
        [(None,), ("x",), (3,), (X[:0],), (np.full((3, 2), np.nan),), (random_array(5, 3), "1")],
    ),
    "mutual_information": (
        entropy.diffusion_spectral_mutual_information,
        [(random_array(5, 3), None), (random_array(5, 3), [1, 2]), (None, [1])],
    ),
    "LayerwiseSGD": (optimizers.LayerwiseSGD, [("0.1",), (None,)]),
    "CrossentropyAndDice": (losses.CrossentropyAndDice, [("1",), (0.5,), (True,)]),
    "IntersectionOverUnion": (metrics.IntersectionOverUnion, [(value,) for value in NUMBERS]),
    "Dice": (metrics.Dice, [(value,) for value in NUMBERS]),
    "AveragePrecision": (metrics.AveragePrecision, [("0.5",), (0.5,), ([],), ([2],), ([-1],), (["0.5"],)]),
    "ScaledTanh": (activations.ScaledTanh, [("1",), (None,), (0,), (-1,)]),
    "Logistic": (activations.Logistic, [("1",), (None,), (0,), (-1,)]),
    "EntropyRegularizer": (regularizers.EntropyRegularizer, [("1",), (None,), (-1,)]),
    "all_pairs": (layers.all_pairs, [(value,) for value in NUMBERS]),
    "all_triplets": (layers.all_triplets, [(value,) for value in NUMBERS]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    function, mistakes = FUNCTIONS[name]
    complaints = {}
    for arguments in mistakes:
        found = complaint(lambda arguments=arguments: function(*arguments))
        if found:
            complaints[tuple(repr(one)[:60] for one in arguments)] = found
    assert complaints == {}
