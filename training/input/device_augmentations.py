"""The random transforms of training images without TensorFlow: drawn by NumPy, computed by `keras.ops`.

They are those of `augmentations`, in distribution: the formulas are the same, the random numbers others. As there, what
is drawn for an image depends on the seed, the epoch and the index of the image alone.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops
from keras_equivariant.training.input import named

from keras_equivariant.typing import Tensor


@dataclasses.dataclass(frozen=True)
class DeviceAugmentation:
    """A random transform.

    Attributes:
        draw: Function of a `numpy.random.Generator` and a number of images, that returns an array of parameters, a row
            for each image.
        apply: Function of a batch of images, the rows of parameters of its images, and the background, that returns
            the transformed images.
        on_raw_images: Whether it acts on colours, so before the preprocessing, on pixels between 0 and 1.
    """

    draw: Callable
    apply: Callable
    on_raw_images: bool = False


def rotate(images: Tensor, angles: Any, background: Any = 0.0) -> Tensor:
    """Turns images about their centres, counter-clockwise, by angles in radians, with bilinear interpolation.

    Pixels from outside are of the background.
    """
    height, width, channels = images.shape[1:]
    angles = ops.reshape(ops.cast(angles, images.dtype), (-1, 1, 1))
    cosine, sine = ops.cos(angles), ops.sin(angles)
    x = np.arange(width, dtype="float32")[None, None, :] - (width - 1) / 2
    y = np.arange(height, dtype="float32")[None, :, None] - (height - 1) / 2
    # The output pixel (x, y), rows downwards, shows the input at (c x - s y, s x + c y): it was there before the turn.
    columns = cosine * x - sine * y + (width - 1) / 2
    rows = sine * x + cosine * y + (height - 1) / 2
    flat = ops.reshape(images - background, (-1, height * width, channels))
    left, top = ops.floor(columns), ops.floor(rows)
    turned = 0.0
    for i in (0, 1):
        for j in (0, 1):
            row, column = top + i, left + j
            weight = (1 - ops.abs(rows - row)) * (1 - ops.abs(columns - column))
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            weight = weight * ops.cast(inside, images.dtype)
            cells = ops.clip(row, 0, height - 1) * width + ops.clip(column, 0, width - 1)
            cells = ops.reshape(ops.cast(cells, "int32"), (-1, height * width, 1))
            turned = turned + ops.reshape(weight, (-1, height * width, 1)) * ops.take_along_axis(flat, cells, axis=1)
    return ops.reshape(turned, (-1, height, width, channels)) + background


def shift_and_flip(images: Tensor, shifts_and_flips: Any, background: Any = 0.0) -> Tensor:
    """Mirrors some images and then shifts all by whole pixels; the background comes in, 0 being the mean.

    The parameters of an image are pixels to the right, pixels downwards, and 1 to mirror or 0.
    """
    height, width = images.shape[1:3]
    parameters = ops.cast(shifts_and_flips, "int32")
    right, down, mirrored = (parameters[:, k, None] for k in range(3))
    rows, columns = np.arange(height, dtype="int32")[None] - down, np.arange(width, dtype="int32")[None] - right
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    columns = ops.where(mirrored == 1, width - 1 - columns, columns)
    rows, columns = ops.clip(rows, 0, height - 1), ops.clip(columns, 0, width - 1)
    images = ops.take_along_axis(images, rows[:, :, None, None], axis=1)
    images = ops.take_along_axis(images, columns[:, None, :, None], axis=2)
    return ops.where(inside[..., None], images, ops.cast(background, images.dtype))


def _shift_and_flip(images: Tensor, shifts_and_flips: Any, background: Any) -> Tensor:
    """Of preprocessed images, 0 is the mean: a border of it, unlike a black one, says nothing to a network."""
    return shift_and_flip(images, shifts_and_flips)


def flip(images: Tensor, flips: Any, background: Any = None) -> Tensor:
    """Mirrors some images sideways."""
    return ops.where(ops.reshape(flips, (-1, 1, 1, 1)) == 1, ops.flip(images, axis=2), images)


def apply_symmetries(images: Tensor, choices: Any, background: Any = None) -> Tensor:
    """One of the eight symmetries of the square, exact to the pixel."""
    sideways, upside_down, transposed = (ops.reshape(choices[:, k], (-1, 1, 1, 1)) == 1 for k in range(3))
    images = ops.where(sideways, ops.flip(images, axis=2), images)
    images = ops.where(upside_down, ops.flip(images, axis=1), images)
    return ops.where(transposed, ops.transpose(images, (0, 2, 1, 3)), images)


def jitter(images: Tensor, parameters: Any, background: Any = None) -> Tensor:
    """Changes brightness, contrast, saturation and hue, each image by its own parameters, in this order."""
    brightness, contrast, saturation, hue = (ops.reshape(parameters[:, k], (-1, 1, 1)) for k in range(4))
    images = images * brightness[..., None]
    grey = ops.mean(ops.sum(images * np.array([0.2989, 0.587, 0.114], "float32"), axis=-1), axis=(1, 2), keepdims=True)
    images = ops.clip(grey[..., None] + (images - grey[..., None]) * contrast[..., None], 0.0, 1.0)
    hues, saturations, values = _to_hsv(images)
    return _to_rgb((hues + hue) % 1.0, ops.clip(saturations * saturation, 0.0, 1.0), values)


def _to_hsv(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hues and saturations between 0 and 1, and values, each `(n, height, width)`."""
    red, green, blue = (images[..., k] for k in range(3))
    values = ops.max(images, axis=-1)
    spread = values - ops.min(images, axis=-1)
    divisor = ops.where(spread > 0, spread, ops.ones_like(spread))
    hues = ops.where(
        values == red,
        (green - blue) / divisor,
        ops.where(values == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
    )
    saturations = spread / ops.where(values > 0, values, ops.ones_like(values))
    return (hues / 6) % 1.0, saturations, values


def _to_rgb(hues: Tensor, saturations: Tensor, values: Tensor) -> Tensor:
    distances = [ops.abs(6 * hues - centre) for centre in (3.0, 2.0, 4.0)]
    shares = [ops.clip(s, 0.0, 1.0) for s in (distances[0] - 1, 2 - distances[1], 2 - distances[2])]
    return ops.stack([values * (1 - saturations + saturations * share) for share in shares], axis=-1)


def _draw_angles(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.uniform(0, 2 * math.pi, count).astype("float32")


def _draw_shifts_and_flips(rng: np.random.Generator, count: int) -> np.ndarray:
    """Shifts to the right and downwards by up to 4 pixels, and 1 for a mirrored image or 0."""
    shifts, flips = rng.integers(-4, 5, (count, 2)), rng.integers(0, 2, (count, 1))
    return np.concatenate([shifts, flips], axis=1).astype("int32")


def _draw_bits(rng: np.random.Generator, count: int, each: int = 1) -> np.ndarray:
    return rng.integers(0, 2, (count, each)).astype("int32")


def _draw_jitter(
    rng: np.random.Generator, count: int, brightness: float, contrast: float, saturation: float, hue: float
) -> np.ndarray:
    amounts = np.array([brightness, contrast, saturation, hue])
    return (np.array([1, 1, 1, 0]) + amounts * rng.uniform(-1, 1, (count, 4))).astype("float32")


def _with_jitter(amounts: dict[str, float]) -> DeviceAugmentation:
    return DeviceAugmentation(functools.partial(_draw_jitter, **amounts), jitter, on_raw_images=True)


_AUGMENTATIONS: dict[str, Any] = {
    "colour_jitter": named.colour_jitter(_with_jitter),
    "flip": DeviceAugmentation(_draw_bits, flip),
    "rotate": DeviceAugmentation(_draw_angles, rotate),
    "square_symmetries": DeviceAugmentation(functools.partial(_draw_bits, each=3), apply_symmetries),
    "shift_and_flip": DeviceAugmentation(_draw_shifts_and_flips, _shift_and_flip),
}


def list_device_augmentations() -> list[str]:
    """Returns the names of all augmentations that need no TensorFlow."""
    return list(_AUGMENTATIONS)


def get_device_augmentation(name: str | dict[str, Any]) -> DeviceAugmentation:
    """Returns an augmentation that needs no TensorFlow; arguments and errors are those of `named.find`."""
    return named.find(name, _AUGMENTATIONS)
