"""Real irreducible representations of the point groups of the plane, and the Fourier transform on such a group.

A finite group of integer 2x2 matrices is cyclic (its turns) or dihedral (turns and mirrors), so its representations
are known in closed form: the signs, and turns by the multiples of the smallest angle.
"""

import functools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from keras_equivariant.symmetry_group import SymmetryGroup
from keras_equivariant.typing import Tensor


def real_representations(group: SymmetryGroup) -> list[np.ndarray]:
    """Returns the real irreducible representations of a point group of the plane.

    Element g is written as `mirror^e turn^j`, with the turn of smallest angle 2 pi / n. The representations are the
    signs `(+-1)^j`, those times the determinant of g, and the 2x2 matrices

        diag(1, -1)^e [[c, s], [-s, c]],    c = cos(2 pi p j / n),  s = sin(2 pi p j / n),    0 < p < n / 2.

    Args:
        group: A `SymmetryGroup` of two dimensions and order S.

    Returns:
        List of arrays `(S, d, d)`, orthogonal matrices of float64.

    Raises:
        ValueError: If the group does not act on two dimensions.

    Example:

    >>> from keras_equivariant.symmetry import get_symmetry
    >>> [representation.shape for representation in real_representations(get_symmetry("p4m"))]
    [(8, 1, 1), (8, 1, 1), (8, 1, 1), (8, 1, 1), (8, 2, 2)]
    """
    if group.dimension != 2:
        raise ValueError(f"`group` must act on 2 dimensions. Received: group={group!r}")
    turns, mirrored = _turns_and_mirrors(group)
    n = turns.max() + 1
    determinant = 1 - 2 * mirrored
    signs = [np.ones_like(turns)] + ([(-1) ** turns] if n % 2 == 0 else [])
    if mirrored.any():
        signs += [sign * determinant for sign in signs]
    representations = [sign.astype(float).reshape(-1, 1, 1) for sign in signs]
    for p in range(1, (n + 1) // 2):
        c, s = _exact(np.cos(2 * np.pi * p * turns / n)), _exact(np.sin(2 * np.pi * p * turns / n))
        matrices = np.stack([c, s, -s * determinant, c * determinant], axis=-1)
        representations.append(matrices.reshape(-1, 2, 2))
    return representations


class LinearCombinations:
    """Several linear combinations of arrays, by few additions: what they have in common is computed once.

    The pair of terms that most of the combinations share is replaced by a new variable until none is shared, so that
    the Fourier transform takes 6 additions for p4 instead of 8, and 20 for p4m instead of 40.

    Args:
        matrix: Array `(outputs, inputs)` of the coefficients.

    Attributes:
        additions: Number of additions.

    Example:

    >>> hadamard = LinearCombinations([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]])
    >>> hadamard.additions, hadamard([1, 2, 3, 4])
    (8, [10, -2, -4, 0])
    """

    def __init__(self, matrix: ArrayLike) -> None:
        matrix = np.asarray(matrix, dtype=float)
        rows = [{int(i): float(row[i]) for i in np.flatnonzero(row)} for row in matrix]
        self._steps = []  # (first, second, ratio): a new variable, first + ratio * second
        variable = matrix.shape[1]
        while pair := _most_common_pair(rows):
            first, second, ratio = pair
            sharing = [row for row in rows if {first, second} <= row.keys() and row[second] / row[first] == ratio]
            # A difference is taken the way round in which it is used, which spares a change of sign at the end.
            if ratio == -1 and sum(row[first] for row in sharing) < 0:
                first, second = second, first
            self._steps.append((first, second, ratio))
            for row in sharing:
                row[variable] = row.pop(first)
                del row[second]
            variable += 1
        self._outputs = [next(iter(row.items())) for row in rows]
        self.additions = len(self._steps)

    def __call__(self, arrays: Iterable[Any]) -> list[Any]:
        """Computes the combinations of a list of arrays, or of numbers."""
        variables = list(arrays)
        for first, second, ratio in self._steps:
            a, b = variables[first], variables[second]
            variables.append(a + b if ratio == 1 else a - b if ratio == -1 else a + ratio * b)
        return [variables[i] if factor == 1 else factor * variables[i] for i, factor in self._outputs]


class GroupTransform:
    """The Fourier transform on a point group of the plane, and the products that it makes of a convolution.

    A function f on the group, here a list of S matrices, has the components `F(rho) = sum over t of f(t) rho(t)`, for
    each irreducible representation rho. Its convolution with w, `y(h) = sum over t of f(t) w(h^-1 t)`, has the
    components `F(rho) W(rho)^T`, and `y(h) = sum over rho of dim(rho) / S <rho(h), Y(rho)>`.

    Args:
        group: A `SymmetryGroup` of two dimensions and order S.

    Attributes:
        analyse: Function from a list of S matrices to their S components: representation by representation, row by row.
        synthesise: Its adjoint, which is its inverse but for the factors `dim(rho) / S`; these go into the kernel.
        products: How many of the S * S products of a plain convolution remain.

    Example:

    >>> from keras_equivariant.symmetry import get_symmetry
    >>> GroupTransform(get_symmetry("p4m")).products, GroupTransform(get_symmetry("p4")).products
    (12, 6)
    """

    def __init__(self, group: SymmetryGroup) -> None:
        representations = real_representations(group)
        # Without mirrors, the second row of a 2x2 matrix repeats the first: its character has the square norm 2.
        norms = [(np.trace(matrices, axis1=1, axis2=2) ** 2).mean() for matrices in representations]
        self._rows = [len(matrices[0]) // round(norm) for matrices, norm in zip(representations, norms, strict=True)]
        rows = [
            matrices[:, :count].reshape(group.order, -1).T
            for matrices, count in zip(representations, self._rows, strict=True)
        ]
        self.analyse = LinearCombinations(np.concatenate(rows))
        self.synthesise = LinearCombinations(np.concatenate(rows).T)
        self._dimensions = [len(matrices[0]) for matrices in representations]
        # Of a kernel, all entries of a matrix are needed, column by column.
        columns = [
            (matrices * (len(matrices[0]) / group.order)).swapaxes(1, 2).reshape(group.order, -1).T
            for matrices in representations
        ]
        self._analyse_kernel = LinearCombinations(np.concatenate(columns))
        self._synthesise_kernel = LinearCombinations(np.concatenate(columns).T)
        self.products = sum(count * dimension**2 for dimension, count in zip(self._dimensions, self._rows, strict=True))

    def analyse_kernel(self, weights: Tensor) -> list[list[Tensor]]:
        """Returns the components of a kernel.

        Args:
            weights: `(S, taps, channels, filters)`.

        Returns:
            For each representation, a list of its columns: matrices `(taps * channels, dim * filters)`.
        """
        filters, components = weights.shape[-1], []
        entries = iter(self._analyse_kernel([weights[s] for s in range(weights.shape[0])]))
        for dimension in self._dimensions:
            columns = [[next(entries) for _ in range(dimension)] for _ in range(dimension)]
            components.append([_beside(ops.reshape(x, (-1, filters)) for x in column) for column in columns])
        return components

    def synthesise_kernel(self, components: list[list[Tensor]], channels: int, filters: int) -> Tensor:
        """The adjoint of `analyse_kernel`: `(S, taps, channels, filters)`."""
        entries = [
            entry
            for columns in components
            for column in columns
            for entry in (ops.split(column, len(columns), axis=-1) if len(columns) > 1 else [column])
        ]
        weights = ops.stack(self._synthesise_kernel(entries))
        return ops.reshape(weights, (weights.shape[0], -1, channels, filters))

    def multiply(self, patches: Iterable[Tensor], kernel: list[list[Tensor]]) -> list[Tensor]:
        """Convolves: from the components of the patches and of a kernel to y, a list of S matrices."""
        patches = iter(patches)
        products = []
        for count, columns in zip(self._rows, kernel, strict=True):
            for _ in range(count):
                row = sum(next(patches) @ column for column in columns)
                products += ops.split(row, len(columns), axis=-1) if len(columns) > 1 else [row]
        return self.synthesise(products)

    def multiply_adjoint(self, patches: Sequence[Tensor], products: Sequence[Tensor]) -> list[list[Tensor]]:
        """The gradient of `multiply` for the kernel's components, from the analysed gradient for y."""
        components, first = [], 0
        for count, size in zip(self._rows, self._dimensions, strict=True):
            columns = [0] * size
            for row in range(first, first + count * size, size):
                gradient = _beside(products[row : row + size])
                columns = [
                    column + ops.transpose(patch) @ gradient
                    for column, patch in zip(columns, patches[row : row + size], strict=True)
                ]
            components.append(columns)
            first += count * size
        return components


@functools.cache
def group_transform(group: SymmetryGroup) -> GroupTransform:
    """Returns the `GroupTransform` of a group, made once."""
    return GroupTransform(group)


def _beside(matrices):
    matrices = list(matrices)
    return ops.concatenate(matrices, axis=-1) if len(matrices) > 1 else matrices[0]


def _most_common_pair(rows):
    counts = {}
    for row in rows:
        terms = sorted(row)
        for i, first in enumerate(terms):
            for second in terms[i + 1 :]:
                pair = (first, second, row[second] / row[first])
                counts[pair] = counts.get(pair, 0) + 1
    return max(counts, key=counts.__getitem__) if counts else None


def _turns_and_mirrors(group):
    """For each element `mirror^e turn^j`, j and e."""
    mirrors = np.rint(np.linalg.det(group.matrices)).astype(int) < 0
    rotations = np.flatnonzero(~mirrors)
    for generator in rotations:
        powers = [0]
        while (following := group.product[powers[-1], generator]) != 0:
            powers.append(following)
        if len(powers) == len(rotations):
            break
    turns = np.empty(group.order, dtype=int)
    turns[powers] = np.arange(len(powers))
    if mirrors.any():
        mirror = np.flatnonzero(mirrors)[0]
        turns[group.product[mirror, powers]] = np.arange(len(powers))
    return turns, mirrors.astype(int)


def _exact(x):
    """Removes the rounding of the numbers that are 0, 1/2 or 1."""
    return np.where(np.abs(2 * x - np.rint(2 * x)) < 1e-12, np.rint(2 * x) / 2, x)
