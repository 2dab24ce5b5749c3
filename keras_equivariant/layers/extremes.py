"""Maxima and minima over short axes, whose gradients hold on every backend and for empty batches too."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from keras_equivariant.typing import Tensor

_LONGEST = 64  # elements of an axis; comparisons by pairs of longer ones would take long to compile


def largest(x: Tensor, axes: Sequence[int]) -> Tensor:
    """The maximum over some axes; where several elements are equal, they share the gradient."""
    return _extreme(x, axes, ops.amax, ops.greater)


def smallest(x: Tensor, axes: Sequence[int]) -> Tensor:
    """The minimum over some axes; where several elements are equal, they share the gradient."""
    return _extreme(x, axes, ops.amin, ops.less)


def _extreme(x, axes, reduction, better):
    if x.shape[0] == 0:
        return ops.sum(x, axis=tuple(axes))  # of no pictures: nothing, in the right shape; Keras refuses a maximum
    # JAX gives the gradient to the elements that equal the maximum. Compiled, both may have been computed twice from
    # what came before, and be rounded differently: then no element is equal, or another one, and the gradient is no
    # number, or wrong. Comparisons of pairs have two sides whatever their rounding.
    if keras.config.backend() != "jax" or "float" not in str(x.dtype):
        return reduction(x, axis=tuple(axes))
    for axis in sorted((axis % len(x.shape) for axis in axes), reverse=True):
        short = isinstance(x.shape[axis], int) and x.shape[axis] <= _LONGEST
        x = _by_pairs(x, axis, better) if short else reduction(x, axis=axis)
    return x


def _by_pairs(x: Tensor, axis: int, better: Callable[..., Any]) -> Tensor:
    before, size = (slice(None),) * axis, x.shape[axis]
    while size > 1:
        half = size // 2
        first, second = x[(*before, slice(0, half))], x[(*before, slice(half, 2 * half))]
        equal = first / 2 + second / 2  # or one of them is no number, and neither is this
        better_one = ops.where(better(second, first), second, equal)
        pairs = ops.where(better(first, second), first, better_one)
        x = ops.concatenate([pairs, x[(*before, slice(2 * half, None))]], axis=axis) if size % 2 else pairs
        size = half + size % 2
    return x[(*before, 0)]
