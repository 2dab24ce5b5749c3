"""What offset-equivariant convolutions share."""

from collections.abc import Callable
from typing import Any

from keras import ops

from keras_equivariant.arguments import check_counts
from keras_equivariant.layers.empty import output_of_nothing
from keras_equivariant.layers.feature_groups import group_means, over_channels, shifted
from keras_equivariant.layers.padding import PADDINGS, check_channels_last, check_padding, pad_from_data
from keras_equivariant.layers.projected_kernel import ProjectedKernel
from keras_equivariant.sampling import output_size
from keras_equivariant.typing import (
    Activation,
    Constraint,
    FeatureGroups,
    Initializer,
    Regularizer,
    Shape,
    Size,
    Tensor,
)

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

    def _project(self, feature_groups, output_groups=None, projection="constraint", **how):
        check_channels_last(self.data_format)
        groups = getattr(self, "groups", 1)
        if groups != 1:
            raise ValueError(f"`groups` must be 1. Received: groups={groups}")
        super()._project(feature_groups, "filters", output_groups, projection, **how)

    def _reaches_over_borders(self):
        return self.padding == "same" and max(self.kernel_size) > 1

    @property
    def _windows(self):
        """Extent of the kernel along each axis, in cells."""
        return [(size - 1) * rate + 1 for size, rate in zip(self.kernel_size, self.dilation_rate, strict=True)]

    def call(self, inputs: Tensor) -> Tensor:
        if (nothing := output_of_nothing(self, inputs)) is not None:
            return nothing
        means = None
        if self._reaches_over_borders():
            # Where the mean is zero, padding with zeros is padding with the mean.
            means = group_means(inputs, self.feature_groups)
            inputs = shifted(inputs, -over_channels(means, inputs.shape[-1], self.feature_groups))
        return self._finish(self.convolution_op(inputs, self._kernel_in_use()), means)


class PlanarOffsetConvolution(OffsetConvolution):
    """Makes a Keras convolution of any dimension offset-equivariant; goes before it among the bases.

    Arguments and formula are those of `OffsetConv2D`.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Size,
        strides: Size = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Size = 1,
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
        feature_groups: FeatureGroups = 3,
        output_groups: FeatureGroups | None = None,
        projection: str = "constraint",
        **kwargs: Any,
    ) -> None:
        check_counts(filters=filters)
        padding = check_padding(padding, OFFSET_PADDINGS)
        super().__init__(
            filters=filters,
            kernel_size=kernel_size,
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
        self._project(feature_groups, output_groups, projection)

    def convolution_op(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        edge = self.padding == "edge"
        return ops.conv(
            pad_from_data(inputs, self._windows, "edge") if edge else inputs,
            kernel,
            strides=list(self.strides),
            padding="valid" if edge else self.padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if self.padding != "edge":
            return tuple(super().compute_output_shape(input_shape))
        axes = zip(input_shape[1:-1], self._windows, self.strides, strict=True)
        sizes = [None if size is None else output_size(size, window, stride, "edge") for size, window, stride in axes]
        return (input_shape[0], *sizes, self.filters)
