"""Fewer symmetries from some depth on."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_equivariant.layers.inputs import OneInputOfAnyNumbers
from keras_equivariant.layers.orientations import describe_feature_map
from keras_equivariant.symmetry import get_symmetry
from keras_equivariant.typing import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_equivariant")
class SubgroupRestriction(OneInputOfAnyNumbers):
    """Reads a feature map on a group as one on a subgroup, with more channels; nothing is lost.

    The group G falls into right cosets H k of the subgroup H. A map `f` on G becomes one map on H for each of them,

        y(h, (k, channel)) = f(h k, channel)

    all moved by the elements of H as maps on H are. Layers after it need no longer respect the elements of G that are
    not in H: upright objects, say, are only locally symmetric under rotations.

    Args:
        symmetry: Name of the input's symmetry group G.
        subgroup: Name of the subgroup H, the symmetry of the layers that follow.
        **kwargs: As in `keras.layers.Layer`.

    Input shape:
        `(batch, *space, order of G, channels)`.

    Output shape:
        `(batch, *space, order of H, order of G / order of H * channels)`; the first channels are those of k = 1.

    Raises:
        ValueError: If a name is unknown or not that of a subgroup, or the input has another number of orientations.

    Example:

    >>> x = SubgroupRestriction("p4m", "pm")(keras.random.normal((1, 8, 8, 8, 16)))
    >>> print(x.shape)
    (1, 8, 8, 2, 64)

    Reference:
        [Cohen & Welling, 2016](https://arxiv.org/abs/1602.07576), section 6.3, subsampling on a subgroup.
    """

    def __init__(self, symmetry: str, subgroup: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        group = get_symmetry(symmetry)
        members = group.subgroup(subgroup)
        representatives = np.unique(group.product[members].min(axis=0))
        self.symmetry = symmetry
        self.subgroup = subgroup
        self.output_symmetry = subgroup
        self._dimension = group.dimension
        self.supports_masking = True
        self._elements = group.product[members][:, representatives]  # h k, at row h and column k

    def build(self, input_shape: Shape) -> None:
        if len(input_shape) != self._dimension + 3 or input_shape[-2] != self._elements.size:
            raise ValueError(
                f"`SubgroupRestriction` of {self.symmetry!r} needs a feature map "
                f"{describe_feature_map(self._dimension, self._elements.size)}. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        self.input_spec = keras.layers.InputSpec(ndim=len(input_shape), axes={-2: self._elements.size})
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        x = ops.take(inputs, self._elements.reshape(-1), axis=-2)
        return ops.reshape(x, (-1, *ops.shape(x)[1:-2], *self.compute_output_shape(inputs.shape)[-2:]))

    def compute_mask(self, inputs: Tensor, previous_mask: Tensor | None = None) -> Tensor | None:
        return None  # a mask says where the input counts; the output has other orientations

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        *space, _, channels = input_shape
        orientations, cosets = self._elements.shape
        return (*space, orientations, None if channels is None else cosets * channels)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "symmetry": self.symmetry, "subgroup": self.subgroup}
