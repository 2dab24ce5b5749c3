"""Batch normalisation of feature maps on a group."""

import math
from typing import Any

import keras
from keras import ops

from keras_equivariant.arguments import check_number
from keras_equivariant.layers.feature_groups import statistics_dtype
from keras_equivariant.layers.inputs import OneInputOfAnyNumbers
from keras_equivariant.typing import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_equivariant")
class GroupBatchNormalization(OneInputOfAnyNumbers, keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` of a feature map on a group, quicker where there are few channels.

    Each channel has one mean mu and one variance v, over the batch, all positions and all orientations,

        y = gamma (x - mu) / sqrt(v + epsilon) + beta

    which is what Keras' own layer computes, and Keras' own may stand wherever this one does: weights, outputs and
    exported models are the same. The difference is how: orientations and channels are one axis here, whose statistics
    are averaged over the orientations in the end,

        mu = mean_s mu_s,    v = mean_s (v_s + (mu_s - mu)^2)

    because sums over all axes but a short last one are slow on a CPU.

    Args:
        axis: -1; nothing else is supported.
        momentum: As in `keras.layers.BatchNormalization`.
        epsilon: As in `keras.layers.BatchNormalization`.
        center: As in `keras.layers.BatchNormalization`.
        scale: As in `keras.layers.BatchNormalization`.
        **kwargs: All others as in `keras.layers.BatchNormalization`. With `synchronized` or `renorm`, with a mask, and
            on JAX, Keras' own computation is used.

    Input shape:
        `(batch, ..., orientations, channels)`.

    Output shape:
        That of the input.

    Raises:
        ValueError: If the axis is not the last one, a number is out of range, or the input has no axis of orientations.

    Example:

    >>> x = keras.random.normal((2, 8, 8, 4, 6))
    >>> print(GroupBatchNormalization()(x).shape)
    (2, 8, 8, 4, 6)

    Reference:
        [Cohen & Welling, 2016](https://arxiv.org/abs/1602.07576), whose maps on a group have one scale and bias each.
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        **kwargs: Any,
    ) -> None:
        if axis != -1:
            raise ValueError(f"`axis` must be -1. Received: axis={axis}")
        check_number("momentum", momentum, "between 0 and 1", 0, 1)
        check_number("epsilon", epsilon, "positive", 0, math.inf, open_below=True)
        super().__init__(axis=axis, momentum=momentum, epsilon=epsilon, center=center, scale=scale, **kwargs)

    def build(self, input_shape: Shape) -> None:
        if len(input_shape) < 3 or None in input_shape[-2:]:
            raise ValueError(
                f"`input_shape` must be (batch, ..., orientations, channels). Received: input_shape={input_shape}"
            )
        super().build(input_shape)

    def call(self, inputs: Tensor, training: bool | None = None, mask: Tensor | None = None) -> Tensor:
        # Keras before 3.14 has no renormalisation. On JAX, as it was measured, nothing is gained.
        own = mask is None and not self.synchronized and not getattr(self, "renorm", False)
        if not own or keras.config.backend() == "jax":
            return super().call(inputs, training=training, mask=mask)
        orientations, channels = inputs.shape[-2:]
        x = ops.cast(inputs, self.compute_dtype)  # integers too
        x = ops.cast(x, statistics_dtype(x))
        x = ops.reshape(x, (-1, orientations * channels))
        if training and self.trainable:
            means, variances = (ops.reshape(v, (orientations, channels)) for v in ops.moments(x, axes=0))
            mean = ops.mean(means, axis=0)
            variance = ops.mean(variances + ops.square(means - mean), axis=0)
            for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(ops.cast(moving, x.dtype) * self.momentum + value * (1 - self.momentum))
        else:
            mean, variance = self.moving_mean, self.moving_variance

        def over_orientations(values):
            return None if values is None else ops.tile(ops.cast(values, x.dtype), orientations)

        outputs = ops.batch_normalization(
            x,
            over_orientations(mean),
            over_orientations(variance),
            axis=-1,
            offset=over_orientations(self.beta if self.center else None),
            scale=over_orientations(self.gamma if self.scale else None),
            epsilon=self.epsilon,
        )
        return ops.cast(ops.reshape(outputs, ops.shape(inputs)), self.compute_dtype)
