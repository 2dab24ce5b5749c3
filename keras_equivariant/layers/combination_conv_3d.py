"""Convolution of volumes with learned combinations of the input maps."""

from typing import Any

import keras
from keras import ops

from keras_equivariant.layers.combination_conv import CombinationConvolution
from keras_equivariant.typing import Activation, Constraint, Initializer, Regularizer, Shape, Size, Tensor


class SeparableConv3D(keras.layers.Conv3D):
    """What Keras has in one and two dimensions: a kernel for each channel, then a combination of the channels."""

    def __init__(
        self,
        filters: int,
        kernel_size: Size,
        strides: Size = (1, 1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Size = (1, 1, 1),
        depth_multiplier: int = 1,
        activation: Activation = None,
        use_bias: bool = True,
        depthwise_initializer: Initializer = "glorot_uniform",
        pointwise_initializer: Initializer = "glorot_uniform",
        bias_initializer: Initializer = "zeros",
        depthwise_regularizer: Regularizer = None,
        pointwise_regularizer: Regularizer = None,
        bias_regularizer: Regularizer = None,
        activity_regularizer: Regularizer = None,
        depthwise_constraint: Constraint = None,
        pointwise_constraint: Constraint = None,
        bias_constraint: Constraint = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            filters,
            kernel_size,
            strides=strides,
            padding=padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
            groups=1,
            activation=activation,
            use_bias=use_bias,
            bias_initializer=bias_initializer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            bias_constraint=bias_constraint,
            **kwargs,
        )
        self.depth_multiplier = depth_multiplier
        self.depthwise_initializer = keras.initializers.get(depthwise_initializer)
        self.pointwise_initializer = keras.initializers.get(pointwise_initializer)
        self.depthwise_regularizer = keras.regularizers.get(depthwise_regularizer)
        self.pointwise_regularizer = keras.regularizers.get(pointwise_regularizer)
        self.depthwise_constraint = keras.constraints.get(depthwise_constraint)
        self.pointwise_constraint = keras.constraints.get(pointwise_constraint)
        if self.lora_rank:
            self.enable_lora(self.lora_rank)

    def build(self, input_shape: Shape) -> None:
        channels = input_shape[-1]
        self.input_spec = keras.layers.InputSpec(ndim=5, axes={-1: channels})
        self.compute_output_shape(input_shape)
        shapes = {"depthwise": (*self.kernel_size, channels, 1), "pointwise": (1, 1, 1, channels, self.filters)}
        for part, shape in shapes.items():
            weight = self.add_weight(
                name=f"{part}_kernel",
                shape=shape,
                initializer=getattr(self, f"{part}_initializer"),
                regularizer=getattr(self, f"{part}_regularizer"),
                constraint=getattr(self, f"{part}_constraint"),
            )
            setattr(self, f"{part}_kernel", weight)
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

    def save_own_variables(self, store: Any) -> None:
        keras.layers.Layer.save_own_variables(self, store)

    def load_own_variables(self, store: Any) -> None:
        keras.layers.Layer.load_own_variables(self, store)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        for name in ("groups", "kernel_initializer", "kernel_regularizer", "kernel_constraint"):
            del config[name]
        for part in ("depthwise", "pointwise"):
            config[f"{part}_initializer"] = keras.initializers.serialize(getattr(self, f"{part}_initializer"))
            config[f"{part}_regularizer"] = keras.regularizers.serialize(getattr(self, f"{part}_regularizer"))
            config[f"{part}_constraint"] = keras.constraints.serialize(getattr(self, f"{part}_constraint"))
        return {**config, "depth_multiplier": self.depth_multiplier}


@keras.saving.register_keras_serializable(package="keras_equivariant")
class CombinationConv3D(CombinationConvolution, SeparableConv3D):
    """3-D convolution with one kernel for each input map, whose results are combined with learned weights.

    The formula is that of `CombinationConv2D`. It is computed as one convolution with the kernels `k_i a_ij`: backends
    have no separable convolution of volumes.

    Args:
        filters: int, the number of output maps.
        kernel_size: int or triple of ints, the size of the kernels in voxels.
        *args: The remaining arguments of `CombinationConv2D`, in the same order; sizes are ints or triples of ints.
        **kwargs: The same by name. Low-rank adaptation is not supported.

    Input shape:
        `(batch, depth, height, width, channels)`.

    Output shape:
        `(batch, new_depth, new_height, new_width, filters)`.

    Raises:
        ValueError: As `CombinationConv2D`; if low-rank adaptation is asked for.

    Example:

    >>> print(CombinationConv3D(8, 2)(keras.random.normal((1, 4, 5, 6, 3))).shape)
    (1, 3, 4, 5, 8)

    Reference:
        [Bouvrie, 2006](http://cogprints.org/5869/), sections 1 and 3.3.
    """

    def _convolve(self, inputs: Tensor, mixing: Tensor) -> Tensor:
        return ops.conv(
            inputs,
            self.depthwise_kernel * mixing,
            strides=list(self.strides),
            padding=self.padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )

    def enable_lora(self, rank: int, *args: Any, **kwargs: Any) -> None:
        raise ValueError(
            f"`CombinationConv3D` has no low-rank adaptation: it has a kernel for each map. Train these. "
            f"Received: rank={rank}"
        )
