"""Group convolution."""

import keras
import numpy as np
from keras import ops

from keras_equivariant.filters import FilterExpansion
from keras_equivariant.layers.orientations import merge_orientations, split_orientations
from keras_equivariant.symmetry import get_symmetry


@keras.saving.register_keras_serializable(package="keras_equivariant")
class GroupConv2D(keras.layers.Conv2D):
    """2-D convolution that is equivariant to a group of rotations and mirrors.

    For an input `f` and filters `psi`, both functions on the plane and on the cosets of a subgroup H of the point
    group,

        y(g) = sum { f(x) psi(g^-1 x) : x in G/H } + bias

    The input may be of three kinds, told apart by its rank and by `input_subgroup`:

    - a planar image or map, `(batch, height, width, channels)`: H is the whole point group, and the layer lifts the
      image to a map on the group;
    - a feature map on the group, `(batch, height, width, S, channels)`: H is trivial;
    - a feature map on a quotient, as `CosetPooling(symmetry, subgroup)` returns: name H by `input_subgroup`.

    If the input turns, the output turns in the same way, and its orientations permute. This is exact for every
    `"valid"` convolution and every `"same"` convolution with an odd kernel, at stride 1. A strided convolution
    samples a grid that turns onto itself only if `size + 2 * padding - kernel_size` is a multiple of the stride.

    The number of orientations alone does not tell groups apart: p4 and pmm both have four, and a map on one must not
    be fed to a layer on the other.

    Args:
        filters: int, the number of feature maps on the group in the output.
        kernel_size: int or pair of ints, the size of the kernel in pixels. Every element of the group must map the
            kernel onto itself, so it is square for p4 and p4m.
        symmetry: Name of the symmetry group, such as `"p4"` or `"p4m"`.
        strides: int or pair of ints, in pixels.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` or `None`; nothing else is supported.
        dilation_rate: int or pair of ints, in pixels.
        groups: int, the number of blocks into which input and output channels are split, as in `keras.layers.Conv2D`.
            This has nothing to do with the symmetry group.
        activation: As in `keras.layers.Conv2D`.
        use_bias: bool, whether to add a bias: one number for each feature map on the group.
        kernel_initializer: As in `keras.layers.Conv2D`; it sees the fan-in of the stored kernel, which is the true one.
        bias_initializer: As in `keras.layers.Conv2D`.
        kernel_regularizer: As in `keras.layers.Conv2D`.
        bias_regularizer: As in `keras.layers.Conv2D`.
        activity_regularizer: As in `keras.layers.Conv2D`.
        kernel_constraint: As in `keras.layers.Conv2D`.
        bias_constraint: As in `keras.layers.Conv2D`.
        input_subgroup: Name of the subgroup H whose cosets the input's orientations are, or `None` for a planar map
            or a map on the group.

    Input shape:
        `(batch, height, width, channels)`, or `(batch, height, width, S_in, channels)` with S_in the order of the
        point group, divided by the order of `input_subgroup` if that is given.

    Output shape:
        `(batch, new_height, new_width, S, filters)`, S the order of the point group, element 0 the identity.

    Raises:
        ValueError: If a name is unknown, the data format is not `"channels_last"`, the group does not map the kernel
            onto itself, or the input has another number of orientations.

    Example:

    >>> image = keras.random.normal((2, 9, 9, 3))
    >>> x = GroupConv2D(16, 3, "p4")(image)
    >>> print(x.shape)
    (2, 7, 7, 4, 16)
    >>> print(GroupConv2D(32, 3, "p4", padding="same")(x).shape)
    (2, 7, 7, 4, 32)

    Reference:
        [Cohen & Welling, 2016](https://arxiv.org/abs/1602.07576), equations 10 and 11 and section 7.
    """

    def __init__(
        self,
        filters,
        kernel_size,
        symmetry="p4",
        strides=(1, 1),
        padding="valid",
        data_format=None,
        dilation_rate=(1, 1),
        groups=1,
        activation=None,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        input_subgroup=None,
        **kwargs,
    ):
        super().__init__(
            filters,
            kernel_size,
            strides=strides,
            padding=padding,
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
        if self.data_format != "channels_last":
            raise ValueError(f"`data_format` must be 'channels_last'. Received: data_format={self.data_format!r}")
        self.symmetry = symmetry
        self.input_subgroup = input_subgroup

    def build(self, input_shape):
        group = get_symmetry(self.symmetry)
        coset_action = self._coset_action(group, input_shape)
        orientations, channels = coset_action.shape[1], input_shape[-1]
        if channels is None or channels % self.groups != 0:
            raise ValueError(
                f"The number of input channels must be known and a multiple of `groups`. "
                f"Received: groups={self.groups}, input_shape={tuple(input_shape)}"
            )
        self.compute_output_shape(input_shape)
        self.input_spec = keras.layers.InputSpec(ndim=len(input_shape), axes={-1: channels})
        self._expand = FilterExpansion(group, self.kernel_size, coset_action, channels // self.groups)
        self._kernel = self.add_weight(
            name="kernel",
            shape=(*self.kernel_size, orientations, channels // self.groups, self.filters),
            initializer=self.kernel_initializer,
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
                f"a feature map (batch, height, width, {action.shape[1]}, channels). "
                f"Received: input_shape={tuple(input_shape)}"
            )
        return action

    @property
    def expanded_kernel(self):
        """All transformed copies of the kernel, `(*kernel_size, S_in * channels / groups, S * filters)`."""
        return self._expand(self.kernel)

    def convolution_op(self, inputs, kernel):
        """Correlates the input with all transformed copies of the kernel: a planar map of S * filters channels."""
        if len(inputs.shape) == self.rank + 3:
            inputs = merge_orientations(_channel_blocks_first(inputs, self.groups))
        kernel = self._expand(kernel)
        if self.groups > 1:
            kernel = split_orientations(kernel, self._expand.copies)
            kernel = merge_orientations(_channel_blocks_first(kernel, self.groups))
        return super().convolution_op(inputs, kernel)

    def call(self, inputs):
        outputs = self.convolution_op(inputs, self.kernel)
        if self.use_bias:
            # Repeated for each orientation and added to the planar map, whose long rows of channels make that cheap.
            bias = ops.reshape(self.bias, (self.groups, 1, -1))
            outputs = outputs + ops.reshape(ops.tile(bias, (1, self._expand.copies, 1)), (-1,))
        outputs = _channel_blocks_last(split_orientations(outputs, self._expand.copies), self.groups)
        return outputs if self.activation is None else self.activation(outputs)

    def compute_output_shape(self, input_shape):
        planar = super().compute_output_shape((*input_shape[: self.rank + 1], input_shape[-1]))
        return (*planar[:-1], get_symmetry(self.symmetry).order, planar[-1])

    def get_config(self):
        return {**super().get_config(), "symmetry": self.symmetry, "input_subgroup": self.input_subgroup}


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
