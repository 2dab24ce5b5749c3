"""Keras layers that respect a symmetry."""

from keras_equivariant.layers.combination_conv import CombinationConv1D, CombinationConv2D
from keras_equivariant.layers.combination_conv_3d import CombinationConv3D
from keras_equivariant.layers.connection_tables import all_pairs, all_triplets, lenet5_table
from keras_equivariant.layers.coset_pooling import CosetPooling
from keras_equivariant.layers.feature_group_pooling import FeatureGroupPooling
from keras_equivariant.layers.grid_centring import GridCentring2D
from keras_equivariant.layers.group_batch_normalization import GroupBatchNormalization
from keras_equivariant.layers.group_conv import GroupConv1D, GroupConv2D, GroupConv3D
from keras_equivariant.layers.group_conv_transpose import GroupConv2DTranspose
from keras_equivariant.layers.group_global_pooling import GroupGlobalAveragePooling2D, GroupGlobalMaxPooling2D
from keras_equivariant.layers.group_pooling import GroupAveragePooling2D, GroupMaxPooling2D
from keras_equivariant.layers.group_separable_conv import GroupDepthwiseConv2D, GroupSeparableConv2D
from keras_equivariant.layers.group_up_sampling import GroupUpSampling2D
from keras_equivariant.layers.hexagonal import HexagonalMask2D, HexagonalResampling2D
from keras_equivariant.layers.maxout import Maxout
from keras_equivariant.layers.offset_adapter import OffsetAdapter, OffsetReLU
from keras_equivariant.layers.offset_add import OffsetAdd, OffsetAffineCombination
from keras_equivariant.layers.offset_batch_normalization import OffsetBatchNormalization
from keras_equivariant.layers.offset_concatenate import OffsetConcatenate
from keras_equivariant.layers.offset_conv import OffsetConv1D, OffsetConv2D, OffsetConv3D, OffsetGroupConv2D
from keras_equivariant.layers.offset_conv_transpose import OffsetConv2DTranspose
from keras_equivariant.layers.offset_dense import OffsetDense
from keras_equivariant.layers.offset_multiply import OffsetMultiply
from keras_equivariant.layers.photometric import ApplyGamma, InverseLogRGB, LogRGB, RandomIlluminant, RemoveGamma
from keras_equivariant.layers.restriction import SubgroupRestriction
from keras_equivariant.layers.subsampling import Subsampling1D, Subsampling2D, Subsampling3D
from keras_equivariant.layers.table_conv import TableConv1D, TableConv2D, TableConv3D
from keras_equivariant.layers.translation_coset_pooling import TranslationCosetPooling

__all__ = [
    "ApplyGamma",
    "CombinationConv1D",
    "CombinationConv2D",
    "CombinationConv3D",
    "CosetPooling",
    "FeatureGroupPooling",
    "GridCentring2D",
    "GroupAveragePooling2D",
    "GroupBatchNormalization",
    "GroupConv1D",
    "GroupConv2D",
    "GroupConv2DTranspose",
    "GroupConv3D",
    "GroupDepthwiseConv2D",
    "GroupGlobalAveragePooling2D",
    "GroupGlobalMaxPooling2D",
    "GroupMaxPooling2D",
    "GroupSeparableConv2D",
    "GroupUpSampling2D",
    "HexagonalMask2D",
    "HexagonalResampling2D",
    "InverseLogRGB",
    "LogRGB",
    "Maxout",
    "OffsetAdapter",
    "OffsetAdd",
    "OffsetAffineCombination",
    "OffsetBatchNormalization",
    "OffsetConcatenate",
    "OffsetConv1D",
    "OffsetConv2D",
    "OffsetConv2DTranspose",
    "OffsetConv3D",
    "OffsetDense",
    "OffsetGroupConv2D",
    "OffsetMultiply",
    "OffsetReLU",
    "RandomIlluminant",
    "RemoveGamma",
    "SubgroupRestriction",
    "Subsampling1D",
    "Subsampling2D",
    "Subsampling3D",
    "TableConv1D",
    "TableConv2D",
    "TableConv3D",
    "TranslationCosetPooling",
    "all_pairs",
    "all_triplets",
    "lenet5_table",
]
