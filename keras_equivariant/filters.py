"""From the small stored kernel to the kernel of an ordinary convolution.

A group convolution correlates the input with every transformed copy of each filter. Transforming a filter permutes
its taps and its orientations, so all copies together are one gather, and the rest is a planar convolution.

A turn of a hexagonal grid takes some taps of a square kernel outside of it. Those, two corners of it, are no part of
the filter: they are zero in every copy, whatever is stored there, and the gradient there is zero.
"""

from collections.abc import Sequence

import numpy as np
from keras import ops

from keras_equivariant.symmetry import SymmetryGroup
from keras_equivariant.typing import Tensor


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
        mask = _mask(group, tuple(kernel_size))
        self._mask = None if mask.all() else mask.reshape(*mask.shape, 1, 1, 1)
        self.sources = _sources(group, mask, coset_action, channels)
        # Each copy uses each stored weight once: the expanded weights that came from it, one for each copy.
        weights = self.sources.reshape(-1, self.copies)
        self._uses = (np.argsort(weights, axis=0) * self.copies + np.arange(self.copies)).astype(np.int32)

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

    def _copy_rows(self, rows):
        """Gathers the rows `(weights * S, C_out)` of the expanded kernel.

        The gradient of a gather is a scatter, slow on a CPU and in no fixed order on a GPU; that of a permutation is
        the inverse permutation, a gather too.
        """

        @ops.custom_gradient
        def copy(rows):
            def gradient(*args, upstream=None):
                upstream = args[0] if upstream is None else upstream
                uses = ops.take(upstream, self._uses.reshape(-1), axis=0)
                return ops.sum(ops.reshape(uses, (-1, self.copies, upstream.shape[-1])), axis=1)

            return ops.take(rows, self.sources.reshape(-1), axis=0), gradient

        return copy(rows)


def _mask(group, kernel_size):
    """The taps that stay inside the kernel under every element."""
    mask = group.interior(kernel_size)
    inside = np.argwhere(mask)
    # A tap on two opposite edges of each axis; otherwise the kernel is effectively smaller than `kernel_size`, which is
    # surely a mistake.
    if not mask.any() or tuple(inside.max(axis=0) - inside.min(axis=0) + 1) != kernel_size:
        hexagonal = not all(map(group.permutes_axes, range(group.order)))
        raise ValueError(
            f"`kernel_size` must be mapped onto itself by every element of {group.name!r}: give a square kernel"
            f"{' of odd size' if hexagonal else ''}. Received: kernel_size={kernel_size}"
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
