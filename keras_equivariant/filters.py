"""From the small stored kernel to the kernel of an ordinary convolution.

A group convolution correlates the input with every transformed copy of each filter. Transforming a filter permutes
its taps and its orientations, so all copies together are one gather, and the rest is a planar convolution.

A turn of a hexagonal grid takes some taps of a square kernel outside of it. Those, two corners of it, are no part of
the filter: they are zero in every copy, whatever is stored there, and the gradient there is zero.

A turn by less than 90 degrees maps no tap to a tap. For groups that have such turns, what is stored is the coefficients
of circular harmonics (`keras_equivariant.harmonics`), and the harmonics are turned.
"""

from collections.abc import Sequence

import numpy as np
from keras import ops

from keras_equivariant.harmonics import number_of_functions, turned_harmonics
from keras_equivariant.symmetry_group import SymmetryGroup
from keras_equivariant.typing import Tensor


def filter_expansion(
    group: SymmetryGroup, kernel_size: Sequence[int], coset_action: np.ndarray, channels: int
) -> "FilterExpansion | SteerableExpansion":
    """Returns the expansion of filters under a group: by permuting taps, or by turning harmonics where it must.

    Args:
        group: The `SymmetryGroup`.
        kernel_size: Spatial shape of the kernel.
        coset_action: Integer array `(S, S_in)`, as in `FilterExpansion`.
        channels: Number of input channels.

    Returns:
        A `FilterExpansion`, or a `SteerableExpansion`.

    Raises:
        ValueError: If the group does not map the kernel onto itself, or turns no kernel of this size.
    """
    exact = len(group.exact_elements) == group.order
    return (FilterExpansion if exact else SteerableExpansion)(group, kernel_size, coset_action, channels)


class FilterExpansion:
    """Lays all transformed copies of stored filters out as the kernel of a planar convolution.

    The input is a function on the cosets x of a subgroup H of the point group, and so is the filter `psi`. Transformed
    by an element s, the filter's weight at the tap u and the coset x is `psi(s^-1 u, s^-1 x)`.

    Args:
        group: The `SymmetryGroup`, of order S.
        kernel_size: Spatial shape of the kernel.
        coset_action: Integer array `(S, S_in)`, the coset that each element sends each coset to: all zeros for a
            planar input, `group.product` for a feature map on the group, else `group.act_on_cosets(H)`.
        channels: Number of input channels, C_in.

    Attributes:
        copies: Number of copies of each filter, S.
        turns: `None`: these filters are turned by permuting their taps.
        stored_shape: Shape of the stored kernel without its last axis, C_out.
        sources: Integer array `(*kernel_size, S_in * C_in, S)`: the row that each expanded weight comes from, in the
            stored kernel flattened to `(taps * S_in * C_in, C_out)`.

    Raises:
        ValueError: If the group does not keep a tap on each edge of the kernel inside of it: a rectangle for p4, an
            even size for p6.

    Example:

    >>> from keras_equivariant.symmetry import get_symmetry
    >>> p4 = get_symmetry("p4")
    >>> expansion = FilterExpansion(p4, (3, 3), p4.product, channels=10)
    >>> print(expansion(np.ones((3, 3, 4, 10, 16), "float32")).shape)
    (3, 3, 40, 64)

    Reference:
        [Cohen & Welling, 2016](https://arxiv.org/abs/1602.07576), section 7.1.
    """

    def __init__(
        self, group: SymmetryGroup, kernel_size: Sequence[int], coset_action: np.ndarray, channels: int
    ) -> None:
        self.copies = group.order
        self.turns = None
        mask = _mask(group, tuple(kernel_size))
        self._mask = None if mask.all() else mask.reshape(*mask.shape, 1, 1, 1)
        self.sources = _sources(group, mask, coset_action, channels)
        self.stored_shape = (*mask.shape, coset_action.shape[1], channels)
        self._copy_rows = _RowCopies(self.sources, self.copies)

    def __call__(self, kernel: Tensor) -> Tensor:
        """Expands a kernel.

        Args:
            kernel: Stored kernel `(*kernel_size, S_in, C_in, C_out)`.

        Returns:
            Kernel `(*kernel_size, S_in * C_in, S * C_out)`.
        """
        filters = kernel.shape[-1]
        kernel = ops.convert_to_tensor(kernel)
        if self._mask is not None:
            kernel = kernel * ops.cast(self._mask, kernel.dtype)
        copies = self._copy_rows(ops.reshape(kernel, (-1, filters)))
        return ops.reshape(copies, (*self.sources.shape[:-1], self.copies * filters))


