"""Blocks of channels that share an offset: their means, and layers whose kernel respects them."""

import keras
from keras import ops

from keras_equivariant.constraints import OffsetProjection


def check_feature_groups(feature_groups):
    """Returns the number of feature groups, after a check that it is a positive integer."""
    if not isinstance(feature_groups, int) or feature_groups < 1:
        raise ValueError(f"`feature_groups` must be a positive integer. Received: feature_groups={feature_groups!r}")
    return feature_groups


def check_channels(feature_groups, channels, name):
    """Raises a ValueError unless the channels, described by `name`, split into groups of one size."""
    if channels is None or channels % feature_groups != 0:
        raise ValueError(
            f"`{name}` must be known and a multiple of `feature_groups`. "
            f"Received: {name}={channels}, feature_groups={feature_groups}"
        )


def check_channels_last(data_format):
    """Raises a ValueError unless the channels come last."""
    if data_format != "channels_last":
        raise ValueError(f"`data_format` must be 'channels_last'. Received: data_format={data_format!r}")


def statistics_dtype(x):
    """The type to add numbers up in: 16 bits are too few."""
    return "float32" if "float16" in str(x.dtype) else x.dtype


def positions(x):
    """Number of positions of a map `(batch, *positions, channels)`: a float, or a tensor where sizes are unknown."""
    number = 1.0
    for size in ops.shape(x)[1:-1]:
        number = number * (size if isinstance(size, int) else ops.cast(size, statistics_dtype(x)))
    return number


def channel_sums(x):
    """Sums `(batch, channels)` over all axes between these two."""
    x = ops.cast(x, statistics_dtype(x))
    return ops.sum(x, axis=tuple(range(1, len(x.shape) - 1))) if len(x.shape) > 2 else x


def group_means(x, feature_groups):
    """The average group pooling: `(batch, feature_groups)`, over all positions and the channels of each group."""
    sums = ops.reshape(channel_sums(x), (-1, feature_groups, x.shape[-1] // feature_groups))
    return ops.sum(sums, axis=-1) / (positions(x) * sums.shape[-1])


def spread(pooled, like, channels=None):
    """Gives every channel the value of its group, `G phi`: `(batch, groups)` to `(batch, 1, ..., channels)`.

    Args:
        pooled: `(batch, groups)`, or `(batch, *space, groups)` with as many axes as `like`.
        like: Tensor that the result is to be added to; it lends its type, its rank and its channels.
        channels: Number of channels, if not that of `like`.
    """
    channels = like.shape[-1] if channels is None else channels
    pooled = ops.repeat(ops.cast(pooled, like.dtype), channels // pooled.shape[-1], axis=-1)
    missing = len(like.shape) - len(pooled.shape)
    return ops.reshape(pooled, (-1, *[1] * missing, channels)) if missing else pooled


def maximum(x, y):
    """The larger one, y being constant over positions.

    As a sum, because the gradient of a rectifier is cheap, and `ops.maximum` returns float32 for float64 on PyTorch.
    """
    return ops.relu(x - y) + y


def projected(initializer, projection):
    """An initialiser whose values are projected."""
    initializer = keras.initializers.get(initializer)

    def initialize(shape, dtype=None):
        return projection(initializer(shape, dtype=dtype))

    return initialize


class ProjectedKernel:
    """Projects the kernel of a layer, from its first value on; goes before a Keras class."""

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

    def build(self, input_shape):
        check_channels(self.feature_groups, input_shape[-1], "channels")
        super().build(input_shape)

    def add_weight(self, *args, **kwargs):
        if kwargs.get("name") == "kernel":
            kwargs["initializer"] = projected(kwargs["initializer"], self.kernel_constraint)
        return super().add_weight(*args, **kwargs)

    def _finish(self, outputs, means=None):
        """Adds the bias, and the group means that were taken away from the input; then the activation, by eq. 19."""
        offset = None if self.bias is None else ops.convert_to_tensor(self.bias)
        if means is not None:
            means = spread(means, outputs)
            offset = means if offset is None else offset + means
        if offset is not None:
            outputs = outputs + offset
        if self.activation is None or self.activation is keras.activations.linear:
            return outputs
        means = spread(group_means(outputs, self.feature_groups), outputs)
        return self.activation(outputs - means) + means

    def get_config(self):
        return {**super().get_config(), "kernel_constraint": None, "feature_groups": self.feature_groups}
