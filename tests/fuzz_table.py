"""All public functions and classes that are no layers, each with arguments that are right."""

import keras
import numpy as np
from helpers import random_array

import keras_equivariant as ke
from keras_equivariant import (
    activations,
    advice,
    choices,
    curvature,
    entropy,
    gradients,
    harmonics,
    interpolation,
    sampling,
    transforms,
)

POINTS = random_array(12, 3)
NUMBERS = [0, 1, 2] * 4
MATRIX = entropy.diffusion_matrix(POINTS)
PICTURES = random_array(1, 5, 5, 1)


def _dense():
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])


def compiled():
    model = _dense()
    model.compile("sgd", "mse")
    return model


def _convolution():
    return keras.Sequential([keras.Input((9, 9, 1)), keras.layers.Conv2D(2, 3), keras.layers.GlobalMaxPooling2D()])


_GROUP = ke.layers.GroupConv2D(1, 3)
_LABELLED = {"x": POINTS, "reference": NUMBERS}
_PROJECTION = keras.Sequential([keras.Input((5, 5, 3)), ke.layers.OffsetConv2D(3, 3)])

OTHERS = [
    (ke.SymmetryGroup, {"name": "mine", "matrices": [[[1, 0], [0, 1]]]}),
    (ke.get_symmetry, {"name": "p4"}),
    (ke.list_symmetries, {}),
    (ke.register_symmetry, {"group": ke.get_symmetry("p4")}),
    (ke.symmetry.rotations, {"turns": 4}),
    (ke.get_symmetry("p4m").subgroup, {"name": "p4"}),
    (ke.get_symmetry("p4m").cosets, {"subgroup": "p4"}),
    (ke.get_symmetry("p4m").interior, {"size": (3, 3)}),
    (ke.get_symmetry("p4m").act_on_grid, {"element": 1, "size": (3, 3)}),
    (ke.get_symmetry("p4m").act_on_cosets, {"subgroup": "p4"}),
    (ke.get_symmetry("p4m").permutes_axes, {"element": 1}),
    (activations.Logistic, {}),
    (activations.ScaledTanh, {}),
    (activations.sparsemax, {"x": POINTS}),
    (advice.check_layer, {"layer": _GROUP, "inputs": PICTURES}),
    (advice.check_model, {"model": _convolution()}),
    (choices.implementation_report, {"model": _convolution()}),
    (ke.constraints.OffsetProjection, {}),
    (ke.constraints.constraint_violations, {"model": _PROJECTION}),
    (ke.constraints.project_constraints, {"model": _PROJECTION}),
    (ke.constraints.warn_of_violation, {"variable": _PROJECTION.layers[0].kernel}),
    (ke.regularizers.EntropyRegularizer, {}),
    (ke.optimizers.LayerwiseSGD, {}),
    (ke.optimizers.WeightwiseSGD, {}),
    (ke.optimizers.RatedSGD, {}),
    (ke.losses.HalvedSquaredError, {}),
    (ke.losses.SparseHalvedSquaredError, {}),
    (ke.losses.ReproductionAngularError, {}),
    (ke.losses.CrossentropyAndDice, {}),
    (ke.metrics.ReproductionAngularError, {}),
    (ke.metrics.AveragePrecision, {}),
    (ke.metrics.IntersectionOverUnion, {"num_classes": 3}),
    (ke.metrics.Dice, {"num_classes": 3}),
    (ke.metrics.reproduction_angular_error, {"y_true": POINTS, "y_pred": POINTS}),
    (ke.metrics.check_same_shape, {"y_true": POINTS, "y_pred": POINTS}),
    (ke.callbacks.DiffusionSpectralEntropy, {"inputs": POINTS}),
    (ke.callbacks.ProjectConstraints, {}),
    (entropy.diffusion_spectral_entropy, {"x": POINTS}),
    (entropy.spectral_entropy, {"matrix": MATRIX}),
    (entropy.diffusion_spectral_mutual_information, _LABELLED),
    (entropy.diffusion_matrix, {"x": POINTS}),
    (entropy.median_bandwidth, {"x": POINTS}),
    (entropy.exact_spectrum, {"matrix": MATRIX}),
    (entropy.approximate_spectrum, {"matrix": MATRIX}),
    (entropy.entropy_of_spectrum, {"eigenvalues": [1.0, 0.5]}),
    (entropy.cluster_reference, {"reference": POINTS}),
    (entropy.binned_shannon_entropy, {"x": POINTS}),
    (entropy.binned_shannon_mutual_information, _LABELLED),
    (entropy.DiffusionSpectralEntropyRegularizer, {}),
    (sampling.is_centred, {"size": 5, "window": 3, "stride": 2, "padding": "same"}),
    (ke.layers.all_pairs, {"channels": 3}),
    (ke.layers.all_triplets, {"channels": 3}),
    (ke.layers.lenet5_table, {}),
    (ke.convert.to_offset_equivariant, {"model": _dense()}),
    (ke.convert.to_group_equivariant, {"model": _convolution()}),
    (ke.convert.exact_sizes, {"model": _convolution(), "sizes": [8, 9]}),
    (ke.planar.to_planar, {"model": _dense()}),
    (ke.equivariance.equivariance_error, {"model": _GROUP, "inputs": PICTURES}),
    (ke.equivariance.equivariance_report, {"model": _convolution(), "inputs": random_array(1, 9, 9, 1)}),
    (interpolation.interpolate, {"image": PICTURES[0, ..., 0], "matrix": np.eye(2)}),
    (interpolation.turning_errors, {"model": _GROUP, "inputs": PICTURES, "symmetry": "p4"}),
    (transforms.transform_image, {"image": PICTURES, "symmetry": "p4", "element": 1}),
    (transforms.transform_array, {"array": random_array(3, 3), "symmetry": "p4", "element": 1}),
    (transforms.transform_feature_map, {"feature_map": random_array(1, 3, 3, 4, 1), "symmetry": "p4", "element": 1}),
    (harmonics.harmonics, {"points": random_array(4, 2), "kernel_size": 3}),
    (harmonics.number_of_functions, {"kernel_size": 3}),
    (harmonics.rings, {"kernel_size": 3}),
    (harmonics.turned_harmonics, {"group": ke.get_symmetry("p8"), "kernel_size": 3}),
    (curvature.diagonal_hessian, {"model": compiled(), "x": POINTS, "y": POINTS}),
    (curvature.lecun_rates, {"curvatures": {"kernel": np.ones(3)}}),
    (gradients.check_gradients, {"model": compiled(), "x": POINTS, "y": POINTS, "samples": 2}),
]
# Warnings, what a function returns, and what others are made of.
NOT_TRIED = {"ConstraintWarning", "EquivarianceWarning", "ApproximateSpectrum", "GradientReport", "LayerGradients"}
NOT_TRIED |= {"GradientRecorder", "ModelCopy", "floatx", "precision"}