class SteerableExpansion:
    """Lays all turned copies of filters that are combinations of harmonics out as the kernel of a planar convolution.

    The filter is `psi(u, x) = sum over b of beta_b(u) w_b(x)`, with the harmonics beta and stored coefficients w.
    Moved by an element s, its weight at the tap u and the coset x is

        sum over b of beta_b(s^-1 u) w_b(s^-1 x)

    Args:
        group: The `SymmetryGroup`, of order S.
        kernel_size: Spatial shape of the kernel: an odd square.
        coset_action: Integer array `(S, S_in)`, as in `FilterExpansion`.
        channels: Number of input channels, C_in.

    Attributes:
        copies: Number of copies of each filter, S.
        turns: Number of turns among the elements of the group.
        stored_shape: Shape of the stored coefficients without their last axis, C_out: `(B, S_in, C_in)`.

    Raises:
        ValueError: If the kernel is no square of an odd size up to 11.

    Example:

    >>> from keras_equivariant.symmetry import get_symmetry
    >>> p8 = get_symmetry("p8")
    >>> expansion = SteerableExpansion(p8, (5, 5), p8.product, channels=10)
    >>> print(expansion(np.ones((11, 8, 10, 16), "float32")).shape)
    (5, 5, 80, 128)

    Reference:
        [Weiler & Cesa, 2019](https://arxiv.org/abs/1911.08251), section 2.
    """

    def __init__(
        self, group: SymmetryGroup, kernel_size: Sequence[int], coset_action: np.ndarray, channels: int
    ) -> None:
        size, *others = kernel_size
        if any(other != size for other in others):
            raise ValueError(
                f"`kernel_size` must be square for the symmetry {group.name!r}. Received: kernel_size={kernel_size}"
            )
        self.copies = group.order
        self.turns = int((np.linalg.det(group.matrices) > 0).sum())
        orientations = coset_action.shape[1]
        functions = number_of_functions(size)
        self.stored_shape = (functions, orientations, channels)
        self._kernel_size = (size, size)
        self._harmonics = turned_harmonics(group, size)
        permuted = coset_action[group.inverse]  # row s: s^-1 x, for each coset x
        rows = np.arange(functions)[:, None] * orientations + permuted[:, None]
        self._copy_rows = _RowCopies(rows.astype(np.int32), self.copies)

    def __call__(self, kernel: Tensor) -> Tensor:
        """Expands coefficients.

        Args:
            kernel: Stored coefficients `(B, S_in, C_in, C_out)`.

        Returns:
            Kernel `(*kernel_size, S_in * C_in, S * C_out)`.
        """
        kernel = ops.convert_to_tensor(kernel)
        functions, orientations, channels = self.stored_shape
        filters = kernel.shape[-1]
        copies = self._copy_rows(ops.reshape(kernel, (functions * orientations, channels * filters)))
        copies = ops.reshape(copies, (self.copies, functions, orientations * channels * filters))
        harmonics = ops.cast(ops.convert_to_tensor(self._harmonics), kernel.dtype)
        turned = ops.reshape(ops.matmul(harmonics, copies), (self.copies, -1, orientations * channels, filters))
        return ops.reshape(ops.transpose(turned, (1, 2, 0, 3)), (*self._kernel_size, -1, self.copies * filters))


class _RowCopies:
    """Gathers rows of a matrix, each of them equally often.

    The gradient of a gather is a scatter, slow on a CPU and in no fixed order on a GPU; here it is a gather too, of the
    places that each row was copied to.

    Args:
        sources: Integer array of any shape, the row that comes to each place.
        copies: int, how often each row is copied.
    """

    def __init__(self, sources: np.ndarray, copies: int) -> None:
        self._sources, self._copies = sources.reshape(-1), copies
        self._uses = np.argsort(self._sources, kind="stable").astype(np.int32)

    def __call__(self, rows: Tensor) -> Tensor:
        """From `(rows, columns)` to `(places, columns)`."""

        @ops.custom_gradient
        def copy(rows):
            def gradient(*args, upstream=None):
                upstream = args[0] if upstream is None else upstream
                uses = ops.take(upstream, self._uses, axis=0)
                return ops.sum(ops.reshape(uses, (-1, self._copies, upstream.shape[-1])), axis=1)

            return ops.take(rows, self._sources, axis=0), gradient

        return copy(rows)


def _mask(group, kernel_size):
    """The taps that stay inside the kernel under every element."""
    mask = group.interior(kernel_size)
    inside = np.argwhere(mask)
    # A tap on two opposite edges of each axis; otherwise the kernel is effectively smaller than `kernel_size`, which is
    # surely a mistake.
    if not mask.any() or tuple(inside.max(axis=0) - inside.min(axis=0) + 1) != kernel_size:
        raise ValueError(
            f"`kernel_size` must be mapped onto itself by every element of {group.name!r}: give a square kernel"
            f"{' of odd size' if group.hexagonal else ''}. Received: kernel_size={kernel_size}"
        )
    return mask


def _sources(group, mask, coset_action, channels):
    """See `FilterExpansion.sources`. Taps outside of the mask stay where they are: all is a permutation."""
    orientations = coset_action.shape[1]
    sources = np.empty((*mask.shape, orientations, channels, group.order), dtype=np.int32)
    for s in range(group.order):
        _, taps = group.act_on_grid(s, mask.shape)
        taps = np.where(mask, taps, np.arange(mask.size).reshape(mask.shape))
        weights = taps[..., None] * orientations + coset_action[group.inverse[s]]
        sources[..., s] = weights[..., None] * channels + np.arange(channels)
    return sources.reshape(*mask.shape, orientations * channels, group.order)
