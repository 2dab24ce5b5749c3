"""Keras layers and models that respect symmetries."""

from keras_equivariant import callbacks, constraints, entropy, equivariance, filters, layers, symmetry
from keras_equivariant.symmetry import SymmetryGroup, get_symmetry, list_symmetries, register_symmetry
from keras_equivariant.version import __version__

__all__ = [
    "SymmetryGroup",
    "__version__",
    "callbacks",
    "constraints",
    "entropy",
    "equivariance",
    "filters",
    "get_symmetry",
    "layers",
    "list_symmetries",
    "register_symmetry",
    "symmetry",
]
