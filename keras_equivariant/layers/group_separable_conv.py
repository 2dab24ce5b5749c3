"""Depthwise and separable group convolutions: filters that turn, one for each channel."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_equivariant.filters import filter_expansion
from keras_equivariant.layers.drawing import with_fewer_axes
from keras_equivariant.layers.empty import output_of_nothing
from keras_equivariant.layers.orientations import describe_feature_map, merge_orientations, split_orientations
from keras_equivariant.layers.padding import check_channels_last, check_padding
from keras_equivariant.sampling import output_size, warn_if_broken, warn_if_coarse
from keras_equivariant.symmetry import get_symmetry
from keras_equivariant.typing import Shape, Size, Tensor


class _TurningDepthwise(keras.layers.Layer):
    """The depthwise part of both layers; goes before a Keras layer with depthwise filters."""

    # Of the Keras layer.
    kernel_size: tuple[int, ...]
    strides: tuple[int, ...]
    dilation_rate: tuple[int, ...]
    padding: str
    data_format: str
    depth_multiplier: int
    activation: Any
    use_bias: bool
    bias: Any

    def _set_symmetry(self, symmetry: str) -> None:
        """Checks the arguments of the constructor that Keras leaves unchecked."""
        if get_symmetry(symmetry).dimension != 2:
            raise ValueError(f"`symmetry` must act on 2 dimensions. Received: symmetry={symmetry!r}")
        check_channels_last(self.data_format)
        self.padding = check_padding(self.padding)
        self.symmetry = symmetry
        self.supports_masking = True

    def _expand_taps(self, input_shape: Shape) -> int:
        """Finds out where the taps of each copy come from, after a check of the input; returns its channels."""
        group = get_symmetry(self.symmetry)
        if len(input_shape) not in (4, 5) or (len(input_shape) == 5 and input_shape[3] != group.order):
            raise ValueError(
                f"`{type(self).__name__}` with symmetry={self.symmetry!r} needs a planar map or a feature map "
                f"{describe_feature_map(2, group.order)}. Received: input_shape={tuple(input_shape)}"
            )
        if input_shape[-1] is None:
            raise ValueError(f"The number of input channels must be known. Received: input_shape={tuple(input_shape)}")
        self.compute_output_shape(input_shape)
        axes = {-1: input_shape[-1]} if len(input_shape) == 4 else {-2: group.order, -1: input_shape[-1]}
        self.input_spec = keras.layers.InputSpec(ndim=len(input_shape), axes=axes)
        nowhere = np.zeros((group.order, 1), dtype=int)  # depthwise filters are functions of the taps alone
        self._expand = filter_expansion(group, self.kernel_size, nowhere, input_shape[-1])
        warn_if_broken(self, tuple(input_shape[1:3]), self._windows, self.strides, self.padding, group)
        if (
            len(input_shape) == 4
        ):  # on a map each orientation has a filter of its own, and there is nothing to tell apart
            warn_if_coarse(self, self._expand)
        return input_shape[-1]

    def _depthwise_shape(self, channels: int) -> Shape:
        return (*self._expand.stored_shape[:-2], channels, self.depth_multiplier)

    def _convolve_depthwise(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        """Correlates each channel with the turned copies of its filters.

        Args:
            inputs: `(batch, height, width, channels)` or `(batch, height, width, S, channels)`.
            kernel: `(*kernel_size, channels, depth_multiplier)`, or `(B, channels, depth_multiplier)` coefficients.

        Returns:
            `(batch, new_height, new_width, S * channels * depth_multiplier)`.
        """
        *_, channels, multiplier = kernel.shape
        order, lifts = self._expand.copies, len(inputs.shape) == 4
        outputs = ops.depthwise_conv(
            inputs if lifts else merge_orientations(inputs),
            self._expand(ops.expand_dims(kernel, -3)) if lifts else self._copies_of_each_channel(kernel),
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )
        if lifts:
            shape = ops.shape(outputs)
            outputs = ops.reshape(outputs, (-1, *shape[1:3], channels, order, multiplier))
            outputs = ops.reshape(ops.swapaxes(outputs, 3, 4), (-1, *shape[1:3], order * channels * multiplier))
        return outputs

    def _copies_of_each_channel(self, kernel: Tensor) -> Tensor:
        """The turned filters of the channels of each orientation, `(*kernel_size, S * channels, depth_multiplier)`."""
        *_, channels, multiplier = kernel.shape
        copies = self._expand(ops.expand_dims(kernel, -3))  # (*kernel_size, channels, S * multiplier)
        copies = ops.reshape(copies, (*self.kernel_size, channels, self._expand.copies, multiplier))
        return ops.reshape(ops.swapaxes(copies, 2, 3), (*self.kernel_size, -1, multiplier))

    @property
    def expanded_depthwise_kernel(self) -> Tensor:
        """All turned copies of the depthwise filters, `(*kernel_size, S * channels, depth_multiplier)`."""
        if not self.built:
            raise ValueError("The layer must be built before its expanded kernel is read. Received: built=False")
        kernel = self.depthwise_kernel if isinstance(self, keras.layers.SeparableConv2D) else self.kernel
        return self._copies_of_each_channel(ops.convert_to_tensor(kernel))

    def _finish(self, outputs: Tensor) -> Tensor:
        """Splits a merged map, adds one bias for each feature map on the group, and applies the activation."""
        outputs = split_orientations(outputs, self._expand.copies)
        if self.use_bias:
            outputs = outputs + self.bias
        return outputs if self.activation is None else self.activation(outputs)

    def _output_shape(self, input_shape: Shape, filters: int | None) -> Shape:
        axes = zip(input_shape[1:3], self._windows, self.strides, strict=True)
        size = [output_size(cells, window, stride, self.padding) for cells, window, stride in axes]
        if 0 in size:
            raise ValueError(
                f"The input must be at least as large as the kernel. Received: kernel_size={self.kernel_size}, "
                f"dilation_rate={self.dilation_rate}, input_shape={tuple(input_shape)}"
            )
        return (input_shape[0], *size, get_symmetry(self.symmetry).order, filters)

    def compute_mask(self, inputs: Tensor, previous_mask: Tensor | None = None) -> Tensor | None:
        return None  # a mask says where the input counts; the output has other cells

    @property
    def _windows(self):
        """Extent of the kernel along each axis, in cells."""
        return [(size - 1) * rate + 1 for size, rate in zip(self.kernel_size, self.dilation_rate, strict=True)]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "symmetry": self.symmetry}


@keras.saving.register_keras_serializable(package="keras_equivariant")
class GroupDepthwiseConv2D(_TurningDepthwise, keras.layers.DepthwiseConv2D):
    """Depthwise convolution with filters that turn with the orientations.

    For a feature map `f` on the group, and for each channel c a filter `psi` on the plane,

        y(u, s, c) = sum { f(u + d, s, c) psi(s^-1 d, c) : d } + bias(c)

    Each orientation is correlated with its own turned copy of the filter and stays by itself; a 1x1 `GroupConv2D`
    mixes them, as in `GroupSeparableConv2D`. A planar input is lifted: `f(u, s, c)` is then `f(u, c)`.

    Args:
        kernel_size: int or pair of ints, in pixels. Every element of the group must map the kernel onto itself.
        symmetry: Name of the symmetry group.
        strides: int or pair of ints, in pixels; equal, as in `keras.layers.DepthwiseConv2D`.
        padding: `"valid"` or `"same"`.
        depth_multiplier: int, number of output channels for each input channel.
        **kwargs: As in `keras.layers.DepthwiseConv2D`.

    Input shape:
        `(batch, height, width, channels)` or `(batch, height, width, S, channels)`.

    Output shape:
        `(batch, new_height, new_width, S, channels * depth_multiplier)`.

    Raises:
        ValueError: If the symmetry is unknown or not of the plane, the data format is not `"channels_last"`, the group
            does not map the kernel onto itself, or the input has another number of orientations or is too small.

    Example:

    >>> print(GroupDepthwiseConv2D(3, "p4")(keras.random.normal((2, 9, 9, 4, 8))).shape)
    (2, 7, 7, 4, 8)

    Reference:
        [Lengyel & van Gemert, 2021](https://arxiv.org/abs/2106.04914).
    """

    def __init__(
        self,
        kernel_size: Size,
        symmetry: str = "p4",
        strides: Size = (1, 1),
        padding: str = "valid",
        depth_multiplier: int = 1,
        **kwargs: Any,
    ) -> None:
        padding = check_padding(padding)
        super().__init__(
            kernel_size=kernel_size, strides=strides, padding=padding, depth_multiplier=depth_multiplier, **kwargs
        )
        self._set_symmetry(symmetry)

    def build(self, input_shape: Shape) -> None:
        channels = self._expand_taps(input_shape)
        self.kernel = self.add_weight(
            name="kernel",
            shape=self._depthwise_shape(channels),
            initializer=self.depthwise_initializer,
            regularizer=self.depthwise_regularizer,
            constraint=self.depthwise_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(channels * self.depth_multiplier,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        if (nothing := output_of_nothing(self, inputs)) is not None:
            return nothing
        return self._finish(self._convolve_depthwise(inputs, ops.convert_to_tensor(self.kernel)))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        channels = input_shape[-1]
        return self._output_shape(input_shape, None if channels is None else channels * self.depth_multiplier)


@keras.saving.register_keras_serializable(package="keras_equivariant")
class GroupSeparableConv2D(_TurningDepthwise, keras.layers.SeparableConv2D):
    """A depthwise convolution with turning filters, then one that mixes channels and orientations at each pixel.

    For a feature map `f` on the group, filters `psi` on the plane and weights w on the point group,

        z(u, s, c) = sum { f(u + d, s, c) psi(s^-1 d, c) : d }
        y(u, s, k) = sum { z(u, t, c) w(s^-1 t, c, k) : t, c } + bias(k)

    With N orientations it takes N^2 C K + size^2 N C products a pixel, where `GroupConv2D` takes size^2 N^2 C K.

    Args:
        filters: int, the number of feature maps on the group in the output.
        kernel_size: int or pair of ints, in pixels. Every element of the group must map the kernel onto itself.
        symmetry: Name of the symmetry group.
        strides: int or pair of ints, in pixels; equal, as in `keras.layers.SeparableConv2D`.
        padding: `"valid"` or `"same"`.
        **kwargs: As in `keras.layers.SeparableConv2D`.

    Input shape:
        `(batch, height, width, channels)` or `(batch, height, width, S, channels)`.

    Output shape:
        `(batch, new_height, new_width, S, filters)`.

    Raises:
        ValueError: As `GroupDepthwiseConv2D`.

    Example:

    >>> print(GroupSeparableConv2D(16, 3, "p4m")(keras.random.normal((2, 9, 9, 3))).shape)
    (2, 7, 7, 8, 16)

    Reference:
        [Lengyel & van Gemert, 2021](https://arxiv.org/abs/2106.04914); [Knigge et al.,
        2022](https://arxiv.org/abs/2110.13059).
    """

    filters: int

    def __init__(
        self,
        filters: int,
        kernel_size: Size,
        symmetry: str = "p4",
        strides: Size = (1, 1),
        padding: str = "valid",
        **kwargs: Any,
    ) -> None:
        padding = check_padding(padding)
        super().__init__(filters=filters, kernel_size=kernel_size, strides=strides, padding=padding, **kwargs)
        self._set_symmetry(symmetry)

    def build(self, input_shape: Shape) -> None:
        group = get_symmetry(self.symmetry)
        inputs = self._expand_taps(input_shape)
        channels = inputs * self.depth_multiplier
        self._mix = filter_expansion(group, (1, 1), group.product, channels)
        for name, shape in (
            ("depthwise", self._depthwise_shape(inputs)),
            ("pointwise", (*self._mix.stored_shape, self.filters)),
        ):
            kernel = self.add_weight(
                name=f"{name}_kernel",
                shape=shape,
                initializer=with_fewer_axes(getattr(self, f"{name}_initializer")),
                regularizer=getattr(self, f"{name}_regularizer"),
                constraint=getattr(self, f"{name}_constraint"),
            )
            setattr(self, f"{name}_kernel", kernel)
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.filters,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.built = True

    @property
    def expanded_pointwise_kernel(self) -> Tensor:
        """All turned copies of the pointwise filters, `(1, 1, S * channels * depth_multiplier, S * filters)`."""
        if not self.built:
            raise ValueError("The layer must be built before its expanded kernel is read. Received: built=False")
        return self._mix(self.pointwise_kernel)

    def call(self, inputs: Tensor) -> Tensor:
        if (nothing := output_of_nothing(self, inputs)) is not None:
            return nothing
        outputs = self._convolve_depthwise(inputs, ops.convert_to_tensor(self.depthwise_kernel))
        kernel = self._mix(self.pointwise_kernel)
        return self._finish(ops.conv(outputs, kernel, padding="valid", data_format=self.data_format))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return self._output_shape(input_shape, self.filters)
