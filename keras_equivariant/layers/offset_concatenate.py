"""Offset-equivariant concatenation."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_equivariant.channel_groups import (
    check_channels,
    check_feature_groups,
    check_input_channels,
    count_groups,
    group_of_channels,
)
from keras_equivariant.typing import FeatureGroups, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_equivariant")
class OffsetConcatenate(keras.layers.Layer):
    """Concatenates maps along the channels, feature group by feature group.

    The first group of the output holds the first group of every input, and so on: R R' G G' B B', not R G B R' G' B'.
    So the groups of the output are contiguous, each of the size of its parts together.

    Args:
        feature_groups: int, the number of groups: 3 for colour, 1 for brightness; or, for groups of unequal size or in
            any order, a list with one description for each input, each as in `OffsetConv2D`.
        **kwargs: As in `keras.layers.Layer`.

    Input shape:
        List of arrays `(batch, ..., channels)` that differ in their channels only.

    Output shape:
        `(batch, ..., sum of channels)`.

    Raises:
        ValueError: If the shapes do not match, or channels do not split into the groups.

    Example:

    >>> rgb, means = np.array([[1.0, 2.0, 3.0]]), np.array([[10.0, 20.0, 30.0]])
    >>> print(ops.convert_to_numpy(OffsetConcatenate()([rgb, means])))
    [[ 1. 10.  2. 20.  3. 30.]]

    Reference:
        [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), equation 3.
    """

    def __init__(self, feature_groups: int | Sequence[FeatureGroups] = 3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if isinstance(feature_groups, int):
            self.feature_groups = check_feature_groups(feature_groups)
            return
        if not isinstance(feature_groups, list | tuple) or not feature_groups:
            raise ValueError(
                f"`feature_groups` must be a positive integer or a list with one description of groups for each input. "
                f"Received: feature_groups={feature_groups!r}"
            )
        self.feature_groups = tuple(check_feature_groups(groups) for groups in feature_groups)
        if len({count_groups(groups) for groups in self.feature_groups}) != 1:
            raise ValueError(
                f"`feature_groups` must be as many groups of each input. Received: feature_groups={feature_groups}"
            )

    def groups_of_inputs(self, number: int) -> list[Any]:
        """The groups of each of so many inputs."""
        if isinstance(self.feature_groups, tuple):
            return list(self.feature_groups)
        return [self.feature_groups] * number

    def build(self, input_shape: Sequence[Shape]) -> None:
        if not are_several(input_shape):
            raise ValueError(f"`OffsetConcatenate` takes a list of inputs. Received: input_shape={input_shape}")
        groups = self.groups_of_inputs(len(input_shape))
        if len(groups) != len(input_shape):
            raise ValueError(
                f"`feature_groups` must describe each input. "
                f"Received: feature_groups={self.feature_groups}, input_shape={input_shape}"
            )
        for described, shape in zip(groups, input_shape, strict=True):
            check_input_channels(described, shape)
        if len({tuple(shape[:-1]) for shape in input_shape}) != 1:
            raise ValueError(f"The inputs must differ in their channels only. Received: input_shape={input_shape}")
        self.built = True

    def order_of_channels(self, channels: Sequence[int]) -> np.ndarray:
        """The order in which the channels of all inputs, one input after the other, go into the output."""
        groups = self.groups_of_inputs(len(channels))
        group = np.concatenate([group_of_channels(*one) for one in zip(groups, channels, strict=True)])
        return np.argsort(group, kind="stable")

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        if isinstance(self.feature_groups, tuple):
            order = self.order_of_channels([x.shape[-1] for x in inputs])
            return ops.take(ops.concatenate(inputs, axis=-1), order, axis=-1)
        space = ops.shape(inputs[0])[1:-1]
        blocks = [ops.reshape(x, (-1, *space, self.feature_groups, x.shape[-1] // self.feature_groups)) for x in inputs]
        return ops.reshape(ops.concatenate(blocks, axis=-1), (-1, *space, sum(x.shape[-1] for x in inputs)))

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        groups = self.groups_of_inputs(len(input_shape))
        channels = [check_channels(*one, "channels") for one in zip(groups, [s[-1] for s in input_shape], strict=True)]
        return (*input_shape[0][:-1], sum(channels))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "feature_groups": self.feature_groups}


def are_several(input_shape: Any) -> bool:
    """Whether the argument is a list of shapes, and not the shape of a single input."""
    return isinstance(input_shape, list | tuple) and bool(input_shape) and isinstance(input_shape[0], list | tuple)
