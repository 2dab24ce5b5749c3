"""Spatial upsampling of feature maps on a group."""

from typing import Any

import keras

from keras_equivariant.layers.inputs import OneInputOfAnyNumbers
from keras_equivariant.layers.orientations import merge_orientations, split_orientations
from keras_equivariant.layers.padding import check_channels_last
from keras_equivariant.typing import Shape, Size, Tensor

_INTERPOLATIONS = ("nearest", "bilinear")


@keras.saving.register_keras_serializable(package="keras_equivariant")
class GroupUpSampling2D(OneInputOfAnyNumbers, keras.layers.UpSampling2D):
    """Upsampling over space, in each orientation by itself.

        y(u, s, c) = x(floor(u / size), s, c)                     nearest
        y(u, s, c) = x interpolated at (u + 1/2) / size - 1/2     bilinear

    Both are equivariant on every size, if a symmetry that exchanges rows and columns meets the same factor on both. On
    hexagonal grids neither is: the cells of such a block do not turn into those of another.

    Args:
        size: int or pair of ints, the factors for rows and columns.
        data_format: `"channels_last"` or `None`; nothing else is supported.
        interpolation: `"nearest"` or `"bilinear"`.
        **kwargs: As in `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, S, channels)`.

    Output shape:
        `(batch, size[0] * height, size[1] * width, S, channels)`.

    Raises:
        ValueError: If the data format is not `"channels_last"`, the interpolation is unknown, a factor is below 1, or
            the input has not five axes.

    Example:

    >>> print(GroupUpSampling2D(2)(keras.random.normal((1, 12, 12, 4, 10))).shape)
    (1, 24, 24, 4, 10)

    Reference:
        [Cohen & Welling, 2016](https://arxiv.org/abs/1602.07576), section 6.1, of whose pooling it is the reverse.
    """

    # Of the Keras layer.
    size: tuple[int, int]
    data_format: str
    interpolation: str

    def __init__(
        self, size: Size = (2, 2), data_format: str | None = None, interpolation: str = "nearest", **kwargs: Any
    ) -> None:
        if not isinstance(interpolation, str) or interpolation.lower() not in _INTERPOLATIONS:
            raise ValueError(
                f"`interpolation` must be one of {_INTERPOLATIONS}. Received: interpolation={interpolation!r}"
            )
        super().__init__(size=size, data_format=data_format, interpolation=interpolation, **kwargs)
        check_channels_last(self.data_format)
        if min(self.size) < 1:
            raise ValueError(f"`size` must be at least 1. Received: size={size}")
        self.input_spec = keras.layers.InputSpec(ndim=5)

    def call(self, inputs: Tensor) -> Tensor:
        return split_orientations(super().call(merge_orientations(inputs)), inputs.shape[-2])

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        *planar, orientations, channels = input_shape
        return (*super().compute_output_shape((*planar, channels))[:-1], orientations, channels)
