"""Any layer made offset-equivariant, and the rectifier."""

from typing import Any

import keras

from keras_equivariant.channel_groups import check_channels, count_groups
from keras_equivariant.layers.feature_group_pooling import FeatureGroupPooling, check_pooling
from keras_equivariant.layers.feature_groups import over_channels, rectified, shifted
from keras_equivariant.layers.inputs import OneInput
from keras_equivariant.layers.projected_kernel import check_output_groups
from keras_equivariant.typing import FeatureGroups, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_equivariant")
class OffsetAdapter(OneInput, keras.layers.Wrapper):
    """Makes any layer or model offset-equivariant, or invariant.

    With two poolings over feature groups (`FeatureGroupPooling`),

        h(x) = f(x - G_m phi_1(x)) + G_n phi_2(x)

    passes an offset of the input on to the output, whatever f is: dropout, normalisation, an activation, a whole
    network. Unless another one is asked for, phi_2 is phi_1, with the same weights if it has any. Without the second
    term, `h(x) = f(x - G_m phi_1(x))` is invariant: it does not see offsets at all.

    Args:
        layer: The Keras layer or model f. Unless `invariant`, its output channels split into the groups.
        feature_groups: int, the number of groups: 3 for colour, 1 for brightness; or the sizes of the groups, or the
            group of each channel, as in `OffsetConv2D`.
        invariant: bool, whether to leave the second term out.
        reduction: As in `FeatureGroupPooling`, of phi_1.
        scope: As in `FeatureGroupPooling`, of phi_1.
        output_reduction: As in `FeatureGroupPooling`, of phi_2; `None` for that of phi_1.
        output_scope: As in `FeatureGroupPooling`, of phi_2; `None` for that of phi_1. If `"local"`, f must keep the
            positions.
        output_groups: The groups of the output channels, described as in `OffsetConv2D`; `None` for equal contiguous
            blocks, or for `feature_groups` itself where f keeps the number of channels.
        **kwargs: As in `keras.layers.Layer`.

    Input shape:
        `(batch, ..., channels)`, such as the layer takes.

    Output shape:
        That of the layer.

    Raises:
        ValueError: If an argument is unknown, or the channels of input or output are not multiples of
            `feature_groups`.

    Example:

    >>> x = keras.random.normal((2, 8, 8, 15))
    >>> print(OffsetAdapter(keras.layers.Dropout(0.5))(x).shape)
    (2, 8, 8, 15)
    >>> print(OffsetAdapter(keras.layers.Conv2D(10, 3), invariant=True)(x).shape)
    (2, 6, 6, 10)

    Reference:
        [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), equation 19.
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        feature_groups: FeatureGroups = 3,
        invariant: bool = False,
        reduction: str = "mean",
        scope: str = "global",
        output_reduction: str | None = None,
        output_scope: str | None = None,
        output_groups: FeatureGroups | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(layer, **kwargs)
        self.pooling = FeatureGroupPooling(feature_groups, reduction, scope, dtype=self.dtype_policy, name="pooling")
        self.feature_groups = self.pooling.feature_groups
        self.output_groups = check_output_groups(self.feature_groups, output_groups)
        self.invariant = invariant
        self.reduction = reduction
        self.scope = scope
        self.output_reduction = output_reduction
        self.output_scope = output_scope
        second = (output_reduction or reduction, output_scope or scope)
        check_pooling(*second, prefix="output_")
        self.output_pooling = None  # not the first once more: files name layers by their attributes
        if second != (reduction, scope):
            if invariant:
                raise ValueError(
                    f"`output_reduction` and `output_scope` must be None if invariant=True: nothing is added to the "
                    f"output. Received: output_reduction={output_reduction!r}, output_scope={output_scope!r}"
                )
            self.output_pooling = FeatureGroupPooling(
                feature_groups, *second, dtype=self.dtype_policy, name="output_pooling"
            )

    def build(self, input_shape: Shape) -> None:
        self.pooling.build(input_shape)
        if self.output_pooling is not None:
            self.output_pooling.build(input_shape)
        super().build(input_shape)
        output_shape = self.compute_output_shape(input_shape)
        if not self.invariant:
            check_channels(self._groups_of(output_shape[-1], input_shape[-1]), output_shape[-1], "output channels")
            if (self.output_scope or self.scope) == "local" and tuple(output_shape[:-1]) != tuple(input_shape[:-1]):
                raise ValueError(
                    f"`layer` must keep the positions if scope='local', or output_scope='local'. "
                    f"Received: input shape {tuple(input_shape)}, output shape {tuple(output_shape)}"
                )

    def _groups_of(self, outputs, inputs):
        """The groups of so many output channels."""
        if self.output_groups is not None:
            return self.output_groups
        return self.feature_groups if outputs == inputs else count_groups(self.feature_groups)

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        channels = inputs.shape[-1]
        pooled = self.pooling(inputs)
        outputs = self.layer(shifted(inputs, -over_channels(pooled, channels, self.feature_groups)))
        if self.invariant:
            return outputs
        if self.output_pooling is not None:
            pooled = self.output_pooling(inputs)
        return shifted(outputs, over_channels(pooled, outputs.shape[-1], self._groups_of(outputs.shape[-1], channels)))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        # What a layer computes has a shape, too, where it has no `compute_output_shape`.
        return tuple(self.layer.compute_output_spec(keras.KerasTensor(input_shape, self.compute_dtype)).shape)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "feature_groups": self.feature_groups,
            "invariant": self.invariant,
            "reduction": self.reduction,
            "scope": self.scope,
            "output_reduction": self.output_reduction,
            "output_scope": self.output_scope,
            "output_groups": self.output_groups,
        }


@keras.saving.register_keras_serializable(package="keras_equivariant")
class OffsetReLU(OneInput):
    """Rectifier that passes an offset of its input on to its output.

        y = max(x, G phi(x))

    with a pooling phi over feature groups: `OffsetAdapter` around a ReLU.

    Args:
        feature_groups: int, the number of groups: 3 for colour, 1 for brightness; or the sizes of the groups, or the
            group of each channel, as in `OffsetConv2D`.
        reduction: As in `FeatureGroupPooling`.
        scope: As in `FeatureGroupPooling`.
        **kwargs: As in `keras.layers.Layer`.

    Input shape:
        `(batch, ..., channels)`.

    Output shape:
        That of the input.

    Raises:
        ValueError: If an argument is unknown, or the channels do not split into the groups.

    Example:

    >>> x = np.array([[1.0, 2.0, 10.0, 14.0]])
    >>> print(keras.ops.convert_to_numpy(OffsetReLU(2)(x)))
    [[ 1.5  2.  12.  14. ]]

    Reference:
        [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), equation 21.
    """

    def __init__(
        self, feature_groups: FeatureGroups = 3, reduction: str = "mean", scope: str = "global", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.pooling = FeatureGroupPooling(feature_groups, reduction, scope, dtype=self.dtype_policy, name="pooling")
        self.feature_groups = self.pooling.feature_groups
        self.reduction = reduction
        self.scope = scope

    def build(self, input_shape: Shape) -> None:
        self.pooling.build(input_shape)
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        return rectified(inputs, over_channels(self.pooling(inputs), inputs.shape[-1], self.feature_groups))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "feature_groups": self.feature_groups,
            "reduction": self.reduction,
            "scope": self.scope,
        }
