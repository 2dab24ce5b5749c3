"""Spatial pooling of feature maps on a group."""

from typing import Any

import keras

from keras_equivariant.layers.orientations import merge_orientations, split_orientations
from keras_equivariant.layers.padding import check_channels_last, check_padding
from keras_equivariant.sampling import output_size, warn_if_broken
from keras_equivariant.typing import Shape, Size, Tensor


class _GroupPooling(keras.layers.Layer):
    """Pools each orientation as a planar map, whatever the group; goes before a Keras pooling class."""

    # Of the Keras pooling.
    pool_size: tuple[int, ...]
    strides: tuple[int, ...]
    padding: str
    data_format: str

    def __init__(
        self,
        pool_size: Size = (2, 2),
        strides: Size | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        padding = check_padding(padding)
        super().__init__(
            pool_size=pool_size, strides=strides, padding=padding, data_format=data_format, name=name, **kwargs
        )
        check_channels_last(self.data_format)
        if min(self.pool_size) < 1 or min(self.strides) < 1:
            raise ValueError(
                f"`pool_size` and `strides` must be at least 1. Received: pool_size={pool_size}, strides={strides}"
            )
        self.input_spec = keras.layers.InputSpec(ndim=len(self.pool_size) + 3)
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        self.compute_output_shape(input_shape)
        if input_shape[-2] != 1:  # all that is known of the symmetry here is that there is one
            warn_if_broken(self, tuple(input_shape[1:-2]), self.pool_size, self.strides, self.padding)
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        return split_orientations(super().call(merge_orientations(inputs)), inputs.shape[-2])

    def compute_mask(self, inputs: Tensor, previous_mask: Tensor | None = None) -> Tensor | None:
        return None  # a mask says where the input counts; the output has other cells

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        *planar, orientations, channels = input_shape
        axes = zip(planar[1:], self.pool_size, self.strides, strict=True)
        if 0 in [output_size(cells, window, stride, self.padding) for cells, window, stride in axes]:
            raise ValueError(
                f"The input must be at least as large as the window. "
                f"Received: pool_size={self.pool_size}, input_shape={tuple(input_shape)}"
            )
        return (*super().compute_output_shape((*planar, channels))[:-1], orientations, channels)


@keras.saving.register_keras_serializable(package="keras_equivariant")
class GroupMaxPooling2D(_GroupPooling, keras.layers.MaxPooling2D):
    """Max pooling over space, in each orientation by itself.

        y(u, s, c) = max { x(stride * u + v, s, c) : v in the pooling window }

    Pooling is equivariant exactly when its windows turn onto windows: with `"valid"` padding, when
    `size - pool_size` is a multiple of the stride. A layer that is built on another size says so by an
    `EquivarianceWarning`; `GridCentring2D` before it makes every size fit.

    Args:
        pool_size: int or pair of ints, the window in pixels.
        strides: int or pair of ints, in pixels, or `None` for `pool_size`.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` or `None`; nothing else is supported.
        name: Name of the layer.
        **kwargs: As in `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, S, channels)`.

    Output shape:
        `(batch, new_height, new_width, S, channels)`.

    Raises:
        ValueError: If the data format is not `"channels_last"`, the input has not five axes, or an argument is out of
            range.

    Example:

    >>> print(GroupMaxPooling2D(2)(keras.random.normal((1, 24, 24, 4, 10))).shape)
    (1, 12, 12, 4, 10)

    Reference:
        [Cohen & Welling, 2016](https://arxiv.org/abs/1602.07576), equation 16.
    """


@keras.saving.register_keras_serializable(package="keras_equivariant")
class GroupAveragePooling2D(_GroupPooling, keras.layers.AveragePooling2D):
    """Average pooling over space, in each orientation by itself.

        y(u, s, c) = mean { x(stride * u + v, s, c) : v in the pooling window }

    Pooling is equivariant exactly when its windows turn onto windows: with `"valid"` padding, when
    `size - pool_size` is a multiple of the stride. A layer that is built on another size says so by an
    `EquivarianceWarning`; `GridCentring2D` before it makes every size fit.

    Args:
        pool_size: int or pair of ints, the window in pixels.
        strides: int or pair of ints, in pixels, or `None` for `pool_size`.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` or `None`; nothing else is supported.
        name: Name of the layer.
        **kwargs: As in `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, S, channels)`.

    Output shape:
        `(batch, new_height, new_width, S, channels)`.

    Raises:
        ValueError: If the data format is not `"channels_last"`, the input has not five axes, or an argument is out of
            range.

    Example:

    >>> print(GroupAveragePooling2D(2)(keras.random.normal((1, 24, 24, 4, 10))).shape)
    (1, 12, 12, 4, 10)

    Reference:
        [Cohen & Welling, 2016](https://arxiv.org/abs/1602.07576), section 6.3.
    """
