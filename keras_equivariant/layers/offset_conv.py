"""Offset-equivariant convolutions."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_equivariant.layers.feature_groups import (
    ProjectedKernel,
    group_means,
    over_channels,
    shifted,
)
from keras_equivariant.layers.group_conv import GroupConv2D
from keras_equivariant.layers.orientations import split_orientations
from keras_equivariant.layers.padding import PADDINGS, check_channels_last, check_padding, pad_from_data
from keras_equivariant.sampling import output_size
from keras_equivariant.symmetry import get_symmetry
from keras_equivariant.typing import Activation, Constraint, Initializer, Regularizer, Shape, Size, Tensor

OFFSET_PADDINGS = (*PADDINGS, "edge")


class OffsetConvolution(ProjectedKernel):
    """Sees the group means beyond the borders; goes before a Keras convolution."""

    # Of the Keras convolution.
    kernel_size: tuple[int, ...]
    strides: tuple[int, ...]
    padding: str
    data_format: str
    dilation_rate: tuple[int, ...]
    convolution_op: Callable[[Tensor, Tensor], Tensor]

    def _project(self, feature_groups, **projection):
        check_channels_last(self.data_format)
        groups = getattr(self, "groups", 1)
        if groups != 1:
            raise ValueError(f"`groups` must be 1. Received: groups={groups}")
        super()._project(feature_groups, "filters", **projection)

    def _reaches_over_borders(self):
        return self.padding == "same" and max(self.kernel_size) > 1

    @property
    def _windows(self):
        """Extent of the kernel along each axis, in cells."""
        return [(size - 1) * rate + 1 for size, rate in zip(self.kernel_size, self.dilation_rate, strict=True)]

    def call(self, inputs: Tensor) -> Tensor:
        means = None
        if self._reaches_over_borders():
            # Where the mean is zero, padding with zeros is padding with the mean.
            means = group_means(inputs, self.feature_groups)
            inputs = shifted(inputs, -over_channels(means, inputs.shape[-1]))
        return self._finish(self.convolution_op(inputs, self.kernel), means)


class PlanarOffsetConvolution(OffsetConvolution):
    """Can repeat the border, too."""

    def convolution_op(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        if self.padding != "edge":
            return super().convolution_op(inputs, kernel)
        return ops.conv(
            pad_from_data(inputs, self._windows, self.padding),
            kernel,
            strides=list(self.strides),
            padding="valid",
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if self.padding != "edge":
            return tuple(super().compute_output_shape(input_shape))
        axes = zip(input_shape[1:-1], self._windows, self.strides, strict=True)
        return (input_shape[0], *[output_size(*axis, self.padding) for axis in axes], self.filters)


@keras.saving.register_keras_serializable(package="keras_equivariant")
class OffsetConv2D(PlanarOffsetConvolution, keras.layers.Conv2D):
    """2-D convolution that passes an offset of its input on to its output.

    Channels form `feature_groups` contiguous blocks of equal size, such as one for each colour. If d_j is added to all
    input channels of group j, at all positions, it is added to all output channels of group j:

        f(x + G_m d) = f(x) + G_n d

    The kernel is projected onto those for which this holds, `constraints.OffsetProjection`, when it is first set and
    after each update of an optimizer. Constants beyond the border would break the law. With `padding="same"`, it sees
    the mean of the data: the average of each group over all positions is taken away, the map padded with zeros, and the
    average added to the output. With `padding="edge"`, it sees the outermost pixels again.

    Args:
        filters: int, the number of output channels, a multiple of `feature_groups`.
        kernel_size: As in `keras.layers.Conv2D`.
        strides: As in `keras.layers.Conv2D`.
        padding: `"valid"`; `"same"`, with the means of the data; or `"edge"`, with its outermost pixels,
            `kernel_size - 1` of them, dilated, whatever the stride: the first half before the map. The windows of an
            odd kernel are centred on the pixels 0, s, 2 s ... for a stride of s.
        data_format: `"channels_last"` or `None`; nothing else is supported.
        dilation_rate: As in `keras.layers.Conv2D`.
        groups: 1; nothing else is supported. This has nothing to do with feature groups.
        activation: As in `keras.layers.Conv2D`, but of the map without its group means, which are added again: see
            `OffsetAdapter`.
        use_bias: As in `keras.layers.Conv2D`.
        kernel_initializer: As in `keras.layers.Conv2D`; its values are projected.
        bias_initializer: As in `keras.layers.Conv2D`.
        kernel_regularizer: As in `keras.layers.Conv2D`.
        bias_regularizer: As in `keras.layers.Conv2D`.
        activity_regularizer: As in `keras.layers.Conv2D`.
        kernel_constraint: `None`; the projection takes its place.
        bias_constraint: As in `keras.layers.Conv2D`.
        feature_groups: int, the number of groups: 3 for colour, 1 for brightness.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        `(batch, new_height, new_width, filters)`.

    Raises:
        ValueError: If input channels or filters are not multiples of `feature_groups`, or an argument has a value
            that is not supported.

    Example:

    >>> x = keras.random.normal((2, 8, 8, 3))
    >>> print(OffsetConv2D(15, 3, padding="same")(x).shape)
    (2, 8, 8, 15)

    Reference:
        [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), equation 16 and section 2.2.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Size,
        strides: Size = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Size = (1, 1),
        groups: int = 1,
        activation: Activation = None,
        use_bias: bool = True,
        kernel_initializer: Initializer = "glorot_uniform",
        bias_initializer: Initializer = "zeros",
        kernel_regularizer: Regularizer = None,
        bias_regularizer: Regularizer = None,
        activity_regularizer: Regularizer = None,
        kernel_constraint: Constraint = None,
        bias_constraint: Constraint = None,
        feature_groups: int = 3,
        **kwargs: Any,
    ) -> None:
        padding = check_padding(padding, OFFSET_PADDINGS)
        super().__init__(
            filters,
            kernel_size,
            strides=strides,
            padding="same" if padding == "edge" else padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
            groups=groups,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            **kwargs,
        )
        self.padding = padding
        self._project(feature_groups)


