"""Offset-equivariant dense layer."""

from typing import Any

import keras

from keras_equivariant.layers.feature_groups import times_matrix
from keras_equivariant.layers.projected_kernel import ProjectedKernel
from keras_equivariant.typing import Activation, Constraint, FeatureGroups, Initializer, Regularizer, Tensor

_NOT_QUANTISED = (
    "`OffsetDense` must not be quantised: rounding takes its kernel out of the offset-equivariant ones. Leave it in "
    "floating point. Received: {}"
)


@keras.saving.register_keras_serializable(package="keras_equivariant")
class OffsetDense(ProjectedKernel, keras.layers.Dense):
    """Dense layer that passes an offset of its input on to its output.

    Features form `feature_groups` contiguous blocks of equal size, such as one for each colour. If d_j is added to all
    input features of group j, it is added to all output features of group j:

        f(x + G_m d) = f(x) + G_n d

    The kernel is projected onto those for which this holds, `constraints.OffsetProjection`, when it is first set and
    after each update of an optimizer; or in each forward pass: `projection`.

    Args:
        units: int, the number of output features, a multiple of `feature_groups`.
        activation: As in `keras.layers.Dense`, but of the output without its group means, which are added again: see
            `OffsetAdapter`.
        use_bias: As in `keras.layers.Dense`.
        kernel_initializer: As in `keras.layers.Dense`; its values are projected.
        bias_initializer: As in `keras.layers.Dense`.
        kernel_regularizer: As in `keras.layers.Dense`.
        bias_regularizer: As in `keras.layers.Dense`.
        activity_regularizer: As in `keras.layers.Dense`.
        kernel_constraint: `None`; the projection takes its place.
        bias_constraint: As in `keras.layers.Dense`.
        feature_groups: As in `OffsetConv2D`.
        output_groups: As in `OffsetConv2D`.
        projection: As in `OffsetConv2D`.
        **kwargs: As in `keras.layers.Layer`. Quantisation and low-rank adaptation would break the constraint and are
            refused.

    Input shape:
        `(batch, ..., features)`.

    Output shape:
        `(batch, ..., units)`.

    Raises:
        ValueError: If input features or units do not split into the groups, another constraint is given, or
            the dtype policy or `lora_rank` asks for what is refused.

    Example:

    >>> print(OffsetDense(30)(keras.random.normal((2, 63))).shape)
    (2, 30)

    Reference:
        [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), equations 7 to 11.
    """

    def __init__(
        self,
        units: int,
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
        super().__init__(
            units,
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
        self._project(feature_groups, "units", output_groups, projection)
        if self.quantization_mode is not None:
            raise ValueError(_NOT_QUANTISED.format(f"dtype={self.dtype_policy.name!r}"))
        # An activation is taken about means over all positions, masked ones too.
        self.supports_masking = self.activation in (None, keras.activations.linear)

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        return self._finish(times_matrix(inputs, self._kernel_in_use()))

    def quantize(self, mode: str | None = None, **kwargs: Any) -> None:
        # What `keras.Model.quantize` takes for a layer to leave as it is, with a warning.
        raise NotImplementedError(_NOT_QUANTISED.format(f"mode={mode!r}"))
