"""tf.data pipelines.

What a training example looks like depends on the seed, the epoch and the index of its image only, never on the
number of threads or on where the training was interrupted.
"""

from typing import Any

import numpy as np
import tensorflow as tf
from keras_equivariant.training.data.streamed import StreamedSplit, centre_crop
from keras_equivariant.training.data.transforms import rotate, scaled
from keras_equivariant.training.input.augmentations import get_augmentation
from keras_equivariant.training.input.batches import TEST_ANGLES

from keras_equivariant.layers import RandomIlluminant


def training_batches(
    split: Any,
    preprocess: Any,
    augmentation: Any,
    batch_size: int,
    seed: int,
    initial_epoch: int = 0,
    parallel_calls: int | None = None,
    workers: tuple[int, int] = (1, 0),
    targets: str = "number",
    outside: int = 0,
    steps: int | None = None,
) -> tf.data.Dataset:
    """Shuffles and transforms the training images anew in each epoch, without end.

    Args:
        split: `Split` or `StreamedSplit` of the training images.
        preprocess: What `fit_preprocessing` returned.
        augmentation: Names of augmentations, applied in this order.
        batch_size: int. A last, smaller batch is left out: `len(split) // batch_size` batches are one epoch.
        seed: int.
        initial_epoch: Number of the first epoch.
        parallel_calls: Number of threads that transform images; `None` lets tf.data decide.
        workers: Number of processes that train together, and which of them this is, from 0: it gets its own part of
            each batch, `batch_size // workers[0]` images. The parts one after the other are the batch that a single
            process would get: dropout depends on an image's place in the batch.
        targets: What the labels of the split are, and so what augmentations do to them: `"number"` for all that stays
            as it is; `"mask"` for integers `(n, height, width)` or `(n, height, width, channels)`; `"vector"` for
            floats `(n, 2)`, x to the right and y upwards.
        outside: Value of mask pixels that come in from outside.
        steps: Number of batches in an epoch, if not all.

    Returns:
        `tf.data.Dataset` of `(images, labels)`, one epoch after the other.

    Raises:
        ValueError: If an augmentation is unknown, needs other images or cannot move the targets, the labels are no
            such targets, or the batch does not split among the workers.
    """
    number, worker = workers
    if batch_size % number != 0:
        raise ValueError(
            f"`batch_size` must be a multiple of the number of processes. "
            f"Received: batch_size={batch_size}, workers={workers}"
        )
    transforms = Transforms(augmentation, preprocess, targets, outside)
    transforms.check(split)
    used = batch_size * (steps or len(split) // batch_size)
    epochs = tf.data.Dataset.counter(initial_epoch).map(lambda epoch: tf.stack([tf.constant(seed, tf.int64), epoch]))
    calls = parallel_calls or tf.data.AUTOTUNE
    if isinstance(split, StreamedSplit):
        batches = _streamed(split, transforms, epochs, used, number, worker, batch_size // number, calls)
    else:
        batches = _gathered(split, transforms, epochs, used, number, worker, batch_size // number, calls)
    return batches.prefetch(tf.data.AUTOTUNE)


class Transforms:
    """The transforms of training images and the preprocessing between them, in the order in which they apply."""

    def __init__(self, names: Any, preprocess: Any, targets: str, outside: int) -> None:
        transforms = [get_augmentation(name) for name in names]
        self.decode = [t for t in transforms if t.on_encoded_images]
        self.raw = [t for t in transforms if t.on_raw_images]
        self.late = [t for t in transforms if not t.on_raw_images and not t.on_encoded_images]
        self.preprocess, self.targets, self.outside = preprocess, targets, outside
        field = {"number": None, "mask": "masks", "vector": "vectors"}
        if targets not in field:
            raise ValueError(f"`targets` must be one of {list(field)}. Received: targets={targets!r}")
        for name, transform in zip(names, transforms, strict=True):
            if targets != "number" and getattr(transform, field[targets]) is None:
                raise ValueError(
                    f"`augmentation` must move a {targets} with its image. Received: augmentation={name!r}"
                )

    def check(self, split: Any) -> None:
        """Checks that the labels of a split are such targets."""
        streamed = isinstance(split, StreamedSplit)
        if self.targets == "mask" and streamed:
            raise ValueError("`targets` must not be 'mask' for images that stay in files. Received: targets='mask'")
        labels: Any = None if streamed else np.asarray(split.labels)
        if self.targets == "mask" and not (labels.dtype.kind in "iu" and labels.shape[:3] == split.images.shape[:3]):
            rule = f"must be integers (n, height, width) of the images, {split.images.shape[:3]}, or with channels"
            raise ValueError(f"Masks {rule}. Received: {labels.dtype} {labels.shape}")
        if (
            self.targets == "vector"
            and labels is not None
            and not (labels.dtype.kind == "f" and labels.shape[1:] == (2,))
        ):
            raise ValueError(f"Vectors must be floats (n, 2). Received: {labels.dtype} {labels.shape}")

    def moved(self, labels: Any, drawn: tuple[Any, ...]) -> Any:
        """The labels of transformed images."""
        transforms: Any = [] if self.targets == "number" else [*self.raw, *self.late]
        if self.targets == "vector":
            for transform, parameters in zip(transforms, drawn, strict=True):
                labels = transform.vectors(labels, parameters)
        elif self.targets == "mask":
            masks = tf.cast(labels if labels.shape.rank == 4 else labels[..., None], tf.int32)
            for transform, parameters in zip(transforms, drawn, strict=True):
                masks = transform.masks(masks, parameters, self.outside)
            labels = tf.cast(masks if labels.shape.rank == 4 else masks[..., 0], labels.dtype)
        return labels

    def draw(self, key: Any, count: int) -> tuple[Any, tuple[Any, ...]]:
        """The key that decides the order of the images, and parameters of all images for each transform."""
        transforms = [*self.decode, *self.raw, *self.late]
        order, *keys = tf.unstack(tf.random.split(key, 1 + len(transforms)))
        return order, tuple(t.draw(key, count) for t, key in zip(transforms, keys, strict=True))

    def before(self, images: Any, drawn: tuple[Any, ...]) -> Any:
        """From images as they are to preprocessed ones."""
        images = scaled(images)
        for transform, parameters in zip(self.raw, drawn, strict=False):
            images = transform.apply(images, parameters, 0.0)
        return self.preprocess(images)

    def after(self, images: Any, drawn: tuple[Any, ...]) -> Any:
        """What is done to preprocessed images."""
        for transform, parameters in zip(self.late, drawn[len(self.raw) :], strict=True):
            images = transform.apply(images, parameters, self.preprocess.background)
        return images


def _gathered(
    split: Any, transforms: Transforms, keys: Any, used: int, number: int, worker: int, batch_size: int, calls: int
) -> tf.data.Dataset:
    """Batches of images in memory, or of such as are fetched one batch at a time."""
    if transforms.decode:
        raise ValueError("`augmentation` must not hold 'random_crop', which is for images that stay in files")
    # Without transforms of the raw images, all are preprocessed once and for all.
    stored = split.in_memory
    before = bool(transforms.raw) or not stored
    images = tf.constant(split.images if before else _preprocessed(split, transforms.preprocess)) if stored else None
    labels = tf.constant(split.labels)

    def epoch_batches(key: Any) -> tf.data.Dataset:
        key, drawn = transforms.draw(key, len(split))
        order = tf.argsort(tf.random.stateless_uniform((len(split),), key))[:used]
        order = tf.reshape(tf.reshape(order, (-1, number, batch_size))[:, worker], [-1])
        return tf.data.Dataset.from_tensor_slices((order, tf.nest.map_structure(lambda p: tf.gather(p, order), drawn)))

    def transformed(order: Any, drawn: tuple[Any, ...]) -> tuple[Any, Any]:
        batch = tf.gather(images, order) if stored else split.fetch(order)
        batch = transforms.before(batch, drawn) if before else batch
        return transforms.after(batch, drawn), transforms.moved(tf.gather(labels, order), drawn)

    return keys.flat_map(lambda key: epoch_batches(key).batch(batch_size, drop_remainder=True)).map(transformed, calls)


def _streamed(
    split: Any, transforms: Transforms, keys: Any, used: int, number: int, worker: int, batch_size: int, calls: int
) -> tf.data.Dataset:
    """Batches of images that are read and decoded on the way."""

    def epoch_examples(key: Any) -> tf.data.Dataset:
        key, drawn = transforms.draw(key, len(split))
        examples = split.encoded(key).take(used).batch(batch_size).shard(number, worker).unbatch()
        return examples.map(lambda index, image, label: (image, label, tuple(p[index] for p in drawn)))

    def decoded(image: Any, label: Any, drawn: tuple[Any, ...]) -> tuple[Any, Any, tuple[Any, ...]]:
        if not transforms.decode:
            return centre_crop(image, split.size), label, drawn
        return transforms.decode[0].apply(image, drawn[0], split.size), label, drawn[1:]

    def transformed(images: Any, labels: Any, drawn: tuple[Any, ...]) -> tuple[Any, Any]:
        return transforms.after(transforms.before(images, drawn), drawn), transforms.moved(labels, drawn)

    examples = keys.flat_map(epoch_examples).map(decoded, calls)
    return examples.batch(batch_size, drop_remainder=True).map(transformed, calls)


def test_batches(split: Any, preprocess: Any, batch_size: int) -> tf.data.Dataset:
    """All images of a split in their order, preprocessed.

    Args:
        split: `Split`.
        preprocess: What `fit_preprocessing` returned.
        batch_size: int; the last batch may be smaller.

    Returns:
        `tf.data.Dataset` of `(images, labels)`.
    """
    batches = split.examples().batch(batch_size)
    return batches.map(lambda images, labels: (preprocess(scaled(images)), labels)).prefetch(tf.data.AUTOTUNE)


def rotated_batches(split: Any, preprocess: Any, batch_size: int) -> tf.data.Dataset:
    """Every image of a split under each of eight rotations, by multiples of 45 degrees.

    Args:
        split: `Split`.
        preprocess: What `fit_preprocessing` returned.
        batch_size: int; the last batch may be smaller.

    Returns:
        `tf.data.Dataset` of `(images, labels)`; all images under the first angle come first.
    """
    images = split.examples()
    examples = tf.data.Dataset.from_tensor_slices(TEST_ANGLES).flat_map(
        lambda angle: images.map(lambda image, label: (image, label, angle))
    )
    examples = examples.apply(tf.data.experimental.assert_cardinality(len(split) * len(TEST_ANGLES)))

    def rotated(images: Any, labels: Any, angles: Any) -> tuple[Any, Any]:
        return preprocess(rotate(scaled(images), angles)), labels

    return examples.batch(batch_size).map(rotated).prefetch(tf.data.AUTOTUNE)


def lit_batches(split: Any, preprocess: Any, batch_size: int, saturation: float, hues: np.ndarray) -> tf.data.Dataset:
    """All images of a split, each under a light of its own hue.

    Args:
        split: `Split`.
        preprocess: What `fit_preprocessing` returned.
        batch_size: int; the last batch may be smaller.
        saturation: float between 0 and 1.
        hues: The hue for each image, between 0 and 1.

    Returns:
        `tf.data.Dataset` of `(images, labels)`.
    """
    light = RandomIlluminant(saturation, in_prediction=True)

    def lit(examples: tuple[Any, Any], hues: Any) -> tuple[Any, Any]:
        images, labels = examples
        return preprocess(light(scaled(images), hue=hues)), labels

    data = tf.data.Dataset.zip(split.examples(), tf.data.Dataset.from_tensor_slices(hues))
    return data.batch(batch_size).map(lit).prefetch(tf.data.AUTOTUNE)


def _preprocessed(split: Any, preprocess: Any, chunk: int = 1000) -> np.ndarray:
    """All images of a split through the preprocessing, in parts, to need little memory on the way."""
    parts = range(0, len(split), chunk)
    return np.concatenate([np.asarray(preprocess(scaled(tf.constant(split.images[i : i + chunk])))) for i in parts])