@keras.saving.register_keras_serializable(package="keras_equivariant")
class OffsetGroupConv2D(OffsetConvolution, GroupConv2D):
    """Group convolution that passes an offset of its input on to its output.

    If the image turns, the output turns and its orientations permute; if d_j is added to all input channels of
    feature group j, at all positions and in all orientations, it is added to all output channels of group j. The
    offset constraint sums over taps, orientations and channels, and a transformed filter has the same sums.

    Args:
        filters: int, the number of feature maps on the symmetry group, a multiple of `feature_groups`.
        kernel_size: As in `GroupConv2D`.
        symmetry: Name of the symmetry group, such as `"p4"` or `"p4m"`.
        feature_groups: int, the number of blocks of channels that share an offset; by name only.
        **kwargs: All others as in `GroupConv2D`; `groups` must be 1, `kernel_constraint` must be `None`, and
            `activation` is applied as in `OffsetConv2D`.

    Input shape:
        As in `GroupConv2D`.

    Output shape:
        `(batch, new_height, new_width, S, filters)`, S the order of the point group.

    Raises:
        ValueError: As in `GroupConv2D` and in `OffsetConv2D`.

    Example:

    >>> x = OffsetGroupConv2D(15, 3, "p4")(keras.random.normal((2, 9, 9, 3)))
    >>> print(x.shape)
    (2, 7, 7, 4, 15)
    >>> print(OffsetGroupConv2D(6, 3, "p4", padding="same")(x).shape)
    (2, 7, 7, 4, 6)

    Reference:
        [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), equation 16;
        [Cohen & Welling, 2016](https://arxiv.org/abs/1602.07576), equations 10 and 11.
    """

    def __init__(
        self, filters: int, kernel_size: Size, symmetry: str = "p4", *, feature_groups: int = 3, **kwargs: Any
    ) -> None:
        group = get_symmetry(symmetry)
        if len(group.exact_elements) < group.order:
            raise ValueError(
                f"`symmetry` must map pixels onto pixels: the constraint is one on the taps of a kernel. "
                f"Received: symmetry={symmetry!r}"
            )
        super().__init__(filters, kernel_size, symmetry, **kwargs)
        self._project(feature_groups, symmetry=symmetry)

    def convolution_op(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        return split_orientations(super().convolution_op(inputs, kernel), get_symmetry(self.symmetry).order)
