"""The cells of an array as points of space, with the centre of the array as the origin."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def checked_size(group: Any, size: Sequence[int]) -> tuple[int, ...]:
    """The spatial shape of an array as a tuple, or a ValueError if the `SymmetryGroup` cannot act on such an array."""
    given = size
    try:
        size = tuple(size)
    except TypeError:
        size = ()
    if len(size) != group.dimension or not all(isinstance(n, int | np.integer) and n > 0 for n in size):
        raise ValueError(
            f"`size` must have {group.dimension} axes of positive length for the symmetry {group.name!r}. "
            f"Received: size={given}"
        )
    return size


def coordinates(size: Sequence[int]) -> np.ndarray:
    """Positions (x, y, ...) of an array's cells, in row-major order, relative to its centre.

    They are doubled, because the centre of an even size lies between two cells.
    """
    cells = np.indices(size).reshape(len(size), -1).T
    return (2 * cells - (np.array(size) - 1))[:, ::-1] * _signs(len(size))


def flat_index(positions: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """The inverse of `coordinates`: row-major indices of the cells at these positions, -1 where there is none."""
    doubled = (positions * _signs(len(size)))[:, ::-1] + (np.array(size) - 1)
    cells = doubled // 2
    inside = ((doubled % 2 == 0) & (cells >= 0) & (cells < size)).all(axis=1)
    return np.where(inside, np.ravel_multi_index(np.where(inside[:, None], cells, 0).T, size), -1)


def _signs(dimension):
    """Direction of x, y, z along the array's last, last but one, last but two axes: rows count downwards, y up."""
    return np.array([1, -1, 1])[:dimension]
