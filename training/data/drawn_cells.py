"""Drawn pictures of cells, as under a microscope: ellipses and rods that touch, of all directions, with noise."""

import numpy as np
from keras_equivariant.training.data.masks import MaskedPictures, Segmented
from scipy import ndimage

_COUNTS = {"train": 24, "validation": 8, "test": 16}
_SIZES = (72, 121)  # of a side, in pixels: from, and up to but not including
_SEED = 11
_SPACE = 260  # pixels of a picture for each cell that is drawn
_OVERLAP = 0.15  # the largest share of a cell that may lie under others; it is left to them


def load() -> Segmented:
    """Draws grey pictures of 72 to 120 pixels a side, always the same, and a number for each cell in them.

    Returns:
        `Segmented`, with instances.
    """
    rng = np.random.default_rng(_SEED)
    parts = {}
    for name, count in _COUNTS.items():
        images, masks = zip(*(_draw(rng) for _ in range(count)), strict=True)
        parts[name] = MaskedPictures(images, masks, tuple(f"{name} {i}" for i in range(count)))
    return Segmented(classes=("background", "cell"), instances=True, **parts)


def _draw(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A picture `(height, width, 1)` in bytes, and its cells, numbered from 1."""
    height, width = rng.integers(*_SIZES, 2)
    mask = np.zeros((height, width), "uint16")
    image = _background(rng, height, width)
    count = 0
    for _ in range(height * width // _SPACE):
        inside, shade = _cell(rng, height, width)
        free = inside & (mask == 0)
        if free.sum() < (1 - _OVERLAP) * inside.sum() or not free.any():
            continue
        count += 1
        mask[free] = count
        image[free] = shade[free]
    blurred = ndimage.gaussian_filter(image, rng.uniform(0.5, 1.0))
    noisy = blurred + rng.normal(0, rng.uniform(0.03, 0.08), blurred.shape)
    return np.rint(255 * noisy.clip(0, 1)).astype("uint8")[..., None], mask


def _background(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A slow gradient in a random direction."""
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    angle = rng.uniform(0, 2 * np.pi)
    return rng.uniform(0.15, 0.3) + rng.uniform(0, 0.1) * (np.cos(angle) * rows + np.sin(angle) * columns)


def _cell(rng: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Where one cell is, an ellipse or a rod, and how bright it is there: its rim more than its middle."""
    rows, columns = np.mgrid[:height, :width].astype("float64")
    angle = rng.uniform(0, np.pi)
    rows, columns = rows - rng.uniform(0, height), columns - rng.uniform(0, width)
    along = np.cos(angle) * columns + np.sin(angle) * rows
    across = np.cos(angle) * rows - np.sin(angle) * columns
    if rng.random() < 0.5:
        long, short = rng.uniform(5, 9), rng.uniform(4, 6)
        distance = np.hypot(along / long, across / short)
    else:
        half, radius = rng.uniform(5, 10), rng.uniform(2.5, 3.5)
        distance = np.hypot(np.maximum(abs(along) - half, 0), across) / radius
    return distance <= 1, rng.uniform(0.35, 0.6) + rng.uniform(0, 0.25) * distance.clip(0, 1) ** 2
