"""Objects that touch: a class for their rims, by which a network learns to part them, and back to objects.

Whatever turns or mirrors the picture, turns the rims, and with scores that have no two equal values the objects too.
"""

import numpy as np
from scipy import ndimage
from skimage.segmentation import find_boundaries, watershed

INSIDE, RIM = 1, 2
CLASSES = ("background", "inside", "rim")
MOST = 65_535  # what 16 bits can number
_INSIDE = 2  # of `parts`
_SMALLEST = 5  # pixels of an object


def rims(mask: np.ndarray) -> np.ndarray:
    """The classes of numbered objects: 0 background, 1 inside, 2 for pixels beside another object or the background."""
    edges = find_boundaries(mask, connectivity=1, mode="inner")
    return (np.where(edges, RIM, INSIDE) * (mask > 0)).astype("int32")


def is_object(scores: np.ndarray) -> np.ndarray:
    """Where the probabilities of inside and rim, together, are above that of the background."""
    return np.logaddexp(scores[..., INSIDE], scores[..., RIM]) > scores[..., 0]


def parts(scores: np.ndarray) -> np.ndarray:
    """Bytes: 0 for the background, 1 for objects, 2 where inside is the most probable class."""
    foreground = is_object(scores)
    return foreground.astype("uint8") + (foreground & (scores.argmax(axis=-1) == INSIDE))


def number_objects(parts: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Parts the foreground into objects: a watershed from the pieces of their insides, piece by piece.

    A piece of the foreground with no inside is one object; objects of fewer than five pixels are left out.

    Args:
        parts: Bytes `(height, width)`, as `parts` returns them.
        height: Floats: the score of a rim above that of an inside. Objects meet where it is highest.

    Returns:
        Integers of the same shape: 0, and the objects from 1 on.

    Raises:
        ValueError: If there are more objects than 16 bits can number.
    """
    pieces, _ = ndimage.label(parts)
    count = 0
    for piece, box in enumerate(ndimage.find_objects(pieces), start=1):
        mask = pieces[box] == piece
        seeds, found = ndimage.label((parts[box] == _INSIDE) & mask)
        objects = watershed(height[box], seeds, mask=mask) if found > 1 else mask.astype("int32")
        sizes = np.bincount(objects.ravel(), minlength=2)[1:]
        kept = np.cumsum(sizes >= _SMALLEST) * (sizes >= _SMALLEST)
        if count + kept.max() > MOST:
            raise ValueError(f"A picture must show at most {MOST:,} objects. Received: more")
        # In place of the piece, for the sake of the memory; below zero are no pieces.
        numbers = np.append(0, -np.where(kept > 0, kept + count, 0)).astype("int32")
        np.copyto(pieces[box], numbers[objects], where=mask)
        count += int(kept.max())
    return np.negative(pieces, out=pieces)
