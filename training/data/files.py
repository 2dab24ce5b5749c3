"""Images and other files that users put into the folder `downloads/manual` of a data directory."""

import pathlib
import re
from typing import Any

import numpy as np
import tensorflow as tf

_PNG = b"\x89PNG\r\n\x1a\n"
_DEPTH = 24  # position of the bits per channel in a PNG file


def manual_path(data_dir: Any, name: str) -> pathlib.Path:
    """Path of a file or folder in the folder for data that must be put there by hand.

    Raises:
        ValueError: If it is not there.
    """
    path = pathlib.Path(data_dir) / "downloads" / "manual" / name
    if not path.exists():
        raise ValueError(f"`data_dir` must hold downloads/manual/{name}. Received: no such path as {path}")
    return path


def read_image(path: str | pathlib.Path, bits: int | None = None) -> np.ndarray:
    """Reads a PNG, JPEG or BMP file.

    Args:
        path: The file.
        bits: The number of bits of each channel that the file must have, 8 or 16; `None` for any.

    Returns:
        Array `(height, width, 3)`, `uint8` or, of 16 bits, `uint16`.

    Raises:
        ValueError: If the file cannot be read as an image, or has another number of bits.
    """
    try:
        content = pathlib.Path(path).read_bytes()
        found = content[_DEPTH] if content.startswith(_PNG) and len(content) > _DEPTH else 8
        if bits is not None and found != bits:
            raise ValueError(f"the image has {found} bits for each channel")
        if found == 16:
            return tf.io.decode_png(content, channels=3, dtype=tf.uint16).numpy()
        return tf.io.decode_image(content, channels=3, expand_animations=False).numpy()
    except (OSError, ValueError, tf.errors.InvalidArgumentError) as error:
        wanted = f"an image of {bits} bits for each channel" if bits else "an image"
        # TensorFlow names its own operations first and last.
        reason = re.sub(r"\{\{.*?\}\} | \[Op:.*?\]", "", str(error).splitlines()[0])
        raise ValueError(f"The file must be {wanted}. Received: {path} ({reason})") from None


def scaled(image: np.ndarray) -> np.ndarray:
    """Pixels between 0 and 1, in 32 bits."""
    return (image / np.float32(np.iinfo(image.dtype).max)).astype("float32")


def shrink(image: np.ndarray, visible: np.ndarray, size: int) -> np.ndarray:
    """The means of an image `(height, width, 3)` over a grid of cells, of visible pixels only; 0 where there are none.

    Args:
        image: The image.
        visible: `(height, width, 1)`, 1 for visible pixels and 0 for others.
        size: Number of cells along each side.
    """
    rows, columns = ((np.arange(size) * side) // size for side in image.shape[:2])

    def sums(x: np.ndarray) -> np.ndarray:
        return np.add.reduceat(np.add.reduceat(x, rows, axis=0), columns, axis=1)

    return sums(image * visible) / np.maximum(sums(visible), 1)


def check_not_black(image: np.ndarray, path: Any) -> None:
    """Raises a ValueError if there is nothing to see in an image."""
    if not image.any():
        raise ValueError(f"The image must not be all black. Received: {path}")


def check_lights(lights: np.ndarray, path: Any) -> None:
    """Raises a ValueError unless an array `(n, 3)` holds the colours of lights: finite and positive."""
    lights = np.asarray(lights)
    if lights.ndim != 2 or lights.shape[1] != 3 or not (np.isfinite(lights) & (lights > 0)).all():
        raise ValueError(f"The lights must be positive numbers of shape (n, 3). Received: {path}")
