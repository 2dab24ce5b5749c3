"""Blocks of channels that share an offset: their means, and layers whose kernel respects them."""

import operator
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_equivariant.constraints import OffsetProjection
from keras_equivariant.typing import Initializer, Shape, Tensor


def check_feature_groups(feature_groups: int) -> int:
    """Returns the number of feature groups, after a check that it is a positive integer."""
    if not isinstance(feature_groups, int) or feature_groups < 1:
        raise ValueError(f"`feature_groups` must be a positive integer. Received: feature_groups={feature_groups!r}")
    return feature_groups


def check_channels(feature_groups: int, channels: int | None, name: str) -> int:
    """Returns the number of channels, described by `name`, after a check that they split into groups of one size."""
    if channels is None or channels % feature_groups != 0:
        raise ValueError(
            f"`{name}` must be known and a multiple of `feature_groups`. "
            f"Received: {name}={channels}, feature_groups={feature_groups}"
        )
    return channels


def check_input_channels(feature_groups: int, input_shape: Shape) -> int:
    """Returns the number of channels of an input `(batch, ..., channels)`, or raises a ValueError."""
    if len(input_shape) < 2:
        raise ValueError(f"The input must be (batch, ..., channels). Received: input_shape={tuple(input_shape)}")
    return check_channels(feature_groups, input_shape[-1], "channels")


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


def group_means(x: Tensor, feature_groups: int) -> Tensor:
    """The average group pooling: `(batch, feature_groups)`, over all positions and the channels of each group."""
    sums = ops.reshape(channel_sums(x), (-1, feature_groups, x.shape[-1] // feature_groups))
    return ops.sum(sums, axis=-1) / (positions(x) * sums.shape[-1])


def over_channels(pooled: Tensor, channels: int) -> Tensor:
    """Gives every channel the value of its group, `G phi`: `(..., groups)` to `(..., channels)`."""
    return ops.repeat(pooled, channels // pooled.shape[-1], axis=-1)


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

    An operator of Python: on TensorFlow, `ops.add` takes one value for each image for one for each channel, or row, if
    there are as many of these as images.
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
    return ops.reshape(values, (-1, *[1] * (len(x.shape) - 2), values.shape[-1]))


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


def projected(initializer: Initializer, projection: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    """An initialiser whose values are projected."""
    draw = keras.initializers.get(initializer)

    def initialize(shape, dtype=None):
        return projection(draw(shape, dtype=dtype))

    return initialize


class ProjectedKernel(keras.layers.Layer):
    """Projects the kernel of a layer, from its first value on; goes before a Keras class."""

    # Of the Keras layer.
    kernel: Tensor
    bias: Tensor
    activation: Callable[[Tensor], Tensor] | None
    kernel_constraint: Any

    def _project(self, feature_groups, outputs, **projection):
        """To be called at the end of the constructor, with the name of the attribute that holds the output width."""
        self.feature_groups = check_feature_groups(feature_groups)
        check_channels(feature_groups, getattr(self, outputs), outputs)
        needed = OffsetProjection(feature_groups, **projection)
        given = self.kernel_constraint
        if given is not None and (type(given) is not OffsetProjection or given.get_config() != needed.get_config()):
            raise ValueError(
                f"`kernel_constraint` must be None: the projection takes its place. "
                f"Received: kernel_constraint={given!r}"
            )
        self.kernel_constraint = needed
        if getattr(self, "lora_rank", None):
            self.enable_lora(self.lora_rank)

    def build(self, input_shape: Shape) -> None:
        check_input_channels(self.feature_groups, input_shape)
        super().build(input_shape)

    def add_weight(self, *args: Any, **kwargs: Any) -> keras.Variable:
        if kwargs.get("name") == "kernel":
            kwargs["initializer"] = projected(kwargs["initializer"], self.kernel_constraint)
        return super().add_weight(*args, **kwargs)

    def enable_lora(self, rank: int, *args: Any, **kwargs: Any) -> None:
        raise ValueError(
            f"`{type(self).__name__}` has no low-rank adaptation: a kernel added to its own would leave the "
            f"offset-equivariant ones. Train its kernel. Received: rank={rank}"
        )

    def _finish(self, outputs, means=None):
        """Adds the bias, and the group means that were taken away from the input; then the activation, by eq. 19."""
        channels = outputs.shape[-1]
        offset = None if self.bias is None else ops.convert_to_tensor(self.bias)
        if means is not None:
            means = ops.cast(over_channels(means, channels), outputs.dtype)
            offset = means if offset is None else offset + means
        if offset is not None:
            outputs = shifted(outputs, offset)
        if self.activation is None or self.activation is keras.activations.linear:
            return outputs
        means = over_channels(group_means(outputs, self.feature_groups), channels)
        activated = self.activation(shifted(outputs, -means))
        return shifted(ops.cast(activated, outputs.dtype), means)  # on JAX, some return float32 for float64

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "kernel_constraint": None, "feature_groups": self.feature_groups}
