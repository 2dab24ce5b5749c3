"""Random transforms of training images.

Each is two functions: one draws the parameters for all images of an epoch, from a key that depends on the seed and the
epoch alone; the other transforms a batch with the parameters of its images. So an image's transform depends on
nothing but the seed, the epoch and the image's index.
"""

import dataclasses
import math
from collections.abc import Callable

import tensorflow as tf

from training.data.streamed import random_crop
from training.data.transforms import rotate, shift_and_flip
from training.input.coloured_light import draw_jitter, jitter


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """A random transform.

    Attributes:
        draw: Function of a key, two 64-bit integers, and a number of images, that returns a tensor of parameters, a
            row for each image.
        apply: Function of a batch of images, the rows of parameters of its images, and the background, that returns
            the transformed images.
        on_raw_images: Whether it acts on colours, so before the preprocessing, on pixels between 0 and 1.
        on_encoded_images: Whether it decodes an image from a file, by itself; `apply` is then a function of the encoded
            image, its row of parameters, and the height and width of the result.
    """

    draw: Callable
    apply: Callable
    on_raw_images: bool = False
    on_encoded_images: bool = False


def _draw_angles(key, count):
    return tf.random.stateless_uniform((count,), key, maxval=2 * math.pi)


def _draw_shifts_and_flips(key, count):
    """Shifts to the right and downwards by up to 4 pixels, and 1 for a mirrored image or 0."""
    shifts_key, flips_key = tf.unstack(tf.random.split(key))
    shifts = tf.random.stateless_uniform((count, 2), shifts_key, -4, 5, tf.int32)
    flips = tf.random.stateless_uniform((count, 1), flips_key, 0, 2, tf.int32)
    return tf.concat([shifts, flips], axis=1)


def _draw_flips(key, count):
    return tf.random.stateless_uniform((count,), key, 0, 2, tf.int32)


def _flip(images, flips, background):
    return tf.where(tf.reshape(flips, (-1, 1, 1, 1)) == 1, images[:, :, ::-1], images)


def _draw_keys(key, count):
    return tf.random.stateless_uniform((count, 2), key, None, None, tf.int32)


def _draw_symmetries(key, count):
    """Three times 0 or 1 for each image: whether to mirror it sideways, upside down, and along its diagonal."""
    return tf.random.stateless_uniform((count, 3), key, 0, 2, tf.int32)


def _apply_symmetries(images, choices, background):
    """One of the eight symmetries of the square, exact to the pixel."""
    sideways, upside_down, transposed = tf.unstack(choices[:, :, None, None, None] > 0, axis=1)
    images = tf.where(sideways, images[:, :, ::-1], images)
    images = tf.where(upside_down, images[:, ::-1], images)
    return tf.where(transposed, tf.transpose(images, (0, 2, 1, 3)), images)


_AUGMENTATIONS = {
    "random_crop": Augmentation(_draw_keys, random_crop, on_encoded_images=True),
    "colour_jitter": Augmentation(draw_jitter, jitter, on_raw_images=True),
    "flip": Augmentation(_draw_flips, _flip),
    "rotate": Augmentation(_draw_angles, rotate),
    "square_symmetries": Augmentation(_draw_symmetries, _apply_symmetries),
    "shift_and_flip": Augmentation(_draw_shifts_and_flips, shift_and_flip),
}


def list_augmentations():
    """Returns the names of all augmentations."""
    return list(_AUGMENTATIONS)


def get_augmentation(name):
    """Returns an augmentation by its name.

    Raises:
        ValueError: If the name is unknown.
    """
    if name not in _AUGMENTATIONS:
        raise ValueError(f"`augmentation` must be among {list_augmentations()}. Received: augmentation={name!r}")
    return _AUGMENTATIONS[name]
