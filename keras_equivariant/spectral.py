"""Group convolution by Fourier transform on the point group: fewer products than a planar convolution takes.

A filter covers taps and orientations; the point group moves both, and no element but the identity keeps a pair of them.
So the pairs fall into orbits of S, one for each tap d, and within an orbit the convolution is one on the group itself,
which `representations.GroupTransform` turns into products of small matrices:

    F_d(rho) = sum over t of f(x + t d, t) rho(t),    W_d(rho) = sum over u of psi(u d, u) rho(u),
    Y(rho) = sum over d and input channels of F_d(rho) W_d(rho)^T.

For p4m, 12 products of matrices `(pixels, taps * channels)` and `(taps * channels, filters)` remain of the 64 in a
convolution with the expanded kernel; for p4, 6 of 16. The price is to gather the patches F_d, by additions alone.
"""

import numpy as np
from keras import ops

from keras_equivariant.representations import group_transform
from keras_equivariant.symmetry_group import SymmetryGroup
from keras_equivariant.typing import Tensor

_MEGABYTES_OF_PATCHES = 2  # of one image, at a time


class SpectralConvolution:
    """Convolution of feature maps on a group: what the expanded kernel gives, up to rounding.

    Args:
        group: The `SymmetryGroup`, of two dimensions and order S.
        kernel_size: int, the size of the square kernel in pixels.
        strides: int, in pixels.
        padding: `"valid"`, or `"same"` with zeros.

    Example:

    >>> from keras_equivariant.symmetry import get_symmetry
    >>> convolve = SpectralConvolution(get_symmetry("p4"), kernel_size=3)
    >>> x, kernel = keras.random.normal((2, 9, 9, 4, 5)), keras.random.normal((3, 3, 4, 5, 6))
    >>> print(convolve(x, kernel).shape)
    (2, 7, 7, 4, 6)
    """

    def __init__(self, group: SymmetryGroup, kernel_size: int, strides: int = 1, padding: str = "valid") -> None:
        self._order, self._size, self._strides, self._padding = group.order, kernel_size, strides, padding
        self._transform = group_transform(group)
        grid = (kernel_size, kernel_size)
        back = np.stack([group.act_on_grid(t, grid)[1].reshape(-1) for t in range(group.order)])
        # `(S, taps)`: where each element sends each tap, and the weight psi(u d, u) among all weights. On a hexagonal
        # grid some taps are sent outside of the kernel, and are no part of it.
        self._taps = back[group.inverse][:, group.interior(grid).reshape(-1)]
        self._weights = self._taps * group.order + np.arange(group.order)[:, None]
        self._adjoint = (kernel_size**2 - 1 - np.maximum(back, 0).T) * group.order + group.inverse

    def __call__(self, x: Tensor, kernel: Tensor) -> Tensor:
        """Convolves.

        Args:
            x: `(batch, height, width, S, channels)`, height and width known.
            kernel: Stored kernel `(kernel_size, kernel_size, S, channels, filters)`.

        Returns:
            `(batch, new_height, new_width, S, filters)`.
        """
        x = ops.convert_to_tensor(x)  # a gradient of one's own demands tensors
        if self._size == 1:
            # The gradient of these slices puts the zeros of a strided one in their places.
            x = x[:, :: self._strides, :: self._strides] if self._strides > 1 else x
            convolve = self._convolve_pixels
        else:
            convolve = self._convolve_patches
        # Automatic differentiation of all the additions would double them, and keep the patches in memory.
        # A reshaped variable is a tensor on every backend.
        return ops.custom_gradient(convolve)(x, ops.reshape(kernel, kernel.shape))

    def _convolve_pixels(self, x, kernel):
        """A kernel of one tap: the patches are the map itself, small enough to be kept for the gradient."""
        components = self._transform.analyse([_rows(plane) for plane in _planes(x)])

        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            products = self._transform.analyse([_rows(plane) for plane in _planes(upstream)])
            at_x = self._transform.multiply(products, self._components(self._adjoint_kernel(kernel)))
            at_kernel = self._transform.multiply_adjoint(components, products)
            return _stack(at_x, x.shape), self._stored_gradient(at_kernel, kernel)

        y = self._transform.multiply(components, self._components(kernel))
        return _stack(y, (*x.shape[:-1], kernel.shape[-1])), gradient

    def _convolve_patches(self, x, kernel):
        size, margins = self._geometry(x)
        padded = _pad(x, margins)

        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            at_x = self._input_gradient(upstream, kernel, margins, x.shape[1:3])
            return at_x, self._kernel_gradient(padded, upstream, kernel)

        return self._correlate(padded, kernel, size, self._strides), gradient

    def _geometry(self, x):
        """Spatial size of the output, and the zeros before and after each axis of the input."""
        if self._padding == "valid":
            return [(n - self._size) // self._strides + 1 for n in x.shape[1:3]], [(0, 0)] * 2
        size = [-(-n // self._strides) for n in x.shape[1:3]]
        zeros = [max((m - 1) * self._strides + self._size - n, 0) for m, n in zip(size, x.shape[1:3], strict=True)]
        return size, [(n // 2, n - n // 2) for n in zeros]

    def _correlate(self, x, kernel, size, strides):
        """The convolution of a map that has its padding, to an output of that size."""
        components, planes, parts = self._components(kernel), _planes(x), []
        for rows in self._parts(size, x.shape[-1]):
            y = self._transform.multiply(self._patches(planes, rows, size[1], strides), components)
            parts.append(_stack(y, (-1, len(rows), size[1], self._order, kernel.shape[-1])))
        return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=1)

    def _parts(self, size, channels):
        """Splits the rows of the output, so that not all patches are in memory at once."""
        megabytes = size[0] * size[1] * self._taps.size * channels * 4 / 2**20
        parts = min(size[0], int(np.ceil(megabytes / _MEGABYTES_OF_PATCHES)))
        return [range(part[0], part[-1] + 1) for part in np.array_split(np.arange(size[0]), max(parts, 1))]

    def _patches(self, planes, rows, width, strides):
        """Components of the patches, S matrices `(pixels, taps * channels)`, for some rows of the output."""
        channels = planes[0].shape[-1]
        height, components = (len(rows) - 1) * strides + 1, []
        for tap in self._taps.T.tolist():
            corners = [(tap_of_t // self._size + rows[0] * strides, tap_of_t % self._size) for tap_of_t in tap]
            if strides == 1:  # slices of two axes, which are faster than of three
                flat = [ops.reshape(plane, (-1, plane.shape[1], plane.shape[2] * channels)) for plane in planes]
                slices = [
                    plane[:, i : i + height, j * channels : (j + width) * channels]
                    for plane, (i, j) in zip(flat, corners, strict=True)
                ]
            else:
                slices = [
                    plane[:, i : i + height : strides, j : j + (width - 1) * strides + 1 : strides]
                    for plane, (i, j) in zip(planes, corners, strict=True)
                ]
            components.append([ops.reshape(x, (-1, channels)) for x in self._transform.analyse(slices)])
        return [ops.concatenate(taps, axis=-1) for taps in zip(*components, strict=True)]

    def _components(self, kernel):
        """Of psi(u d, u), for all taps d."""
        *_, channels, filters = kernel.shape
        rows = ops.take(ops.reshape(kernel, (-1, channels * filters)), _flat(self._weights), axis=0)
        return self._transform.analyse_kernel(ops.reshape(rows, (*self._weights.shape, channels, filters)))

    def _stored_gradient(self, components, kernel):
        """The adjoint of `_components`."""
        *_, channels, filters = kernel.shape
        rows = self._transform.synthesise_kernel(components, channels, filters)
        places = np.zeros(self._size**2 * self._order, dtype=np.int64)
        places[self._weights] = np.arange(self._weights.size).reshape(self._weights.shape)
        rows = ops.take(ops.reshape(rows, (-1, channels * filters)), _flat(places), axis=0)
        if self._weights.size < places.size:
            inside = np.isin(np.arange(places.size), self._weights)
            rows = rows * ops.convert_to_tensor(inside[:, None], dtype=kernel.dtype)
        return ops.reshape(rows, kernel.shape)

    def _adjoint_kernel(self, kernel):
        """`psi'(e, u) = psi(-u^-1 e, u^-1)^T`, with which the gradient for the input is such a convolution too."""
        *sizes, channels, filters = kernel.shape
        rows = ops.take(ops.reshape(kernel, (-1, channels, filters)), _flat(self._adjoint), axis=0)
        return ops.reshape(ops.swapaxes(rows, 1, 2), (*sizes, filters, channels))

    def _input_gradient(self, upstream, kernel, margins, size):
        upstream = _spread(upstream, self._strides)
        before = [self._size - 1 - first for first, _ in margins]
        after = [n + self._size - 1 - b - m for n, b, m in zip(size, before, upstream.shape[1:3], strict=True)]
        padded = _pad(upstream, list(zip(before, after, strict=True)))
        return self._correlate(padded, self._adjoint_kernel(kernel), size, 1)

    def _kernel_gradient(self, padded, upstream, kernel):
        """From the patches, which are gathered again."""
        size, planes, total = upstream.shape[1:3], _planes(padded), None
        for rows in self._parts(size, padded.shape[-1]):
            patches = self._patches(planes, rows, size[1], self._strides)
            products = [_rows(plane) for plane in _planes(upstream[:, rows[0] : rows[-1] + 1])]
            part = self._transform.multiply_adjoint(patches, self._transform.analyse(products))
            total = part if total is None else [_add(*columns) for columns in zip(total, part, strict=True)]
        return self._stored_gradient(total, kernel)


def _flat(indices):
    return indices.reshape(-1).astype("int32")


def _planes(x):
    """`(batch, height, width, channels)` for each orientation."""
    return [x[:, :, :, t] for t in range(x.shape[3])]


def _rows(x):
    return ops.reshape(x, (-1, x.shape[-1]))


def _stack(rows, shape):
    """The map of that shape, its batch aside, from a matrix `(pixels, channels)` for each orientation."""
    return ops.reshape(ops.stack(rows, axis=1), (-1, *shape[1:]))


def _add(first, second):
    return [a + b for a, b in zip(first, second, strict=True)]


def _pad(x, margins):
    return ops.pad(x, ((0, 0), *margins, (0, 0), (0, 0))) if any(map(any, margins)) else x


def _spread(x, strides):
    """Puts `strides - 1` zeros between the pixels."""
    if strides == 1:
        return x
    for axis in (1, 2):
        shape = x.shape
        x = ops.expand_dims(x, axis + 1)
        x = ops.concatenate([x, *[ops.zeros_like(x)] * (strides - 1)], axis=axis + 1)
        x = ops.reshape(x, (-1, *shape[1:axis], shape[axis] * strides, *shape[axis + 1 :]))
    _, height, width, *_ = x.shape
    return x[:, : height - strides + 1, : width - strides + 1]
