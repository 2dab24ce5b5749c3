"""Architectures from the papers, ready to train: `zoo.create("p4cnn")`."""

from zoo.bouvrie import bouvrie_cnn, lenet5
from zoo.registry import create, get_builder, list_models
from zoo.rotated_mnist import p4cnn, p4cnn_rotation_pooling, z2cnn

__all__ = [
    "bouvrie_cnn",
    "create",
    "get_builder",
    "lenet5",
    "list_models",
    "p4cnn",
    "p4cnn_rotation_pooling",
    "z2cnn",
]
