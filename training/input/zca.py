"""Global contrast normalisation and ZCA whitening, the preprocessing of the CIFAR-10 networks."""

import dataclasses
from collections.abc import Iterable

import numpy as np
from keras_equivariant.training.input.numerics import as_given, numerics, tensor

from keras_equivariant.equivariance import transform_image
from keras_equivariant.symmetry import get_symmetry
from keras_equivariant.typing import Tensor

CONTRAST = 55.0
_REGULARISATION = 0.1


@dataclasses.dataclass(frozen=True)
class ContrastZca:
    """Normalises the contrast of each image, then decorrelates all pixels.

        g = 55 (x - mean(x)) / |x - mean(x)|,    y = W (g - m),    W = (C + 0.1)^(-1/2)

    with m and C the mean and the covariance of the training images. W singles out positions and directions. Averaged
    over a symmetry group beforehand, m and C commute with it, and the preprocessing is exactly equivariant.

    Attributes:
        mean: m, `(pixels * channels,)`.
        matrix: W, `(pixels * channels, pixels * channels)`.

    Reference:
        [Goodfellow et al., 2013](https://arxiv.org/abs/1302.4389), section 6.
    """

    mean: np.ndarray
    matrix: np.ndarray
    background = 0.0  # that of the mean image

    @classmethod
    def fit(cls, images: Iterable[np.ndarray], symmetry: str = "p1") -> "ContrastZca":
        """Takes mean and covariance of the training images, which come in parts, averaged over a symmetry."""
        images = np.concatenate(list(images))
        flat = np.asarray(as_given(_normalise_contrast(images), images), "float32").reshape(len(images), -1)
        mean = _average(flat.mean(axis=0, dtype="float64")[None], images.shape[1:], symmetry)[0]
        flat = flat - mean.astype("float32")
        covariance = (flat.T @ flat).astype("float64") / len(flat)
        # Both sides of the covariance move: the rows are images, and so are the columns.
        covariance = _average(covariance, images.shape[1:], symmetry, both_sides=True)
        values, vectors = np.linalg.eigh(covariance)
        scales = 1 / np.sqrt(np.maximum(values, 0) + _REGULARISATION)
        return cls(mean.astype("float32"), ((vectors * scales) @ vectors.T).astype("float32"))

    def __call__(self, images: Tensor) -> Tensor:
        """Whitens float images."""
        normalised = _normalise_contrast(images)
        functions = numerics(normalised)
        flat = functions.reshape(normalised, (-1, len(self.mean)))
        whitened = functions.matmul(flat - self.mean, self.matrix)
        return as_given(functions.reshape(whitened, functions.shape(normalised)), images)


def _normalise_contrast(images: Tensor) -> Tensor:
    images = tensor(images)
    functions = numerics(images)
    images = images - functions.mean(images, axis=(1, 2, 3), keepdims=True)
    norm = functions.sqrt(functions.sum(images**2, axis=(1, 2, 3), keepdims=True))
    return CONTRAST * images / functions.maximum(norm, 1e-8)


def _average(rows: np.ndarray, shape: tuple[int, ...], symmetry: str, both_sides: bool = False) -> np.ndarray:
    """The mean of flattened images, `(n, pixels * channels)`, over the transforms of a symmetry group."""
    if symmetry == "p1":
        return rows
    total = np.zeros_like(rows)
    for element in range(get_symmetry(symmetry).order):
        index = np.arange(rows.shape[1]).reshape(1, *shape)
        moved = transform_image(index, symmetry, element).reshape(-1)
        total += rows[np.ix_(moved, moved)] if both_sides else rows[:, moved]
    return total / get_symmetry(symmetry).order
