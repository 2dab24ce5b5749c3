"""Pictures with a mask each, in memory, of mixed sizes."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras_equivariant.training.data.images import with_validation


@dataclasses.dataclass(frozen=True)
class MaskedPictures:
    """Pictures, and for each pixel of them a class or the number of an object.

    Attributes:
        images: Arrays `(height, width, channels)` in bytes, of any sizes.
        masks: Integers `(height, width)` for each: classes, or 0 for the background and the objects from 1 on.
        names: Where each picture comes from, for people.
    """

    images: Sequence[np.ndarray]
    masks: Sequence[np.ndarray]
    names: Sequence[Any]

    def __len__(self) -> int:
        """The number of pictures."""
        return len(self.images)

    def take(self, indices: Any) -> "MaskedPictures":
        """The pictures at some indices."""
        indices = list(indices)
        return MaskedPictures(
            [self.images[i] for i in indices], [self.masks[i] for i in indices], [self.names[i] for i in indices]
        )

    def hold_out(self, count: int, seed: int) -> "tuple[MaskedPictures, MaskedPictures]":
        """Two parts: what is left, and some of the pictures, always the same for a seed."""
        order = np.random.default_rng(seed).permutation(len(self))
        return self.take(sorted(order[count:])), self.take(sorted(order[:count]))


@dataclasses.dataclass(frozen=True)
class Segmented:
    """A data set for segmentation.

    Attributes:
        train: What is trained on.
        test: What it is tested on.
        classes: Names of the classes, the background first; with instances, the background and what the objects are.
        instances: Whether masks number the objects.
        validation: What watches the training, or `None`.
        crop: Height and width of the parts of pictures that are trained on, in pixels.
        rows: Of people's own pictures, what `split.csv` says of each.
    """

    train: MaskedPictures
    test: MaskedPictures
    classes: tuple[str, ...]
    instances: bool
    validation: MaskedPictures | None = None
    crop: tuple[int, int] = (1, 1)
    rows: tuple[dict[str, str], ...] = ()

    def hold_out(self, count: int, seed: int = 0) -> "Segmented":
        """Moves some of the training pictures, always the same for a seed, to the validation set.

        Raises:
            ValueError: If there are not more training pictures than that.
        """
        return with_validation(self, count, seed)

    def with_crops(self, size: tuple[int, int]) -> "Segmented":
        """The same data set, for crops of a size.

        Raises:
            ValueError: If a picture is smaller than a crop.
        """
        for part in (self.train, self.test, self.validation or self.test):
            for image, name in zip(part.images, part.names, strict=True):
                if min(np.subtract(image.shape[:2], size)) < 0:
                    raise ValueError(
                        f"Each picture must be at least as large as a crop, {size[0]}x{size[1]} pixels. "
                        f"Received: {name} of {image.shape[0]}x{image.shape[1]}"
                    )
        return dataclasses.replace(self, crop=size)
