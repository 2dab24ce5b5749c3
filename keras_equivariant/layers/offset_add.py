"""Offset-equivariant combinations of several maps."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_equivariant.channel_groups import (
    are_equal_blocks,
    check_channels,
    check_feature_groups,
    count_groups,
    group_of_channels,
    sizes_of_groups,
)
from keras_equivariant.constraints import OffsetProjection
from keras_equivariant.layers.feature_groups import (
    group_means,
    over_channels,
    projected,
    projected_value,
    shifted,
)
from keras_equivariant.layers.inputs import SeveralInputs
from keras_equivariant.layers.offset_concatenate import are_several
from keras_equivariant.typing import FeatureGroups, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_equivariant")
class OffsetAdd(SeveralInputs):
    """Adds a shortcut to a residual without counting an offset twice.

        y = f(x) + x - G phi(x)

    for the two inputs `[f(x), x]`, phi being the means of each image over the channels of a feature group and all
    positions. If both inputs carry the offset G d, so does the sum.

    If f(x) is smaller and has more channels than x, as at the first block of a stage of a residual network, x is
    subsampled along height and width, and each of its feature groups is padded with channels of zeros, after its means
    have been taken away.

    Args:
        feature_groups: int, the number of groups: 3 for colour, 1 for brightness; or the sizes of the groups of f(x),
            or the group of each of its channels, as in `OffsetConv2D`.
        strides: int, by which x is subsampled along its first two position axes, height and width.
        shortcut_groups: The same about the channels of x; `None` for those of f(x), where it has as many channels, and
            else for equal contiguous blocks.
        **kwargs: As in `keras.layers.Layer`.

    Input shape:
        List of two: f(x), `(batch, ..., filters)`, and x, `(batch, ..., channels)` with `channels <= filters`; if
        `strides` is not 1, x is `(batch, height, width, channels)` or `(batch, height, width, S, channels)`.

    Output shape:
        That of f(x).

    Raises:
        ValueError: If there are not two inputs, their channels do not split into the groups, x has more channels than
            f(x), in all or in a group, or their positions do not match.

    Example:

    >>> residual = keras.random.normal((2, 4, 4, 33))
    >>> shortcut = keras.random.normal((2, 8, 8, 15))
    >>> print(OffsetAdd(strides=2)([residual, shortcut]).shape)
    (2, 4, 4, 33)

    Reference:
        [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), equation 27.
    """

    def __init__(
        self,
        feature_groups: FeatureGroups = 3,
        strides: int = 1,
        shortcut_groups: FeatureGroups | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.feature_groups = check_feature_groups(feature_groups)
        self.shortcut_groups = None
        if shortcut_groups is not None:
            self.shortcut_groups = check_feature_groups(shortcut_groups, "shortcut_groups")
            if count_groups(self.shortcut_groups) != count_groups(self.feature_groups):
                raise ValueError(
                    f"`shortcut_groups` must be as many groups as `feature_groups`. "
                    f"Received: feature_groups={feature_groups}, shortcut_groups={shortcut_groups}"
                )
        if not isinstance(strides, int) or strides < 1:
            raise ValueError(f"`strides` must be a positive integer. Received: strides={strides!r}")
        self.strides = strides

    def build(self, input_shape: Sequence[Shape]) -> None:
        if not are_several(input_shape) or len(input_shape) != 2:
            raise ValueError(f"`OffsetAdd` takes a list of two inputs. Received: input_shape={input_shape}")
        residual, shortcut = (tuple(shape) for shape in input_shape)
        wanted = check_channels(self.feature_groups, residual[-1], "channels")
        groups = self._groups_of_shortcut(shortcut[-1], wanted)
        name = "feature_groups" if self.shortcut_groups is None else "shortcut_groups"
        channels = check_channels(groups, shortcut[-1], "channels", name)
        subsampled = [
            size if size is None or axis not in self._subsampled_axes(shortcut) else -(-size // self.strides)
            for axis, size in enumerate(shortcut)
        ]
        same = len(residual) == len(shortcut) and all(
            a == b or a is None or b is None for a, b in zip(residual[:-1], subsampled[:-1], strict=True)
        )
        more = sizes_of_groups(groups, channels) > sizes_of_groups(self.feature_groups, wanted)
        if not same or more.any():
            raise ValueError(
                f"The shortcut (batch, height, width[, S], channels), subsampled by {self.strides} along height and "
                f"width, must have the positions of the residual and, in each group, no more channels. "
                f"Received: input_shape={[residual, shortcut]}"
            )
        self.built = True

    def _groups_of_shortcut(self, channels, wanted):
        if self.shortcut_groups is not None:
            return self.shortcut_groups
        return self.feature_groups if channels == wanted else count_groups(self.feature_groups)

    def _subsampled_axes(self, shape):
        """Height and width; a fifth axis is that of orientations."""
        return range(1, min(len(shape) - 1, 3))

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        residual, shortcut = inputs
        groups = self._groups_of_shortcut(shortcut.shape[-1], residual.shape[-1])
        means = group_means(shortcut, groups)
        if self.strides > 1:
            axes = self._subsampled_axes(shortcut.shape)
            steps = [slice(None, None, self.strides if axis in axes else None) for axis in range(len(shortcut.shape))]
            shortcut = shortcut[tuple(steps)]
        shortcut = shifted(shortcut, -over_channels(means, shortcut.shape[-1], groups))
        return residual + self._pad_channels(shortcut, groups, residual.shape[-1])

    def _pad_channels(self, x, groups, channels):
        """Appends zeros to each feature group, up to a number of channels, and puts them in the residual's order."""
        source = places_of_channels(groups, x.shape[-1], self.feature_groups, channels)
        if source is None:
            return x
        space, number = ops.shape(x)[1:-1], count_groups(self.feature_groups)
        zeros = ops.zeros_like(x[..., :1])
        if not (are_equal_blocks(groups, x.shape[-1]) and are_equal_blocks(self.feature_groups, channels)):
            return ops.take(ops.concatenate([x, zeros], axis=-1), source, axis=-1)
        block = x.shape[-1] // number
        x = ops.reshape(x, (-1, *space, number, block))
        added = ops.repeat(ops.zeros_like(x[..., :1]), channels // number - block, axis=-1)
        return ops.reshape(ops.concatenate([x, added], axis=-1), (-1, *space, channels))

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        return tuple(input_shape[0])

    def get_config(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in ("feature_groups", "strides", "shortcut_groups")}
        return {**super().get_config(), **own}


def places_of_channels(
    groups: int | tuple[int, ...], channels: int, new_groups: int | tuple[int, ...], new_channels: int
) -> np.ndarray | None:
    """For each channel of a wider map, the one of a narrower map that takes its place in its group.

    Returns:
        Indices, `channels` itself where nothing takes the place; or `None` if all channels stay where they are.
    """
    old, new = group_of_channels(groups, channels), group_of_channels(new_groups, new_channels)
    source = np.full(new_channels, channels)
    for group in range(count_groups(groups)):
        members = np.flatnonzero(old == group)
        source[np.flatnonzero(new == group)[: len(members)]] = members
    return None if np.array_equal(source, np.arange(channels)) else source


@keras.saving.register_keras_serializable(package="keras_equivariant")
class OffsetAffineCombination(SeveralInputs):
    """Adds maps with weights that sum to one, so that an offset of all of them is one of the sum.

        y = sum of alpha_i x_i,   sum of alpha_i = 1

    Args:
        coefficients: List of fixed weights, one for each input, that sum to one; or `None` for trainable weights, which
            start equal and are projected after each update of an optimizer.
        **kwargs: As in `keras.layers.Layer`.

    Input shape:
        List of arrays of one shape.

    Output shape:
        That of each input.

    Raises:
        ValueError: If the coefficients do not sum to one, or their number or the shapes of the inputs do not match.

    Example:

    >>> x = np.ones((1, 4))
    >>> print(ops.convert_to_numpy(OffsetAffineCombination([2.0, -1.0])([x, 3 * x])))
    [[-1. -1. -1. -1.]]

    Reference:
        [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), equation 5.
    """

    def __init__(self, coefficients: Sequence[float] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if coefficients is not None:
            given = coefficients
            try:
                coefficients = [float(coefficient) for coefficient in coefficients]
            except (TypeError, ValueError):
                raise ValueError(f"`coefficients` must be numbers. Received: coefficients={given!r}") from None
            if not abs(sum(coefficients) - 1) <= 1e-6:  # not a number is neither
                raise ValueError(f"`coefficients` must sum to one. Received: coefficients={coefficients}")
        self.coefficients = coefficients

    def build(self, input_shape: Sequence[Shape]) -> None:
        shapes = {tuple(shape) if isinstance(shape, list | tuple) else None for shape in input_shape}
        number = len(input_shape)
        if len(shapes) != 1 or None in shapes or number != len(self.coefficients or input_shape):
            raise ValueError(
                f"`OffsetAffineCombination` takes a list of inputs of one shape, one for each coefficient. "
                f"Received: coefficients={self.coefficients}, input_shape={input_shape}"
            )
        if self.coefficients is None:
            self._projection = OffsetProjection(1)
            self.kernel = self.add_weight(
                name="kernel",
                shape=(number, 1),
                initializer=projected("zeros", self._projection),
                constraint=self._projection,
                autocast=False,
            )
        self.built = True

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        # Projected here too: it is small, and holds whatever has changed the weights.
        weights: Any = self.coefficients
        if weights is None:
            weights = projected_value(self._projection, self.kernel, self.compute_dtype)[:, 0]
        total = weights[0] * inputs[0]
        for i in range(1, len(inputs)):
            total = total + weights[i] * inputs[i]
        return total

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        return tuple(input_shape[0])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "coefficients": self.coefficients}
