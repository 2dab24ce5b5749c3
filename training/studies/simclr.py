"""Contrastive training of two views of each image (SimCLR)."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from keras_equivariant.training.data.transforms import rotate, shift_and_flip
from keras_equivariant.training.input.preprocessing import Preprocessing

from keras_equivariant.typing import Tensor

_LARGEST_SHIFT, _LARGEST_ANGLE = 4, 0.35  # pixels and radians: a digit turned or shifted by less remains that digit


class PairLoss(keras.losses.Loss):
    """The normalised, temperature-scaled cross entropy of finding each view's partner among all views.

    Args:
        temperature: What cosine similarities are divided by.

    Input shape:
        Any `y_true`, which is not used, and `y_pred` `(2 n, d)`: n first views, then the second views of the same
        images.

    Output shape:
        `(2 n,)`, reduced as in all Keras losses.

    Reference:
        [Chen et al., 2020](https://arxiv.org/abs/2002.05709), equation 1.
    """

    def __init__(self, temperature: float = 0.5, name: str = "pair_loss", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.temperature = temperature

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        z = ops.normalize(y_pred, axis=-1)
        views = ops.shape(z)[0]
        similarities = ops.matmul(z, ops.transpose(z)) / self.temperature
        similarities -= 1e9 * ops.eye(views, dtype=z.dtype)  # no view is its own partner
        partners = (ops.arange(views) + views // 2) % views
        return keras.losses.sparse_categorical_crossentropy(partners, similarities, from_logits=True)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "temperature": self.temperature}


def pairs_of_views(
    images: np.ndarray, batch_size: int, seed: int, preprocess: Preprocessing | None = None
) -> tf.data.Dataset:
    """Batches for one epoch: two views of each image, turned and shifted at random; colour images mirrored too.

    Args:
        images: Float array `(n, height, width, channels)`, preprocessed. The colours of those of three channels are
            not changed: the study compares ways to train, and no results of SimCLR.
        batch_size: Number of images in a batch, which has twice as many views.
        seed: Decides the order and the views, in every epoch anew.
        preprocess: What the images went through. What comes into grey ones from outside is black, into colour ones it
            is of the mean colour.

    Returns:
        A `tf.data.Dataset` of `(views, labels)`, the labels being zeros.
    """
    grey = images.shape[-1] == 1
    background = preprocess.background if preprocess and grey else 0.0

    def view(batch: Tensor, key: Tensor) -> Tensor:
        angle_key, shift_key, flip_key = tf.unstack(tf.random.split(key, 3))
        count: Any = tf.shape(batch)[0]
        angles = tf.random.stateless_uniform((count,), angle_key, -_LARGEST_ANGLE, _LARGEST_ANGLE)
        shifts = tf.random.stateless_uniform((count, 2), shift_key, -_LARGEST_SHIFT, _LARGEST_SHIFT + 1, tf.int32)
        flips = tf.random.stateless_uniform((count, 1), flip_key, 0, 1 if grey else 2, tf.int32)
        return shift_and_flip(rotate(batch, angles, background), tf.concat([shifts, flips], axis=1), background)

    def both(batch: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        first, second = tf.unstack(tf.random.split(key))
        return tf.concat([view(batch, first), view(batch, second)], axis=0), tf.zeros((2 * batch_size,))

    keys = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True).batch(2)
    batches = tf.data.Dataset.from_tensor_slices(images).shuffle(len(images), seed).batch(batch_size, True)
    return tf.data.Dataset.zip(batches, keys).map(both).prefetch(2)
