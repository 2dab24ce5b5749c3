"""From the small stored kernel to the kernel of an ordinary convolution.

A group convolution correlates the input with every transformed copy of each filter. Transforming a filter permutes
its taps and its orientations, so all copies together are one gather, and the rest is a planar convolution.
"""

import numpy as np
from keras import ops


def kernel_indices(group, kernel_size, coset_action, channels):
    """Tells which stored weights each weight of each transformed filter is.

    The input is a function on the cosets x of a subgroup H of the point group G, and so is the filter. Transformed
    by an element s of G, the filter's weight at the tap u and the coset x is `psi(s^-1 u, s^-1 x)`.

    Args:
        group: The `SymmetryGroup` G, of order S.
        kernel_size: Spatial shape of the kernel.
        coset_action: Integer array `(S, S_in)`, the coset that each element of G sends each coset to: all zeros for a
            planar input, `group.product` for a feature map on the group, else `group.act_on_cosets(H)`.
        channels: Number of input channels, C_in.

    Returns:
        Integer array `(*kernel_size, S_in * C_in, S)` of row numbers in the stored kernel, flattened to
        `(taps * S_in * C_in, C_out)`.

    Raises:
        ValueError: If an element of the group does not map the kernel onto itself.

    Reference:
        [Cohen & Welling, 2016](https://arxiv.org/abs/1602.07576), section 7.1.
    """
    kernel_size = tuple(kernel_size)
    orientations = coset_action.shape[1]
    indices = np.empty((*kernel_size, orientations, channels, group.order), dtype=np.int32)
    for s in range(group.order):
        turned_size, taps = group.act_on_grid(s, kernel_size)
        if turned_size != kernel_size or (taps < 0).any():
            raise ValueError(
                f"`kernel_size` must be mapped onto itself by every element of {group.name!r}: give a square kernel. "
                f"Received: kernel_size={kernel_size}"
            )
        sources = taps[..., None] * orientations + coset_action[group.inverse[s]]
        indices[..., s] = sources[..., None] * channels + np.arange(channels)
    return indices.reshape(*kernel_size, orientations * channels, group.order)


def expand_kernel(kernel, indices):
    """Lays all transformed copies of the filters out as the kernel of a planar convolution.

    Args:
        kernel: Stored kernel `(*kernel_size, S_in, C_in, C_out)`.
        indices: What `kernel_indices` returned.

    Returns:
        Kernel `(*kernel_size, S_in * C_in, S * C_out)`.
    """
    filters = kernel.shape[-1]
    copies = ops.take(ops.reshape(kernel, (-1, filters)), indices.reshape(-1), axis=0)
    return ops.reshape(copies, (*indices.shape[:-1], indices.shape[-1] * filters))
