"""Crops of pictures of mixed sizes, drawn so that rare classes occur."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from keras_equivariant.training.input.pipelines import Transforms
from keras_equivariant.training.input.preprocessing import StandardiseEach, Unchanged, of_picture
from keras_equivariant.training.tasks.segmentation.tiles import scaled, strips

IGNORED = -1  # the class of pixels that count for nothing: what comes in from outside when a crop is turned
_ANCHORS = 20_000  # pixels of each class that crops may be drawn around
_BY_CLASS = 0.5  # share of crops that are drawn around a pixel of a class, all classes alike; the others, anywhere


@dataclasses.dataclass(frozen=True)
class Crops:
    """Where crops are drawn from: as many in an epoch as cover the pictures about once.

    Attributes:
        images: Arrays `(height, width, channels)` in bytes, each at least as large as a crop.
        classes: Integers `(height, width)` for each; -1 where they count for nothing.
        size: Height and width of a crop, in pixels.
    """

    images: Sequence[np.ndarray]
    classes: Sequence[np.ndarray]
    size: tuple[int, int]

    def __len__(self) -> int:
        """The number of crops of an epoch."""
        return sum(int(np.ceil(np.divide(image.shape[:2], self.size)).prod()) for image in self.images)

    def cut(self, picture: int, row: int, column: int) -> tuple[np.ndarray, np.ndarray]:
        """The crop of a picture, and its classes, whose first pixel is in a row and a column."""
        place = slice(row, row + self.size[0]), slice(column, column + self.size[1])
        return self.images[picture][place], self.classes[picture][place]

    def central(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The middle of each of the first pictures, and its classes."""
        places = [(np.array(image.shape[:2]) - self.size) // 2 for image in self.images[:count]]
        images, classes = zip(*(self.cut(i, *place) for i, place in enumerate(places)), strict=True)
        return np.stack(images), np.stack(classes)


def training_batches(
    crops: Crops,
    preprocess: Any,
    augmentation: Any,
    batch_size: int,
    seed: int,
    initial_epoch: int = 0,
    steps: int | None = None,
) -> tf.data.Dataset:
    """Random crops, without end; an epoch depends on the seed and its number only.

    Half of the crops lie anywhere, all places of all pictures alike. The others show a pixel of a class, all classes
    alike, at a random place in the crop.

    Args:
        crops: `Crops`.
        preprocess: What `fit_preprocessing` returned.
        augmentation: Names of augmentations, applied in this order.
        batch_size: int.
        seed: int.
        initial_epoch: Number of the first epoch.
        steps: Number of batches in an epoch, by default `len(crops) // batch_size`.

    Returns:
        `tf.data.Dataset` of pairs: preprocessed images, and their classes.

    Raises:
        ValueError: If an augmentation is unknown, or cannot move masks.
    """
    each = isinstance(preprocess, StandardiseEach)
    transforms = Transforms(augmentation, Unchanged() if each else preprocess or Unchanged(), "mask", IGNORED)
    prepare = [of_picture(preprocess, map(scaled, strips(image))) for image in crops.images] if each else []
    means, deviations = (np.array([getattr(p, name) for p in prepare], "float32") for name in ("mean", "deviation"))
    anchors = _anchors(crops)

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
        epoch = initial_epoch
        while True:
            rng = np.random.default_rng([seed, epoch])
            for batch in range(steps or len(crops) // batch_size):
                places = [_draw(rng, crops, anchors) for _ in range(batch_size)]
                images, classes = zip(*(crops.cut(*place) for place in places), strict=True)
                pictures = np.array([picture for picture, *_ in places])
                yield np.stack(images), np.stack(classes), np.array([seed, (epoch << 32) + batch]), pictures
            epoch += 1

    def transformed(images: Any, classes: Any, key: Any, pictures: Any) -> tuple[Any, Any]:
        _, drawn = transforms.draw(key, batch_size)
        images = transforms.before(images, drawn)
        if each:
            mean, deviation = (tf.gather(values, pictures)[:, None, None] for values in (means, deviations))
            images = (images - mean) / deviation
        return transforms.after(images, drawn), transforms.moved(classes, drawn)

    shape = (batch_size, *crops.size)
    signature = (
        tf.TensorSpec((*shape, crops.images[0].shape[-1]), tf.uint8),
        tf.TensorSpec(shape, tf.int32),
        tf.TensorSpec((2,), tf.int64),
        tf.TensorSpec((batch_size,), tf.int64),
    )
    return tf.data.Dataset.from_generator(batches, output_signature=signature).map(transformed).prefetch(2)


def _anchors(crops: Crops) -> list[np.ndarray]:
    """For each class that occurs, rows (picture, row, column) of some of its pixels."""
    rng = np.random.default_rng(0)
    found: dict[int, list[np.ndarray]] = {}
    for picture, classes in enumerate(crops.classes):
        for value in np.unique(classes[classes >= 0]):
            places = np.argwhere(classes == value)
            chosen = rng.choice(len(places), min(len(places), _ANCHORS // len(crops.classes) + 1), replace=False)
            found.setdefault(int(value), []).append(np.insert(places[chosen], 0, picture, axis=1))
    return [np.concatenate(found[value]) for value in sorted(found)]


def _draw(rng: np.random.Generator, crops: Crops, anchors: list[np.ndarray]) -> tuple[int, int, int]:
    """The number of a picture, and the row and column of a crop of it."""
    sizes = np.array([image.shape[:2] for image in crops.images])
    if rng.random() < _BY_CLASS:
        among = anchors[rng.integers(len(anchors))]
        picture, *place = among[rng.integers(len(among))]
        corner = np.array(place) - rng.integers(0, crops.size)
        corner = corner.clip(0, sizes[picture] - crops.size)
    else:
        places = (sizes - crops.size + 1).prod(axis=1)
        picture = rng.choice(len(places), p=places / places.sum())
        corner = rng.integers(0, sizes[picture] - crops.size + 1)
    row, column = map(int, corner)
    return int(picture), row, column
