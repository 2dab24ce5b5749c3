"""Group correlation, slowly and straight from its formula: matrices and coordinates, one product at a time."""

import itertools

import numpy as np


def group_elements(group):
    return [tuple(map(tuple, matrix)) for matrix in group.matrices.tolist()]


def multiply(a, b):
    return tuple(map(tuple, (np.array(a) @ np.array(b)).tolist()))


def invert(a):
    return tuple(map(tuple, np.rint(np.linalg.inv(np.array(a))).astype(int).tolist()))


def left_cosets(group, subgroup):
    """The cosets gH as sets of matrices, in the order of their first elements in the group."""
    cosets = []
    for g in group_elements(group):
        coset = frozenset(multiply(g, h) for h in group_elements(subgroup))
        if coset not in cosets:
            cosets.append(coset)
    return cosets


def taps(kernel_size, hexagonal=False):
    """Array positions of a kernel's taps, with twice their coordinates about the centre.

    x is to the right, y up (rows count downwards) and z along the depth. Axial coordinates on a hexagonal grid: the
    third of the three equal axes is x - y, and a hexagon is as wide along it.
    """
    for position in itertools.product(*map(range, kernel_size)):
        doubled = [2 * cell - (size - 1) for cell, size in zip(position, kernel_size, strict=True)]
        u = np.array(doubled[::-1]) * [1, -1, 1][: len(doubled)]
        if not hexagonal or abs(u[0] - u[1]) <= kernel_size[0] - 1:
            yield position, u


def is_hexagonal(group):
    return any(np.abs(matrix).sum() > len(matrix) for matrix in group.matrices)


def window(x, position, outputs, strides=1, dilation=1):
    """What lies under one tap, for all positions of the kernel."""
    slices = [
        slice(dilation * start, dilation * start + strides * (count - 1) + 1, strides)
        for start, count in zip(position, outputs, strict=True)
    ]
    return x[(slice(None), *slices)]


def terms(group, subgroup, kernel_size):
    """(s, position of the tap u, coset x, position of s^-1 u, coset s^-1 x), for all s, u and x."""
    cosets = left_cosets(group, subgroup)
    positions = {tuple(u): position for position, u in taps(kernel_size, is_hexagonal(group))}
    for s, element in enumerate(group_elements(group)):
        back = invert(element)
        moved = [cosets.index(frozenset(multiply(back, g) for g in coset)) for coset in cosets]
        for u, position in positions.items():
            source = positions[tuple((np.array(back) @ u).tolist())]
            for i, j in enumerate(moved):
                yield s, position, i, source, j


def correlate(x, kernel, group, subgroup, strides=1, dilation=1):
    """y(t s) = sum over taps u and cosets x of f(t + u, x) psi(s^-1 u, s^-1 x), padding 'valid'.

    Equations 10 (the subgroup being the whole group: a planar input) and 11 (trivial subgroup) of Cohen & Welling.

    Args:
        x: (batch, *space, S_in, C_in).
        kernel: (*kernel_size, S_in, C_in, C_out).
        group: SymmetryGroup G.
        subgroup: SymmetryGroup H whose cosets the input's orientations are.
        strides: in pixels.
        dilation: in pixels.
    """
    kernel_size = kernel.shape[:-3]
    outputs = [(n - dilation * (k - 1) - 1) // strides + 1 for n, k in zip(x.shape[1:-2], kernel_size, strict=True)]
    y = np.zeros((x.shape[0], *outputs, group.order, kernel.shape[-1]))
    x, kernel = x.astype("float64"), kernel.astype("float64")
    for s, position, i, source, j in terms(group, subgroup, kernel_size):
        y[..., s, :] += window(x, position, outputs, strides, dilation)[..., i, :] @ kernel[(*source, j)]
    return y


def kernel_gradient(x, upstream, group, subgroup, kernel_size):
    """dL/dpsi(g) = sum over h of delta(h) f(h g): equation 24 with the involution that it lacks in print.

    With h = t s, s in the point group, and g the tap v with the coset z: h g is the tap t + s v with the coset s z.
    """
    cosets = left_cosets(group, subgroup)
    positions = {tuple(v): position for position, v in taps(kernel_size, is_hexagonal(group))}
    outputs, delta = upstream.shape[1:-2], upstream.reshape(-1, *upstream.shape[-2:]).astype("float64")
    gradient = np.zeros((*kernel_size, len(cosets), x.shape[-1], upstream.shape[-1]))
    for s, element in enumerate(group_elements(group)):
        for v, position in positions.items():
            moved = positions[tuple((np.array(element) @ v).tolist())]
            for j, coset in enumerate(cosets):
                i = cosets.index(frozenset(multiply(element, g) for g in coset))
                under = window(x.astype("float64"), moved, outputs)[..., i, :]
                gradient[(*position, j)] += under.reshape(-1, x.shape[-1]).T @ delta[..., s, :]
    return gradient


def input_gradient(upstream, kernel, group, subgroup, input_shape):
    """dL/df(g) = sum over h of delta(h) psi(h^-1 g): equation 21 with delta(h) in its third line."""
    gradient = np.zeros(input_shape)
    for s, position, i, source, j in terms(group, subgroup, kernel.shape[:-3]):
        window(gradient, position, upstream.shape[1:-2])[..., i, :] += upstream[..., s, :] @ kernel[(*source, j)].T
    return gradient
