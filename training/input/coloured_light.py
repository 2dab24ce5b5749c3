"""Images under coloured light: inputs of offset-equivariant networks, and test errors under lights not seen before."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
from keras_equivariant.training.input.numerics import as_given, numerics, tensor

from keras_equivariant.layers import ApplyGamma, InverseLogRGB, LogRGB, RemoveGamma
from keras_equivariant.typing import Tensor


@dataclasses.dataclass(frozen=True)
class StandardisedLogRGB:
    """Logarithms of linear RGB, of which one mean and one deviation for each colour are removed."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    background: float = 0.0  # pixels from outside are of the mean colour, not black

    @classmethod
    def fit(cls, images: Iterable[np.ndarray]) -> "StandardisedLogRGB":
        """Takes mean and deviation of each colour over all pixels of all images, which come in parts."""
        return cls(*colour_statistics(keras.ops.convert_to_numpy(_log_rgb(part)) for part in images))

    def __call__(self, images: Tensor) -> Tensor:
        """Converts sRGB images between 0 and 1."""
        standardised = (_log_rgb(images) - np.array(self.mean, "float32")) / np.array(self.deviation, "float32")
        return as_given(standardised, images)


@dataclasses.dataclass(frozen=True)
class SameLight:
    """Removes the colour of the light from each image before the model's own preprocessing.

    Around a whole model f of the logarithms x of linear RGB, the invariant `OffsetAdapter` is f(x - G phi(x)), with phi
    the mean of each colour over the image. Here f adds the mean colour of the training images, goes back to sRGB, and
    is the ordinary model from there: it works as trained, and no longer sees the light.

    Attributes:
        preprocess: The model's own preprocessing.
        mean: Mean logarithm of each colour over the training images.
    """

    preprocess: Callable
    mean: tuple[float, ...]

    def __call__(self, images: Tensor) -> Tensor:
        """Converts sRGB images between 0 and 1."""
        logarithms = _log_rgb(images)
        functions = numerics(logarithms)
        means = functions.mean(logarithms, axis=(1, 2), keepdims=True)
        logarithms = logarithms + (np.array(self.mean, "float32") - means)
        balanced = functions.clip(ApplyGamma()(InverseLogRGB()(logarithms)), 0.0, 1.0)
        return self.preprocess(as_given(balanced, images))


def _log_rgb(images: Tensor) -> Tensor:
    # On a TensorFlow tensor the layers return one, whatever the backend.
    return LogRGB()(RemoveGamma()(tensor(images)))


def colour_statistics(parts: Iterable[np.ndarray]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each colour over all pixels of images, `(n, height, width, channels)` a part."""
    sums: Any = 0.0
    for part in parts:
        values = part.astype("float64")
        pixels = values.size / values.shape[-1]
        sums += np.stack([np.full(values.shape[-1], pixels), values.sum((0, 1, 2)), (values**2).sum((0, 1, 2))])
    mean, square = sums[1:] / sums[0]
    return tuple(mean.tolist()), tuple(np.sqrt(np.maximum(square - mean**2, 0)).tolist())
