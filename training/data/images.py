"""Labelled images in memory."""

import dataclasses
import functools

import numpy as np


@dataclasses.dataclass(frozen=True)
class Split:
    """Images `(n, height, width, channels)`, float32, and labels `(n,)`, int32."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self):
        """The number of images."""
        return len(self.images)


@dataclasses.dataclass(frozen=True)
class LabelledImages:
    """A data set for classification."""

    train: Split
    validation: Split
    test: Split
    classes: int

    @functools.cached_property
    def mean(self):
        """The mean over all pixels of the training images."""
        return float(self.train.images.mean())

    @functools.cached_property
    def deviation(self):
        """The standard deviation over all pixels of the training images."""
        return float(self.train.images.std())

    def standardise(self, images):
        """Subtracts one mean and divides by one deviation; one of each pixel would single out a direction."""
        return (images - self.mean) / self.deviation
