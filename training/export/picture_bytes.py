"""A signature of a SavedModel that takes the bytes of picture files.

TensorFlow decodes and scales them, in the model. It does so as `keras_equivariant.training.data` does: upright, on
white, whole and with the aspect ratio, each side averaged over all the pixels that become one.
"""

import pathlib
import shutil
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from keras_equivariant.training.data.transforms import LUMINANCE

NAME = "serve_bytes"
_TOLERANCE = 1e-4
_EXIF = list(b"Exif\0\0")
_EXIF_WITHIN = 2**16  # bytes from the beginning of a file
_ORIENTATION = 0x0112  # the tag
_PNG = b"\x89PNG\r\n\x1a\n"
_HEADER = 24, 1  # where a PNG file has the bits of its channels
_ZEROS = bytes(sum(_HEADER))


def add_bytes(path: pathlib.Path, shape: tuple[int, int, int], names: Sequence[str] | None, images: np.ndarray) -> None:
    """Adds the signature `serve_bytes` to a SavedModel.

    It takes strings `(n,)`, the contents of PNG, JPEG, BMP, GIF or WebP files, and returns a dictionary: `scores`
    `(n, k)`, the outputs of the model, and if there are names, `names` `(n, k)`, that of each output.

    Args:
        path: Folder of the SavedModel, with `serve`, that takes images between 0 and 1. It is written anew.
        shape: Height, width and number of channels of its images, 3 or 1.
        names: Of the outputs, or `None`.
        images: Some images between 0 and 1, to check it with.

    Raises:
        ValueError: If it says something else of the files of the images than `serve` of the images.
    """
    served = tf.saved_model.load(str(path))

    def serve_bytes(files: Any) -> dict[str, Any]:
        images = tf.map_fn(lambda content: _read(content, shape), files, fn_output_signature=tf.float32)
        scores = served.serve(tf.ensure_shape(images, (None, *shape)))
        if names is None:
            return {"scores": scores}
        return {"scores": scores, "names": tf.repeat(tf.constant([list(names)]), tf.shape(scores)[0], axis=0)}

    signature = [tf.TensorSpec((None,), tf.string, name="files")]
    served.serve_bytes = tf.function(serve_bytes, input_signature=signature, autograph=False)
    signatures = {**served.signatures, NAME: served.serve_bytes}
    written = path.with_name(f"{path.name}.bytes")
    tf.saved_model.save(served, str(written), signatures=signatures)
    shutil.rmtree(path)
    written.rename(path)
    pixels = np.rint(255 * images).astype("uint8")
    again = tf.saved_model.load(str(path))
    found = again.serve_bytes([tf.io.encode_png(image) for image in pixels])["scores"].numpy()
    expected = served.serve(tf.constant(pixels / np.float32(255))).numpy()
    difference = abs(found - expected).max() / abs(expected).max()
    if not difference <= _TOLERANCE:
        raise ValueError(f"`{NAME}` must say of files what `serve` says of images. Received: {difference:.1e}")


def _read(content: Any, shape: tuple[int, int, int]) -> Any:
    """A picture of the shape, between 0 and 1, from the bytes of a file."""
    header = tf.strings.substr(tf.strings.join([content, _ZEROS]), *_HEADER)
    header = tf.cast(tf.io.decode_raw(header, tf.uint8), tf.int32)

    def png() -> Any:
        deep = header[0] == 16
        return tf.cond(deep, lambda: tf.cast(tf.io.decode_png(content, 3, tf.uint16), tf.float32) / 65535, on_white)

    def on_white() -> Any:
        image = tf.cast(tf.io.decode_png(content, 4), tf.float32)
        # Where nothing is transparent and the bits are fewer than 8, TensorFlow fills in the largest of so many.
        filled = tf.cast(tf.pow(2, header[0]) - 1, tf.float32)
        alpha = tf.where(tf.reduce_all(image[..., 3:] == filled), 255.0, image[..., 3:])
        return tf.round((image[..., :3] * alpha + 255 * (255 - alpha)) / 255) / 255

    def jpeg() -> Any:
        image = tf.io.decode_jpeg(content, 3, dct_method="INTEGER_ACCURATE")
        return tf.cast(_upright(image, _orientation(content)), tf.float32) / 255

    def other() -> Any:
        return tf.cast(tf.io.decode_image(content, 3, expand_animations=False), tf.float32) / 255

    is_png = tf.strings.substr(content, 0, len(_PNG)) == _PNG
    image = tf.cond(is_png, png, lambda: tf.cond(tf.io.is_jpeg(content), jpeg, other))
    image = tf.ensure_shape(image, (None, None, 3))
    if shape[-1] == 1:
        image = tf.tensordot(image, tf.constant(LUMINANCE), 1)[..., None]
    return _fit_into(image, shape)


def _orientation(content: Any) -> Any:
    """What EXIF says of a file: 1 to 8, and 1 if it says nothing that can be read."""
    begin = tf.cast(tf.io.decode_raw(tf.strings.substr(content, 0, _EXIF_WITHIN), tf.uint8), tf.int32)
    starts = tf.size(begin) - len(_EXIF) + 1
    found = tf.reduce_all([begin[i : starts + i] == byte for i, byte in enumerate(_EXIF)], axis=0)
    base = tf.cast(tf.argmax(tf.concat([found, [True]], axis=0)), tf.int32) + len(_EXIF)
    begin = tf.concat([begin, tf.zeros(2 * _EXIF_WITHIN, tf.int32)], axis=0)
    is_big = begin[base] == ord("M")

    def number(places: Any, size: int) -> Any:
        exponents = tf.where(is_big, tf.range(size)[::-1], tf.range(size))
        places = tf.clip_by_value(places[..., None] + tf.range(size), 0, tf.size(begin) - 1)
        return tf.reduce_sum(tf.gather(begin, places) * tf.pow(256, exponents), axis=-1)

    # A directory: the number of its entries, then twelve bytes for each. The first two are its tag, the ninth and the
    # tenth a short value.
    directory = base + tf.clip_by_value(number(base + 4, 4), 0, _EXIF_WITHIN)
    entries = directory + 2 + 12 * tf.range(number(directory, 2))
    values = tf.boolean_mask(number(entries + 8, 2), number(entries, 2) == _ORIENTATION)
    value = tf.concat([values, [1]], axis=0)[0]
    return tf.where((value >= 1) & (value <= 8), value, 1)


def _upright(image: Any, orientation: Any) -> Any:
    """An image as the values 1 to 8 of EXIF say."""
    image = tf.cond(orientation >= 5, lambda: tf.transpose(image, (1, 0, 2)), lambda: image)
    for axis, values in ((0, (3, 4, 7, 8)), (1, (2, 3, 6, 7))):
        reverse = tf.reduce_any(orientation == tf.constant(values))
        image = tf.cond(reverse, lambda image=image, axis=axis: tf.reverse(image, (axis,)), lambda image=image: image)
    return image


def _fit_into(image: Any, shape: tuple[int, int, int]) -> Any:
    """As `keras_equivariant.training.data.transforms.fit_into`."""
    whole = np.array(shape[:2])
    sides = tf.cast(tf.shape(image)[:2], tf.float64)
    sides = sides * tf.reduce_min(whole / sides)
    sides = tf.cast(tf.maximum(whole - 2 * tf.round((whole - sides) / 2), 2.0 - whole % 2), tf.int32)
    image = tf.clip_by_value(tf.image.resize(image, sides, antialias=True), 0, 1)
    return tf.image.pad_to_bounding_box(image, *tf.unstack((whole - sides) // 2), *shape[:2])
