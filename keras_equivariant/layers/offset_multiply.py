"""Offset-equivariant multiplication with a gate."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_equivariant.channel_groups import check_channels, check_feature_groups
from keras_equivariant.layers.feature_groups import group_means, over_channels, shifted
from keras_equivariant.layers.inputs import SeveralInputs
from keras_equivariant.layers.offset_concatenate import are_several
from keras_equivariant.typing import FeatureGroups, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_equivariant")
class OffsetMultiply(SeveralInputs):
    """Multiplies a map by a gate, such as that of squeeze-and-excitation, about the means of its feature groups.

        y = (x - G phi(x)) a + G phi(x)

    for the inputs `[x, a]`, phi being the means of each image over the channels of a feature group and all positions.
    An offset of x is one of y, if a does not depend on it: make the gate with an invariant layer, such as
    `OffsetAdapter(layers.Activation("sigmoid"), invariant=True)`.

    Args:
        feature_groups: int, the number of groups: 3 for colour, 1 for brightness; or the sizes of the groups, or the
            group of each channel, as in `OffsetConv2D`.
        **kwargs: As in `keras.layers.Layer`.

    Input shape:
        List of two: x, `(batch, ..., channels)`, and a, of the same rank, each axis as long as that of x or 1.

    Output shape:
        That of x.

    Raises:
        ValueError: If there are not two inputs, the gate does not fit, or the channels do not split into the groups.

    Example:

    >>> x, gate = np.array([[1.0, 3.0, 10.0, 30.0]]), np.array([[0.5, 0.5, 0.0, 0.0]])
    >>> print(keras.ops.convert_to_numpy(OffsetMultiply(2)([x, gate])))
    [[ 1.5  2.5 20.  20. ]]

    Reference:
        [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), equation 19.
    """

    def __init__(self, feature_groups: FeatureGroups = 3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.feature_groups = check_feature_groups(feature_groups)

    def build(self, input_shape: Sequence[Shape]) -> None:
        if not are_several(input_shape) or len(input_shape) != 2:
            raise ValueError(f"`OffsetMultiply` takes a list of two inputs. Received: input_shape={input_shape}")
        x, gate = (tuple(shape) for shape in input_shape)
        check_channels(self.feature_groups, x[-1], "channels")
        fits = len(x) == len(gate) and all(a in (1, n) or None in (a, n) for n, a in zip(x[1:], gate[1:], strict=True))
        if not fits:
            raise ValueError(
                f"The gate must have as many axes as the map, each as long as the map's or 1. "
                f"Received: input_shape={[x, gate]}"
            )
        self.built = True

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        x, gate = inputs
        means = over_channels(group_means(x, self.feature_groups), x.shape[-1], self.feature_groups)
        return shifted(shifted(x, -means) * keras.ops.cast(gate, x.dtype), means)

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        return tuple(input_shape[0])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "feature_groups": self.feature_groups}
