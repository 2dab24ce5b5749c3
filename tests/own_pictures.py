"""Folders of made-up pictures, as people have them."""

import collections

import numpy as np
from keras_equivariant.training.data.own import list_classes, look
from keras_equivariant.training.data.own_split import assign
from PIL import Image


def draw(path, kind, seed, size=(24, 18)):
    """A picture of one kind or another, of its own size and noise: rings or bars."""
    rng = np.random.default_rng(seed)
    width, height = size[0] + seed % 7, size[1] + seed % 5
    rows, columns = np.mgrid[:height, :width] - np.array([height, width])[:, None, None] / 2
    shown = np.hypot(rows, columns) % 6 < 3 if kind else columns % 6 < 3
    image = np.where(shown[..., None], (200, 80, 60), (40, 90, 160)) + rng.integers(-20, 20, (height, width, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image.clip(0, 255).astype("uint8")).save(path)


def write_classes(folder, counts=(("bars", 12), ("rings", 12)), ending="png"):
    seed = 0
    for kind, (name, count) in enumerate(counts):
        for i in range(count):
            draw(folder / name / f"{i}.{ending}", kind % 2, seed := seed + 1)
    return folder


def write_masks(folder, count=6):
    """Grey pictures of bright squares, and masks that number the squares; one mask in three is a TIFF file."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for i in range(count):
        mask = np.zeros((40, 44 + i), "uint8")
        for number in range(3):
            mask[2 + 13 * number : 12 + 13 * number, 3 + i : 13 + i] = number + 1
        image = 100 * (mask > 0) + np.random.default_rng(i).integers(0, 60, mask.shape)
        Image.fromarray(image.astype("uint8")).save(folder / "images" / f"{i}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{i}.{'tif' if i % 3 == 0 else 'png'}")


def parts(rows):
    counts = collections.Counter((row["label"], row["split"]) for row in rows)
    return {label: tuple(counts[label, part] for part in ("train", "validation", "test")) for label, _ in counts}


def split(folder, validation=0.15, seed=0):
    found = look(folder, *list_classes(folder))
    lines = assign(found, validation, seed, lambda row: row["label"])
    return found, lines


def label(row):
    return row["label"]
