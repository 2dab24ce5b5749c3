"""Labelled photographs that stay in their files until they are needed."""

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from keras_equivariant.training.data.images import Split

_FILES_AT_ONCE = 16
_SHUFFLED = 10_000  # encoded images, about a gigabyte
_SAMPLE = 1_000


@dataclasses.dataclass(frozen=True)
class StreamedSplit:
    """JPEG images of any size and integer labels, in TFRecord files.

    The files hold the images in a random order already, as those of TFDS do. In each epoch of a training they are read
    in a new order, and what is read passes through a buffer from which it is drawn at random.

    Attributes:
        files: Paths, as strings.
        lengths: Number of examples in each file.
        parse: Function of a serialised example that returns the encoded image and the label.
        size: Height and width of the images that are cut out of the photographs, in pixels.
    """

    files: tuple[str, ...]
    lengths: tuple[int, ...]
    parse: Callable
    size: int

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
        files = tf.constant(self.files)
        firsts = tf.constant([0, *itertools.accumulate(self.lengths)][:-1], tf.int64)

        def read(file: Any, first: Any = None) -> Any:
            return tf.data.TFRecordDataset(file).enumerate(first)

        if key is None:
            examples = tf.data.Dataset.from_tensor_slices((files, firsts)).flat_map(read)
        else:
            order = tf.argsort(tf.random.stateless_uniform((len(self.files),), key))
            shards = tf.data.Dataset.from_tensor_slices((tf.gather(files, order), tf.gather(firsts, order)))
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

    def hold_out(self, count: int, seed: int) -> Any:
        """Refuses: there is a split to test on."""
        raise ValueError(f"`validation` must be 0 for images that stay in files. Received: validation={count}")


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
