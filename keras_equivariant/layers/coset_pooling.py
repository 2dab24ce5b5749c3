"""Pooling over the cosets of a subgroup."""

import keras
from keras import ops

from keras_equivariant.symmetry import get_symmetry


def _mean(x, axis):
    return ops.sum(x, axis=axis) / x.shape[axis]


_REDUCTIONS = {"max": ops.max, "mean": _mean}


@keras.saving.register_keras_serializable(package="keras_equivariant")
class CosetPooling(keras.layers.Layer):
    """Pools a feature map on a group over the cosets of a subgroup.

    For a map `f` on G and a subgroup H of its point group,

        y(gH) = max { f(gh) : h in H }

    Pooling over the whole point group (the default) returns an ordinary planar map, which moves with the image
    and no longer says in which orientation a feature was found. The map on a quotient that pooling over a smaller
    subgroup returns is read by the next `GroupConv2D(..., input_subgroup=subgroup)`.

    Args:
        symmetry: Name of the input's symmetry group, such as `"p4"` or `"p4m"`.
        subgroup: Name of the subgroup to pool over, or `None` for the whole point group.
        reduction: `"max"` or `"mean"`.
        **kwargs: As in `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, S, channels)`, S the order of the point group.

    Output shape:
        `(batch, height, width, channels)` over the whole group, else
        `(batch, height, width, S / order of the subgroup, channels)`.

    Raises:
        ValueError: If a name is unknown, or the input's fourth axis is not S long.

    Example:

    >>> x = keras.random.normal((2, 8, 8, 8, 16))
    >>> print(CosetPooling("p4m")(x).shape)
    (2, 8, 8, 16)
    >>> print(CosetPooling("p4m", "p4")(x).shape)
    (2, 8, 8, 2, 16)

    Reference:
        [Cohen & Welling, 2016](https://arxiv.org/abs/1602.07576), section 6.3.
    """

    def __init__(self, symmetry, subgroup=None, reduction="max", **kwargs):
        super().__init__(**kwargs)
        if reduction not in _REDUCTIONS:
            raise ValueError(f"`reduction` must be one of {sorted(_REDUCTIONS)}. Received: reduction={reduction!r}")
        group = get_symmetry(symmetry)
        self.symmetry = symmetry
        self.subgroup = subgroup
        self.reduction = reduction
        self._order, self._dimension = group.order, group.dimension
        self._cosets = None if subgroup is None else group.cosets(subgroup)

    def build(self, input_shape):
        if len(input_shape) != self._dimension + 3 or input_shape[-2] != self._order:
            space = ("depth, ", "height, ", "width, ")[-self._dimension :]
            raise ValueError(
                f"`CosetPooling` over {self.symmetry!r} needs a feature map (batch, {''.join(space)}{self._order}, "
                f"channels). Received: input_shape={tuple(input_shape)}"
            )
        self.built = True

    def call(self, inputs):
        if self._cosets is not None:
            inputs = ops.take(inputs, self._cosets.reshape(-1), axis=-2)
            inputs = ops.reshape(inputs, (-1, *ops.shape(inputs)[1:-2], *self._cosets.shape, inputs.shape[-1]))
        return _REDUCTIONS[self.reduction](inputs, axis=-2)

    def compute_output_shape(self, input_shape):
        *space, _, channels = input_shape
        return (*space, channels) if self._cosets is None else (*space, len(self._cosets), channels)

    def get_config(self):
        return {
            **super().get_config(),
            "symmetry": self.symmetry,
            "subgroup": self.subgroup,
            "reduction": self.reduction,
        }
