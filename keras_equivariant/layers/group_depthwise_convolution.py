"""What depthwise and separable group convolutions share: filters that turn, one for each channel."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_equivariant.filters import filter_expansion
from keras_equivariant.layers.inputs import OneInput
from keras_equivariant.layers.orientations import describe_feature_map, merge_orientations, split_orientations
from keras_equivariant.layers.padding import check_channels_last, check_padding
from keras_equivariant.sampling import output_size, warn_if_broken, warn_if_coarse
from keras_equivariant.symmetry import get_symmetry
from keras_equivariant.typing import Shape, Tensor


class GroupDepthwiseConvolution(OneInput):
    """Makes the depthwise filters of a Keras layer turn; goes before it among the bases."""

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
