"""The scores of a picture of any size, by tiles, in bounded memory.

A tile is read with a margin as wide as what a pixel's scores depend on, so that they do not depend on the tiling.
Tiles overlap, and are blended there, which smooths what is left for a network that sees farther than its margin.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras_equivariant.training.input.preprocessing import Unchanged
from keras_equivariant.zoo.unet import paddings

SIDE = 256  # pixels that a tile is apart from the next
_BLENDED = 16  # pixels that neighbouring tiles have in common
_WIDEST = 256  # pixels of a margin


def scores_by_strips(
    model: keras.Model, image: np.ndarray, preprocess: Any = None, side: int = SIDE, blended: int = _BLENDED
) -> Iterator[tuple[slice, np.ndarray]]:
    """Scores of a picture, strip after strip from its top.

    The picture is padded with zeros, after the preprocessing, to a size that the network's halvings divide, as
    `p4m_unet` does it: where that takes an odd number of pixels, in both ways, of which the mean is taken.

    Args:
        model: `keras.Model` from pictures of free size to scores for each pixel.
        image: `(height, width, channels)`, as `preprocess` takes it.
        preprocess: What `fit_preprocessing` returned.
        side: Pixels from a tile to the next.
        blended: Pixels that neighbouring tiles have in common, at most `side`.

    Yields:
        The rows of a strip, and their scores `(rows, width, classes)`.
    """
    radius, multiple = reach(model)
    network = _Network(model, image, preprocess or Unchanged(), min(radius, _WIDEST), multiple)
    rows, columns = (_spans(size, side, blended) for size in image.shape[:2])
    carried: Any = None
    for top, bottom, down in rows:
        strip: Any = None
        for left, right, across in columns:
            scores = network.scores((top, bottom), (left, right))
            if strip is None:
                strip = np.zeros((bottom - top, image.shape[1], scores.shape[-1]), "float32")
            strip[:, left:right] += (down[:, None] * across)[..., None] * scores
        if carried is not None:
            strip[: len(carried)] += carried
        end = bottom if bottom == image.shape[0] else bottom - blended
        yield slice(top, end), strip[: end - top]
        carried = strip[end - top :].copy()


def scores(model: keras.Model, image: np.ndarray, preprocess: Any = None) -> np.ndarray:
    """The scores of a whole picture, `(height, width, classes)`."""
    return np.concatenate([strip for _, strip in scores_by_strips(model, image, preprocess)])


def strips(image: np.ndarray) -> Iterator[np.ndarray]:
    """A picture in parts `(1, rows, width, channels)`."""
    return (image[None, top : top + SIDE] for top in range(0, len(image), SIDE))


def scaled(pixels: np.ndarray) -> np.ndarray:
    """Bytes as floats between 0 and 1; floats as they are."""
    return pixels / np.float32(255) if pixels.dtype == np.uint8 else pixels


def reach(model: keras.Model) -> tuple[int, int]:
    """How many pixels away a pixel's scores depend on, at most, and what number the size of a picture must divide by.

    Read off the layers: the windows of convolutions and poolings, and how many pixels their cells are apart.
    """
    radii: dict[int, tuple[float, int]] = {}
    largest = 1
    for layer in model.layers:
        inputs = [radii.get(id(x), (0.0, 1)) for x in keras.tree.flatten(layer.input)] or [(0.0, 1)]
        radius, apart = max(radius for radius, _ in inputs), max(apart for _, apart in inputs)
        window = getattr(layer, "kernel_size", getattr(layer, "pool_size", (1, 1)))
        radius += apart * (max(window) - 1) * max(getattr(layer, "dilation_rate", (1, 1))) / 2
        strides = max(getattr(layer, "size", getattr(layer, "strides", (1, 1))))
        if isinstance(layer, (keras.layers.UpSampling2D, keras.layers.Conv2DTranspose)):
            apart = max(1, apart // strides)
            radius += apart * (strides - 1) / 2
        else:
            apart *= strides
        largest = max(largest, apart)
        radii |= {id(x): (radius, apart) for x in keras.tree.flatten(layer.output)}
    return int(np.ceil(max(radii[id(x)][0] for x in model.outputs))) + 1, largest


class _Network:
    """A network for any part of a picture, by windows of one size."""

    def __init__(self, model: keras.Model, image: np.ndarray, preprocess: Any, margin: int, multiple: int) -> None:
        self._model, self._image, self._preprocess = model, image, preprocess
        self._margin, self._multiple = margin, multiple

    def scores(self, rows: tuple[int, int], columns: tuple[int, int]) -> np.ndarray:
        """The scores of the pixels between two rows and two columns: the mean over the ways to pad the picture."""
        ways = [paddings(size, self._multiple) for size in self._image.shape[:2]]
        found = [self._one(rows, columns, above, left) for (above, _), (left, _) in itertools.product(*ways)]
        return np.mean(found, axis=0)

    def _one(self, rows: tuple[int, int], columns: tuple[int, int], above: int, left: int) -> np.ndarray:
        height, width = self._image.shape[:2]
        top, bottom = self._window(*rows, height, above)
        start, end = self._window(*columns, width, left)
        inside = np.s_[max(top, 0) : min(bottom, height), max(start, 0) : min(end, width)]
        part = np.asarray(self._preprocess(self._image[inside]))
        outside = [(max(-top, 0), max(bottom - height, 0)), (max(-start, 0), max(end - width, 0)), (0, 0)]
        scores = self._model(np.pad(part, outside)[None], training=False)
        scores = keras.ops.convert_to_numpy(keras.ops.cast(scores, "float32"))[0]
        return scores[rows[0] - top : rows[1] - top, columns[0] - start : columns[1] - start]

    def _window(self, first: int, last: int, size: int, before: int) -> tuple[int, int]:
        """What to read along an axis for the pixels from first to last: on the grid of the halvings, and all of it."""
        padded = size + -size % self._multiple
        low = max((first + before - self._margin) // self._multiple * self._multiple, 0)
        high = min(-(-(last + before + self._margin) // self._multiple) * self._multiple, padded)
        return low - before, high - before


def _spans(size: int, side: int, blended: int) -> list[tuple[int, int, np.ndarray]]:
    """First and last pixel of tiles along an axis, and the weights of their pixels, which sum to 1 everywhere."""
    spans = []
    ramp = (np.arange(blended, dtype="float32") + 0.5) / max(blended, 1)
    for start in range(0, max(size - blended, 1), side):
        end = min(start + side + blended, size)
        weights = np.ones(end - start, "float32")
        if start > 0:
            weights[:blended] = ramp
        if end < size:
            weights[len(weights) - blended :] = ramp[::-1]
        spans.append((start, end, weights))
    return spans
