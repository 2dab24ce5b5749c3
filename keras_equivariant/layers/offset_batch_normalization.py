"""Offset-equivariant batch normalisation, with the rectifier that follows it."""

import math
from typing import Any

import keras
from keras import ops

from keras_equivariant.arguments import check_number
from keras_equivariant.channel_groups import check_feature_groups, check_input_channels
from keras_equivariant.layers.feature_groups import (
    channel_sums,
    group_averages,
    group_means,
    over_channels,
    positions,
    rectified,
    scaled,
    shifted,
    square_sums,
    statistics_dtype,
)
from keras_equivariant.layers.inputs import OneInputOfAnyNumbers
from keras_equivariant.typing import Activation, FeatureGroups, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_equivariant")
class OffsetBatchNormalization(OneInputOfAnyNumbers, keras.layers.BatchNormalization):
    """Batch normalisation that passes an offset of its input on to its output.

    The group means phi, of each image over the channels of a group and all positions, are taken away before the
    normalisation and added after it,

        y = BN(x - G phi(x)) + G phi(x)

    so that the statistics, too, do not depend on offsets. With `activation="relu"`, `max(y, G phi(y))` is returned in
    the same pass over the data: sums of x and of its square, for each image and channel, give the group means, the
    statistics of the batch, and the group means of y.

    Args:
        axis: -1; nothing else is supported.
        momentum: As in `keras.layers.BatchNormalization`.
        epsilon: As in `keras.layers.BatchNormalization`.
        center: As in `keras.layers.BatchNormalization`.
        scale: As in `keras.layers.BatchNormalization`.
        feature_groups: int, the number of groups: 3 for colour, 1 for brightness; or the sizes of the groups, or the
            group of each channel, as in `OffsetConv2D`.
        activation: `None` or `"relu"`.
        **kwargs: All others as in `keras.layers.BatchNormalization`.

    Input shape:
        `(batch, ..., channels)`.

    Output shape:
        That of the input.

    Raises:
        ValueError: If an argument has a value that is not supported, or the channels do not split into the
            groups.

    Example:

    >>> x = keras.random.normal((2, 8, 8, 15))
    >>> print(OffsetBatchNormalization(activation="relu")(x).shape)
    (2, 8, 8, 15)

    Reference:
        [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), section 2.4.
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        feature_groups: FeatureGroups = 3,
        activation: Activation = None,
        **kwargs: Any,
    ) -> None:
        if axis != -1:
            raise ValueError(f"`axis` must be -1. Received: axis={axis}")
        check_number("momentum", momentum, "between 0 and 1", 0, 1)
        check_number("epsilon", epsilon, "positive", 0, math.inf, open_below=True)
        super().__init__(axis=axis, momentum=momentum, epsilon=epsilon, center=center, scale=scale, **kwargs)
        if activation not in (None, "relu"):
            raise ValueError(f"`activation` must be None or 'relu'. Received: activation={activation!r}")
        self.feature_groups = check_feature_groups(feature_groups)
        self.activation = activation
        self.supports_masking = False

    def build(self, input_shape: Shape) -> None:
        check_input_channels(self.feature_groups, input_shape)
        super().build(input_shape)

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        inputs = ops.cast(inputs, self.compute_dtype)  # integers too
        if getattr(self, "renorm", False) or self.synchronized:  # Keras before 3.14 has no renormalisation
            means = self._group_means(inputs)
            outputs = shifted(super().call(shifted(inputs, -means), training=training), means)
            return outputs if self.activation is None else rectified(outputs, self._group_means(outputs))
        x = ops.cast(inputs, statistics_dtype(inputs))
        number = positions(x)
        channel_means = channel_sums(x) / number
        phi = self._over_groups(channel_means)
        if training and self.trainable:
            mean, variance = self._batch_statistics(x, number, channel_means, phi)
        else:
            mean, variance = (ops.cast(v, x.dtype) for v in (self.moving_mean, self.moving_variance))
        # y = a (x - phi - mean) + beta + phi, of which `factor` x is the part that differs from place to place.
        factor = 1 / ops.sqrt(variance + self.epsilon)
        if self.scale:
            factor = factor * ops.cast(self.gamma, x.dtype)
        term = phi - factor * (phi + mean)
        if self.center:
            term = term + ops.cast(self.beta, x.dtype)
        if self.activation is None:
            outputs = shifted(scaled(x, factor), term)
        else:
            means = self._over_groups(factor * channel_means + term)
            outputs = shifted(ops.relu(shifted(scaled(x, factor), term - means)), means)
        return ops.cast(outputs, self.compute_dtype)

    def _group_means(self, x):
        return over_channels(group_means(x, self.feature_groups), x.shape[-1], self.feature_groups)

    def _over_groups(self, values):
        """Replaces `(batch, channels)` by their means over groups, in the same shape."""
        groups = self.feature_groups
        return over_channels(group_averages(values, groups), values.shape[-1], groups)

    def _batch_statistics(self, x, number, channel_means, phi):
        """Mean and variance of x - G phi(x) for each channel; the moving averages take them in."""
        squares = square_sums(x) / number
        images = ops.shape(x)[0]
        images = images if isinstance(images, int) else ops.cast(images, x.dtype)
        mean = ops.sum(channel_means - phi, axis=0) / images
        # Within the images, and between them: small differences of large numbers are avoided as far as possible; where
        # one is left, rounding must not make it negative.
        within = ops.relu(squares - channel_means * channel_means)
        between = channel_means - phi - mean
        variance = ops.sum(within + between * between, axis=0) / images
        for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(ops.cast(moving, x.dtype) * self.momentum + value * (1 - self.momentum))
        return mean, variance

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "feature_groups": self.feature_groups, "activation": self.activation}
