"""Weights that stay where a symmetry wants them: the projection onto offset-equivariant kernels."""

import itertools
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_equivariant.symmetry import get_symmetry
from keras_equivariant.typing import Network, Size, Tensor


@keras.saving.register_keras_serializable(package="keras_equivariant")
class OffsetProjection(keras.constraints.Constraint):
    """Projects a kernel onto the kernels of offset-equivariant linear maps.

    Channels are split into `feature_groups` contiguous blocks of equal size, which `G_m` (m input channels) and `G_n`
    (n output channels) describe. Seen as matrices `W_st` (n rows), one for each tap, a kernel is offset-equivariant
    if `(sum of W_st) G_m = G_n`, and the closest such kernel, over all taps together, is

        W_ij - ((sum of W_st) G_m - G_n) G_m^+ / taps

    that is, each output keeps the sum of its weights over the taps and over each group of input channels at 1 for
    its own group and at 0 for the others. (As printed, the paper's equation 17 is no projection: it scales all
    weights by `1 / taps`, whenever it is applied.)

    A kernel of a group convolution has an axis of orientations, over which the sum runs too; the taps are those that
    the filter expansion keeps, on p6 a hexagon of them. The outputs of a
    transposed convolution fall into phases, one for each position within a stride, that have no tap in common: each
    phase is projected by itself.

    Keras applies constraints after each update of an optimizer only. The `Offset` layers project the initial kernel
    too; after anything else that changes weights, such as averaging them, call `project_constraints`.

    Args:
        feature_groups: int, the number of groups: 3 for colour, 1 for brightness.
        transposed: bool, whether the kernel is that of a transposed convolution, with axes `(*kernel_size, outputs,
            inputs)`. A shape alone cannot tell.
        strides: int or tuple of ints, the strides of that transposed convolution.
        symmetry: Name of the symmetry group, if the kernel is that of a group convolution.

    Raises:
        ValueError: If an argument is not positive or the name is unknown, or, when applied, if the numbers of input
            and output channels are not multiples of `feature_groups`.

    Example:

    >>> kernel = OffsetProjection(feature_groups=2)(np.ones((4, 2)))
    >>> print(ops.convert_to_numpy(kernel))
    [[0.5 0. ]
     [0.5 0. ]
     [0.  0.5]
     [0.  0.5]]

    Reference:
        [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), equations 11 and 16.
    """

    def __init__(
        self, feature_groups: int = 3, transposed: bool = False, strides: Size = 1, symmetry: str | None = None
    ) -> None:
        strides_given = strides if isinstance(strides, tuple | list) else (strides,)
        for name, values in (("feature_groups", (feature_groups,)), ("strides", strides_given)):
            if not values or not all(isinstance(value, int) and value > 0 for value in values):
                received = feature_groups if name == "feature_groups" else strides
                raise ValueError(f"`{name}` must be positive. Received: {name}={received!r}")
        self.feature_groups = feature_groups
        self.transposed = transposed
        self.strides = tuple(strides) if isinstance(strides, tuple | list) else strides
        if symmetry is not None and transposed:
            raise ValueError(f"`symmetry` must be None if transposed=True. Received: symmetry={symmetry!r}")
        self.symmetry = None if symmetry is None else get_symmetry(symmetry).name

    def __call__(self, w: Tensor) -> Tensor:
        w = ops.convert_to_tensor(w)
        if len(w.shape) < 2:
            raise ValueError(f"`w` must have at least two axes. Received: a weight of shape {tuple(w.shape)}")
        if not self.transposed:
            return w - self._excess(w)
        w = ops.swapaxes(w, -2, -1)
        return ops.swapaxes(w - self._excess_of_phases(w), -2, -1)

    def _excess(self, w):
        """What to take away from every tap; `w` is `(..., inputs, outputs)`."""
        *taps, inputs, outputs = w.shape
        groups = self.feature_groups
        if inputs % groups != 0 or outputs % groups != 0:
            raise ValueError(
                f"The numbers of input and output channels must be multiples of `feature_groups`. "
                f"Received: feature_groups={groups}, a kernel with {inputs} inputs and {outputs} outputs"
            )
        used = self._used_taps(taps)
        # Sums only: they are computed in float64 on every backend.
        seen = w if used is None else w * ops.convert_to_tensor(used, dtype=w.dtype)
        sums = ops.sum(ops.reshape(seen, (-1, groups, inputs // groups, outputs)), axis=(0, 2))
        wanted = ops.convert_to_tensor(np.repeat(np.eye(groups), outputs // groups, axis=1), dtype=w.dtype)
        number = int(np.prod(taps)) if used is None else int(np.broadcast_to(used, (*taps, 1, 1)).sum())
        return ops.repeat((sums - wanted) / (number * (inputs // groups)), inputs // groups, axis=0)

    def _used_taps(self, taps):
        """Where the filters of a group convolution reach, to be multiplied with the kernel; `None` if everywhere."""
        if self.symmetry is None:
            return None
        group = get_symmetry(self.symmetry)
        interior = group.interior(taps[: group.dimension])
        return None if interior.all() else interior.reshape(*interior.shape, *[1] * (len(taps) + 2 - interior.ndim))

    def _excess_of_phases(self, w):
        size = w.shape[:-2]
        strides = self.strides if isinstance(self.strides, tuple) else (self.strides,) * len(size)
        if len(strides) != len(size):
            raise ValueError(
                f"`strides` must be one number or one for each of the kernel's {len(size)} spatial axes. "
                f"Received: strides={self.strides}"
            )
        # Phase by phase, then each tap takes the excess of its phase.
        phases = list(itertools.product(*(range(min(s, n)) for s, n in zip(strides, size, strict=True))))
        excess = [
            self._excess(w[tuple(slice(start, None, s) for start, s in zip(phase, strides, strict=True))])
            for phase in phases
        ]
        taps = [tuple(t % s for t, s in zip(tap, strides, strict=True)) for tap in np.ndindex(*size)]
        phase_of_tap = np.array([phases.index(phase) for phase in taps], dtype="int32")
        return ops.reshape(ops.take(ops.stack(excess), phase_of_tap, axis=0), w.shape)

    def get_config(self) -> dict[str, Any]:
        config = {"feature_groups": self.feature_groups, "transposed": self.transposed, "strides": self.strides}
        return {**config, "symmetry": self.symmetry}


def project_constraints(model: Network) -> Network:
    """Applies the constraint of every variable once more.

    Keras does so after each update of an optimizer. Do it by hand after everything else that changes weights: the
    exponential moving average of an optimizer (`use_ema=True`), weights loaded from elsewhere, weights that were
    averaged over several runs.

    Args:
        model: A Keras model or layer.

    Returns:
        The model.

    Example:

    >>> layer = keras.layers.Dense(4, kernel_constraint=OffsetProjection(2))
    >>> y = layer(np.ones((1, 2)))
    >>> print(ops.convert_to_numpy(project_constraints(layer).kernel))
    [[1. 1. 0. 0.]
     [0. 0. 1. 1.]]

    Reference:
        [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), equation 11.
    """
    for variable in model.variables:
        if variable.constraint is not None:
            variable.assign(variable.constraint(variable))
    return model
