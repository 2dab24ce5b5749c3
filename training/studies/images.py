"""Images and the small network of the studies of training."""

import os
import pathlib
from typing import Any

import keras
import numpy as np
from keras import layers
from keras_equivariant.training.data.images import LabelledImages, Split

EMBEDDING = "embedding"


def load_images(training_images: int, test_images: int) -> tuple[str, LabelledImages]:
    """Loads MNIST from the folder that the environment variable KERAS_EQUIVARIANT_DATA names, or else the digits.

    Args:
        training_images: How many to train on, at most.
        test_images: How many to measure on, at most.

    Returns:
        The name of the data set, and `LabelledImages` as floats between 0 and 1.
    """
    folder = os.environ.get("KERAS_EQUIVARIANT_DATA")
    path = pathlib.Path(folder) / "mnist.npz" if folder else None
    if path is not None and path.is_file():
        name = "MNIST"
        with np.load(path, allow_pickle=False) as arrays:
            train, test = (Split(arrays[f"x_{part}"][..., None], arrays[f"y_{part}"]) for part in ("train", "test"))
    else:
        from keras_equivariant.training.data import digits

        name = "digits"
        data = digits.load()
        train, test = data.train, data.test
    parts = [(train, training_images), (test, test_images)]
    parts = [Split(part.scaled_images(count), part.labels[:count].astype("int32")) for part, count in parts]
    return name, LabelledImages(*parts, classes=10)


def small_convnet(outputs: int = 10, deviation: float | None = None) -> keras.Model:
    """Builds a network of two convolutions and an embedding of 64 values.

    Args:
        outputs: Number of outputs of the head.
        deviation: Standard deviation of the normal initial kernels of the convolutions; `None` for Keras' default.

    Returns:
        A `keras.Model` for 28x28 images, whose embedding is the layer of that name.
    """
    initialiser = "glorot_uniform" if deviation is None else keras.initializers.RandomNormal(stddev=deviation)
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(16, 3, strides=2, activation="relu", kernel_initializer=initialiser),
            layers.Conv2D(32, 3, strides=2, activation="relu", kernel_initializer=_again(initialiser)),
            layers.Flatten(),
            layers.Dense(64, activation="relu", name=EMBEDDING),
            layers.Dense(outputs),
        ]
    )


def compile_classifier(model: keras.Model, learning_rate: float = 1e-3) -> keras.Model:
    """Compiles a model for classification, and returns it."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(learning_rate), loss, metrics=["accuracy"], jit_compile=False)
    return model


def _again(initialiser: Any) -> Any:
    """A copy of an initialiser: one object called twice would give the same values."""
    return initialiser if isinstance(initialiser, str) else initialiser.clone()
