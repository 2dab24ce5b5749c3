"""Labelled photographs that stay in their files until they are needed."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf
from keras_equivariant.training.data.images import Split

_FILES_AT_ONCE = 16
_SHUFFLED = 10_000  # encoded images, about a gigabyte
_SAMPLE = 1_000
_PART = 250


@dataclasses.dataclass(frozen=True)
class StreamedSplit:
    """JPEG images of any size and integer labels, in TFRecord files.

    The files hold the images in a random order already, as those of TFDS do. In each epoch of a training they are read
    in a new order, and what is read passes through a buffer from which it is drawn at random.

    Attributes:
        files: Paths, as strings.
        lengths: Number of examples to read from each file.
        parse: Function of a serialised example that returns the encoded image and the label.
        size: Height and width of the images that are cut out of the photographs, in pixels.
        skips: Number of examples before them in each file; `()` for none.
    """

    files: tuple[str, ...]
    lengths: tuple[int, ...]
    parse: Callable
    size: int
    skips: tuple[int, ...] = ()
    in_memory: ClassVar[bool] = False

    def __len__(self) -> int:
        """The number of images."""
        return sum(self.lengths)

    def encoded(self, key: Any = None) -> Any:
        """Reads the examples.

        Args:
            key: Two 64-bit integers that decide the order; `None` for that of the files.

        Returns:
            `tf.data.Dataset` of `(index, encoded image, label)`.
        """
        firsts = [0, *itertools.accumulate(self.lengths)][:-1]
        skips = self.skips or (0,) * len(self.files)
        numbers = [tf.constant(column, tf.int64) for column in (firsts, skips, self.lengths)]
        shards = (tf.constant(self.files), *numbers)

        def read(*shard: Any) -> Any:
            file, first, skip, length = shard
            return tf.data.TFRecordDataset(file).skip(skip).take(length).enumerate(first)

        if key is None:
            examples = tf.data.Dataset.from_tensor_slices(shards).flat_map(read)
        else:
            order = tf.argsort(tf.random.stateless_uniform((len(self.files),), key))
            shards = tf.data.Dataset.from_tensor_slices(tuple(tf.gather(column, order) for column in shards))
            examples = shards.interleave(read, _FILES_AT_ONCE, 1, tf.data.AUTOTUNE, deterministic=True)
            examples = _shuffle(examples, min(_SHUFFLED, len(self)), key)
        return examples.map(lambda index, example: (index, *self.parse(example)), tf.data.AUTOTUNE)

    def examples(self) -> Any:
        """All images in the order of the files, as for testing: `tf.data.Dataset` of `(image, label)`."""

        def decode(index: Any, encoded: Any, label: Any) -> Any:
            return centre_crop(encoded, self.size), label

        return self.encoded().map(decode, tf.data.AUTOTUNE)

    def first(self, count: int | None = None) -> Split:
        """The first images, 1,000 by default, in memory: a `Split` of floats between 0 and 1."""
        images, labels = zip(*self.examples().take(count or _SAMPLE).as_numpy_iterator(), strict=True)
        return Split(np.stack(images), np.array(labels))

    def parts(self, count: int | None = None) -> Iterator[np.ndarray]:
        """The first images, 1,000 by default, in arrays of some hundreds: floats between 0 and 1."""
        for images, _ in self.examples().take(count or _SAMPLE).batch(_PART).as_numpy_iterator():
            yield images

    def hold_out(self, count: int, seed: int) -> "tuple[StreamedSplit, StreamedSplit]":
        """Two parts: what is left, and some of the images, always the same for a seed: whole files, and part of one.

        So neither part reads what the other holds.
        """
        order = np.random.default_rng(seed).permutation(len(self.files))
        held = np.zeros(len(self.files), "int64")  # images of each file
        for file in order:
            held[file] = min(self.lengths[file], count - held.sum())
        return self._take(held, np.subtract(self.lengths, held)), self._take(np.zeros_like(held), held)

    def _take(self, skips: np.ndarray, lengths: np.ndarray) -> "StreamedSplit":
        skips = skips + np.array(self.skips or 0)
        columns = np.array(self.files)[lengths > 0], lengths[lengths > 0], skips[lengths > 0]
        files, kept, before = (tuple(column.tolist()) for column in columns)
        return dataclasses.replace(self, files=files, lengths=kept, skips=before)


def _shuffle(dataset: Any, buffer_size: int, key: Any) -> Any:
    """`dataset.shuffle`, which itself takes no seed that is a tensor, and so none that depends on the epoch."""
    spec = dataset.element_spec
    shuffled = tf.raw_ops.ShuffleDataset(
        input_dataset=tf.data.experimental.to_variant(dataset),
        buffer_size=tf.constant(buffer_size, tf.int64),
        seed=key[0],
        seed2=key[1],
        output_types=[part.dtype for part in spec],
        output_shapes=[part.shape for part in spec],
        reshuffle_each_iteration=False,
    )
    return tf.data.experimental.from_variant(shuffled, spec)


def centre_crop(encoded: Any, size: int) -> tf.Tensor:
    """Decodes an image and scales the square in its middle, 7/8 of its shorter side, to a size.

    That is what the usual scaling of the shorter side to 256 pixels and the central 224 of them come to.

    Args:
        encoded: JPEG-encoded image.
        size: Height and width of the result.

    Returns:
        Float tensor `(size, size, 3)`, between 0 and 1.
    """
    height, width = tf.unstack(tf.io.extract_jpeg_shape(encoded)[:2])
    side = tf.cast(tf.round(tf.cast(tf.minimum(height, width), tf.float32) * 224 / 256), tf.int32)
    return _cut_out(encoded, [(height - side) // 2, (width - side) // 2, side, side], size)


def random_crop(encoded: Any, key: Any, size: int) -> tf.Tensor:
    """Decodes an image and scales a random part of it to a size.

    The part has 8 to 100 % of the area, and is between 4/3 times as high as wide and 4/3 times as wide as high.

    Args:
        encoded: JPEG-encoded image.
        key: Two integers, from which the part follows.
        size: Height and width of the result.

    Returns:
        Float tensor `(size, size, 3)`, between 0 and 1.

    Reference:
        [Szegedy et al., 2015](https://arxiv.org/abs/1409.4842), section 6.
    """
    begin, extent, _ = tf.image.stateless_sample_distorted_bounding_box(
        tf.io.extract_jpeg_shape(encoded),
        tf.zeros((1, 0, 4)),
        key,
        min_object_covered=0.0,
        aspect_ratio_range=(3 / 4, 4 / 3),
        area_range=(0.08, 1.0),
        max_attempts=10,
        use_image_if_no_bounding_boxes=True,
    )
    return _cut_out(encoded, [begin[0], begin[1], extent[0], extent[1]], size)


def _cut_out(encoded: Any, window: Any, size: int) -> tf.Tensor:
    image = tf.io.decode_and_crop_jpeg(encoded, tf.stack(window), channels=3)
    return tf.clip_by_value(tf.image.resize(image, (size, size), antialias=True) / 255, 0.0, 1.0)
