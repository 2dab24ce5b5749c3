"""Random transforms of training images.

Each is two functions: one draws the parameters for all images of an epoch, from a key that depends on the seed and the
epoch alone; the other transforms a batch with the parameters of its images. So an image's transform depends on
nothing but the seed, the epoch and the image's index. Two more move masks and vectors with their images.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from keras_equivariant.training.data.streamed import random_crop
from keras_equivariant.training.data.transforms import rotate, shift_and_flip
from keras_equivariant.training.input import named

from keras_equivariant.typing import Tensor


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
        masks: Function as `apply`, of masks: integers `(n, height, width, channels)`, with that of pixels from outside
            as background. `None` if it cannot move them.
        vectors: Function of vectors `(n, 2)`, x to the right and y upwards, and the rows of parameters. `None` if it
            cannot move them.
    """

    draw: Callable
    apply: Callable
    on_raw_images: bool = False
    on_encoded_images: bool = False
    masks: Callable | None = None
    vectors: Callable | None = None


def _draw_angles(key: Any, count: int) -> tf.Tensor:
    return tf.random.stateless_uniform((count,), key, maxval=2 * math.pi)


def _draw_shifts_and_flips(key: Any, count: int) -> tf.Tensor:
    """Shifts to the right and downwards by up to 4 pixels, and 1 for a mirrored image or 0."""
    shifts_key, flips_key = tf.unstack(tf.random.split(key))
    shifts = tf.random.stateless_uniform((count, 2), shifts_key, -4, 5, tf.int32)
    flips = tf.random.stateless_uniform((count, 1), flips_key, 0, 2, tf.int32)
    return tf.concat([shifts, flips], axis=1)


def _draw_flips(key: Any, count: int) -> tf.Tensor:
    return tf.random.stateless_uniform((count,), key, 0, 2, tf.int32)


def _flip(images: Any, flips: Any, background: Any) -> tf.Tensor:
    return tf.where(tf.reshape(flips, (-1, 1, 1, 1)) == 1, images[:, :, ::-1], images)


def _draw_keys(key: Any, count: int) -> tf.Tensor:
    everything: Any = None
    return tf.random.stateless_uniform((count, 2), key, everything, None, tf.int32)


def _draw_symmetries(key: Any, count: int) -> tf.Tensor:
    """Three times 0 or 1 for each image: whether to mirror it sideways, upside down, and along its diagonal."""
    return tf.random.stateless_uniform((count, 3), key, 0, 2, tf.int32)


def _draw_quarter_turns(key: Any, count: int) -> tf.Tensor:
    """As `_draw_symmetries`, for the four that are turns: transposed exactly where one of the mirrors is."""
    mirrored = tf.random.stateless_uniform((count, 2), key, 0, 2, tf.int32)
    return tf.concat([mirrored, tf.bitwise.bitwise_xor(mirrored[:, :1], mirrored[:, 1:])], axis=1)


def _apply_symmetries(images: Any, choices: Any, background: Any) -> tf.Tensor:
    """One of the eight symmetries of the square, exact to the pixel."""
    sideways, upside_down, transposed = tf.unstack(choices[:, :, None, None, None] > 0, axis=1)
    images = tf.where(sideways, images[:, :, ::-1], images)
    images = tf.where(upside_down, images[:, ::-1], images)
    return tf.where(transposed, tf.transpose(images, (0, 2, 1, 3)), images)


def _rotate_vectors(vectors: Any, angles: Any) -> tf.Tensor:
    (x, y), cosine, sine = tf.unstack(vectors, axis=1), tf.cos(angles), tf.sin(angles)
    return tf.stack([cosine * x - sine * y, sine * x + cosine * y], axis=1)


def _shift_and_flip(images: Any, shifts_and_flips: Any, background: Any) -> tf.Tensor:
    """Of preprocessed images, 0 is the mean: a border of it, unlike a black one, says nothing to a network."""
    return shift_and_flip(images, shifts_and_flips)


