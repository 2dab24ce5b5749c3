"""Labelled images in memory."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Split:
    """Images `(n, height, width, channels)`, bytes or floats between 0 and 1, and integer labels `(n,)`."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self):
        """The number of images."""
        return len(self.images)

    def take(self, indices):
        """The images and labels at some indices."""
        return Split(self.images[indices], self.labels[indices])

    def scaled_images(self, count=None):
        """The first images (all of them by default) as 32-bit floats between 0 and 1."""
        images = self.images[:count]
        return images.astype("float32") / (255 if images.dtype == np.uint8 else 1)


@dataclasses.dataclass(frozen=True)
class LabelledImages:
    """A data set for classification; `validation` is `None` when all training images are trained on."""

    train: Split
    test: Split
    classes: int
    validation: Split | None = None

    def hold_out(self, count, seed=0):
        """Moves some of the training images, always the same for a seed, to the validation set.

        Raises:
            ValueError: If there are not more training images than that.
        """
        if count == 0:
            return self
        if not 0 < count < len(self.train):
            raise ValueError(
                f"`validation` must be below the number of training images, {len(self.train)}. "
                f"Received: validation={count}"
            )
        order = np.random.default_rng(seed).permutation(len(self.train))
        train, validation = self.train.take(np.sort(order[count:])), self.train.take(np.sort(order[:count]))
        return dataclasses.replace(self, train=train, validation=validation)
