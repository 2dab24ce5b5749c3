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


def taps(kernel_size):
    """Array positions of a kernel's taps, with twice their coordinates (x to the right, y up) about the centre."""
    height, width = kernel_size
    for row, column in itertools.product(range(height), range(width)):
        yield (row, column), np.array([2 * column - (width - 1), (height - 1) - 2 * row])


def correlate(x, kernel, group, subgroup, strides=1, dilation=1):
    """y(t s) = sum over taps u and cosets x of f(t + u, x) psi(s^-1 u, s^-1 x), padding 'valid'.

    Equations 10 (the subgroup being the whole group: a planar input) and 11 (trivial subgroup) of Cohen & Welling.

    Args:
        x: (batch, height, width, S_in, C_in).
        kernel: (height, width, S_in, C_in, C_out).
        group: SymmetryGroup G.
        subgroup: SymmetryGroup H whose cosets the input's orientations are.
        strides: in pixels.
        dilation: in pixels.
    """
    cosets = left_cosets(group, subgroup)
    at = {tuple(u): position for position, u in taps(kernel.shape[:2])}
    rows = (x.shape[1] - dilation * (kernel.shape[0] - 1) - 1) // strides + 1
    columns = (x.shape[2] - dilation * (kernel.shape[1] - 1) - 1) // strides + 1
    y = np.zeros((x.shape[0], rows, columns, group.order, kernel.shape[-1]))
    for s, element in enumerate(group_elements(group)):
        back = invert(element)
        for (row, column), u in taps(kernel.shape[:2]):
            from_row, from_column = at[tuple(np.array(back) @ u)]
            for i, coset in enumerate(cosets):
                j = cosets.index(frozenset(multiply(back, g) for g in coset))
                window = x[
                    :,
                    dilation * row : dilation * row + strides * (rows - 1) + 1 : strides,
                    dilation * column : dilation * column + strides * (columns - 1) + 1 : strides,
                    i,
                ]
                y[..., s, :] += window.astype("float64") @ kernel[from_row, from_column, j].astype("float64")
    return y


def kernel_gradient(x, upstream, group, subgroup, kernel_size):
    """dL/dpsi(g) = sum over h of delta(h) f(h g): equation 24 with the involution that it lacks in print.

    With h = t s, s in the point group, and g the tap v with the coset z: h g is the tap t + s v with the coset s z.
    """
    cosets = left_cosets(group, subgroup)
    at = {tuple(u): position for position, u in taps(kernel_size)}
    rows, columns = upstream.shape[1:3]
    gradient = np.zeros((*kernel_size, len(cosets), x.shape[-1], upstream.shape[-1]))
    for s, element in enumerate(group_elements(group)):
        for (row, column), v in taps(kernel_size):
            at_row, at_column = at[tuple(np.array(element) @ v)]
            for j, coset in enumerate(cosets):
                i = cosets.index(frozenset(multiply(element, g) for g in coset))
                window = x[:, at_row : at_row + rows, at_column : at_column + columns, i]
                gradient[row, column, j] += np.einsum("bhwc,bhwk->ck", window, upstream[..., s, :])
    return gradient


def input_gradient(upstream, kernel, group, subgroup, input_shape):
    """dL/df(g) = sum over h of delta(h) psi(h^-1 g): equation 21 with delta(h) in its third line."""
    cosets = left_cosets(group, subgroup)
    at = {tuple(u): position for position, u in taps(kernel.shape[:2])}
    rows, columns = upstream.shape[1:3]
    gradient = np.zeros(input_shape)
    for s, element in enumerate(group_elements(group)):
        back = invert(element)
        for (row, column), u in taps(kernel.shape[:2]):
            from_row, from_column = at[tuple(np.array(back) @ u)]
            for i, coset in enumerate(cosets):
                j = cosets.index(frozenset(multiply(back, g) for g in coset))
                gradient[:, row : row + rows, column : column + columns, i] += (
                    upstream[..., s, :] @ kernel[from_row, from_column, j].T
                )
    return gradient