def _flip_vectors(vectors: Any, flips: Any) -> tf.Tensor:
    return tf.where(flips[:, None] == 1, vectors * [-1.0, 1.0], vectors)


def _apply_symmetries_to_vectors(vectors: Any, choices: Any) -> tf.Tensor:
    vectors = _flip_vectors(vectors, choices[:, 0])
    vectors = tf.where(choices[:, 1:2] == 1, vectors * [1.0, -1.0], vectors)
    return tf.where(choices[:, 2:] == 1, -vectors[:, ::-1], vectors)


def draw_jitter(
    key: Tensor, count: int, brightness: float = 0.4, contrast: float = 0.4, saturation: float = 0.4, hue: float = 0.1
) -> Tensor:
    """Factors of brightness, contrast and saturation about 1, and turns of the hue; the arguments limit all four."""
    factors_key, hues_key = tf.unstack(tf.random.split(key))
    amounts = tf.constant([brightness, contrast, saturation])
    factors = 1 + amounts * tf.random.stateless_uniform((count, 3), factors_key, -1.0, 1.0)
    return tf.concat([factors, hue * tf.random.stateless_uniform((count, 1), hues_key, -1.0, 1.0)], axis=1)


def jitter(images: Tensor, parameters: Tensor, background: Any = None) -> Tensor:
    """Changes brightness, contrast, saturation and hue, each image by its own parameters, in this order."""
    brightness, contrast, saturation, hue = tf.unstack(parameters[:, :, None, None], axis=1)
    images = images * brightness[..., None]
    grey = tf.reduce_mean(tf.image.rgb_to_grayscale(images), axis=(1, 2), keepdims=True)
    images = tf.clip_by_value(grey + (images - grey) * contrast[..., None], 0.0, 1.0)
    hues, saturations, values = tf.unstack(tf.image.rgb_to_hsv(images), axis=-1)
    saturations = tf.clip_by_value(saturations * saturation, 0.0, 1.0)
    return tf.image.hsv_to_rgb(tf.stack([tf.math.floormod(hues + hue, 1.0), saturations, values], axis=-1))


def _stay(targets: Any, *_: Any) -> Any:
    """What happens to masks and vectors when colours change."""
    return targets


def _with_jitter(amounts: dict[str, float]) -> Augmentation:
    draw = functools.partial(draw_jitter, **amounts)
    return Augmentation(draw, jitter, on_raw_images=True, masks=_stay, vectors=_stay)


_AUGMENTATIONS: dict[str, Augmentation | Callable[..., Augmentation]] = {
    named.DECODING: Augmentation(_draw_keys, random_crop, on_encoded_images=True),
    "colour_jitter": named.colour_jitter(_with_jitter),
    "flip": Augmentation(_draw_flips, _flip, masks=_flip, vectors=_flip_vectors),
    "rotate": Augmentation(
        _draw_angles, rotate, masks=functools.partial(rotate, interpolation="NEAREST"), vectors=_rotate_vectors
    ),
    "square_symmetries": Augmentation(
        _draw_symmetries, _apply_symmetries, masks=_apply_symmetries, vectors=_apply_symmetries_to_vectors
    ),
    "quarter_turns": Augmentation(
        _draw_quarter_turns, _apply_symmetries, masks=_apply_symmetries, vectors=_apply_symmetries_to_vectors
    ),
    "shift_and_flip": Augmentation(
        _draw_shifts_and_flips,
        _shift_and_flip,
        masks=shift_and_flip,
        vectors=lambda vectors, shifts_and_flips: _flip_vectors(vectors, shifts_and_flips[:, 2]),
    ),
}


def list_augmentations() -> list[str]:
    """Returns the names of all augmentations."""
    return list(_AUGMENTATIONS)


def get_augmentation(name: str | dict[str, Any]) -> Augmentation:
    """Returns an augmentation.

    Args:
        name: Its name, or `{"class_name": name, "config": {...}}` with its arguments, if it takes any.

    Raises:
        ValueError: If the name is unknown, or an argument is unknown or out of range.
    """
    return named.find(name, _AUGMENTATIONS)
