"""Keras layers that respect a symmetry."""

from keras_equivariant.layers.combination_conv import CombinationConv2D
from keras_equivariant.layers.coset_pooling import CosetPooling
from keras_equivariant.layers.grid_centring import GridCentring2D
from keras_equivariant.layers.group_conv import GroupConv1D, GroupConv2D, GroupConv3D
from keras_equivariant.layers.group_conv_transpose import GroupConv2DTranspose
from keras_equivariant.layers.group_pooling import GroupAveragePooling2D, GroupMaxPooling2D
from keras_equivariant.layers.hexagonal import HexagonalMask2D, HexagonalResampling2D
from keras_equivariant.layers.restriction import SubgroupRestriction
from keras_equivariant.layers.subsampling import Subsampling2D
from keras_equivariant.layers.table_conv import TableConv2D, all_pairs, all_triplets, lenet5_table

__all__ = [
    "CombinationConv2D",
    "CosetPooling",
    "GridCentring2D",
    "GroupAveragePooling2D",
    "GroupConv1D",
    "GroupConv2D",
    "GroupConv2DTranspose",
    "GroupConv3D",
    "GroupMaxPooling2D",
    "HexagonalMask2D",
    "HexagonalResampling2D",
    "SubgroupRestriction",
    "Subsampling2D",
    "TableConv2D",
    "all_pairs",
    "all_triplets",
    "lenet5_table",
]
