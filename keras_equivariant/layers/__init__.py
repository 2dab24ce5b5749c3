"""Keras layers that respect a symmetry."""

from keras_equivariant.layers.coset_pooling import CosetPooling
from keras_equivariant.layers.group_conv import GroupConv2D
from keras_equivariant.layers.group_pooling import GroupAveragePooling2D, GroupMaxPooling2D

__all__ = ["CosetPooling", "GroupAveragePooling2D", "GroupConv2D", "GroupMaxPooling2D"]
