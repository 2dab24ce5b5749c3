"""Images and networks of the studies of training."""

import inspect
from typing import Any

import keras
import numpy as np
from keras import layers
from keras_equivariant.training import data as datasets
from keras_equivariant.training.data.images import LabelledImages, Split
from keras_equivariant.training.input.preprocessing import Preprocessing, fit_preprocessing

from keras_equivariant import zoo

CONVNET = "convnet"  # the default of the studies, small enough for one processor


def load_images(
    dataset: str, data_dir: str | None, training_images: int, test_images: int
) -> tuple[LabelledImages, Preprocessing]:
    """Loads the first images of a data set, standardised.

    Args:
        dataset: Name of a data set of labelled images, such as "digits", "mnist", "cifar10" or "stl10".
        data_dir: Folder of prepared TFDS data sets, or `None` for that of TFDS.
        training_images: How many to train on, at most.
        test_images: How many to measure on, at most.

    Returns:
        `LabelledImages`, and the preprocessing that they went through.
    """
    data = datasets.load(dataset, data_dir)
    train, test = (
        Split(first.scaled_images(), first.labels.astype("int32"))
        for first in (data.train.first(training_images), data.test.first(test_images))
    )
    preprocess = fit_preprocessing("standardise", train.images)
    parts = (Split(np.asarray(preprocess(split.images)), split.labels) for split in (train, test))
    return LabelledImages(*parts, classes=data.classes), preprocess


def check_model(name: str) -> None:
    """Checks that there is a network of that name.

    Raises:
        ValueError: If not.
    """
    if name != CONVNET and name not in zoo.list_models() and not _is_application(name):
        raise ValueError(
            f"`model` must be {CONVNET!r}, a model of the zoo or one of keras.applications. Received: model={name!r}"
        )


def build_classifier(name: str, input_shape: tuple[int, ...], outputs: int) -> keras.Model:
    """Builds a network with initial weights.

    Args:
        name: `"convnet"`, a classifier of the zoo, or one of Keras Applications, such as `"MobileNetV2"`.
        input_shape: Shape of an image.
        outputs: Number of outputs of the head.

    Returns:
        A `keras.Model` with logits.

    Raises:
        ValueError: If there is no such network, or it does not take such images.
    """
    check_model(name)
    if name == CONVNET:
        return _convnet(input_shape, outputs)
    if name in zoo.list_models():
        if "classes" not in inspect.signature(zoo.get_builder(name)).parameters:
            raise ValueError(f"`model` must be a classifier. Received: model={name!r}")
        return zoo.create(name, input_shape=input_shape, classes=outputs)
    builder = getattr(keras.applications, name)
    return builder(weights=None, input_shape=input_shape, classes=outputs, classifier_activation=None)


def _is_application(name: str) -> bool:
    return name[:1].isupper() and callable(getattr(keras.applications, name, None))


def _convnet(input_shape: tuple[int, ...], outputs: int) -> keras.Model:
    """Two convolutions and an embedding of 64 values."""
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Conv2D(16, 3, strides=2, activation="relu"),
            layers.Conv2D(32, 3, strides=2, activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(outputs),
        ]
    )


def compile_classifier(model: keras.Model, learning_rate: float = 1e-3) -> keras.Model:
    """Compiles a model for classification, and returns it."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(learning_rate), loss, metrics=["accuracy"], jit_compile=False)
    return model


def draw_kernels(model: keras.Model, deviation: float, seed: int) -> None:
    """Gives all kernels of convolutions values from a normal distribution of mean 0."""
    random = np.random.default_rng(seed)
    for layer in _all_layers(model):
        kernel: Any = getattr(layer, "kernel", None)
        if kernel is not None and len(kernel.shape) > 2:
            kernel.assign(deviation * random.standard_normal(kernel.shape))


def _all_layers(model: Any) -> list[keras.layers.Layer]:
    inner = [layer for layer in getattr(model, "layers", [])]
    return [model] if not inner else [found for layer in inner for found in _all_layers(layer)]
