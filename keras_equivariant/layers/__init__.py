"""Keras layers that respect a symmetry."""

from keras_equivariant.layers.coset_pooling import CosetPooling
from keras_equivariant.layers.group_conv import GroupConv1D, GroupConv2D, GroupConv3D
from keras_equivariant.layers.group_pooling import GroupAveragePooling2D, GroupMaxPooling2D

__all__ = ["CosetPooling", "GroupAveragePooling2D", "GroupConv1D", "GroupConv2D", "GroupConv3D", "GroupMaxPooling2D"]
