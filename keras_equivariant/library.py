"""What `import keras_equivariant` brings. Whoever loads a saved model needs all of it: it registers our classes."""

from keras_equivariant import (
    activations,
    callbacks,
    constraints,
    convert,
    curvature,
    entropy,
    equivariance,
    filters,
    gradients,
    layers,
    losses,
    metrics,
    optimizers,
    planar,
    regularizers,
    sampling,
    symmetry,
)
from keras_equivariant.sampling import EquivarianceWarning
from keras_equivariant.symmetry import SymmetryGroup, get_symmetry, list_symmetries, register_symmetry
from keras_equivariant.version import __version__

__all__ = [
    "EquivarianceWarning",
    "SymmetryGroup",
    "__version__",
    "activations",
    "callbacks",
    "constraints",
    "convert",
    "curvature",
    "entropy",
    "equivariance",
    "filters",
    "get_symmetry",
    "gradients",
    "layers",
    "list_symmetries",
    "losses",
    "metrics",
    "optimizers",
    "planar",
    "register_symmetry",
    "regularizers",
    "sampling",
    "symmetry",
]
