"""Photographs of 128x128 pixels, resampled or cut out, their centre erased."""

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf
from keras_equivariant.training.data import from_tfds

from keras_equivariant.layers import RemoveGamma

SIZE, HOLE = 128, 64
DATASETS = ("photographs", "photograph_crops")
_CENTRE = slice((SIZE - HOLE) // 2, (SIZE + HOLE) // 2)


@dataclasses.dataclass(frozen=True)
class Photographs:
    """Photographs of different sizes, one after the other in one array of bytes."""

    values: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray

    @classmethod
    def join(cls, images: list[np.ndarray]) -> "Photographs":
        """Takes a list of arrays `(height, width, 3)`."""
        starts = np.cumsum([0, *(image.size for image in images)])[:-1]
        sizes = np.array([image.shape[:2] for image in images], "int64")
        return cls(np.concatenate([image.reshape(-1) for image in images]), starts.astype("int64"), sizes)

    def __len__(self) -> int:
        """The number of photographs."""
        return len(self.sizes)


def load(name: str, data_dir: str | None = None) -> tuple[Photographs, Photographs]:
    """Loads the photographs to train on and to test on.

    Args:
        name: `"photographs"`, each resampled to 128x128 pixels as a whole, whatever its shape, as in the paper; or
            `"photograph_crops"`, in full size, to be cut out of.
        data_dir: Folder of TFDS data sets, or `None` for that of TFDS. What is not yet prepared is made there from
            the folders `train` and `test` in `downloads/manual/photographs`.

    Returns:
        Two `Photographs`.

    Raises:
        ValueError: If there is no such data set, or files are missing, unreadable, too small or black.
    """
    if name not in DATASETS:
        raise ValueError(f"`dataset` must be one of {list(DATASETS)}. Received: dataset={name!r}")
    from_tfds.import_tfds()
    from keras_equivariant.training.data.photographs import SPLITS
    from keras_equivariant.training.data.photographs import Photographs as Builder

    splits = from_tfds.load_arrays(Builder(data_dir=data_dir), list(SPLITS), data_dir, batch_size=None)
    prepare = _resampled if name == "photographs" else np.asarray
    train, test = (Photographs.join([prepare(example["image"]) for example in split]) for split in splits)
    return train, test


def _resampled(image: np.ndarray) -> np.ndarray:
    small = tf.image.resize(image, (SIZE, SIZE), antialias=True)
    return np.rint(np.clip(small, 0, 255)).astype("uint8")


def erase(images: Any) -> tf.Tensor:
    """Gives the centre of each image the mean colour of what surrounds it, which follows the light.

    Args:
        images: Tensor `(n, 128, 128, 3)` in linear RGB.

    Returns:
        Tensor of the same shape.
    """
    hidden = np.zeros((1, SIZE, SIZE, 1), "float32")
    hidden[:, _CENTRE, _CENTRE] = 1
    means = tf.reduce_sum(images * (1 - hidden), axis=(1, 2), keepdims=True) / (SIZE**2 - HOLE**2)
    return images * (1 - hidden) + means * hidden


def centre(images: Any) -> Any:
    """The part of each image that `erase` hides."""
    return images[:, _CENTRE, _CENTRE]


def training_batches(
    photographs: Photographs,
    batch_size: int,
    seed: int,
    initial_epoch: int = 0,
    parallel_calls: int | None = None,
    linear: bool = False,
    steps: int | None = None,
) -> tf.data.Dataset:
    """Random crops, some of them mirrored, drawn anew in each epoch, without end; of small photographs, all of them.

    They depend on the seed, the epoch and the index of the photograph only.

    Args:
        photographs: `Photographs`.
        batch_size: int. A last, smaller batch is left out: `len(photographs) // batch_size` batches are one epoch.
        seed: int.
        initial_epoch: Number of the first epoch.
        parallel_calls: Number of threads that cut crops out; `None` lets tf.data decide.
        linear: Whether the centres are in linear RGB too.
        steps: Number of batches in an epoch, if not all.

    Returns:
        `tf.data.Dataset` of pairs: images in linear RGB with an erased centre, and the centre in sRGB or in linear
        RGB, in [-1, 1].
    """
    values, starts, sizes = (tf.constant(array) for array in dataclasses.astuple(photographs))
    count = len(photographs)
    used = batch_size * (steps or count // batch_size)

    def epoch_examples(epoch: tf.Tensor) -> tf.data.Dataset:
        keys = tf.random.split(tf.stack([tf.constant(seed, tf.int64), epoch]), 3)
        order = tf.argsort(tf.random.stateless_uniform((count,), keys[0]))[:used]
        places = tf.gather(tf.random.stateless_uniform((count, 2), keys[1]), order)
        mirrored = tf.gather(tf.random.stateless_uniform((count,), keys[2]) < 0.5, order)
        return tf.data.Dataset.from_tensor_slices((order, places, mirrored))

    def cropped(index: tf.Tensor, place: tf.Tensor, mirrored: tf.Tensor) -> tf.Tensor:
        image = _crop(values, starts[index], sizes[index], place)
        return image[:, ::-1] if mirrored else image

    crops = tf.data.Dataset.counter(initial_epoch).flat_map(epoch_examples)
    crops = crops.map(cropped, parallel_calls or tf.data.AUTOTUNE).batch(batch_size, drop_remainder=True)

    def input_and_target(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        light = _linear(images)
        return erase(light), 2 * centre(light if linear else tf.cast(images, tf.float32) / 255) - 1

    return crops.map(input_and_target, parallel_calls or tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def central_crops(photographs: Photographs, count: int | None = None) -> np.ndarray:
    """The middle of each of the first photographs, all by default, in linear RGB: an array `(n, 128, 128, 3)`."""
    values, starts, sizes = (tf.constant(array) for array in dataclasses.astuple(photographs))
    count = len(photographs) if count is None else min(count, len(photographs))
    crops = [_crop(values, starts[i], sizes[i], tf.constant([0.5, 0.5])) for i in range(count)]
    return np.asarray(_linear(tf.stack(crops)))


def _crop(values: tf.Tensor, start: tf.Tensor, size: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
    """Cuts 128x128 pixels out; the place is (0, 0) at the top left, and just below (1, 1) at the bottom right."""
    image = tf.reshape(values[start : start + 3 * tf.reduce_prod(size)], (size[0], size[1], 3))
    corner = tf.cast(place * tf.cast(size - SIZE + 1, tf.float32), tf.int64)
    image = image[corner[0] : corner[0] + SIZE, corner[1] : corner[1] + SIZE]
    return tf.ensure_shape(image, (SIZE, SIZE, 3))


def _linear(images: tf.Tensor) -> tf.Tensor:
    return RemoveGamma()(tf.cast(images, tf.float32) / 255)
