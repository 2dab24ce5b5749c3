"""Architectures from the papers, ready to train: `zoo.create("p4cnn")`."""

from keras_equivariant.zoo.all_cnn import all_cnn_c, p4_all_cnn_c, p4m_all_cnn_c
from keras_equivariant.zoo.any_angle import p8_cnn, p16m_cnn
from keras_equivariant.zoo.bouvrie import bouvrie_cnn, lenet5
from keras_equivariant.zoo.color_cerberus import color_cerberus, offset_color_cerberus
from keras_equivariant.zoo.context_encoder import context_discriminator, context_encoder, offset_context_encoder
from keras_equivariant.zoo.densenet import densenet, p4m_densenet
from keras_equivariant.zoo.large_resnet import p4m_resnet18, p4m_resnet50, resnet18
from keras_equivariant.zoo.offset_resnet import offset_resnet20, offset_resnet50, p4_offset_resnet20, resnet20, resnet50
from keras_equivariant.zoo.p4m_resnet import p4m_resnet26, p4m_resnet44, resnet26, resnet44
from keras_equivariant.zoo.pretrained import get_card, list_weights
from keras_equivariant.zoo.registry import create, get_builder, list_models
from keras_equivariant.zoo.rotated_mnist import p4cnn, p4cnn_rotation_pooling, z2cnn
from keras_equivariant.zoo.small_networks import default_model, p4_small, p4m_small, small
from keras_equivariant.zoo.unet import p4m_unet, unet
from keras_equivariant.zoo.wide_resnet import p4m_wide_resnet, wide_resnet

__all__ = [
    "all_cnn_c",
    "bouvrie_cnn",
    "color_cerberus",
    "context_discriminator",
    "context_encoder",
    "create",
    "default_model",
    "densenet",
    "get_builder",
    "get_card",
    "lenet5",
    "list_models",
    "list_weights",
    "offset_color_cerberus",
    "offset_context_encoder",
    "offset_resnet20",
    "offset_resnet50",
    "p16m_cnn",
    "p4_all_cnn_c",
    "p4_offset_resnet20",
    "p4_small",
    "p4cnn",
    "p4cnn_rotation_pooling",
    "p4m_all_cnn_c",
    "p4m_densenet",
    "p4m_resnet18",
    "p4m_resnet26",
    "p4m_resnet44",
    "p4m_resnet50",
    "p4m_small",
    "p4m_unet",
    "p4m_wide_resnet",
    "p8_cnn",
    "resnet18",
    "resnet20",
    "resnet26",
    "resnet44",
    "resnet50",
    "small",
    "unet",
    "wide_resnet",
    "z2cnn",
]
