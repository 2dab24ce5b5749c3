"""The matrices of the point groups that come with the library, by name, and what makes matrices a group.

Columns are the images of the axes x (right), y (up) and z; the identity comes first. Products of two lists are ordered
with the first factor slow, so p4m is (mirror, turn), as in section 4.3 of
[Cohen & Welling, 2016](https://arxiv.org/abs/1602.07576).
"""

import numpy as np
from numpy.typing import ArrayLike


def _powers(matrix, order):
    return [np.linalg.matrix_power(matrix, power) for power in range(order)]


def _products(first, second):
    return [a @ b for a in first for b in second]


def _line_groups():
    return {"mirror": [np.eye(1), -np.eye(1)]}


def _square_lattice_groups():
    quarter_turns = _powers(np.array([[0, -1], [1, 0]]), 4)
    half_turns = quarter_turns[::2]
    mirrors = _powers(np.diag([-1, 1]), 2)
    return {
        "p1": quarter_turns[:1],
        "p2": half_turns,
        "p4": quarter_turns,
        "pm": mirrors,
        "pmm": _products(mirrors, half_turns),
        "p4m": _products(mirrors, quarter_turns),
    }


def _hexagonal_lattice_groups():
    turns = _powers(np.array([[1, -1], [1, 0]]), 6)
    mirrors = _powers(np.array([[-1, 1], [0, 1]]), 2)  # the vertical one, as that of pm
    return {"p3": turns[::2], "p6": turns, "p6m": _products(mirrors, turns)}


def _cube_groups():
    """The rotations of a square prism (D4) and of a cube (O); with the inversion, D4h and Oh."""
    about_z = _powers(np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]]), 4)
    prism = _products(_powers(np.diag([1, -1, -1]), 2), about_z)
    cube = _products(_powers(np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]]), 3), prism)
    inversions = _powers(-np.eye(3), 2)
    return {
        "C4": about_z,
        "D4": prism,
        "D4h": _products(inversions, prism),
        "O": cube,
        "Oh": _products(inversions, cube),
    }


POINT_GROUPS = {
    **_square_lattice_groups(),
    **_hexagonal_lattice_groups(),
    **_line_groups(),
    **_cube_groups(),
}

# Those of the plane with turns by less than 90 degrees: (number of turns, with mirrors).
ROTATION_GROUPS = [(turns, mirrors) for mirrors in (False, True) for turns in (8, 12, 16)]


def rotation_matrices(turns: int, mirrors: bool) -> np.ndarray:
    """The matrices `(S, 2, 2)` of turns by multiples of 360 / turns degrees, without and then with the mirror of p4m.

    The numbers of the quarter turns are exactly 0, 1 and -1.
    """
    angles = 2 * np.pi * np.arange(turns) / turns
    c, s = np.cos(angles), np.sin(angles)
    turned = np.stack([c, -s, s, c], axis=-1).reshape(-1, 2, 2)
    turned[:: turns // 4] = np.rint(turned[:: turns // 4])
    return np.concatenate([turned, np.diag([-1, 1]) @ turned]) if mirrors else turned


def rotation_products(turns: int, mirrors: bool) -> np.ndarray:
    """The index of each product of two of them: turn mirror = mirror turn^-1."""
    mirrored, turned = np.divmod(np.arange(2 * turns if mirrors else turns), turns)
    return (mirrored[:, None] ^ mirrored) * turns + (turned[:, None] * (1 - 2 * mirrored) + turned) % turns


def integer_matrices(name: str, matrices: ArrayLike) -> np.ndarray:
    """The matrices `(S, d, d)` of the group of that name as integers, after a check that they are."""
    try:
        given = np.array(matrices, dtype=np.float64)
    except (TypeError, ValueError):
        given = np.array([])
    if given.ndim != 3 or 0 in given.shape or given.shape[1] != given.shape[2] or not (given == given.round()).all():
        raise ValueError(
            f"`matrices` of {name!r} must be integer, of shape (S, d, d). Received: matrices of shape {given.shape}"
        )
    return given.astype(np.int64)


def product_table(name: str, matrices: np.ndarray) -> np.ndarray:
    """The index of each product of two matrices, after a check that they form a group with the identity first."""
    if not np.array_equal(matrices[0], np.eye(matrices.shape[1])):
        raise ValueError(
            f"`matrices` of {name!r} must begin with the identity. Received: matrices[0]={matrices[0].tolist()}"
        )
    index = {matrix.tobytes(): i for i, matrix in enumerate(matrices)}
    if len(index) < len(matrices):
        raise ValueError(
            f"`matrices` of {name!r} must differ from one another. "
            f"Received: {len(matrices)} matrices, {len(index)} of them distinct"
        )
    products = matrices[:, None] @ matrices[None]
    table = np.array([[index.get(matrix.tobytes(), -1) for matrix in row] for row in products])
    if (table < 0).any():
        a, b = np.argwhere(table < 0)[0]
        raise ValueError(
            f"`matrices` of {name!r} must form a group: the product of any two must be one of them. "
            f"Received: matrices {a} and {b}, whose product {products[a, b].tolist()} is not"
        )
    singular = np.flatnonzero((table != 0).all(axis=1))
    if singular.size:
        raise ValueError(
            f"`matrices` of {name!r} must form a group: the inverse of each must be one of them. "
            f"Received: matrix {singular[0]}, {matrices[singular[0]].tolist()}, whose inverse is not"
        )
    return table
