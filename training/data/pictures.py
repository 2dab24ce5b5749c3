"""Decodes pictures as people have them: of many formats, 8 or 16 bits, grey, in colours or with a colour table."""

import contextlib
import os
import pathlib
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

_DEEP_PNG = b"\x89PNG\r\n\x1a\n", 24, 16  # how a PNG file begins; where it has its bits, and the value that is meant
_BITS = 258  # the tag of a TIFF file that holds the bits of its channels
_MOST_16_BITS = 65_535
_GREY = {"1", "L", "F", "I"}


class UnreadableError(ValueError):
    """A file that is no picture, or a damaged one."""


def read_picture(path: str | pathlib.Path) -> np.ndarray:
    """Reads a picture, upright as its EXIF orientation says; the first of several in a file.

    Args:
        path: PNG, JPEG, BMP, GIF, TIFF, WebP or whatever else Pillow reads. What is transparent becomes white.

    Returns:
        Bytes `(height, width, channels)`, with 3 or 1 of them; of files with more than 8 bits, floats between 0 and 1.

    Raises:
        UnreadableError: If it is no picture that can be read: the file and the reason.
    """
    with without_warnings():
        return decode(path)


@contextlib.contextmanager
def without_warnings() -> Iterator[None]:
    """Ignores what Pillow warns of: large pictures, and odd headers of files that can be read all the same."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def decode(path: str | pathlib.Path) -> np.ndarray:
    """As `read_picture`, for many threads at once: filters of warnings are those of all threads."""
    try:
        with Image.open(path) as file:
            if file.format == "TIFF" and file.mode == "RGB" and max(getattr(file, "tag_v2", {}).get(_BITS, (8,))) > 8:
                return _read_tiff(path)
            if not _is_deep_png(path):
                ImageOps.exif_transpose(file, in_place=True)
                return _as_array(file)
        from keras_equivariant.training.data.files import read_image, scaled

        return scaled(read_image(path))  # of 16 bits, where Pillow would leave 8
    except Exception as error:  # damaged files raise whatever their decoder stumbles over
        if isinstance(error, UnidentifiedImageError) and str(path).lower().endswith((".tif", ".tiff")):
            with contextlib.suppress(Exception):
                return _read_tiff(path)
        raise UnreadableError(f"The file must be an image. Received: {path} ({reason(path, error)})") from None


def look_at(path: str | pathlib.Path) -> tuple[tuple[int, int], str]:
    """Size of a picture, `(height, width)`, and its mode in Pillow, from the beginning of the file.

    Raises:
        UnreadableError: As `decode`, as far as the beginning tells.
    """
    try:
        with Image.open(path) as file:
            return (file.height, file.width), file.mode
    except Exception as error:
        if isinstance(error, UnidentifiedImageError) and str(path).lower().endswith((".tif", ".tiff")):
            picture = decode(path)
            return picture.shape[:2], "RGB"
        raise UnreadableError(f"The file must be an image. Received: {path} ({reason(path, error)})") from None


def is_grey(mode: str) -> bool:
    """Whether pictures of a mode have one channel."""
    return mode.partition(";")[0] in _GREY


def _as_array(image: Any) -> np.ndarray:
    mode = image.mode
    if mode == "F" or mode.startswith("I"):
        values = np.asarray(image).astype("float32")
        values = values if mode == "F" else values / _MOST_16_BITS
        if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
            raise ValueError("its numbers are neither of 16 bits nor between 0 and 1")
        return values[..., None]
    if mode in ("1", "L") and "transparency" not in image.info:
        return np.asarray(image.convert("L"))[..., None]
    if mode.endswith(("A", "a")) or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _read_tiff(path: Any) -> np.ndarray:
    """The kinds of TIFF that Pillow does not read, colours of 16 bits among them."""
    import tifffile

    values = np.asarray(tifffile.imread(path, key=0))
    if values.ndim == 3 and values.shape[0] in (3, 4) and values.shape[-1] not in (1, 3, 4):
        values = np.moveaxis(values, 0, -1)
    values = values[..., None] if values.ndim == 2 else values[..., :3]
    if values.ndim != 3 or values.shape[-1] not in (1, 3) or values.dtype.kind not in "uf":
        raise ValueError
    return values if values.dtype == np.uint8 else _scaled(values)


def _scaled(values: np.ndarray) -> np.ndarray:
    scale = np.iinfo(values.dtype).max if values.dtype.kind == "u" else 1
    values = (values / np.float32(scale)).astype("float32")
    if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
        raise ValueError
    return values


def _is_deep_png(path: Any) -> bool:
    magic, place, bits = _DEEP_PNG
    with open(path, "rb") as file:
        begin = file.read(place + 1)
    return begin.startswith(magic) and len(begin) > place and begin[place] == bits


def reason(path: Any, error: Exception) -> str:
    """For people, why a picture could not be read."""
    if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
        return error.strerror or "it cannot be opened"
    if os.path.exists(path) and os.path.getsize(path) == 0:
        return "it is empty"
    if isinstance(error, Image.DecompressionBombError):
        return f"it has more than {2 * (Image.MAX_IMAGE_PIXELS or 0) // 10**6} million pixels"
    if isinstance(error, UnidentifiedImageError):
        return "it is no picture, or of a kind that is not read"
    return " ".join(str(error).split()) or type(error).__name__
