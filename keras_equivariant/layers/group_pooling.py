"""Spatial pooling of feature maps on a group."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_equivariant.layers.empty import output_of_nothing
from keras_equivariant.layers.inputs import OneInputOfAnyNumbers
from keras_equivariant.layers.orientations import merge_orientations, split_orientations
from keras_equivariant.layers.padding import check_channels_last, check_padding
from keras_equivariant.sampling import output_size, warn_if_broken
from keras_equivariant.typing import Shape, Size, Tensor


class _GroupPooling(OneInputOfAnyNumbers):
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
    """Average pooling over space, in each orientation by itself, of a map that may be blurred before.

        y(u, s, c) = mean { z(stride * u + v, s, c) : v in the pooling window }
        z = x                                                        without a blur
        z(u) = sum { w(v) x(u + v) : v },   w(v) ~ exp(-|v|^2 / (2 blur^2)),   sum of w = 1

    Pooling is equivariant exactly when its windows turn onto windows: with `"valid"` padding, when
    `size - pool_size` is a multiple of the stride. A layer that is built on another size says so by an
    `EquivarianceWarning`; `GridCentring2D` before it makes every size fit.

    Turns by less than 90 degrees, as those of p8, survive a stride the better the smoother the map is that is sampled:
    a blur of about 0.66 pixels, with a stride of 2, takes the frequencies away that would alias. Beyond the edges the
    map counts as zero for the blur.

    Args:
        pool_size: int or pair of ints, the window in pixels; 1 to sample the blurred map.
        strides: int or pair of ints, in pixels, or `None` for `pool_size`.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` or `None`; nothing else is supported.
        name: Name of the layer.
        blur: float, standard deviation of the Gaussian in pixels, or `None`. It is cut off at three times that.
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
    >>> print(GroupAveragePooling2D(1, strides=2, blur=0.66)(keras.random.normal((1, 25, 25, 8, 10))).shape)
    (1, 13, 13, 8, 10)

    Reference:
        [Cohen & Welling, 2016](https://arxiv.org/abs/1602.07576), section 6.3; the blur,
        [Zhang, 2019](https://arxiv.org/abs/1904.11486).
    """

    def __init__(
        self,
        pool_size: Size = (2, 2),
        strides: Size | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        blur: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, name, **kwargs)
        number = isinstance(blur, (int, float)) and not isinstance(blur, bool)
        if blur is not None and not (number and 0 < blur < math.inf):
            raise ValueError(f"`blur` must be a positive number of pixels, or None. Received: blur={blur!r}")
        self.blur = blur

    @property
    def blur_kernel(self) -> np.ndarray:
        """The weights w of the blur, `(window, window)` of an odd window and float64; a single 1 without a blur."""
        reach = 0 if self.blur is None else math.ceil(3 * self.blur)
        along = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * (self.blur or 1) ** 2))
        return np.outer(along, along) / along.sum() ** 2

    def call(self, inputs: Tensor) -> Tensor:
        if self.blur is None:
            return super().call(inputs)
        if (nothing := output_of_nothing(self, inputs)) is not None:
            return nothing
        x, kernel = merge_orientations(inputs), self.blur_kernel
        reach = len(kernel) // 2
        # Where nothing is averaged, only the cells that are kept are computed.
        sampled = tuple(self.pool_size) == (1, 1) and len({*self.strides}) == 1
        kernel = np.tile(kernel[:, :, None, None], (1, 1, x.shape[-1], 1))
        x = ops.depthwise_conv(
            ops.pad(x, [(0, 0), (reach, reach), (reach, reach), (0, 0)]),
            ops.cast(ops.convert_to_tensor(kernel), x.dtype),
            strides=self.strides if sampled else 1,
            data_format=self.data_format,
        )
        x = x if sampled else keras.layers.AveragePooling2D.call(self, x)
        return split_orientations(x, inputs.shape[-2])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "blur": self.blur}
