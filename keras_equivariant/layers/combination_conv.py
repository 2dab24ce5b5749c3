"""Convolution with learned combinations of the input maps."""

from typing import Any

import keras
from keras import ops

from keras_equivariant.activations import sparsemax
from keras_equivariant.layers.empty import output_of_nothing
from keras_equivariant.layers.padding import check_channels_last, check_padding
from keras_equivariant.typing import Activation, Initializer, Regularizer, Shape, Size, Tensor

_MIXINGS = {"softmax": ops.softmax, "sparsemax": sparsemax}


class _OfMixingWeights(keras.regularizers.Regularizer):
    """The penalty of a layer on its mixing weights, as a function of the free ones; the layer saves it."""

    def __init__(self, layer):
        self._layer = layer

    def __call__(self, x):
        return self._layer.mixing_regularizer(self._layer._mix(x)[0, 0])


@keras.saving.register_keras_serializable(package="keras_equivariant")
class CombinationConv2D(keras.layers.SeparableConv2D):
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

    def __init__(
        self,
        filters: int,
        kernel_size: Size,
        strides: Size = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Size = (1, 1),
        activation: Activation = None,
        use_bias: bool = True,
        depthwise_initializer: Initializer = "glorot_uniform",
        pointwise_initializer: Initializer = "zeros",
        mixing: str = "softmax",
        mixing_regularizer: Regularizer = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            filters,
            kernel_size,
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
        if mixing not in _MIXINGS:
            raise ValueError(f"`mixing` must be one of {sorted(_MIXINGS)}. Received: mixing={mixing!r}")
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
        super().build(input_shape)
        if self.mixing_regularizer:
            self.pointwise_kernel.regularizer = _OfMixingWeights(self)

    def _mix(self, free_weights):
        return _MIXINGS[self.mixing](free_weights, axis=-2)

    @property
    def mixing_weights(self) -> Tensor:
        """The weights a, `(channels, filters)`."""
        return self._mix(self.pointwise_kernel)[0, 0]

    def call(self, inputs: Tensor) -> Tensor:
        if (nothing := output_of_nothing(self, inputs)) is not None:
            return nothing
        outputs = ops.separable_conv(
            inputs,
            self.depthwise_kernel,
            self._mix(self.pointwise_kernel),
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )
        if self.use_bias:
            outputs = outputs + self.bias
        return self.activation(outputs)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "mixing": self.mixing,
            "mixing_regularizer": keras.regularizers.serialize(self.mixing_regularizer),
        }
