"""Pooling over the cosets of a subgroup."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_equivariant.arguments import check_choice
from keras_equivariant.layers.extremes import largest
from keras_equivariant.layers.inputs import OneInputOfAnyNumbers
from keras_equivariant.layers.orientations import describe_feature_map
from keras_equivariant.symmetry import get_symmetry
from keras_equivariant.typing import Shape, Tensor


def _mean(x, axis):
    return ops.sum(x, axis=axis) / x.shape[axis]


_REDUCTIONS = {"max": lambda x, axis: largest(x, [axis]), "mean": _mean}


@keras.saving.register_keras_serializable(package="keras_equivariant")
class CosetPooling(OneInputOfAnyNumbers):
    """Pools a feature map on a group over the cosets of a subgroup.

    For a map `f` on G and a subgroup H of its point group,

        y(gH) = max { f(gh) : h in H }
        y(gH) = sum { f(gh) : h in H } / |H|    if reduction is "mean"

    Pooling over the whole point group (the default) returns an ordinary planar map, which moves with the image
    and no longer says in which orientation a feature was found. The map on a quotient that pooling over a smaller
    subgroup returns is read by the next `GroupConv2D(..., input_subgroup=subgroup)`.

    The pooling region may be any set U of elements instead,

        y(g) = max { f(g u) : u in U },    or their mean

    which gives another map on the group; subsample it on a subgroup by `SubgroupRestriction`. If a subgroup is given
    as well, U must not change when multiplied by it from the left, and the map is one on the quotient again.

    Args:
        symmetry: Name of the input's symmetry group, such as `"p4"` or `"p4m"`.
        subgroup: Name of the subgroup to pool over, or `None` for the whole point group.
        reduction: `"max"` or `"mean"`.
        region: Sequence of ints, the indices of the elements of U, or `None` for the subgroup itself.
        **kwargs: As in `keras.layers.Layer`.

    Input shape:
        `(batch, *space, S, channels)`, S the order of the point group.

    Output shape:
        `(batch, *space, channels)` if neither a subgroup nor a region is given; `(batch, *space, S / order of the
        subgroup, channels)` over a subgroup, be it the whole group; `(batch, *space, S, channels)` over a region alone.

    Raises:
        ValueError: If a name is unknown, the region is no set of elements or does not suit the subgroup, or the
            input's last axis but one is not S long.

    Example:

    >>> x = keras.random.normal((2, 8, 8, 8, 16))
    >>> print(CosetPooling("p4m")(x).shape)
    (2, 8, 8, 16)
    >>> print(CosetPooling("p4m", "p4")(x).shape)
    (2, 8, 8, 2, 16)
    >>> print(CosetPooling("p4m", region=[0, 1, 3])(x).shape)
    (2, 8, 8, 8, 16)

    Reference:
        [Cohen & Welling, 2016](https://arxiv.org/abs/1602.07576), section 6.3.
    """

    def __init__(
        self,
        symmetry: str,
        subgroup: str | None = None,
        reduction: str = "max",
        region: Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_choice("reduction", reduction, _REDUCTIONS)
        group = get_symmetry(symmetry)
        self.symmetry = symmetry
        self.subgroup = subgroup
        self.reduction = reduction
        self.region = None if region is None else _checked_region(group, subgroup, region)
        self.output_subgroup = subgroup
        self._order, self._dimension = group.order, group.dimension
        self.supports_masking = True
        self._pooled = None  # row i: the elements pooled for the output's orientation i
        if region is not None:
            first = np.arange(group.order) if subgroup is None else group.cosets(subgroup)[:, 0]
            self._pooled = group.product[first][:, self.region]
        elif subgroup is not None:
            self._pooled = group.cosets(subgroup)

    def build(self, input_shape: Shape) -> None:
        if len(input_shape) != self._dimension + 3 or input_shape[-2] != self._order:
            raise ValueError(
                f"`CosetPooling` over {self.symmetry!r} needs a feature map "
                f"{describe_feature_map(self._dimension, self._order)}. Received: input_shape={tuple(input_shape)}"
            )
        self.input_spec = keras.layers.InputSpec(ndim=len(input_shape), axes={-2: self._order})
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        if self._pooled is not None:
            inputs = ops.take(inputs, self._pooled.reshape(-1), axis=-2)
            inputs = ops.reshape(inputs, (-1, *ops.shape(inputs)[1:-2], *self._pooled.shape, inputs.shape[-1]))
        return _REDUCTIONS[self.reduction](inputs, axis=-2)

    def compute_mask(self, inputs: Tensor, previous_mask: Tensor | None = None) -> Tensor | None:
        return None  # a mask says where the input counts; the output has other orientations

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        *space, _, channels = input_shape
        return (*space, channels) if self._pooled is None else (*space, len(self._pooled), channels)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "symmetry": self.symmetry,
            "subgroup": self.subgroup,
            "reduction": self.reduction,
            "region": self.region,
        }


def _checked_region(group, subgroup, region):
    elements = list(region) if isinstance(region, (list, tuple, range, np.ndarray)) else []
    whole = all(isinstance(u, (int, np.integer)) and 0 <= u < group.order for u in elements)
    if not elements or not whole or len(set(elements)) < len(elements):
        raise ValueError(
            f"`region` must hold different indices of elements of {group.name!r}, 0 to {group.order - 1}, at least "
            f"one. Received: region={region}"
        )
    if subgroup is not None:
        moved = np.sort(group.product[group.subgroup(subgroup)][:, elements], axis=1)
        if (moved != np.sort(elements)).any():
            raise ValueError(
                f"`region` must be kept by the elements of `subgroup`, multiplied from the left, for the result to be "
                f"a map on their cosets. Received: region={region}, subgroup={subgroup!r}"
            )
    return [int(u) for u in elements]
