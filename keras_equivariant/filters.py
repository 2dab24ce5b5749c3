"""From the small stored kernel to the kernel of an ordinary convolution.

A group convolution correlates the input with every transformed copy of each filter. Transforming a filter permutes
its taps and its orientations, so all copies together are one gather, and the rest is a planar convolution.
"""

import numpy as np
from keras import ops


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
        ValueError: If an element of the group does not map the kernel onto itself.

    Example:

    >>> from keras_equivariant.symmetry import get_symmetry
    >>> p4 = get_symmetry("p4")
    >>> expansion = FilterExpansion(p4, (3, 3), p4.product, channels=10)
    >>> print(expansion(np.ones((3, 3, 4, 10, 16), "float32")).shape)
    (3, 3, 40, 64)

    Reference:
        [Cohen & Welling, 2016](https://arxiv.org/abs/1602.07576), section 7.1.
    """

    def __init__(self, group, kernel_size, coset_action, channels):
        self.copies = group.order
        self.sources = _sources(group, tuple(kernel_size), coset_action, channels)
        # Each copy uses each stored weight once: the expanded weights that came from it, one for each copy.
        weights = self.sources.reshape(-1, self.copies)
        self._uses = (np.argsort(weights, axis=0) * self.copies + np.arange(self.copies)).astype(np.int32)

    def __call__(self, kernel):
        """Expands a kernel.

        Args:
            kernel: Stored kernel `(*kernel_size, S_in, C_in, C_out)`.

        Returns:
            Kernel `(*kernel_size, S_in * C_in, S * C_out)`.
        """
        filters = kernel.shape[-1]
        copies = self._copy_rows(ops.reshape(ops.convert_to_tensor(kernel), (-1, filters)))
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


def _sources(group, kernel_size, coset_action, channels):
    orientations = coset_action.shape[1]
    sources = np.empty((*kernel_size, orientations, channels, group.order), dtype=np.int32)
    for s in range(group.order):
        turned_size, taps = group.act_on_grid(s, kernel_size)
        if turned_size != kernel_size or (taps < 0).any():
            raise ValueError(
                f"`kernel_size` must be mapped onto itself by every element of {group.name!r}: give a square kernel. "
                f"Received: kernel_size={kernel_size}"
            )
        weights = taps[..., None] * orientations + coset_action[group.inverse[s]]
        sources[..., s] = weights[..., None] * channels + np.arange(channels)
    return sources.reshape(*kernel_size, orientations * channels, group.order)
