"""Pooling of feature maps on a group over all of space."""

import keras

from keras_equivariant.layers.empty import output_of_nothing
from keras_equivariant.layers.inputs import OneInputOfAnyNumbers
from keras_equivariant.layers.orientations import merge_orientations, split_orientations
from keras_equivariant.layers.padding import check_channels_last
from keras_equivariant.typing import Shape, Tensor


class _GroupGlobalPooling(OneInputOfAnyNumbers):
    """Pools each orientation as a planar map, whatever the group; goes before a Keras global pooling class."""

    # Of the Keras pooling.
    data_format: str
    keepdims: bool

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs) -> None:
        super().__init__(data_format=data_format, keepdims=keepdims, **kwargs)
        check_channels_last(self.data_format)
        self.input_spec = keras.layers.InputSpec(ndim=5)

    def call(self, inputs: Tensor) -> Tensor:
        if (nothing := output_of_nothing(self, inputs)) is not None:
            return nothing
        return split_orientations(super().call(merge_orientations(inputs)), inputs.shape[-2])

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        *planar, orientations, channels = input_shape
        return (*super().compute_output_shape((*planar, channels))[:-1], orientations, channels)


@keras.saving.register_keras_serializable(package="keras_equivariant")
class GroupGlobalAveragePooling2D(_GroupGlobalPooling, keras.layers.GlobalAveragePooling2D):
    """The mean over space, of each orientation by itself.

        y(s, c) = mean { x(u, s, c) : u }

    The orientations of the result still permute when the image turns; `keras.layers.GlobalAveragePooling1D` pools over
    them. `keras.layers.GlobalAveragePooling3D` takes the mean over space and orientations at once.

    Args:
        data_format: `"channels_last"` or `None`; nothing else is supported.
        keepdims: bool, whether height and width stay, as axes of length 1: for a squeeze-and-excitation, say, which
            multiplies the map by what it computes from the means.
        **kwargs: As in `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, S, channels)`.

    Output shape:
        `(batch, S, channels)`, or `(batch, 1, 1, S, channels)` if `keepdims`.

    Raises:
        ValueError: If the data format is not `"channels_last"`, or the input has not five axes.

    Example:

    >>> print(GroupGlobalAveragePooling2D()(keras.random.normal((2, 7, 7, 4, 16))).shape)
    (2, 4, 16)

    Reference:
        [Cohen & Welling, 2016](https://arxiv.org/abs/1602.07576), section 6.3.
    """


@keras.saving.register_keras_serializable(package="keras_equivariant")
class GroupGlobalMaxPooling2D(_GroupGlobalPooling, keras.layers.GlobalMaxPooling2D):
    """The maximum over space, of each orientation by itself.

        y(s, c) = max { x(u, s, c) : u }

    Args:
        data_format: `"channels_last"` or `None`; nothing else is supported.
        keepdims: bool, whether height and width stay, as axes of length 1.
        **kwargs: As in `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, S, channels)`.

    Output shape:
        `(batch, S, channels)`, or `(batch, 1, 1, S, channels)` if `keepdims`.

    Raises:
        ValueError: If the data format is not `"channels_last"`, or the input has not five axes.

    Example:

    >>> print(GroupGlobalMaxPooling2D(keepdims=True)(keras.random.normal((2, 7, 7, 4, 16))).shape)
    (2, 1, 1, 4, 16)

    Reference:
        [Cohen & Welling, 2016](https://arxiv.org/abs/1602.07576), section 6.3.
    """
