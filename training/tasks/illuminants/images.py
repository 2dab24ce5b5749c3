"""Photographs with the colour of their light."""

import dataclasses
from typing import Any

import keras
import numpy as np
from keras_equivariant.training.data import from_tfds

from keras_equivariant.layers import RandomIlluminant

_SEED = 0
DATASETS = ("colorchecker", "nus")


@dataclasses.dataclass(frozen=True)
class LitImages:
    """Images `(n, height, width, 3)` in linear RGB, masked pixels zero; their lights `(n, 3)`; their folds `(n,)`."""

    images: np.ndarray
    lights: np.ndarray
    folds: np.ndarray

    def __len__(self) -> int:
        """The number of images."""
        return len(self.images)

    def take(self, indices: Any) -> "LitImages":
        """The images at some indices, or where an array is true."""
        return LitImages(*(array[indices] for array in (self.images, self.lights, self.folds)))

    def under(self, saturation: float, seed: int = _SEED) -> "LitImages":
        """The same images under one more light each, of random hue, the same hue at every saturation."""
        colours = random_lights(len(self), saturation, seed)
        return dataclasses.replace(self, images=self.images * colours, lights=self.lights * colours[:, 0, 0])


def random_lights(count: int, saturation: float, seed: int = _SEED) -> np.ndarray:
    """Colours `(count, 1, 1, 3)` of lights of random hue, the same hue at every saturation."""
    hues = np.random.default_rng(seed).uniform(size=count).astype("float32")
    light = RandomIlluminant(saturation, gamma=False, in_prediction=True)
    return keras.ops.convert_to_numpy(light(np.ones((count, 1, 1, 3), "float32"), hue=hues))


def load(name: str, data_dir: str | None = None) -> LitImages:
    """Loads a data set.

    Args:
        name: One of `DATASETS`.
        data_dir: Folder of TFDS data sets, or `None` for that of TFDS. What is not yet prepared is made there from
            the files in its folder `downloads/manual`.

    Returns:
        `LitImages`.

    Raises:
        ValueError: If there is no such data set, or files are missing, unreadable or malformed.
    """
    if name not in DATASETS:
        raise ValueError(f"`dataset` must be one of {list(DATASETS)}. Received: dataset={name!r}")
    from_tfds.import_tfds()
    from keras_equivariant.training.data.colorchecker import ColorChecker
    from keras_equivariant.training.data.lights import FOLDS
    from keras_equivariant.training.data.nus import Nus

    builder = {"colorchecker": ColorChecker, "nus": Nus}[name](data_dir=data_dir)
    splits: Any = from_tfds.load_arrays(builder, list(FOLDS), data_dir)
    images, lights = (np.concatenate([split[key] for split in splits]) for key in ("image", "light"))
    return LitImages(images, lights, np.repeat(np.arange(len(splits)), [len(split["image"]) for split in splits]))


def visible_pixels(images: np.ndarray, floor: float | None = None) -> np.ndarray:
    """Where there is something to see.

    Args:
        images: `(n, height, width, 3)`.
        floor: `None` for all pixels but those of which a colour is zero, masked or too dark for the camera: the same
            pixels under any light. Or a value that all three colours must reach.

    Returns:
        Boolean array `(n, height, width)`.
    """
    return np.all(images > 0 if floor is None else images >= floor, axis=-1)


def fill(images: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """Gives hidden pixels the mean colour of the visible ones of the same image, which follows the light."""
    weights = visible[..., None].astype(images.dtype)
    means = (images * weights).sum((1, 2), keepdims=True) / np.maximum(weights.sum((1, 2), keepdims=True), 1)
    return np.where(visible[..., None], images, means)
