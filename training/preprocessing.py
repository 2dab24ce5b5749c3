"""What is done to all images before the network sees them, fitted on the training set.

A preprocessing is a class with a `fit` that returns it from training images, and a call that maps a batch of float
images between 0 and 1 to the network's inputs. Its `background` is the value, or one for each channel, that black
pixels become: what comes in from outside when an image is turned or shifted.
"""

import dataclasses

import numpy as np

from training.illuminants import StandardisedLogRGB
from training.zca import ContrastZca


@dataclasses.dataclass(frozen=True)
class Standardise:
    """Subtracts one mean and divides by one deviation; one of each pixel would single out a direction."""

    mean: float
    deviation: float

    @classmethod
    def fit(cls, images):
        """Takes mean and deviation over all pixels of all images."""
        return cls(float(images.mean(dtype=np.float64)), float(images.std(dtype=np.float64)))

    @property
    def background(self):
        """What a black pixel becomes."""
        return -self.mean / self.deviation

    def __call__(self, images):
        """Standardises float images."""
        return (images - self.mean) / self.deviation


_PREPROCESSINGS = {"standardise": Standardise, "log_rgb": StandardisedLogRGB, "contrast_zca": ContrastZca}


def list_preprocessings():
    """Returns the names of all preprocessings."""
    return list(_PREPROCESSINGS)


def fit_preprocessing(name, images):
    """Fits a preprocessing on training images.

    Args:
        name: One of `list_preprocessings()`.
        images: Float array `(n, height, width, channels)` between 0 and 1.

    Returns:
        A function of a batch of such images, with an attribute `background`.

    Raises:
        ValueError: If the name is unknown.
    """
    if name not in _PREPROCESSINGS:
        raise ValueError(f"`preprocessing` must be one of {list_preprocessings()}. Received: preprocessing={name!r}")
    return _PREPROCESSINGS[name].fit(images)
