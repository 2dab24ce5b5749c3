"""Pooling over feature groups."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_equivariant.channel_groups import (
    are_equal_blocks,
    check_feature_groups,
    check_input_channels,
    count_groups,
    group_of_channels,
)
from keras_equivariant.constraints import OffsetProjection
from keras_equivariant.layers.extremes import largest, smallest
from keras_equivariant.layers.feature_groups import (
    channel_sums,
    group_averages,
    group_means,
    positions,
    projected,
    projected_value,
    times_matrix,
)
from keras_equivariant.layers.inputs import OneInputOfAnyNumbers
from keras_equivariant.typing import FeatureGroups, Shape, Tensor

REDUCTIONS = ("mean", "max", "min", "linear")
SCOPES = ("global", "local")


@keras.saving.register_keras_serializable(package="keras_equivariant")
class FeatureGroupPooling(OneInputOfAnyNumbers):
    """Pools the channels of each feature group into one value.

    Channels form `feature_groups` contiguous blocks of equal size, or groups of any size and order. The pooling phi
    an offset over unchanged,

        phi(x + G d) = phi(x) + d

    and is what `OffsetAdapter` takes away from the input of an arbitrary layer.

    Args:
        feature_groups: int, the number of groups: 3 for colour, 1 for brightness; or the sizes of the groups, or the
            group of each channel, as in `OffsetConv2D`.
        reduction: `"mean"`, `"max"`, `"min"`, or `"linear"`: a trainable combination of the channels, projected by
            `constraints.OffsetProjection`; it starts as the mean.
        scope: `"global"`, over the channels of the group and all positions (a linear combination takes the average
            over the positions), or `"local"`, at each position by itself.
        **kwargs: As in `keras.layers.Layer`.

    Input shape:
        `(batch, ..., channels)`.

    Output shape:
        `(batch, feature_groups)` if global, `(batch, ..., feature_groups)` if local.

    Raises:
        ValueError: If an argument is unknown, or the channels do not split into the groups.

    Example:

    >>> x = keras.random.normal((2, 8, 8, 15))
    >>> print(FeatureGroupPooling()(x).shape)
    (2, 3)
    >>> print(FeatureGroupPooling(5, "max", scope="local")(x).shape)
    (2, 8, 8, 5)

    Reference:
        [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), equation 18.
    """

    def __init__(
        self, feature_groups: FeatureGroups = 3, reduction: str = "mean", scope: str = "global", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        check_pooling(reduction, scope)
        self.feature_groups = check_feature_groups(feature_groups)
        self.reduction = reduction
        self.scope = scope

    def build(self, input_shape: Shape) -> None:
        check_input_channels(self.feature_groups, input_shape)
        if self.reduction == "linear":
            self._projection = OffsetProjection(self.feature_groups)
            self.kernel = self.add_weight(
                name="kernel",
                shape=(input_shape[-1], self._groups),
                initializer=projected("zeros", self._projection),
                constraint=self._projection,
                autocast=False,
            )
        self.built = True

    @property
    def _groups(self):
        return count_groups(self.feature_groups)

    def call(self, inputs: Tensor) -> Tensor:
        if self.reduction == "mean" and self.scope == "global":
            return ops.cast(group_means(inputs, self.feature_groups), self.compute_dtype)
        if self.reduction == "linear":
            if self.scope == "global":
                inputs = ops.cast(channel_sums(inputs) / positions(inputs), self.compute_dtype)
            # Projected here too: it is small, and holds whatever has changed the weights.
            return times_matrix(inputs, projected_value(self._projection, self.kernel, self.compute_dtype))
        if self.reduction == "mean":
            return group_averages(inputs, self.feature_groups)
        reduce = largest if self.reduction == "max" else smallest
        if not are_equal_blocks(self.feature_groups, inputs.shape[-1]):
            group = group_of_channels(self.feature_groups, inputs.shape[-1])
            members = [ops.take(inputs, np.flatnonzero(group == j), axis=-1) for j in range(self._groups)]
            axes = (-1,) if self.scope == "local" else tuple(range(1, len(inputs.shape)))
            return ops.stack([reduce(x, axes) for x in members], axis=-1)
        x = ops.reshape(inputs, (-1, *ops.shape(inputs)[1:-1], self._groups, inputs.shape[-1] // self._groups))
        axes = (-1,) if self.scope == "local" else (*range(1, len(x.shape) - 2), -1)
        return reduce(x, axes)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*(input_shape[:-1] if self.scope == "local" else input_shape[:1]), self._groups)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "feature_groups": self.feature_groups,
            "reduction": self.reduction,
            "scope": self.scope,
        }


def check_pooling(reduction: str, scope: str, prefix: str = "") -> None:
    """Raises a ValueError for an unknown reduction or scope, whose names begin with the prefix."""
    for name, value, known in (("reduction", reduction, REDUCTIONS), ("scope", scope, SCOPES)):
        if value not in known:
            raise ValueError(f"`{prefix}{name}` must be one of {list(known)}. Received: {prefix}{name}={value!r}")
