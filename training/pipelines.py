"""tf.data pipelines of rotated images.

What a training example looks like depends on the seed, the epoch and the index of its image only, never on the
number of threads or on where the training was interrupted.
"""

import math

import numpy as np
import tensorflow as tf

from training.transforms import rotate

TEST_ANGLES = np.arange(8, dtype="float32") * math.pi / 4


def training_batches(data, batch_size, seed, initial_epoch=0):
    """Shuffles the training images and turns each by a uniform random angle, anew in each epoch, without end.

    Args:
        data: `LabelledImages`.
        batch_size: int. A last, smaller batch is left out: `len(data.train) // batch_size` batches are one epoch.
        seed: int.
        initial_epoch: Number of the first epoch.

    Returns:
        `tf.data.Dataset` of `(standardised images, labels)`, one epoch after the other.
    """
    images, labels = tf.constant(data.train.images), tf.constant(data.train.labels)
    count = len(data.train)

    def epoch_examples(epoch):
        order_key, angle_key = tf.unstack(tf.random.split(tf.stack([tf.constant(seed, tf.int64), epoch])))
        order = tf.argsort(tf.random.stateless_uniform((count,), order_key))[: count - count % batch_size]
        angles = tf.random.stateless_uniform((count,), angle_key, maxval=2 * math.pi)
        return tf.data.Dataset.from_tensor_slices((order, tf.gather(angles, order))).batch(batch_size)

    def rotated(order, angles):
        return data.standardise(rotate(tf.gather(images, order), angles)), tf.gather(labels, order)

    batches = tf.data.Dataset.counter(initial_epoch).flat_map(epoch_examples)
    return batches.map(rotated, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def rotated_batches(data, split, batch_size):
    """Every image under each of eight rotations, by multiples of 45 degrees.

    Args:
        data: `LabelledImages`.
        split: Name of the split, `"validation"` or `"test"`.
        batch_size: int.

    Returns:
        `tf.data.Dataset` of `(standardised images, labels)`; all images under the first angle come first.
    """
    split = getattr(data, split)
    images = tf.data.Dataset.from_tensor_slices((split.images, split.labels))
    examples = tf.data.Dataset.from_tensor_slices(TEST_ANGLES).flat_map(
        lambda angle: images.map(lambda image, label: (image, label, angle))
    )

    def rotated(images, labels, angles):
        return data.standardise(rotate(images, angles)), labels

    examples = examples.apply(tf.data.experimental.assert_cardinality(len(split) * len(TEST_ANGLES)))
    return examples.batch(batch_size).map(rotated).prefetch(tf.data.AUTOTUNE)
