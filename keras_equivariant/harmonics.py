"""Filters that turn by any angle: circular harmonics on rings, sampled at the taps of a kernel.

A kernel of numbers can be turned by quarter turns only. One that is a combination of the functions

    exp(-(r - r_j)^2 / (2 sigma_j^2)) cos(m phi),    exp(-(r - r_j)^2 / (2 sigma_j^2)) sin(m phi)

of the polar coordinates r, phi turns by any angle, exactly on the plane: the turned function is sampled again. What is
lost is lost by sampling. The more frequencies m a ring has, the more a filter can express, and the coarser the turn.
"""

import functools

import numpy as np

from keras_equivariant.grid import coordinates
from keras_equivariant.symmetry_group import SymmetryGroup

KERNEL_SIZES = (1, 3, 5, 7, 9, 11)  # those whose errors were measured
_AT_CENTRE, _INNER, _OUTERMOST = 0.005, 0.6, 0.4  # deviations, in taps


def rings(kernel_size: int) -> list[tuple[int, float, int]]:
    """Tells which functions the filters of a kernel size combine.

    The outermost ring is narrower, because the square cuts it off, and has no frequency above 2.

    Args:
        kernel_size: int, an odd number of taps.

    Returns:
        For each ring its radius and its width sigma, in taps, and its highest frequency m.

    Raises:
        ValueError: If the kernel size is even, or above 11.

    Example:

    >>> rings(5)
    [(0, 0.005, 0), (1, 0.6, 2), (2, 0.4, 2)]
    """
    if kernel_size not in KERNEL_SIZES:
        raise ValueError(
            f"`kernel_size` must be one of {KERNEL_SIZES} where filters turn by less than 90 degrees. "
            f"Received: kernel_size={kernel_size}"
        )
    found = [(0, _AT_CENTRE, 0)]
    outermost = kernel_size // 2
    for radius in range(1, outermost + 1):
        highest = 2 * radius - (radius + 1) % 2
        found.append((radius, _OUTERMOST, min(highest, 2)) if radius == outermost else (radius, _INNER, highest))
    return found


def number_of_functions(kernel_size: int) -> int:
    """The number B of real functions that the filters of a kernel size combine.

    Args:
        kernel_size: int, an odd number of taps.

    Returns:
        int.

    Raises:
        ValueError: If the kernel size is even, or above 11.

    Example:

    >>> [number_of_functions(kernel_size) for kernel_size in KERNEL_SIZES]
    [1, 6, 11, 18, 31, 46]
    """
    return sum(2 * highest + 1 for _, _, highest in rings(kernel_size))


def harmonics(points: np.ndarray, kernel_size: int) -> np.ndarray:
    """Evaluates the functions of a kernel size at points of the plane.

    Each complex function has the norm 1 on the kernel's taps, so that its real and its imaginary part, times the root
    of 2, have about that. They share one factor: else a combination of the two would not turn.

    Args:
        points: Array `(n, 2)` of x and y, in taps from the centre.
        kernel_size: int, an odd number of taps.

    Returns:
        Array `(n, B)` of float64: ring by ring, m = 0 first, then the cosine and the sine of each m.

    Raises:
        ValueError: If the kernel size is even, or above 11, or `points` has another shape.

    Example:

    >>> harmonics(np.array([[0.0, 0.0], [1.0, 0.0]]), 3)[:, 0].tolist()
    [1.0, 0.0]
    """
    points = np.asarray(points, "float64")
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"`points` must be an array (n, 2). Received: points of shape {points.shape}")
    radius, angle = np.hypot(*points.T), np.arctan2(points[:, 1], points[:, 0])
    norms = np.hypot(*(coordinates((kernel_size, kernel_size)) / 2).T)
    columns = []
    for at, width, highest in rings(kernel_size):
        profile = np.exp(-((radius - at) ** 2) / (2 * width**2))
        whole = np.exp(-((norms - at) ** 2) / (2 * width**2))
        for m in range(highest + 1):
            # At the centre, where no angle is, only m = 0 is a continuous function.
            norm = np.sqrt((whole[(norms > 0) | (m == 0)] ** 2).sum())
            if m == 0:
                columns.append(profile / norm)
            else:
                continuous = np.sqrt(2) * np.where(radius > 0, profile, 0) / norm
                columns += [continuous * np.cos(m * angle), continuous * np.sin(m * angle)]
    return np.stack(columns, axis=-1)


@functools.cache
def turned_harmonics(group: SymmetryGroup, kernel_size: int) -> np.ndarray:
    """The functions of a kernel size, moved by each element g of a group: `[L_g beta](u) = beta(g^-1 u)` at the taps.

    The functions are evaluated for the turns by less than 90 degrees alone. The elements that map the grid onto itself
    permute the taps, so that equivariance under them is exact to the last bit.

    Args:
        group: A `SymmetryGroup` of the plane, not hexagonal.
        kernel_size: int, an odd number of taps.

    Returns:
        Array `(S, taps, B)` of float64, read-only; taps in row-major order.

    Raises:
        ValueError: If the kernel size is even, or above 11.

    Example:

    >>> from keras_equivariant.symmetry import get_symmetry
    >>> turned_harmonics(get_symmetry("p8"), 5).shape
    (8, 25, 11)
    """
    if not isinstance(group, SymmetryGroup):
        raise ValueError(f"`group` must be a SymmetryGroup. Received: group={group!r}")
    size = (kernel_size, kernel_size)
    taps = coordinates(size) / 2
    turned = np.empty((group.order, kernel_size**2, number_of_functions(kernel_size)))
    for coset in group.product[group.exact_elements].T:  # E t, for the exact elements E and each turn t
        first = coset.min()
        if first != coset[0]:
            continue  # one of the others is the representative
        functions = harmonics(taps @ group.matrices[first], kernel_size)  # the rows are g^-1 u: the inverse is M^T
        for exact, element in zip(group.exact_elements, coset, strict=True):
            turned[element] = functions[group.act_on_grid(int(exact), size)[1].reshape(-1)]
    turned.flags.writeable = False
    return turned
