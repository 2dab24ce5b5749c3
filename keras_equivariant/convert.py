"""Ordinary Keras models turned into equivariant ones."""

from keras_equivariant.convert_graph import exact_sizes
from keras_equivariant.convert_group import to_group_equivariant
from keras_equivariant.convert_offset import to_offset_equivariant

__all__ = ["exact_sizes", "to_group_equivariant", "to_offset_equivariant"]
