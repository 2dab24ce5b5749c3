"""The offset-equivariant transposed convolution."""

from typing import Any

import keras
from keras import ops

from keras_equivariant.arguments import check_counts
from keras_equivariant.layers.offset_convolution import OFFSET_PADDINGS, OffsetConvolution
from keras_equivariant.layers.padding import check_output_padding, check_padding, pad_from_data
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


@keras.saving.register_keras_serializable(package="keras_equivariant")
class OffsetConv2DTranspose(OffsetConvolution, keras.layers.Conv2DTranspose):
    """2-D transposed convolution that passes an offset of its input on to its output.

    If d_j is added to all input channels of feature group j, at all positions, it is added to all output channels of
    group j: `f(x + G_m d) = f(x) + G_n d`, borders included.

    The outputs fall into phases, one for each position within a stride, and an output meets the taps of its phase
    only: the kernel is projected phase by phase. At the borders, where taps meet no input, they see the average of
    each group over all positions, which is taken away first and added to the output. So even a map of 1x1 can grow:
    to 4x4, with a kernel of 4x4, at any stride.

    Args:
        filters: int, the number of output channels, a multiple of `feature_groups`.
        kernel_size: As in `keras.layers.Conv2DTranspose`.
        strides: As in `keras.layers.Conv2DTranspose`.
        padding: `"valid"`, `"same"`, or `"edge"`: of the size of `"same"`, but beyond the border lie the outermost
            pixels of the input instead of its means.
        output_padding: As in `keras.layers.Conv2DTranspose`; at least 1 for windows of even size with `"same"` padding;
            `None` with `"edge"`.
        data_format: `"channels_last"` or `None`; nothing else is supported.
        dilation_rate: As in `keras.layers.Conv2DTranspose`.
        activation: As in `keras.layers.Conv2DTranspose`, but of the map without its group means, which are added
            again: see `OffsetAdapter`.
        use_bias: As in `keras.layers.Conv2DTranspose`.
        kernel_initializer: As in `keras.layers.Conv2DTranspose`; its values are projected.
        bias_initializer: As in `keras.layers.Conv2DTranspose`.
        kernel_regularizer: As in `keras.layers.Conv2DTranspose`.
        bias_regularizer: As in `keras.layers.Conv2DTranspose`.
        activity_regularizer: As in `keras.layers.Conv2DTranspose`.
        kernel_constraint: `None`; the projection takes its place.
        bias_constraint: As in `keras.layers.Conv2DTranspose`.
        feature_groups: As in `OffsetConv2D`.
        output_groups: As in `OffsetConv2D`.
        projection: As in `OffsetConv2D`.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        `(batch, new_height, new_width, filters)`.

    Raises:
        ValueError: If input channels or filters do not split into the groups, or an argument has a value that is not
            supported.

    Example:

    >>> x = keras.random.normal((2, 1, 1, 6))
    >>> print(OffsetConv2DTranspose(12, 4)(x).shape)
    (2, 4, 4, 12)
    >>> print(OffsetConv2DTranspose(3, 4, strides=2, padding="same")(x).shape)
    (2, 2, 2, 3)

    Reference:
        [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), equation 16, for each phase.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Size,
        strides: Size = (1, 1),
        padding: str = "valid",
        output_padding: Size | None = None,
        data_format: str | None = None,
        dilation_rate: Size = (1, 1),
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
        if padding == "edge" and output_padding is not None:
            raise ValueError(
                f"`output_padding` must be None for padding='edge'. Received: output_padding={output_padding!r}"
            )
        super().__init__(
            filters,
            kernel_size,
            strides=strides,
            padding="same" if padding == "edge" else padding,
            output_padding=output_padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
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
        check_output_padding(self)
        self.padding = padding
        self._project(feature_groups, output_groups, projection, transposed=True, strides=self.strides)

    def build(self, input_shape: Shape) -> None:
        if len(input_shape) != self.rank + 2:
            raise ValueError(
                f"`OffsetConv2DTranspose` needs (batch, height, width, channels). "
                f"Received: input_shape={tuple(input_shape)}"
            )
        super().build(input_shape)

    def _reaches_over_borders(self):
        return self.padding != "edge" and (self.kernel_size != self.strides or self.output_padding is not None)

    @property
    def _margins(self):
        """For `"edge"`: how many cells to repeat on each side of an axis, and how many outputs to cut off there."""
        margins = []
        for window, stride in zip(self._windows, self.strides, strict=True):
            cells, before = -(-(window - 1) // stride), max(window - stride, 0) // 2
            first = cells * stride + before
            margins.append((cells, (first, (2 * cells - 1) * stride + max(window, stride) - first)))
        return margins

    def convolution_op(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        edge = self.padding == "edge"
        if edge:
            inputs = pad_from_data(inputs, [2 * cells + 1 for cells, _ in self._margins], "edge")
        outputs = ops.conv_transpose(
            inputs,
            kernel,
            strides=list(self.strides),
            padding="valid" if edge else self.padding,
            output_padding=self.output_padding,
            dilation_rate=self.dilation_rate,
            data_format=self.data_format,
        )
        if edge:
            outputs = outputs[(slice(None), *[slice(first, -last or None) for _, (first, last) in self._margins])]
        return outputs

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if self.padding != "edge":
            return tuple(super().compute_output_shape(input_shape))
        axes = zip(input_shape[1:-1], self.strides, strict=True)
        sizes = [None if size is None else size * stride for size, stride in axes]
        return (input_shape[0], *sizes, self.filters)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "output_padding": self.output_padding}  # Keras before 3.13 leaves it out
