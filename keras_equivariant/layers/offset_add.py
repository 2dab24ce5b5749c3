"""Offset-equivariant combinations of several maps."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_equivariant.constraints import OffsetProjection
from keras_equivariant.layers.feature_groups import (
    check_channels,
    check_feature_groups,
    check_input_channels,
    group_means,
    over_channels,
    projected,
    shifted,
)
from keras_equivariant.typing import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_equivariant")
class OffsetAdd(keras.layers.Layer):
    """Adds a shortcut to a residual without counting an offset twice.

        y = f(x) + x - G phi(x)

    for the two inputs `[f(x), x]`, phi being the means of each image over the channels of a feature group and all
    positions. If both inputs carry the offset G d, so does the sum.

    If f(x) is smaller and has more channels than x, as at the first block of a stage of a residual network, x is
    subsampled along height and width, and each of its feature groups is padded with channels of zeros, after its means
    have been taken away.

    Args:
        feature_groups: int, the number of groups: 3 for colour, 1 for brightness.
        strides: int, by which x is subsampled along its first two position axes, height and width.
        **kwargs: As in `keras.layers.Layer`.

    Input shape:
        List of two: f(x), `(batch, ..., filters)`, and x, `(batch, ..., channels)` with `channels <= filters`; if
        `strides` is not 1, x is `(batch, height, width, channels)` or `(batch, height, width, S, channels)`.

    Output shape:
        That of f(x).

    Raises:
        ValueError: If there are not two inputs, their channels are not multiples of `feature_groups`, x has more
            channels than f(x), or their positions do not match.

    Example:

    >>> residual = keras.random.normal((2, 4, 4, 33))
    >>> shortcut = keras.random.normal((2, 8, 8, 15))
    >>> print(OffsetAdd(strides=2)([residual, shortcut]).shape)
    (2, 4, 4, 33)

    Reference:
        [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), equation 27.
    """

    def __init__(self, feature_groups: int = 3, strides: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.feature_groups = check_feature_groups(feature_groups)
        if not isinstance(strides, int) or strides < 1:
            raise ValueError(f"`strides` must be a positive integer. Received: strides={strides!r}")
        self.strides = strides

    def build(self, input_shape: Sequence[Shape]) -> None:
        if not _are_several(input_shape) or len(input_shape) != 2:
            raise ValueError(f"`OffsetAdd` takes a list of two inputs. Received: input_shape={input_shape}")
        residual, shortcut = (tuple(shape) for shape in input_shape)
        wanted, channels = (
            check_channels(self.feature_groups, shape[-1], "channels") for shape in (residual, shortcut)
        )
        subsampled = [
            size if size is None or axis not in self._subsampled_axes(shortcut) else -(-size // self.strides)
            for axis, size in enumerate(shortcut)
        ]
        same = len(residual) == len(shortcut) and all(
            a == b or a is None or b is None for a, b in zip(residual[:-1], subsampled[:-1], strict=True)
        )
        if not same or channels > wanted:
            raise ValueError(
                f"The shortcut (batch, height, width[, S], channels), subsampled by {self.strides} along height and "
                f"width, must have the positions of the residual and no more channels. "
                f"Received: input_shape={[residual, shortcut]}"
            )
        self.built = True

    def _subsampled_axes(self, shape):
        """Height and width; a fifth axis is that of orientations."""
        return range(1, min(len(shape) - 1, 3))

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        residual, shortcut = inputs
        means = group_means(shortcut, self.feature_groups)
        if self.strides > 1:
            axes = self._subsampled_axes(shortcut.shape)
            steps = [slice(None, None, self.strides if axis in axes else None) for axis in range(len(shortcut.shape))]
            shortcut = shortcut[tuple(steps)]
        shortcut = shifted(shortcut, -over_channels(means, shortcut.shape[-1]))
        return residual + self._pad_channels(shortcut, residual.shape[-1])

    def _pad_channels(self, x, channels):
        """Appends zeros to each feature group, up to a number of channels."""
        if x.shape[-1] == channels:
            return x
        space, block = ops.shape(x)[1:-1], x.shape[-1] // self.feature_groups
        x = ops.reshape(x, (-1, *space, self.feature_groups, block))
        zeros = ops.zeros_like(x[..., :1])
        added = ops.repeat(zeros, channels // self.feature_groups - block, axis=-1)
        return ops.reshape(ops.concatenate([x, added], axis=-1), (-1, *space, channels))

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        return tuple(input_shape[0])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "feature_groups": self.feature_groups, "strides": self.strides}


@keras.saving.register_keras_serializable(package="keras_equivariant")
class OffsetAffineCombination(keras.layers.Layer):
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
            coefficients = [float(coefficient) for coefficient in coefficients]
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
            projection = OffsetProjection(1)
            self.kernel = self.add_weight(
                name="kernel", shape=(number, 1), initializer=projected("zeros", projection), constraint=projection
            )
        self.built = True

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        weights = self.coefficients if self.coefficients is not None else ops.convert_to_tensor(self.kernel)[:, 0]
        total = weights[0] * inputs[0]
        for i in range(1, len(inputs)):
            total = total + weights[i] * inputs[i]
        return total

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        return tuple(input_shape[0])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "coefficients": self.coefficients}


@keras.saving.register_keras_serializable(package="keras_equivariant")
class OffsetConcatenate(keras.layers.Layer):
    """Concatenates maps along the channels, feature group by feature group.

    The first group of the output holds the first group of every input, and so on: R R' G G' B B', not R G B R' G' B'.

    Args:
        feature_groups: int, the number of groups: 3 for colour, 1 for brightness.
        **kwargs: As in `keras.layers.Layer`.

    Input shape:
        List of arrays `(batch, ..., channels)` that differ in their channels only.

    Output shape:
        `(batch, ..., sum of channels)`.

    Raises:
        ValueError: If the shapes do not match, or channels are not multiples of `feature_groups`.

    Example:

    >>> rgb, means = np.array([[1.0, 2.0, 3.0]]), np.array([[10.0, 20.0, 30.0]])
    >>> print(ops.convert_to_numpy(OffsetConcatenate()([rgb, means])))
    [[ 1. 10.  2. 20.  3. 30.]]

    Reference:
        [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), equation 3.
    """

    def __init__(self, feature_groups: int = 3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.feature_groups = check_feature_groups(feature_groups)

    def build(self, input_shape: Sequence[Shape]) -> None:
        if not _are_several(input_shape):
            raise ValueError(f"`OffsetConcatenate` takes a list of inputs. Received: input_shape={input_shape}")
        for shape in input_shape:
            check_input_channels(self.feature_groups, shape)
        if len({tuple(shape[:-1]) for shape in input_shape}) != 1:
            raise ValueError(f"The inputs must differ in their channels only. Received: input_shape={input_shape}")
        self.built = True

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        space = ops.shape(inputs[0])[1:-1]
        blocks = [ops.reshape(x, (-1, *space, self.feature_groups, x.shape[-1] // self.feature_groups)) for x in inputs]
        return ops.reshape(ops.concatenate(blocks, axis=-1), (-1, *space, sum(x.shape[-1] for x in inputs)))

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        channels = [check_channels(self.feature_groups, shape[-1], "channels") for shape in input_shape]
        return (*input_shape[0][:-1], sum(channels))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "feature_groups": self.feature_groups}


def _are_several(input_shape):
    """Whether it is a list of shapes, and not the shape of a single input."""
    return isinstance(input_shape, list | tuple) and bool(input_shape) and isinstance(input_shape[0], list | tuple)
