"""Convolution with learned combinations of the input maps."""

from typing import Any

import keras
from keras import ops

from keras_equivariant.activations import sparsemax
from keras_equivariant.arguments import check_choice, check_counts
from keras_equivariant.layers.empty import output_of_nothing
from keras_equivariant.layers.inputs import OneInput
from keras_equivariant.layers.padding import check_channels_last, check_padding
from keras_equivariant.typing import Activation, Initializer, Regularizer, Shape, Size, Tensor

_MIXINGS = {"softmax": ops.softmax, "sparsemax": sparsemax}


class _OfMixingWeights(keras.regularizers.Regularizer):
    """The penalty of a layer on its mixing weights, as a function of the free ones; the layer saves it."""

    def __init__(self, layer):
        self._layer = layer

    def __call__(self, x):
        return self._layer.mixing_regularizer(_matrix(self._layer._mix(x)))


class CombinationConvolution(OneInput):
    """Combines the maps of a separable convolution with learned weights; goes before it among the bases.

    Arguments and formula are those of `CombinationConv2D`.
    """

    # Of the Keras convolution.
    depthwise_kernel: Tensor
    pointwise_kernel: Any
    pointwise_regularizer: Any
    depth_multiplier: int
    strides: Any
    padding: str
    data_format: str
    dilation_rate: Any
    use_bias: bool
    bias: Tensor
    activation: Any

    def __init__(
        self,
        filters: int,
        kernel_size: Size,
        strides: Size = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Size = 1,
        activation: Activation = None,
        use_bias: bool = True,
        depthwise_initializer: Initializer = "glorot_uniform",
        pointwise_initializer: Initializer = "zeros",
        mixing: str = "softmax",
        mixing_regularizer: Regularizer = None,
        **kwargs: Any,
    ) -> None:
        check_counts(filters=filters)
        super().__init__(
            filters=filters,
            kernel_size=kernel_size,
            strides=strides,
            padding=check_padding(padding),
            data_format=data_format,
            dilation_rate=dilation_rate,
            activation=activation,
            use_bias=use_bias,
            depthwise_initializer=depthwise_initializer,
            pointwise_initializer=pointwise_initializer,
            **kwargs,
        )
        check_choice("mixing", mixing, _MIXINGS)
        check_channels_last(self.data_format)
        if self.depth_multiplier != 1:
            raise ValueError(f"`depth_multiplier` must be 1. Received: depth_multiplier={self.depth_multiplier}")
        self.mixing = mixing
        self.mixing_regularizer = keras.regularizers.get(mixing_regularizer)
        if self.mixing_regularizer and self.pointwise_regularizer:
            raise ValueError(
                "Only one of `mixing_regularizer` and `pointwise_regularizer` must be given. Received: "
                f"mixing_regularizer={mixing_regularizer}, pointwise_regularizer={self.pointwise_regularizer}"
            )

    def build(self, input_shape: Shape) -> None:
        if input_shape[-1] is None:
            raise ValueError(f"The number of input channels must be known. Received: input_shape={tuple(input_shape)}")
        super().build(input_shape)
        if self.mixing_regularizer:
            self.pointwise_kernel.regularizer = _OfMixingWeights(self)

    def _mix(self, free_weights):
        return _MIXINGS[self.mixing](free_weights, axis=-2)

    @property
    def mixing_weights(self) -> Tensor:
        """The weights a, `(channels, filters)`."""
        return _matrix(self._mix(self.pointwise_kernel))

    def _convolve(self, inputs, mixing):
        return ops.separable_conv(
            inputs,
            self.depthwise_kernel,
            mixing,
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )

    def call(self, inputs: Tensor) -> Tensor:
        if (nothing := output_of_nothing(self, inputs)) is not None:
            return nothing
        outputs = self._convolve(inputs, self._mix(self.pointwise_kernel))
        if self.use_bias:
            outputs = outputs + self.bias
        return self.activation(outputs)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "mixing": self.mixing,
            "mixing_regularizer": keras.regularizers.serialize(self.mixing_regularizer),
        }


