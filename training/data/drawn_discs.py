"""Drawn pictures of some discs, with two numbers that no turn changes: how many there are, and how much is dark."""

import numpy as np
from keras_equivariant.training.data.images import LabelledImages, Split

_SIZES = {"train": 2000, "validation": 300, "test": 700}
_SIZE, _MOST, _DARK, _NOISE, _SEED = 28, 6, 0.35, 0.03, 28


def load() -> LabelledImages:
    """Draws 3,000 grey pictures of 28x28 pixels, always the same.

    Each shows 0 to 6 discs of various sizes and greys, which do not touch, before a bright background, with noise. The
    columns are `discs`, their number, and `dark`, the share of pixels darker than 0.35 (before the noise).

    Returns:
        `LabelledImages` of floats between 0 and 1, with labels `(n, 2)` and the columns as names.
    """
    rng = np.random.default_rng(_SEED)
    images, numbers = zip(*(_draw(rng) for _ in range(sum(_SIZES.values()))), strict=True)
    drawn = Split(np.stack(images), np.array(numbers, "float32"))
    parts = np.split(np.arange(len(drawn)), np.cumsum(list(_SIZES.values()))[:-1])
    splits = {name: drawn.take(part) for name, part in zip(_SIZES, parts, strict=True)}
    return LabelledImages(classes=2, names=("discs", "dark"), **splits)


def _draw(rng: np.random.Generator) -> tuple[np.ndarray, tuple[float, float]]:
    rows, columns = np.mgrid[:_SIZE, :_SIZE]
    image = np.full((_SIZE, _SIZE), rng.uniform(0.7, 1))
    discs, wanted = [], rng.integers(0, _MOST + 1)
    while len(discs) < wanted:
        radius = rng.uniform(1.5, 4)
        row, column = rng.uniform(radius, _SIZE - 1 - radius, 2)
        if all(np.hypot(row - y, column - x) > radius + other + 1.5 for y, x, other in discs):
            discs.append((row, column, radius))
            inside = np.clip(radius + 0.5 - np.hypot(rows - row, columns - column), 0, 1)
            image += inside * (rng.uniform(0, 0.55) - image)
    noisy = np.clip(image + rng.normal(0, _NOISE, image.shape), 0, 1)
    return noisy[..., None].astype("float32"), (len(discs), float((image < _DARK).mean()))
