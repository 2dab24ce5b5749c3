"""Groups of channels that share an offset: their means, and arithmetic with these."""

import operator
from collections.abc import Callable

import keras
from keras import ops

from keras_equivariant.channel_groups import (
    are_equal_blocks,
    assignment_matrix,
    count_groups,
    group_of_channels,
    sizes_of_groups,
)
from keras_equivariant.typing import Initializer, Tensor


def statistics_dtype(x: Tensor) -> str:
    """The type to add numbers up in: 16 bits are too few."""
    return "float32" if "float16" in str(x.dtype) else x.dtype


def positions(x: Tensor) -> float | Tensor:
    """Number of positions of a map `(batch, *positions, channels)`: a float, or a tensor where sizes are unknown."""
    number = 1.0
    for size in ops.shape(x)[1:-1]:
        number = number * (size if isinstance(size, int) else ops.cast(size, statistics_dtype(x)))
    return number


def channel_sums(x: Tensor) -> Tensor:
    """Sums `(batch, channels)` over all axes between these two."""
    x = ops.cast(x, statistics_dtype(x))
    if len(x.shape) == 2:
        return x
    rows = _rows(x)
    sums = ops.sum(rows, axis=tuple(range(1, len(rows.shape) - 1))) if len(rows.shape) > 2 else rows
    return ops.sum(ops.reshape(sums, (-1, *ops.shape(x)[-2:])), axis=1)


def square_sums(x: Tensor) -> Tensor:
    """Sums `(batch, channels)` of the squares over all axes between these two."""

    # Left to itself, a backend spreads the gradient over all positions before it multiplies.
    @ops.custom_gradient
    def sums(x):
        def gradient(*args, upstream=None):
            return scaled(x, 2 * (args[0] if upstream is None else upstream))

        return channel_sums(ops.square(x)), gradient

    return sums(x)


def group_averages(values: Tensor, feature_groups: int | tuple[int, ...]) -> Tensor:
    """Averages of the channels of each group: `(batch, ..., channels)` to `(batch, ..., groups)`."""
    channels, groups = values.shape[-1], count_groups(feature_groups)
    if not are_equal_blocks(feature_groups, channels):
        weights = assignment_matrix(feature_groups, channels) / sizes_of_groups(feature_groups, channels)
        return times_matrix(values, ops.convert_to_tensor(weights, dtype=values.dtype))
    blocks = ops.reshape(values, (-1, *ops.shape(values)[1:-1], groups, channels // groups))
    return ops.sum(blocks, axis=-1) / (channels // groups)


def group_means(x: Tensor, feature_groups: int | tuple[int, ...]) -> Tensor:
    """The average group pooling: `(batch, groups)`, over all positions and the channels of each group."""
    return group_averages(channel_sums(x), feature_groups) / positions(x)


def over_channels(pooled: Tensor, channels: int, feature_groups: int | tuple[int, ...]) -> Tensor:
    """Gives every channel the value of its group, `G phi`: `(..., groups)` to `(..., channels)`."""
    if are_equal_blocks(feature_groups, channels):
        return ops.repeat(pooled, channels // pooled.shape[-1], axis=-1)
    return ops.take(pooled, group_of_channels(feature_groups, channels), axis=-1)


def shifted(x: Tensor, values: Tensor) -> Tensor:
    """Adds `values`, `(batch, channels)` or `(channels,)` for all positions, or of the shape of x.

    To subtract, shift by the negative: the gradient of a difference negates a whole map, not a few values.
    """
    return _by_rows(operator.add, x, values)


def scaled(x: Tensor, values: Tensor) -> Tensor:
    """Multiplies by `values`, `(batch, channels)` or `(channels,)` for all positions."""
    return _by_rows(operator.mul, x, values)


def _by_rows(operation, x, values):
    """An operation of a map and of values that are the same at all positions of it.

    By an operator of Python: on TensorFlow, `ops.add` mistakes one value for each image for one value for each channel
    or row, if there are as many of these as images.
    """
    values = ops.cast(values, x.dtype)
    width = ops.shape(x)[-2] if len(x.shape) > 2 else None
    if len(values.shape) > 2 or not isinstance(width, int):
        return operation(x, _beside(values, x))
    rows = _rows(x)
    values = ops.tile(values, [*[1] * (len(values.shape) - 1), width])
    return ops.reshape(operation(rows, _beside(values, rows)), (-1, *ops.shape(x)[1:]))


def _rows(x):
    """Joins the last position axis and the channels: where these are few and odd, they are a slow inner loop."""
    shape = ops.shape(x)
    return ops.reshape(x, (-1, *shape[1:-2], shape[-2] * shape[-1]))


def _beside(values, x):
    """`(batch, channels)` with an axis of length 1 for each position axis of x; others as they are."""
    if len(values.shape) != 2:
        return values
    return ops.reshape(values, (-1, *[1] * (len(x.shape) - 2), x.shape[-1]))


def rectified(x: Tensor, means: Tensor) -> Tensor:
    """The larger one of x and the means, `(batch, channels)` or of the shape of x.

    As a sum, because the gradient of a rectifier is cheap, and `ops.maximum` returns float32 for float64 on PyTorch.
    """
    return shifted(ops.relu(shifted(x, -means)), means)


def times_matrix(x: Tensor, matrix: Tensor) -> Tensor:
    """Multiplies the last axis of x, `(batch, ..., channels)`, by a matrix `(channels, new_channels)`.

    As a product of two matrices, because TensorFlow gets products of more axes wrong in 16 bits on some processors, and
    by `ops.einsum`, because `ops.matmul` computes float64 in float32 on PyTorch.
    """
    if len(x.shape) == 2:
        return ops.einsum("bi,io->bo", x, matrix)
    rows = ops.reshape(x, (-1, x.shape[-1]))
    return ops.reshape(ops.einsum("bi,io->bo", rows, matrix), (*ops.shape(x)[:-1], matrix.shape[-1]))


def projected_value(projection: Callable[[Tensor], Tensor], weight: Tensor, dtype: str) -> Tensor:
    """A weight projected, in 32 bits at least, in the type that a layer computes in."""
    weight = ops.convert_to_tensor(weight)
    return ops.cast(projection(ops.cast(weight, statistics_dtype(weight))), dtype)


def projected(initializer: Initializer, projection: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    """An initialiser whose values are projected."""
    draw = keras.initializers.get(initializer)

    def initialize(shape, dtype=None):
        return projection(draw(shape, dtype=dtype))

    return initialize