@keras.saving.register_keras_serializable(package="keras_equivariant")
class CombinationConv2D(CombinationConvolution, keras.layers.SeparableConv2D):
    """2-D convolution with one kernel for each input map, whose results are combined with learned weights.

        y_j = f(sum_i a_ij (x_i * k_i) + b_j),  a_ij >= 0,  sum_i a_ij = 1

    `*` is Keras' convolution, which does not flip the kernel. The weights a are the softmax, or the sparsemax, over the
    input maps i of free weights c, which are the pointwise kernel of this separable convolution.

    A softmax never gives a weight of exactly zero. The penalty on sum |a_ij| that the notes propose to make the
    combinations sparse, here `mixing_regularizer="l1"`, is constant, because the sum of weights that are positive and
    sum to one is one: its gradient (equation 14) is zero, and it changes nothing. What does work:

    - `mixing="sparsemax"`, which gives exact zeros;
    - `mixing_regularizer=EntropyRegularizer(...)`, which concentrates the weights on few maps.

    Args:
        filters: int, the number of output maps.
        kernel_size: As in `keras.layers.SeparableConv2D`.
        strides: As in `keras.layers.SeparableConv2D`.
        padding: As in `keras.layers.SeparableConv2D`.
        data_format: `"channels_last"` or `None`; nothing else is supported.
        dilation_rate: As in `keras.layers.SeparableConv2D`.
        activation: As in `keras.layers.SeparableConv2D`: the function f.
        use_bias: As in `keras.layers.SeparableConv2D`.
        depthwise_initializer: Initialiser of the kernels k.
        pointwise_initializer: Initialiser of the free weights c; zeros give equal weights a.
        mixing: `"softmax"` or `"sparsemax"`.
        mixing_regularizer: Regulariser of the weights a, an array `(channels, filters)`.
        **kwargs: The other initialisers, regularisers and constraints of `keras.layers.SeparableConv2D`, and what
            `keras.layers.Layer` takes. `pointwise_regularizer` and `pointwise_constraint` are for c.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        `(batch, new_height, new_width, filters)`.

    Raises:
        ValueError: If the mixing is unknown, the data format is not `"channels_last"`, there are two regularisers of
            the pointwise kernel, or more than one kernel for each input map.

    Example:

    >>> x = keras.random.normal((1, 12, 12, 6))
    >>> layer = CombinationConv2D(16, 5, mixing="sparsemax")
    >>> print(layer(x).shape, layer.mixing_weights.shape)
    (1, 8, 8, 16) (6, 16)

    Reference:
        [Bouvrie, 2006](http://cogprints.org/5869/), section 3.3.
    """


@keras.saving.register_keras_serializable(package="keras_equivariant")
class CombinationConv1D(CombinationConvolution, keras.layers.SeparableConv1D):
    """1-D convolution with one kernel for each input map, whose results are combined with learned weights.

    The formula is that of `CombinationConv2D`.

    Args:
        filters: int, the number of output maps.
        kernel_size: int, the size of the kernels in samples.
        *args: The remaining arguments of `CombinationConv2D`, in the same order; sizes are ints.
        **kwargs: The same by name.

    Input shape:
        `(batch, length, channels)`.

    Output shape:
        `(batch, new_length, filters)`.

    Raises:
        ValueError: As `CombinationConv2D`.

    Example:

    >>> print(CombinationConv1D(8, 5)(keras.random.normal((1, 12, 4))).shape)
    (1, 8, 8)

    Reference:
        [Bouvrie, 2006](http://cogprints.org/5869/), sections 1 and 3.3.
    """


def _matrix(mixing):
    """The weights of combinations without the axes of space, which are of length 1."""
    return ops.reshape(mixing, mixing.shape[-2:])
