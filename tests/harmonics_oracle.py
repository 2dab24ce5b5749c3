"""Filters of circular harmonics under turns by any angle, straight from the formula, with complex numbers."""

import itertools

import numpy as np
from oracle import window

# For each kernel size: radius of a ring, its width, its highest frequency.
RINGS = {
    1: [(0, 0.005, 0)],
    3: [(0, 0.005, 0), (1, 0.4, 2)],
    5: [(0, 0.005, 0), (1, 0.6, 2), (2, 0.4, 2)],
    7: [(0, 0.005, 0), (1, 0.6, 2), (2, 0.6, 3), (3, 0.4, 2)],
}


def elements(turns, mirrors):
    """The functions of the plane, as complex numbers: first a turn, then, in the second half, the mirror of x."""
    angles = [2j * np.pi * turn / turns for turn in range(turns)]
    turned = [lambda z, angle=angle: z * np.exp(angle) for angle in angles]
    mirrored = [lambda z, angle=angle: -np.conj(z * np.exp(angle)) for angle in angles]
    return turned + mirrored if mirrors else turned


def index_of(function, group):
    """Which element of the group does to two points what a function does to them."""
    points = np.array([1.0, 1j])
    distances = [np.abs(element(points) - function(points)).max() for element in group]
    return int(np.argmin(distances))


def inverse(element, group):
    return next(other for other in group if np.abs(other(element(np.array([1.0, 1j]))) - [1, 1j]).max() < 1e-9)


def functions(z, size):
    """The B functions at the complex points z, each complex one of norm 1 on the taps."""
    values = []
    taps = np.array([complex(x, y) for x, y in itertools.product(np.arange(size) - size // 2, repeat=2)])
    for radius, width, highest in RINGS[size]:
        for m in range(highest + 1):

            def complex_function(z, radius=radius, width=width, m=m):
                direction = np.where(np.abs(z) < 1e-9, float(m == 0), z / np.maximum(np.abs(z), 1e-9))
                return np.exp(-((np.abs(z) - radius) ** 2) / (2 * width**2)) * direction**m

            of_norm_1 = complex_function(z) / np.linalg.norm(complex_function(taps))
            values += [of_norm_1.real] if m == 0 else [np.sqrt(2) * of_norm_1.real, np.sqrt(2) * of_norm_1.imag]
    return np.array(values)


def correlate(x, coefficients, size, turns, mirrors, members=None):
    """y(t, s) = sum over taps u and orientations h of f(t + u, h) psi(s^-1 u, s^-1 h), padding 'valid'.

    Args:
        x: (batch, height, width, S_in, C_in).
        coefficients: (B, S_in, C_in, C_out); psi(u, h) is the sum of the functions at u times these.
        size: Size of the kernel.
        turns, mirrors: The group.
        members: For each orientation of the input, the indices of the elements of its coset; by default those of a
            planar map or of one on the group, by their number.
    """
    group = elements(turns, mirrors)
    if members is None:
        members = [[*range(len(group))]] if x.shape[3] == 1 else [[h] for h in range(len(group))]
    y = np.zeros((x.shape[0], x.shape[1] - size + 1, x.shape[2] - size + 1, len(group), coefficients.shape[-1]))
    coset_of = {h: i for i, coset in enumerate(members) for h in coset}
    for s, element in enumerate(group):
        back = inverse(element, group)
        for row, column in np.ndindex(size, size):
            tap = complex(column - size // 2, size // 2 - row)
            psi = np.tensordot(functions(back(np.array(tap)), size), coefficients, 1)
            under = window(x.astype("float64"), (row, column), y.shape[1:3])
            for i, coset in enumerate(members):
                source = coset_of[index_of(lambda z, h=coset[0], back=back: back(group[h](z)), group)]
                y[:, :, :, s] += under[..., i, :] @ psi[source]
    return y
