"""Architectures from the papers, ready to train: `zoo.create("p4cnn")`."""

from zoo.registry import create, get_builder, list_models
from zoo.rotated_mnist import p4cnn, p4cnn_rotation_pooling, z2cnn

__all__ = ["create", "get_builder", "list_models", "p4cnn", "p4cnn_rotation_pooling", "z2cnn"]
