"""Weights that stay where a symmetry wants them: the projection onto offset-equivariant kernels."""

import inspect
import itertools
import traceback
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_equivariant.arguments import check_model
from keras_equivariant.channel_groups import (
    are_equal_blocks,
    assignment_matrix,
    check_feature_groups,
    count_groups,
    describes,
    group_of_channels,
    sizes_of_groups,
)
from keras_equivariant.sampling import warn_of
from keras_equivariant.symmetry import get_symmetry
from keras_equivariant.typing import FeatureGroups, Network, Size, Tensor

TOLERANCE = 1e-3  # of sums of weights, which are 1 or 0
TOLERANCE_16_BITS = 0.1


class ConstraintWarning(UserWarning):
    """Weights do not satisfy the constraint that a symmetry rests on, or will not."""


@keras.saving.register_keras_serializable(package="keras_equivariant")
class OffsetProjection(keras.constraints.Constraint):
    """Projects a kernel onto the kernels of offset-equivariant linear maps.

    Channels belong to groups, contiguous blocks of equal size if `feature_groups` is their number, which `G_m` (m input
    channels) and `G_n` (n output channels) describe. Seen as matrices `W_st` (n rows), one for each tap, a kernel is
    offset-equivariant if `(sum of W_st) G_m = G_n`, and the closest such kernel, over all taps together, is

        W_ij - ((sum of W_st) G_m - G_n) G_m^+ / taps

    that is, each output keeps the sum of its weights over the taps and over each group of input channels at 1 for
    its own group and at 0 for the others. (As printed, the paper's equation 17 is no projection: it scales all
    weights by `1 / taps`, whenever it is applied.)

    A kernel of a group convolution has an axis of orientations, over which the sum runs too; the taps are those that
    the filter expansion keeps, on p6 a hexagon of them. The outputs of a transposed convolution fall into phases, one
    for each position within a stride, that have no tap in common: each phase is projected by itself.

    Keras applies constraints after each update of an optimizer only. The `Offset` layers project the initial kernel
    too. After anything else that changes weights, such as averaging them, call `project_constraints`; the callback
    `callbacks.ProjectConstraints` does it around the averages of an optimizer. Or build the layers with
    `projection="forward"`, which projects in each forward pass, so that nothing can be forgotten.

    Args:
        feature_groups: int, the number of groups: 3 for colour, 1 for brightness; or, for groups of unequal size or in
            any order, a sequence of ints about the input channels: the sizes of contiguous groups, or the group of each
            channel, counted from 0. (A sequence with a 0 in it is the latter.)
        transposed: bool, whether the kernel is that of a transposed convolution, with axes `(*kernel_size, outputs,
            inputs)`. A shape alone cannot tell.
        strides: int or tuple of ints, the strides of that transposed convolution.
        symmetry: Name of the symmetry group, if the kernel is that of a group convolution.
        output_groups: The same as `feature_groups` about the output channels; `None` for blocks of equal size.

    Raises:
        ValueError: If an argument is not positive or the name is unknown, or, when applied, if the input or output
            channels do not split into these groups.

    Example:

    >>> kernel = OffsetProjection(feature_groups=2)(np.ones((4, 2)))
    >>> print(ops.convert_to_numpy(kernel))
    [[0.5 0. ]
     [0.5 0. ]
     [0.  0.5]
     [0.  0.5]]

    Reference:
        [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), equations 3, 11 and 16.
    """

    def __init__(
        self,
        feature_groups: FeatureGroups = 3,
        transposed: bool = False,
        strides: Size = 1,
        symmetry: str | None = None,
        output_groups: FeatureGroups | None = None,
    ) -> None:
        self.feature_groups = check_feature_groups(feature_groups)
        self.output_groups = None if output_groups is None else check_feature_groups(output_groups, "output_groups")
        strides_given = strides if isinstance(strides, tuple | list) else (strides,)
        if not strides_given or not all(isinstance(value, int) and value > 0 for value in strides_given):
            raise ValueError(f"`strides` must be positive. Received: strides={strides!r}")
        self.transposed = transposed
        self.strides = tuple(strides) if isinstance(strides, tuple | list) else strides
        if symmetry is not None and transposed:
            raise ValueError(f"`symmetry` must be None if transposed=True. Received: symmetry={symmetry!r}")
        self.symmetry = None if symmetry is None else get_symmetry(symmetry).name
        self._has_met_its_optimizer = False

    def __call__(self, w: Tensor) -> Tensor:
        self._warn_of_averages()
        w = self._checked(w)
        if not self.transposed:
            return w - self._excess(w)
        w = ops.swapaxes(w, -2, -1)
        return ops.swapaxes(w - self._excess_of_phases(w), -2, -1)

    def violation(self, w: Tensor) -> float:
        """How far a kernel is from satisfying the constraint: the largest deviation of a sum from 1 or from 0."""
        w = self._checked(w)
        parts = [phase for _, phase in self._phases(ops.swapaxes(w, -2, -1))] if self.transposed else [w]
        return max(float(np.abs(ops.convert_to_numpy(self._deviation(part))).max()) for part in parts)

    def _checked(self, w):
        w = ops.convert_to_tensor(w)
        if len(w.shape) < 2:
            raise ValueError(f"`w` must have at least two axes. Received: a weight of shape {tuple(w.shape)}")
        return w

    def _groups_of_outputs(self):
        return count_groups(self.feature_groups) if self.output_groups is None else self.output_groups

    def _deviation(self, w):
        """`(sum of W_st) G_m - G_n`, `(groups, outputs)`; `w` is `(..., inputs, outputs)`."""
        *taps, inputs, outputs = w.shape
        for channels, groups in ((inputs, self.feature_groups), (outputs, self._groups_of_outputs())):
            if not describes(groups, channels):
                raise ValueError(
                    f"The numbers of input and output channels must be multiples of `feature_groups`, or as many as it "
                    f"and `output_groups` describe. Received: feature_groups={self.feature_groups}, "
                    f"output_groups={self.output_groups}, a kernel with {inputs} inputs and {outputs} outputs"
                )
        used = self._used_taps(taps)
        seen = w if used is None else w * ops.convert_to_tensor(used, dtype=w.dtype)
        # Sums: they are computed in float64 on every backend.
        if are_equal_blocks(self.feature_groups, inputs):
            groups = count_groups(self.feature_groups)
            sums = ops.sum(ops.reshape(seen, (-1, groups, inputs // groups, outputs)), axis=(0, 2))
        else:
            matrix = ops.convert_to_tensor(assignment_matrix(self.feature_groups, inputs), dtype=w.dtype)
            sums = ops.einsum("ig,io->go", matrix, ops.sum(ops.reshape(seen, (-1, inputs, outputs)), axis=0))
        return sums - ops.convert_to_tensor(assignment_matrix(self._groups_of_outputs(), outputs).T, dtype=w.dtype)

    def _excess(self, w):
        """What to take away from every tap; `w` is `(..., inputs, outputs)`."""
        deviation = self._deviation(w)
        *taps, inputs, _ = w.shape
        used = self._used_taps(taps)
        number = int(np.prod(taps)) if used is None else int(np.broadcast_to(used, (*taps, 1, 1)).sum())
        group = group_of_channels(self.feature_groups, inputs)
        if are_equal_blocks(self.feature_groups, inputs):
            block = inputs // count_groups(self.feature_groups)
            return ops.repeat(deviation / (number * block), block, axis=0)
        sizes = number * sizes_of_groups(self.feature_groups, inputs)
        return ops.take(deviation / ops.convert_to_tensor(sizes[:, None], dtype=w.dtype), group, axis=0)

    def _used_taps(self, taps):
        """Where the filters of a group convolution reach, to be multiplied with the kernel; `None` if everywhere."""
        if self.symmetry is None:
            return None
        group = get_symmetry(self.symmetry)
        interior = group.interior(taps[: group.dimension])
        return None if interior.all() else interior.reshape(*interior.shape, *[1] * (len(taps) + 2 - interior.ndim))

    def _phases(self, w):
        """The taps that an output of a transposed convolution meets, for each place within a stride."""
        size = w.shape[:-2]
        strides = self.strides if isinstance(self.strides, tuple) else (self.strides,) * len(size)
        if len(strides) != len(size):
            raise ValueError(
                f"`strides` must be one number or one for each of the kernel's {len(size)} spatial axes. "
                f"Received: strides={self.strides}"
            )
        for phase in itertools.product(*(range(min(s, n)) for s, n in zip(strides, size, strict=True))):
            yield phase, w[tuple(slice(start, None, s) for start, s in zip(phase, strides, strict=True))]

    def _excess_of_phases(self, w):
        # Phase by phase, then each tap takes the excess of its phase.
        phases, parts = zip(*self._phases(w), strict=True)
        excess = [self._excess(part) for part in parts]
        size = w.shape[:-2]
        strides = self.strides if isinstance(self.strides, tuple) else (self.strides,) * len(size)
        taps = [tuple(t % s for t, s in zip(tap, strides, strict=True)) for tap in np.ndindex(*size)]
        phase_of_tap = np.array([phases.index(phase) for phase in taps], dtype="int32")
        return ops.reshape(ops.take(ops.stack(excess), phase_of_tap, axis=0), w.shape)

    def _warn_of_averages(self):
        """Warns once if it is an optimizer that applies this, and one that averages weights before the projection."""
        if self._has_met_its_optimizer:
            return
        optimizer = _calling_optimizer()
        self._has_met_its_optimizer = optimizer is not None
        if optimizer is not None and optimizer.use_ema:
            warn_of(
                f"`{type(optimizer).__name__}(use_ema=True)` averages kernels before they are projected, so that the "
                f"averages are not offset-equivariant. Give `fit` and `evaluate` the callback "
                f"`callbacks.ProjectConstraints()`, after `SwapEMAWeights` if there is one; or build the layers with "
                f"projection='forward'. Received: use_ema=True",
                ConstraintWarning,
            )

    def is_projected_elsewhere(self) -> None:
        """Says that averages of an optimizer are taken care of: no warning."""
        self._has_met_its_optimizer = True

    def get_config(self) -> dict[str, Any]:
        config = {"feature_groups": self.feature_groups, "transposed": self.transposed, "strides": self.strides}
        return {**config, "symmetry": self.symmetry, "output_groups": self.output_groups}


def _calling_optimizer():
    """The optimizer among the callers, if there is one: Keras tells a constraint nothing but the weight."""
    frames = itertools.islice(traceback.walk_stack(inspect.currentframe()), 16)
    owners = (frame.f_locals.get("self") for frame, _ in frames)
    return next((owner for owner in owners if isinstance(owner, keras.optimizers.Optimizer)), None)


def project_constraints(model: Network) -> Network:
    """Applies the constraint of every variable once more.

    Keras does so after each update of an optimizer. Do it by hand after everything else that changes weights: the
    exponential moving average of an optimizer (`use_ema=True`), weights loaded from elsewhere, weights that were
    averaged over several runs.

    Args:
        model: A Keras model or layer.

    Returns:
        The model.

    Raises:
        ValueError: If it is neither.

    Example:

    >>> layer = keras.layers.Dense(4, kernel_constraint=OffsetProjection(2))
    >>> y = layer(np.ones((1, 2)))
    >>> print(ops.convert_to_numpy(project_constraints(layer).kernel))
    [[1. 1. 0. 0.]
     [0. 0. 1. 1.]]

    Reference:
        [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), equation 11.
    """
    check_model(model)
    for variable in model.variables:
        if variable.constraint is not None:
            variable.assign(variable.constraint(variable))
    return model


def constraint_violations(model: Network) -> dict[str, float]:
    """Measures how far the kernels with an `OffsetProjection` are from their constraint.

    Args:
        model: A Keras model or layer.

    Returns:
        A dictionary from the paths of the variables to the largest deviation of a sum of weights from 1 or from 0:
        about 1e-6 in float32 where the constraint holds.

    Raises:
        ValueError: If it is neither.

    Example:

    >>> layer = keras.layers.Dense(4, kernel_constraint=OffsetProjection(2), kernel_initializer="ones")
    >>> y = layer(np.ones((1, 2)))
    >>> list(constraint_violations(layer).values()), list(constraint_violations(project_constraints(layer)).values())
    ([1.0], [0.0])

    Reference:
        [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), equation 16.
    """
    check_model(model)
    projected = [variable for variable in model.variables if isinstance(variable.constraint, OffsetProjection)]
    return {variable.path: variable.constraint.violation(variable) for variable in projected}


def warn_of_violation(variable: keras.Variable) -> None:
    """Warns if a variable does not satisfy its `OffsetProjection`; one that has none is refused."""
    if not isinstance(getattr(variable, "constraint", None), OffsetProjection):
        raise ValueError(f"`variable` must be one with an OffsetProjection. Received: variable={variable!r}")
    violation = variable.constraint.violation(variable)
    if not violation < (TOLERANCE if "16" not in variable.dtype else TOLERANCE_16_BITS):  # not a number is not
        message = (
            f"The kernel {variable.path!r} is not offset-equivariant: a sum of its weights that should be 1 or 0 is "
            f"off by {violation:.2g}. `constraints.project_constraints(model)` projects it; the callback "
            "`callbacks.ProjectConstraints` does while a model trains on averages of weights; with "
            "projection='forward' nothing can change it."
        )
        warn_of(message, ConstraintWarning)
