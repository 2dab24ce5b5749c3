"""Finite symmetry groups as matrices, and how they move the cells of an array.

A symmetry group such as p4 is made of translations and of a finite point group: the transformations that keep the
origin in place. Translations are what a convolution does anyway, so a group is described by its point group alone,
one matrix for each element. The matrices are integer where the element maps the grid of an array onto itself; turns by
less than 90 degrees do not, and have real ones.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from keras_equivariant.grid import checked_size, coordinates, flat_index
from keras_equivariant.point_groups import integer_matrices, product_table, rotation_matrices, rotation_products

# The groups that layers know by name; `keras_equivariant.symmetry` fills it.
REGISTRY: dict[str, "SymmetryGroup"] = {}


class SymmetryGroup:
    """A point group, given by its matrices.

    Matrices act on column vectors `(x, y)`, x to the right and y up; in 3-D, on `(x, y, z)`, z along the depth axis.
    An array stores x along its last axis, y against the one before and z along the one before that, so the matrix
    `[[0, -1], [1, 0]]` turns an image as `numpy.rot90(image)` does.

    A hexagonal grid is stored in axial coordinates: y points 120 degrees away from x, so that each row of the array
    lies half a cell further right than the row above it, and a turn by 60 degrees is `[[1, -1], [1, 0]]`.

    Args:
        name: Name under which layers refer to the group, such as `"p4"`.
        matrices: Integer array `(S, d, d)`. Element 0 is the identity, no element appears twice, and the product of
            any two is again one of them, as is the inverse of each.

    Attributes:
        order: Number of elements, S.
        dimension: Number of spatial dimensions, d.
        matrices: The matrices, read-only.
        exact_elements: Integer array, the elements that map the grid of an array onto itself: all, but for the groups
            that `rotations` returns.
        hexagonal: bool, whether that grid is hexagonal.
        product: Integer array `(S, S)`; `product[a, b]` is the index of the product a b (first b, then a).
        inverse: Integer array `(S,)`; `inverse[a]` is the index of the inverse of a.

    Raises:
        ValueError: If the matrices are not integer, or do not form a group with the identity first.

    Example:

    >>> group = SymmetryGroup("half_turn", [[[1, 0], [0, 1]], [[-1, 0], [0, -1]]])
    >>> group.order, group.inverse.tolist()
    (2, [0, 1])

    Reference:
        [Cohen & Welling, 2016](https://arxiv.org/abs/1602.07576), sections 4.1 to 4.3.
    """

    def __init__(self, name: str, matrices: ArrayLike) -> None:
        if not isinstance(name, str) or not name:
            raise ValueError(f"`name` must be a string that is not empty. Received: name={name!r}")
        self.name = name
        self.matrices = _read_only(integer_matrices(name, matrices))
        self._complete(product_table(name, self.matrices))

    def _complete(self, product):
        self.order, self.dimension, _ = self.matrices.shape
        self.product = _read_only(product)
        self.inverse = _read_only(np.argmin(product, axis=1))
        integer = (self.matrices == np.rint(self.matrices)).all(axis=(1, 2))
        self.exact_elements = _read_only(np.flatnonzero(integer))
        self.hexagonal = not all(map(self.permutes_axes, self.exact_elements.tolist()))

    def __repr__(self) -> str:
        return f"SymmetryGroup({self.name!r}, order={self.order}, dimension={self.dimension})"

    def subgroup(self, name: str) -> np.ndarray:
        """Finds the elements of another registered group among this group's.

        Args:
            name: Name of a registered group of the same dimension.

        Returns:
            Integer array: for each element of the subgroup, its index in this group.

        Raises:
            ValueError: If the name is unknown or the group is not a subgroup, by its very matrices.
        """
        other = REGISTRY.get(name) if isinstance(name, str) else None
        if other is not None and other.dimension == self.dimension:
            same = np.all(np.abs(other.matrices[:, None] - self.matrices[None]) < 1e-9, axis=(2, 3))
            if np.any(same, axis=1).all():
                return same.argmax(axis=1)
        raise ValueError(f"`subgroup` must name a subgroup of {self.name!r}. Received: subgroup={name!r}")

    def cosets(self, subgroup: str) -> np.ndarray:
        """Splits the group into the left cosets gH of a subgroup H.

        Args:
            subgroup: Name of the subgroup.

        Returns:
            Integer array `(S / order of H, order of H)`: row i holds the elements of coset i, its representative
            first. Cosets are ordered by their representatives, so coset 0 is H itself.

        Raises:
            ValueError: If the name is not that of a subgroup.
        """
        members = np.sort(self.product[:, self.subgroup(subgroup)], axis=1)
        representatives = np.unique(members[:, 0])
        return members[representatives]

    def act_on_cosets(self, subgroup: str) -> np.ndarray:
        """Tells where each element sends each coset of a subgroup.

        Args:
            subgroup: Name of the subgroup H.

        Returns:
            Integer array `(S, S / order of H)`; entry `[g, i]` is the index of the coset g x_i H.

        Raises:
            ValueError: If the name is not that of a subgroup.
        """
        cosets = self.cosets(subgroup)
        coset_of = np.empty(self.order, dtype=np.int64)
        coset_of[cosets] = np.arange(len(cosets))[:, None]
        return coset_of[self.product[:, cosets[:, 0]]]

    def permutes_axes(self, element: int) -> bool:
        """Tells whether an element maps every axis of an array to an axis, and so any box to a box.

        Args:
            element: Index of the element.

        Returns:
            bool; `False` for turns of a hexagonal grid, and for turns by less than 90 degrees.

        Raises:
            ValueError: If there is no such element.
        """
        if not isinstance(element, int | np.integer) or not 0 <= element < self.order:
            raise ValueError(f"`element` must be an int from 0 to {self.order - 1}. Received: element={element!r}")
        moved = np.abs(self.matrices[element])
        return bool((moved.sum(axis=0) == 1).all() and (moved.sum(axis=1) == 1).all())

    def act_on_grid(self, element: int, size: Sequence[int]) -> tuple[tuple[int, ...], np.ndarray]:
        """Tells where the cells of an array come from when an element turns it about its centre.

        Args:
            element: Index of the element.
            size: Spatial shape of the array, in the order of its axes, such as `(height, width)`.

        Returns:
            The spatial shape of the turned array, and an integer array of that shape: the flat index of the cell
            each value comes from, or -1 where that lies outside of the array or between its cells.

        Raises:
            ValueError: If `size` has not as many axes, of positive length, as the group has dimensions, there is no
                such element, or it does not map the grid of an array onto itself.
        """
        size = turned = checked_size(self, size)
        if self.permutes_axes(element):
            turned = tuple(int(n) for n in (np.abs(self.matrices[element]) @ size[::-1])[::-1])
        elif element not in self.exact_elements:
            raise ValueError(
                f"`element` must map the grid of an array onto itself: one of {self.exact_elements.tolist()} of "
                f"{self.name!r}. Received: element={element!r}"
            )
        back = self.matrices[self.inverse[element]].astype(np.int64)
        return turned, flat_index(coordinates(turned) @ back.T, size).reshape(turned)

    def interior(self, size: Sequence[int]) -> np.ndarray:
        """Tells which cells of an array stay inside of it under every element: all of a square, a hexagon for p6.

        Only elements that map the grid of an array onto itself count.

        Args:
            size: Spatial shape of the array.

        Returns:
            Boolean array of that shape.

        Raises:
            ValueError: If `size` has not as many axes, of positive length, as the group has dimensions.

        Example:

        >>> from keras_equivariant.symmetry import get_symmetry
        >>> get_symmetry("p6").interior((3, 3)).astype(int).tolist()
        [[0, 1, 1], [1, 1, 1], [1, 1, 0]]
        """
        size, exact = checked_size(self, size), self.exact_elements
        turned = coordinates(size) @ np.swapaxes(self.matrices[exact].astype(np.int64), 1, 2)
        cells = flat_index(turned.reshape(-1, self.dimension), size).reshape(len(exact), *size)
        return np.all(cells >= 0, axis=0)


class RotationGroup(SymmetryGroup):
    """The turns of the plane by multiples of 360 / N degrees, and the mirrors; see `rotations`.

    Element `e * N + j` is mirror^e turn^j, as in p4m. The matrices of turns by less than 90 degrees are real.

    Attributes:
        turns: Number of turns, N.
    """

    def __init__(self, turns: int, mirrors: bool) -> None:
        self.name, self.turns = (f"p{turns}m" if mirrors else f"p{turns}"), turns
        self.matrices = _read_only(rotation_matrices(turns, mirrors))
        self._complete(rotation_products(turns, mirrors))


def _read_only(array):
    array.flags.writeable = False
    return array
