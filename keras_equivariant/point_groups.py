"""The matrices of the point groups that come with the library, by name.

Columns are the images of the axes x (right), y (up) and z; the identity comes first. Products of two lists are ordered
with the first factor slow, so p4m is (mirror, turn), as in section 4.3 of
[Cohen & Welling, 2016](https://arxiv.org/abs/1602.07576).
"""

import numpy as np


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
