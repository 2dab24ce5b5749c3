"""Image transforms for tf.data pipelines. Nothing here draws random numbers: pass the parameters.

TensorFlow is imported when the first of them is called: not every installation has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    import tensorflow as tf

LUMINANCE = (0.299, 0.587, 0.114)


def scaled(images: Any) -> tf.Tensor:
    """Bytes as floats between 0 and 1; floats as they are."""
    import tensorflow as tf

    return tf.cast(images, tf.float32) / 255 if images.dtype == tf.uint8 else images


def rotate(images: Any, angles: Any, background: Any = 0.0, interpolation: str = "BILINEAR") -> tf.Tensor:
    """Turns images about their centres, counter-clockwise.

    Args:
        images: Tensor `(batch, height, width, channels)`.
        angles: Float tensor `(batch,)`, in radians.
        background: Value of the pixels that come in from outside.
        interpolation: `"BILINEAR"`, or `"NEAREST"`.

    Returns:
        The rotated images.
    """
    import tensorflow as tf

    centre_x, centre_y = _centre(images)
    cosine, sine = tf.cos(angles), tf.sin(angles)
    # The output pixel (x, y), rows downwards, shows the input at (c x - s y + dx, s x + c y + dy): it was there before
    # the turn.
    shift_x = centre_x - cosine * centre_x + sine * centre_y
    shift_y = centre_y - sine * centre_x - cosine * centre_y
    return _project(images, [cosine, -sine, shift_x, sine, cosine, shift_y], interpolation, background)


def shift_and_flip(images: Any, shifts_and_flips: Any, background: Any = 0.0) -> tf.Tensor:
    """Shifts images by whole pixels and mirrors some of them.

    Args:
        images: Tensor `(batch, height, width, channels)`.
        shifts_and_flips: Integer tensor `(batch, 3)`: pixels to the right, pixels downwards, and 1 to mirror or 0.
        background: Value of the pixels that come in from outside.

    Returns:
        The transformed images, mirrored first and shifted then.
    """
    import tensorflow as tf

    right, down, flip = tf.unstack(tf.cast(shifts_and_flips, tf.float32), axis=1)
    centre_x, _ = _centre(images)
    direction, zero = 1 - 2 * flip, tf.zeros_like(right)
    shift_x = 2 * centre_x * flip - direction * right
    return _project(images, [direction, zero, shift_x, zero, zero + 1, -down], "NEAREST", background)


def _centre(images: Any) -> tuple[tf.Tensor, tf.Tensor]:
    import tensorflow as tf

    height, width = tf.shape(images)[1], tf.shape(images)[2]
    return tf.cast(width - 1, tf.float32) / 2, tf.cast(height - 1, tf.float32) / 2


def _project(images: Any, coefficients: list[tf.Tensor], interpolation: str, background: Any) -> tf.Tensor:
    """Shows at (x, y) what the images have at (a x + b y + c, d x + e y + f), the coefficients being a to f."""
    import tensorflow as tf

    zeros = tf.zeros_like(coefficients[0])
    # The operation fills with one number, 0; the subtraction makes that one for each channel.
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=images - background,
        transforms=tf.stack([*coefficients, zeros, zeros], axis=1),
        output_shape=tf.shape(images)[1:3],
        fill_value=0.0,
        interpolation=interpolation,
        fill_mode="CONSTANT",
    )
    return moved + background


def fit_into(image: Any, shape: Any) -> np.ndarray:
    """Scales a picture to fit into others' shape, whole and with its aspect ratio; what is left over is black.

    Stretched instead, a line at 30 degrees would lie at another angle, and at yet another after a quarter turn: turned
    pictures would no longer be turned copies. Where pixels are left over on two sides, they are equally many, so the
    result turns and mirrors exactly with the picture: sides are rounded to numbers that are odd or even as the shape's.

    Args:
        image: `(height, width, channels)`, 3 or 1 of them: floats between 0 and 1, or bytes.
        shape: Height, width and number of channels, 3 or 1.

    Returns:
        Array of that shape, of floats or bytes as the image.
    """
    height, width, channels = shape
    scale = min(height / image.shape[0], width / image.shape[1])
    size = [_rounded(scale * side, whole) for side, whole in zip(image.shape[:2], (height, width), strict=True)]
    image = np.asarray(image)
    if image.dtype != np.uint8:
        image = image.astype("float32")
    if channels < image.shape[-1]:
        grey = image.astype("float32") @ np.array(LUMINANCE, "float32")
        image = (np.rint(grey).astype("uint8") if image.dtype == np.uint8 else grey)[..., None]
    # Each side is averaged over all the pixels that become one; Pillow takes the planes one by one, bytes and floats.
    planes = [_resized(image[..., channel], size) for channel in range(image.shape[-1])]
    above, left = (height - size[0]) // 2, (width - size[1]) // 2
    fitted = np.zeros(shape, image.dtype)
    fitted[above : above + size[0], left : left + size[1]] = np.stack(planes, axis=-1)
    return fitted


def _rounded(side: float, whole: int) -> int:
    """The nearest number to a side, from 1 to the whole one, that is odd if that is, or even."""
    return max(whole - 2 * round((whole - side) / 2), 1 if whole % 2 else 2)


def _resized(plane: np.ndarray, size: list[int]) -> np.ndarray:
    if plane.shape == tuple(size):
        return plane
    resized = np.asarray(Image.fromarray(plane).resize((size[1], size[0]), Image.Resampling.BILINEAR))
    return resized if resized.dtype == np.uint8 else resized.clip(0, 1)
