"""Who makes the batches of classifiers: the one place that decides.

With Keras on TensorFlow, tf.data does (`pipelines`); on JAX and PyTorch, NumPy and the device do (`device`), which need
no TensorFlow. Images that stay in files are for tf.data on every backend.

Nothing is drawn alike by the two, all is distributed alike: the order of the images, and every transform of them.
"""

import math
from typing import Any

import keras
import numpy as np
from keras_equivariant.training.input import device, named

TEST_ANGLES = np.arange(8, dtype="float32") * math.pi / 4
_SEED = 0


def in_tf_data(split: Any = None) -> bool:
    """Whether batches of a split come from tf.data."""
    return keras.config.backend() == "tensorflow" or not getattr(split, "in_memory", True)


def check_augmentation(name: Any) -> None:
    """Checks the name and the arguments of an augmentation.

    Raises:
        ValueError: If it is unknown, or an argument is unknown or out of range.
    """
    if in_tf_data() or name == named.DECODING:
        from keras_equivariant.training.input.augmentations import get_augmentation

        get_augmentation(name)
    else:
        device.get_device_augmentation(name)


def training_batches(split: Any, *how: Any, **options: Any) -> Any:
    """Shuffles and transforms the training images anew in each epoch, without end.

    Args:
        split: `Split` or `StreamedSplit` of the training images.
        *how: The preprocessing, the augmentations, the size of a batch, the seed and the number of the first epoch, as
            in `pipelines.training_batches`.
        **options: The options `workers` and `steps`, as there.

    Returns:
        `tf.data.Dataset` or `keras.utils.PyDataset` of `(images, labels)`, one epoch after the other.

    Raises:
        ValueError: If an augmentation is unknown or needs other images, or the batch does not split among the workers.
    """
    if not in_tf_data(split):
        return device.TrainingBatches(split, *how, **options)
    from keras_equivariant.training.input import pipelines

    return pipelines.training_batches(split, *how, **options)


def test_batches(split: Any, preprocess: Any, batch_size: int) -> Any:
    """All images of a split in their order, preprocessed: batches of `(images, labels)`, the last maybe smaller."""
    if not in_tf_data(split):
        return device.test_batches(split, preprocess, batch_size)
    from keras_equivariant.training.input import pipelines

    return pipelines.test_batches(split, preprocess, batch_size)


def rotated_batches(split: Any, preprocess: Any, batch_size: int) -> Any:
    """Every image of a split under each of `TEST_ANGLES`; all images under the first angle come first."""
    if not in_tf_data(split):
        return device.rotated_batches(split, preprocess, batch_size, TEST_ANGLES)
    from keras_equivariant.training.input import pipelines

    return pipelines.rotated_batches(split, preprocess, batch_size)


def lit_batches(split: Any, preprocess: Any, batch_size: int, saturation: float) -> Any:
    """All images of a split, each under a light of its own hue, the same hue at every saturation.

    Args:
        split: `Split` or `StreamedSplit`.
        preprocess: What `fit_preprocessing` returned.
        batch_size: int.
        saturation: float between 0 and 1.

    Returns:
        `tf.data.Dataset` or `keras.utils.PyDataset` of `(images, labels)`.
    """
    hues = np.random.default_rng(_SEED).uniform(size=len(split)).astype("float32")
    if not in_tf_data(split):
        return device.lit_batches(split, preprocess, batch_size, saturation, hues)
    from keras_equivariant.training.input import pipelines

    return pipelines.lit_batches(split, preprocess, batch_size, saturation, hues)


def turned(images: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Images in memory turned about their centres, counter-clockwise, by angles in radians."""
    if not in_tf_data():
        return device.turned(images, angles)
    import tensorflow as tf
    from keras_equivariant.training.data.transforms import rotate

    return rotate(tf.constant(images), angles).numpy()


def once(split: Any, batches: Any) -> Any:
    """Batches that are computed in one pass and kept for the next, if the images are in memory."""
    if not getattr(split, "in_memory", True):
        return batches
    return batches.cache() if in_tf_data(split) else device.Kept(batches)
