"""Depthwise and separable group convolutions: filters that turn, one for each channel."""

from typing import Any

import keras
from keras import ops

from keras_equivariant.arguments import check_counts
from keras_equivariant.filters import filter_expansion
from keras_equivariant.layers.drawing import with_fewer_axes
from keras_equivariant.layers.empty import output_of_nothing
from keras_equivariant.layers.group_depthwise_convolution import GroupDepthwiseConvolution
from keras_equivariant.layers.implementation import check_implementation, choose_convolution
from keras_equivariant.layers.orientations import merge_orientations, split_orientations
from keras_equivariant.layers.padding import check_padding
from keras_equivariant.symmetry import get_symmetry
from keras_equivariant.typing import Shape, Size, Tensor


@keras.saving.register_keras_serializable(package="keras_equivariant")
class GroupDepthwiseConv2D(GroupDepthwiseConvolution, keras.layers.DepthwiseConv2D):
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
        check_counts(depth_multiplier=depth_multiplier)
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


class Pointwise:
    """What other code reads of the 1x1 convolution in a separable one, which is no layer by itself."""

    def __init__(self, layer: Any) -> None:
        self.rank, self.kernel_size, self.strides, self.dilation_rate = 2, (1, 1), (1, 1), (1, 1)
        self.padding, self.groups, self.input_subgroup = "valid", 1, None
        self.symmetry, self.filters, self.implementation = layer.symmetry, layer.filters, layer.implementation
        self.use_bias, self.activation = True, layer.activation
        self.compute_dtype, self.variable_dtype = layer.compute_dtype, layer.variable_dtype


@keras.saving.register_keras_serializable(package="keras_equivariant")
class GroupSeparableConv2D(GroupDepthwiseConvolution, keras.layers.SeparableConv2D):
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
        implementation: How to compute the second convolution, as in `GroupConv2D`.
        **kwargs: As in `keras.layers.SeparableConv2D`.

    Input shape:
        `(batch, height, width, channels)` or `(batch, height, width, S, channels)`.

    Output shape:
        `(batch, new_height, new_width, S, filters)`.

    Raises:
        ValueError: As `GroupDepthwiseConv2D`, and if `implementation="spectral"` does not cover the symmetry or the
            input.

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
        *,
        implementation: str = "auto",
        **kwargs: Any,
    ) -> None:
        check_counts(filters=filters, depth_multiplier=kwargs.get("depth_multiplier", 1))
        padding = check_padding(padding)
        super().__init__(filters=filters, kernel_size=kernel_size, strides=strides, padding=padding, **kwargs)
        self._set_symmetry(symmetry)
        self.implementation = implementation
        check_implementation(Pointwise(self))

    def build(self, input_shape: Shape) -> None:
        group = get_symmetry(self.symmetry)
        inputs = self._expand_taps(input_shape)
        channels = inputs * self.depth_multiplier
        self._mix = filter_expansion(group, (1, 1), group.product, channels)
        self._spectral = choose_convolution(Pointwise(self), group, self._output_shape(input_shape, channels))
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
        if self._spectral is not None and None not in outputs.shape[1:3]:
            outputs = split_orientations(outputs, self._expand.copies)
            outputs = merge_orientations(self._spectral(outputs, self.pointwise_kernel))
        else:
            kernel = self._mix(self.pointwise_kernel)
            outputs = ops.conv(outputs, kernel, padding="valid", data_format=self.data_format)
        return self._finish(outputs)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return self._output_shape(input_shape, self.filters)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "implementation": self.implementation}
