"""tf.data pipelines.

What a training example looks like depends on the seed, the epoch and the index of its image only, never on the
number of threads or on where the training was interrupted.
"""

import math

import numpy as np
import tensorflow as tf

from training.augmentations import get_augmentation
from training.transforms import rotate

TEST_ANGLES = np.arange(8, dtype="float32") * math.pi / 4


def training_batches(split, preprocess, augmentation, batch_size, seed, initial_epoch=0, parallel_calls=None):
    """Shuffles and transforms the training images anew in each epoch, without end.

    Args:
        split: `Split` of the training images.
        preprocess: What `fit_preprocessing` returned.
        augmentation: Names of augmentations, applied in this order.
        batch_size: int. A last, smaller batch is left out: `len(split) // batch_size` batches are one epoch.
        seed: int.
        initial_epoch: Number of the first epoch.
        parallel_calls: Number of threads that transform images; `None` lets tf.data decide.

    Returns:
        `tf.data.Dataset` of `(images, labels)`, one epoch after the other.

    Raises:
        ValueError: If an augmentation is unknown.
    """
    augmentations = [get_augmentation(name) for name in augmentation]
    raw = [augmentation for augmentation in augmentations if augmentation.on_raw_images]
    late = [augmentation for augmentation in augmentations if not augmentation.on_raw_images]
    # Without transforms of the raw images, all are preprocessed once and for all.
    images = tf.constant(split.images if raw else _preprocessed(split, preprocess))
    labels = tf.constant(split.labels)
    count = len(split)

    def epoch_examples(epoch):
        keys = tf.random.split(tf.stack([tf.constant(seed, tf.int64), epoch]), 1 + len(augmentations))
        order = tf.argsort(tf.random.stateless_uniform((count,), keys[0]))[: count - count % batch_size]
        drawn = [a.draw(keys[i + 1], count) for i, a in enumerate([*raw, *late])]
        drawn = tuple(tf.gather(parameters, order) for parameters in drawn)
        return tf.data.Dataset.from_tensor_slices((order, drawn)).batch(batch_size, drop_remainder=True)

    def transformed(order, drawn):
        batch = tf.gather(images, order)
        if raw:
            batch = _scaled(batch)
            for augmentation, parameters in zip(raw, drawn, strict=False):
                batch = augmentation.apply(batch, parameters, 0.0)
            batch = preprocess(batch)
        for augmentation, parameters in zip(late, drawn[len(raw) :], strict=True):
            batch = augmentation.apply(batch, parameters, preprocess.background)
        return batch, tf.gather(labels, order)

    batches = tf.data.Dataset.counter(initial_epoch).flat_map(epoch_examples)
    return batches.map(transformed, parallel_calls or tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def test_batches(split, preprocess, batch_size):
    """All images of a split in their order, preprocessed.

    Args:
        split: `Split`.
        preprocess: What `fit_preprocessing` returned.
        batch_size: int; the last batch may be smaller.

    Returns:
        `tf.data.Dataset` of `(images, labels)`.
    """
    batches = tf.data.Dataset.from_tensor_slices((split.images, split.labels)).batch(batch_size)
    return batches.map(lambda images, labels: (preprocess(_scaled(images)), labels)).prefetch(tf.data.AUTOTUNE)


def rotated_batches(split, preprocess, batch_size):
    """Every image of a split under each of eight rotations, by multiples of 45 degrees.

    Args:
        split: `Split`.
        preprocess: What `fit_preprocessing` returned.
        batch_size: int; the last batch may be smaller.

    Returns:
        `tf.data.Dataset` of `(images, labels)`; all images under the first angle come first.
    """
    images = tf.data.Dataset.from_tensor_slices((split.images, split.labels))
    examples = tf.data.Dataset.from_tensor_slices(TEST_ANGLES).flat_map(
        lambda angle: images.map(lambda image, label: (image, label, angle))
    )
    examples = examples.apply(tf.data.experimental.assert_cardinality(len(split) * len(TEST_ANGLES)))

    def rotated(images, labels, angles):
        return preprocess(rotate(_scaled(images), angles)), labels

    return examples.batch(batch_size).map(rotated).prefetch(tf.data.AUTOTUNE)


def _scaled(images):
    """Bytes as floats between 0 and 1; floats as they are."""
    return tf.cast(images, tf.float32) / 255 if images.dtype == tf.uint8 else images


def _preprocessed(split, preprocess, chunk=1000):
    """All images of a split through the preprocessing, in parts, to need little memory on the way."""
    parts = range(0, len(split), chunk)
    return np.concatenate([np.asarray(preprocess(_scaled(tf.constant(split.images[i : i + chunk])))) for i in parts])
