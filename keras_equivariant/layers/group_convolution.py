"""What group convolutions in one, two and three dimensions share."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_equivariant.arguments import check_counts
from keras_equivariant.filters import filter_expansion
from keras_equivariant.layers.drawing import with_fewer_axes
from keras_equivariant.layers.implementation import check_implementation, choose_convolution
from keras_equivariant.layers.inputs import OneInput
from keras_equivariant.layers.orientations import describe_feature_map, merge_orientations, split_orientations
from keras_equivariant.layers.padding import (
    PADDINGS,
    PADDINGS_FROM_DATA,
    check_channels_last,
    check_padding,
    pad_from_data,
)
from keras_equivariant.sampling import output_size, warn_if_broken, warn_if_coarse
from keras_equivariant.symmetry import get_symmetry
from keras_equivariant.typing import Activation, Constraint, Initializer, Regularizer, Shape, Size, Tensor

_PADDINGS = (*PADDINGS, *PADDINGS_FROM_DATA)


class GroupConvolution(OneInput):
    """Makes a group convolution of a Keras convolution of the same dimension; goes before it among the bases.

    Arguments and formula are those of `GroupConv2D`.
    """

    # Of the Keras convolution.
    rank: int
    filters: int
    kernel_size: tuple[int, ...]
    strides: tuple[int, ...]
    dilation_rate: tuple[int, ...]
    data_format: str
    groups: int
    use_bias: bool
    activation: Callable[[Tensor], Tensor] | None
    kernel: Tensor
    kernel_initializer: Callable[..., Tensor]
    bias_initializer: Callable[..., Tensor]
    kernel_regularizer: Callable[[Tensor], Tensor] | None
    bias_regularizer: Callable[[Tensor], Tensor] | None
    kernel_constraint: Callable[[Tensor], Tensor] | None
    bias_constraint: Callable[[Tensor], Tensor] | None
    lora_rank: int | None
    lora_alpha: int | None
    enable_lora: Callable[..., None]

    def __init__(
        self,
        filters: int,
        kernel_size: Size,
        symmetry: str = "p4",
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
        input_subgroup: str | None = None,
        implementation: str = "auto",
        **kwargs: Any,
    ) -> None:
        check_counts(filters=filters, groups=groups)
        padding = check_padding(padding, _PADDINGS)
        super().__init__(
            filters=filters,
            kernel_size=kernel_size,
            strides=strides,
            padding="valid" if padding in PADDINGS_FROM_DATA else padding,
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
        group = get_symmetry(symmetry)
        if group.dimension != self.rank:
            raise ValueError(
                f"`symmetry` must act on {self.rank} dimensions, not {group.dimension}. Received: symmetry={symmetry!r}"
            )
        if input_subgroup is not None:
            group.subgroup(input_subgroup)
        check_channels_last(self.data_format)
        if padding in PADDINGS_FROM_DATA and group.hexagonal:
            raise ValueError(
                f"`padding` must be 'valid' or 'same' on the hexagonal grid of {symmetry!r}, whose turns do not keep "
                f"what lies beyond the edges of an array. Received: padding={padding!r}"
            )
        self.padding = padding
        self.symmetry = symmetry
        self.input_subgroup = input_subgroup
        self.implementation = implementation
        check_implementation(self)
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        group = get_symmetry(self.symmetry)
        coset_action = self._coset_action(group, input_shape)
        orientations, channels = coset_action.shape[1], input_shape[-1]
        if channels is None or channels % self.groups != 0:
            raise ValueError(
                f"The number of input channels must be known and a multiple of `groups`. "
                f"Received: groups={self.groups}, input_shape={tuple(input_shape)}"
            )
        self.compute_output_shape(input_shape)
        axes = {-1: channels} if len(input_shape) == self.rank + 2 else {-2: orientations, -1: channels}
        self.input_spec = keras.layers.InputSpec(ndim=len(input_shape), axes=axes)
        self._spectral_convolution = choose_convolution(self, group, input_shape)
        self._expand = filter_expansion(group, self.kernel_size, coset_action, channels // self.groups)
        size = tuple(input_shape[1 : self.rank + 1])
        warn_if_broken(self, size, self._windows, self.strides, self.padding, group)
        warn_if_coarse(self, self._expand)
        self._kernel = self.add_weight(
            name="kernel",
            shape=(*self._expand.stored_shape, self.filters),
            initializer=with_fewer_axes(self.kernel_initializer),
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
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
        if self.lora_rank:
            self.enable_lora(self.lora_rank, lora_alpha=self.lora_alpha)

    def _coset_action(self, group, input_shape):
        """What the group does to the orientations of the input, after a check that the input has these."""
        planar = len(input_shape) == self.rank + 2 and self.input_subgroup is None
        if planar:
            return np.zeros((group.order, 1), dtype=int)
        action = group.product if self.input_subgroup is None else group.act_on_cosets(self.input_subgroup)
        if len(input_shape) != self.rank + 3 or input_shape[-2] != action.shape[1]:
            raise ValueError(
                f"`{type(self).__name__}` with symmetry={self.symmetry!r} and input_subgroup={self.input_subgroup!r} "
                f"needs {'a planar map or ' if self.input_subgroup is None else ''}"
                f"a feature map {describe_feature_map(self.rank, action.shape[1])}. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        return action

    @property
    def expanded_kernel(self) -> Tensor:
        """All transformed copies of the kernel, `(*kernel_size, S_in * channels / groups, S * filters)`."""
        if not self.built:
            raise ValueError("The layer must be built before its `expanded_kernel` is read. Received: built=False")
        return self._expand(self.kernel)

    def convolution_op(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        """Correlates the input with all transformed copies of the kernel: a planar map of S * filters channels."""
        if self._spectral_convolution is not None and None not in inputs.shape[1:3]:
            return merge_orientations(self._spectral_convolution(inputs, kernel))
        if len(inputs.shape) == self.rank + 3:
            inputs = merge_orientations(_channel_blocks_first(inputs, self.groups))
        kernel = self._expand(kernel)
        if self.groups > 1:
            kernel = split_orientations(kernel, self._expand.copies)
            kernel = merge_orientations(_channel_blocks_first(kernel, self.groups))
        return self.planar_convolution(inputs, kernel)

    def planar_convolution(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        """Correlates a planar map with an expanded kernel: all the work of the layer, in one place to override.

        Args:
            inputs: `(batch, *space, S_in * channels)`, block by block of channels where `groups` is not 1.
            kernel: `(*kernel_size, S_in * channels / groups, S * filters)`.

        Returns:
            `(batch, *new_space, S * filters)`.
        """
        padding = self.padding
        if padding in PADDINGS_FROM_DATA:
            inputs, padding = pad_from_data(inputs, self._windows, padding), "valid"
        return ops.conv(
            inputs,
            kernel,
            strides=list(self.strides),
            padding=padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )

    def call(self, inputs: Tensor) -> Tensor:
        outputs = self.convolution_op(inputs, self.kernel)
        if self.use_bias:
            # Repeated for each orientation and added to the planar map, whose long rows of channels make that cheap.
            bias = ops.reshape(self.bias, (self.groups, 1, -1))
            outputs = outputs + ops.reshape(ops.tile(bias, (1, self._expand.copies, 1)), (-1,))
        outputs = _channel_blocks_last(split_orientations(outputs, self._expand.copies), self.groups)
        return outputs if self.activation is None else self.activation(outputs)

    def compute_mask(self, inputs: Tensor, previous_mask: Tensor | None = None) -> Tensor | None:
        return None  # a mask says where the input counts; the output has other cells

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        group = get_symmetry(self.symmetry)
        self._coset_action(group, input_shape)
        batch, *size = input_shape[: self.rank + 1]
        axes = list(zip(size, self._windows, self.strides, strict=True))
        size = [output_size(cells, window, stride, self.padding) for cells, window, stride in axes]
        reflected = self.padding == "reflect"
        if 0 in size or (reflected and any(cells is not None and window // 2 >= cells for cells, window, _ in axes)):
            needed = "larger than half of the kernel" if reflected else "at least as large as the kernel"
            raise ValueError(
                f"The input must be {needed}. Received: kernel_size={self.kernel_size}, "
                f"dilation_rate={self.dilation_rate}, padding={self.padding!r}, input_shape={tuple(input_shape)}"
            )
        return (batch, *size, group.order, self.filters)

    @property
    def _windows(self):
        """Extent of the kernel along each axis, in cells."""
        return [(size - 1) * rate + 1 for size, rate in zip(self.kernel_size, self.dilation_rate, strict=True)]

    def get_config(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in ("symmetry", "input_subgroup", "implementation")}
        return {**super().get_config(), **own}


def _channel_blocks_first(x, blocks):
    """Reorders `(..., S, channels)` so that, once flattened, each block of channels is contiguous."""
    if blocks == 1:
        return x
    *rest, orientations, channels = ops.shape(x)
    x = ops.reshape(x, (*rest, orientations, blocks, channels // blocks))
    return ops.reshape(ops.swapaxes(x, -3, -2), (*rest, orientations, channels))


def _channel_blocks_last(x, blocks):
    """The inverse of `_channel_blocks_first`."""
    if blocks == 1:
        return x
    *rest, orientations, channels = ops.shape(x)
    x = ops.reshape(x, (*rest, blocks, orientations, channels // blocks))
    return ops.reshape(ops.swapaxes(x, -3, -2), (*rest, orientations, channels))
