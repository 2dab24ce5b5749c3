"""Transposed group convolution."""

from typing import Any

import keras
from keras import ops

from keras_equivariant.arguments import check_counts
from keras_equivariant.filters import filter_expansion
from keras_equivariant.layers.drawing import with_fewer_axes
from keras_equivariant.layers.inputs import OneInput
from keras_equivariant.layers.orientations import describe_feature_map, merge_orientations, split_orientations
from keras_equivariant.layers.padding import check_channels_last, check_output_padding, check_padding
from keras_equivariant.sampling import is_transpose_centred, moves_of_axes, warn_of
from keras_equivariant.symmetry import get_symmetry
from keras_equivariant.typing import Activation, Constraint, Initializer, Regularizer, Shape, Size, Tensor


@keras.saving.register_keras_serializable(package="keras_equivariant")
class GroupConv2DTranspose(OneInput, keras.layers.Conv2DTranspose):
    """The adjoint of a group convolution, for upsampling: `<T(y), x> = <y, GroupConv2D(x)>` with the same kernel.

    For an input `y` on the group and a kernel `psi` on the plane and the cosets of a subgroup H of the point group,

        f(x) = sum { y(g) psi(g^-1 x) : g in G } + bias,    x in G/H

    The kernel is stored as that of the `GroupConv2D` from `filters` to the input's channels. With `"valid"` padding
    and strides not above the kernel size this is exactly equivariant on every size; with `"same"` if
    `kernel_size - strides` is even and not negative; both only with equal strides along axes that the group exchanges.
    A layer that is not says so by an `EquivarianceWarning`.

    Args:
        filters: int, the number of feature maps in the output.
        kernel_size: int or pair of ints, in pixels, as in `GroupConv2D`.
        symmetry: Name of the symmetry group.
        strides: int or pair of ints, in pixels.
        padding: `"valid"` or `"same"`.
        output_padding: As in `keras.layers.Conv2DTranspose`. With 0, which `"same"` padding allows for windows of odd
            size only, every layer is exactly equivariant.
        data_format: `"channels_last"` or `None`; nothing else is supported.
        dilation_rate: int or pair of ints, in pixels.
        activation: As in `keras.layers.Conv2DTranspose`.
        use_bias: bool, whether to add a bias: one number for each feature map in the output.
        kernel_initializer: As in `keras.layers.Conv2DTranspose`.
        bias_initializer: As in `keras.layers.Conv2DTranspose`.
        kernel_regularizer: As in `keras.layers.Conv2DTranspose`.
        bias_regularizer: As in `keras.layers.Conv2DTranspose`.
        activity_regularizer: As in `keras.layers.Conv2DTranspose`.
        kernel_constraint: As in `keras.layers.Conv2DTranspose`.
        bias_constraint: As in `keras.layers.Conv2DTranspose`.
        output_subgroup: Name of the subgroup H: `None` for a map on the group, the name of the symmetry itself for
            a planar map, another for a map on the quotient.
        **kwargs: As in `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, S, channels)`, S the order of the point group.

    Output shape:
        `(batch, new_height, new_width, S_out, filters)`, or `(batch, new_height, new_width, filters)` if
        `output_subgroup` is the symmetry itself.

    Raises:
        ValueError: If a name is unknown, the data format is not `"channels_last"`, the group does not map the kernel
            onto itself, the output padding does not suit the window, or the input has another number of orientations.

    Example:

    >>> x = keras.random.normal((2, 8, 8, 4, 16))
    >>> print(GroupConv2DTranspose(8, 4, "p4", strides=2, padding="same")(x).shape)
    (2, 16, 16, 4, 8)
    >>> print(GroupConv2DTranspose(3, 4, "p4", strides=2, padding="same", output_subgroup="p4")(x).shape)
    (2, 16, 16, 3)

    Reference:
        [Cohen & Welling, 2016](https://arxiv.org/abs/1602.07576), equation 21, with `delta(h)` in its third line.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Size,
        symmetry: str = "p4",
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
        output_subgroup: str | None = None,
        **kwargs: Any,
    ) -> None:
        check_counts(filters=filters)
        super().__init__(
            filters,
            kernel_size,
            strides=strides,
            padding=check_padding(padding),
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
        group = get_symmetry(symmetry)
        if group.dimension != 2:
            raise ValueError(
                f"`symmetry` must act on 2 dimensions, not {group.dimension}. Received: symmetry={symmetry!r}"
            )
        if output_subgroup is not None:
            group.subgroup(output_subgroup)
        check_channels_last(self.data_format)
        check_output_padding(self)
        self.symmetry = symmetry
        self.output_subgroup = output_subgroup

    def build(self, input_shape: Shape) -> None:
        group = get_symmetry(self.symmetry)
        if len(input_shape) != 5 or input_shape[-2] != group.order or input_shape[-1] is None:
            raise ValueError(
                f"`GroupConv2DTranspose` with symmetry={self.symmetry!r} needs a feature map "
                f"{describe_feature_map(2, group.order)}. Received: input_shape={tuple(input_shape)}"
            )
        channels = input_shape[-1]
        action = group.product if self.output_subgroup is None else group.act_on_cosets(self.output_subgroup)
        self._expand = filter_expansion(group, self.kernel_size, action, self.filters)
        self._warn_if_broken(group)
        self.input_spec = keras.layers.InputSpec(ndim=5, axes={-2: group.order, -1: channels})
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*self._expand.stored_shape, channels),
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

    def _warn_if_broken(self, group):
        windows = [(size - 1) * rate + 1 for size, rate in zip(self.kernel_size, self.dilation_rate, strict=True)]
        axes = list(zip(windows, self.strides, self.output_padding or (None, None), strict=True))
        reversed_axes, exchanged, _ = moves_of_axes(group, 2)
        one_sided = (
            reverses and not is_transpose_centred(window, stride, self.padding, extra)
            for reverses, (window, stride, extra) in zip(reversed_axes, axes, strict=True)
        )
        if exchanged and axes[0] != axes[1]:
            reason = "the symmetry exchanges axes, which must have the same strides, dilation and output padding"
        elif any(one_sided):
            reason = (
                "it crops its output more on one side than on the other; a kernel_size - strides that is even and at "
                "least 0 would do"
            )
        else:
            return
        warn_of(
            f"`GroupConv2DTranspose` {self.name!r} is not exactly equivariant under {self.symmetry!r} on any size: "
            f"{reason}. Received: kernel_size={self.kernel_size}, strides={self.strides}, padding={self.padding!r}, "
            f"output_padding={self.output_padding}, dilation_rate={self.dilation_rate}"
        )

    @property
    def expanded_kernel(self) -> Tensor:
        """All transformed copies of the kernel, `(*kernel_size, S_out * filters, S * channels)`."""
        if not self.built:
            raise ValueError("The layer must be built before its `expanded_kernel` is read. Received: built=False")
        return self._expand(self.kernel)

    def call(self, inputs: Tensor) -> Tensor:
        outputs = ops.conv_transpose(
            merge_orientations(inputs),
            self._expand(self.kernel),
            strides=list(self.strides),
            padding=self.padding,
            output_padding=self.output_padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )
        orientations = self.kernel.shape[-3]
        if self.use_bias:
            outputs = outputs + ops.tile(self.bias, (orientations,))
        if self.output_subgroup != self.symmetry:
            outputs = split_orientations(outputs, orientations)
        return outputs if self.activation is None else self.activation(outputs)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        planar = super().compute_output_shape((*input_shape[:3], input_shape[-1]))
        if self.output_subgroup == self.symmetry:
            return tuple(planar)
        group = get_symmetry(self.symmetry)
        orientations = group.order if self.output_subgroup is None else len(group.cosets(self.output_subgroup))
        return (*planar[:-1], orientations, self.filters)

    def get_config(self) -> dict[str, Any]:
        # Keras before 3.13 leaves the padding out.
        names = ("output_padding", "symmetry", "output_subgroup")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
