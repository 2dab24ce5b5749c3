"""Pooling over the cosets of a subgroup of translations."""

from typing import Any

import keras
from keras import ops

from keras_equivariant.layers.extremes import largest
from keras_equivariant.layers.inputs import OneInputOfAnyNumbers
from keras_equivariant.typing import Shape, Size, Tensor

_REDUCTIONS = ("max", "mean")


@keras.saving.register_keras_serializable(package="keras_equivariant")
class TranslationCosetPooling(OneInputOfAnyNumbers):
    """Pools a map over all translations by multiples of n: what is left is a map on a small ring or torus.

    For a map `f` on Z and the subgroup nZ of shifts by multiples of n, whose cosets are the positions that differ by
    multiples of n,

        y(r) = max { f(r + k n) : k in Z },   r = 0 ... n - 1;    or the mean of them

    a map on Z/nZ. If f is shifted by t cells, y is turned by t cells, cyclically, `y'(r) = y(r - t mod n)`: shifts by
    multiples of n do not change it at all. This is exact if what leaves the map on one side comes in on the other, as
    for maps that repeat (`padding="wrap"` in the layers before), or if nothing of the map's extremes or sum leaves it.
    Layers after it that repeat the map, such as `GroupConv2D(padding="wrap")`, respect the cyclic law; a `Flatten` and
    a dense layer see where in the period a feature lies. With n = 1 it is global pooling.

    On a map on a symmetry group, `(batch, height, width, S, channels)`, the orientations stay, and the result turns
    with the map: a map on the quotient of the whole group by these translations, which are a normal subgroup.

    Args:
        n: int or tuple of ints, the period in cells, for each spatial axis, which are the first axes after the batch.
            One int is meant for the axis of a signal, or for height and width; volumes need three.
        reduction: `"max"` or `"mean"`.
        **kwargs: As in `keras.layers.Layer`.

    Input shape:
        `(batch, length, channels)`, `(batch, height, width, channels)` or `(batch, height, width, S, channels)`;
        `(batch, depth, height, width, channels)` for three periods. Sizes are known, and multiples of the periods.

    Output shape:
        That of the input with the periods in the place of the sizes.

    Raises:
        ValueError: If an argument has a value that is not supported, or a size of the input is no multiple of its
            period.

    Example:

    >>> signal = np.array([[[1.0], [5.0], [2.0], [0.0], [3.0], [4.0]]])
    >>> print(keras.ops.convert_to_numpy(TranslationCosetPooling(3)(signal))[0, :, 0])
    [1. 5. 4.]
    >>> print(TranslationCosetPooling(2)(keras.random.normal((2, 8, 6, 4, 16))).shape)
    (2, 2, 2, 4, 16)

    Reference:
        [Cohen & Welling, 2016](https://arxiv.org/abs/1602.07576), section 6.3.
    """

    def __init__(self, n: Size, reduction: str = "max", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        periods = n if isinstance(n, tuple | list) else (n,)
        if len(periods) > 3 or not periods or not all(type(period) is int and period > 0 for period in periods):
            raise ValueError(f"`n` must be a positive integer, or up to three of them. Received: n={n!r}")
        if reduction not in _REDUCTIONS:
            raise ValueError(f"`reduction` must be one of {_REDUCTIONS}. Received: reduction={reduction!r}")
        self.n = tuple(n) if isinstance(n, tuple | list) else n
        self.reduction = reduction

    def build(self, input_shape: Shape) -> None:
        self.compute_output_shape(input_shape)
        self.built = True

    def _periods(self, rank):
        """The period of each spatial axis of an input with so many axes."""
        return self.n if isinstance(self.n, tuple) else (self.n,) * (1 if rank == 3 else 2)

    def call(self, inputs: Tensor) -> Tensor:
        periods = self._periods(len(inputs.shape))
        space, rest = inputs.shape[1 : len(periods) + 1], ops.shape(inputs)[len(periods) + 1 :]
        split = [part for size, period in zip(space, periods, strict=True) for part in (size // period, period)]
        axes = tuple(range(1, 2 * len(periods), 2))
        x = ops.reshape(inputs, (-1, *split, *rest))
        if self.reduction == "max":
            return largest(x, axes)
        count = 1
        for axis in axes:
            count *= x.shape[axis]
        return ops.sum(x, axis=axes) / count

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        periods = self._periods(len(input_shape))
        space = input_shape[1 : len(periods) + 1]
        fits = len(input_shape) in (len(periods) + 2, len(periods) + 3) and all(
            size is not None and size % period == 0 for size, period in zip(space, periods, strict=False)
        )
        if not fits:
            raise ValueError(
                f"`TranslationCosetPooling` needs a map (batch, *space[, S], channels) whose sizes are known multiples "
                f"of the periods {periods}. Received: input_shape={tuple(input_shape)}"
            )
        return (input_shape[0], *periods, *input_shape[len(periods) + 1 :])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "n": self.n, "reduction": self.reduction}
