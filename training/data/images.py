"""Labelled images in memory."""

import dataclasses
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from keras_equivariant.training.files import replacing

if TYPE_CHECKING:
    import tensorflow as tf

_PART = 5_000
_BATCH = 64  # images that are read at once
_SPLITS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True)
class Split:
    """Images `(n, height, width, channels)`, bytes or floats between 0 and 1, and integer labels `(n,)`.

    Images that are too many for the memory are `keras_equivariant.training.data.decoded.Pictures`.
    """

    images: Any
    labels: np.ndarray

    @property
    def in_memory(self) -> bool:
        """Whether the images are an array."""
        return isinstance(self.images, np.ndarray)

    def __len__(self) -> int:
        """The number of images."""
        return len(self.images)

    def take(self, indices: Any) -> "Split":
        """The images and labels at some indices."""
        return Split(self.images[indices], self.labels[indices])

    def first(self, count: int | None = None) -> "Split":
        """The first images, all of them by default."""
        return Split(self.images[:count], self.labels[:count])

    def examples(self) -> "tf.data.Dataset":
        """All images in their order: `tf.data.Dataset` of `(image, label)`."""
        import tensorflow as tf

        if self.in_memory:
            return tf.data.Dataset.from_tensor_slices((self.images, self.labels))
        numbered = tf.data.Dataset.range(len(self)).batch(_BATCH)
        images = numbered.map(lambda indices: (self.fetch(indices), tf.gather(self.labels, indices))).unbatch()
        return images.apply(tf.data.experimental.assert_cardinality(len(self)))

    def fetch(self, indices: "tf.Tensor") -> "tf.Tensor":
        """The images at some indices, inside of a `tf.data` pipeline."""
        import tensorflow as tf

        images = tf.numpy_function(self.images.__getitem__, [indices], self.images.dtype)
        return tf.ensure_shape(images, (None, *self.images.shape[1:]))

    def scaled_images(self, count: int | None = None) -> np.ndarray:
        """The first images (all of them by default) as 32-bit floats between 0 and 1."""
        images = self.images[:count]
        return images.astype("float32") / (255 if images.dtype == np.uint8 else 1)

    def parts(self, count: int | None = None) -> Iterator[np.ndarray]:
        """The first images (all of them by default), some thousands at a time: 32-bit floats between 0 and 1."""
        images = self.images[:count]
        for start in range(0, len(images), _PART):
            yield Split(images[start : start + _PART], self.labels).scaled_images()

    def hold_out(self, count: int, seed: int) -> "tuple[Split, Split]":
        """Two parts: what is left, and some of the images, always the same for a seed."""
        order = np.random.default_rng(seed).permutation(len(self))
        return self.take(np.sort(order[count:])), self.take(np.sort(order[:count]))


def with_validation(data: Any, count: int, seed: int) -> Any:
    """A data set of which some training images, always the same for a seed, watch the training.

    Args:
        data: A frozen dataclass with `train`, which can `hold_out` some of its images, and `validation`.
        count: Number of images to hold out.
        seed: Decides which.

    Returns:
        A data set of the same class.

    Raises:
        ValueError: If there are not more training images than that.
    """
    if count == 0:
        return data
    if not 0 < count < len(data.train):
        raise ValueError(
            f"`validation` must be below the number of training images, {len(data.train)}. Received: validation={count}"
        )
    train, validation = data.train.hold_out(count, seed)
    return dataclasses.replace(data, train=train, validation=validation)


@dataclasses.dataclass(frozen=True)
class LabelledImages:
    """A data set for classification; `validation` is `None` when all training images are trained on.

    Each part is a `Split`, or a `StreamedSplit` if the images are too many for the memory.
    """

    train: Split
    test: Split
    classes: int
    validation: Split | None = None
    names: tuple[str, ...] = ()  # of the classes
    rows: Any = ()  # of people's own pictures, what `split.csv` says of each

    def hold_out(self, count: int, seed: int = 0) -> "LabelledImages":
        """Moves some of the training images, always the same for a seed, to the validation set.

        Raises:
            ValueError: If there are not more training images than that.
        """
        return with_validation(self, count, seed)


def save_images(path: pathlib.Path, data: LabelledImages) -> None:
    """Writes a data set in memory to an `.npz` file, whole or not at all."""
    parts = {name: getattr(data, name) for name in _SPLITS if getattr(data, name) is not None}
    arrays = {f"{name}_{key}": getattr(part, key) for name, part in parts.items() for key in ("images", "labels")}
    with replacing(path) as partial, open(partial, "wb") as file:
        np.savez_compressed(file, classes=data.classes, names=np.array(data.names, str), **arrays)


def load_images(path: pathlib.Path) -> LabelledImages:
    """Reads what `save_images` wrote.

    Raises:
        ValueError: If the file is damaged.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            found = dict(arrays)
        parts = {
            name: Split(found[f"{name}_images"], found[f"{name}_labels"])
            for name in _SPLITS
            if name != "validation" or "validation_images" in found
        }
        return LabelledImages(classes=int(found["classes"]), names=tuple(found["names"].tolist()), **parts)
    except Exception as error:
        raise ValueError(f"{path} is damaged ({error})") from None
