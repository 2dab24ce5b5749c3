"""How far an estimated colour of the light is from the true one, and how well masks agree."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from scipy import optimize, sparse

from keras_equivariant.arguments import check_counts, check_number
from keras_equivariant.typing import DType, Tensor


def reproduction_angular_error(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """The angle, in degrees, between white and a white surface after the estimated light has been removed.

        E = arccos(sum of r_c / sqrt(3 sum of r_c^2)),   r_c = estimate_c / light_c

    computed as the arc tangent of `|r x 1| / (r . 1)`, which stays exact for small angles. Neither the brightness of
    the light nor that of the estimate matters. An estimate of zero has no colour and counts as a right angle.

    Args:
        y_true: Colours of the light in linear RGB, all of them positive, `(..., 3)`.
        y_pred: Estimates, of the same shape.

    Returns:
        Errors `(...)`.

    Raises:
        ValueError: If the shapes differ or their last axis is not 3 long.

    Example:

    >>> error = reproduction_angular_error(np.array([[1.0, 2.0, 4.0]]), np.array([[0.5, 1.0, 2.0]]))
    >>> print(ops.convert_to_numpy(error))
    [0.]

    Reference:
        [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), equation 29.
    """
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    check_same_shape(y_true, y_pred)
    if tuple(y_pred.shape)[-1:] not in ((3,), (None,)):
        raise ValueError(f"`y_pred` must be colours (..., 3). Received: y_pred of shape {tuple(y_pred.shape)}")
    dtype = y_pred.dtype if "float" in str(y_pred.dtype) else keras.config.floatx()
    ratios = ops.cast(y_pred, dtype) / ops.cast(y_true, dtype)
    total = ops.sum(ratios, axis=-1)
    deviations = ratios - total[..., None] / 3
    # |r x 1|^2 = 3 |r - mean|^2. The root has no gradient at zero; no gradient is the right one there.
    squares = 3 * ops.sum(ops.square(deviations), axis=-1)
    positive = ops.cast(squares > 0, squares.dtype)
    sine = positive * ops.sqrt(squares + (1 - positive))
    colourless = 1 - ops.cast(ops.sum(ops.square(ratios), axis=-1) > 0, squares.dtype)
    return ops.arctan2(sine + colourless, total) * (180 / math.pi)


def check_same_shape(y_true: Tensor, y_pred: Tensor) -> None:
    """Raises a ValueError if the shapes, as far as they are known, would have to be broadcast."""
    true, pred = (tuple(y.shape if hasattr(y, "shape") else np.shape(y)) for y in (y_true, y_pred))
    if len(true) != len(pred) or any(a != b for a, b in zip(true, pred, strict=True) if None not in (a, b)):
        raise ValueError(f"`y_true` must have the shape of `y_pred`. Received: shapes {true} and {pred}")


@keras.saving.register_keras_serializable(package="keras_equivariant")
class ReproductionAngularError(keras.metrics.MeanMetricWrapper):
    """Mean of the reproduction angular errors, in degrees: see `reproduction_angular_error`.

    Its median, which publications report, needs all errors at once: take it over what the function returns.

    Args:
        name: Name of the metric.
        dtype: As in `keras.metrics.Metric`.

    Input shape:
        True and estimated colours of the light, `(batch, 3)`.

    Raises:
        ValueError: When updated, if the colours have another shape.

    Example:

    >>> metric = ReproductionAngularError()
    >>> metric.update_state(np.array([[1.0, 1.0, 1.0]]), np.array([[1.0, 0.0, 0.0]]))
    >>> print(f"{float(metric.result()):.2f}")
    54.74

    Reference:
        [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), equation 29.
    """

    def __init__(self, name: str | None = "reproduction_angular_error", dtype: DType = None) -> None:
        super().__init__(fn=reproduction_angular_error, name=name, dtype=dtype)
        self._direction = "down"

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype}


@keras.saving.register_keras_serializable(package="keras_equivariant")
class IntersectionOverUnion(keras.metrics.MeanIoU):
    """`keras.metrics.MeanIoU`, and the values of each class.

        IoU = TP / (TP + FP + FN)    of each class, over all pixels so far; their mean

    Args:
        num_classes: As in `keras.metrics.MeanIoU`; so are the others.
        name: Name of the metric.
        dtype: As in `keras.metrics.Metric`.
        ignore_class: int, the label of pixels that do not count, or `None`.
        sparse_y_true: bool, whether labels are integers; else they are one-hot.
        sparse_y_pred: bool, whether predictions are integers; else they are scores, the largest of which counts.
        axis: int, the axis of the classes.

    Input shape:
        Labels and predictions, each `(...)` if they are integers, else `(..., classes)`.

    Raises:
        ValueError: If `num_classes` is no positive integer; when updated, if the shapes do not go together.

    Example:

    >>> metric = IntersectionOverUnion(num_classes=2)
    >>> _ = metric.update_state(np.array([0, 1, 1, 1]), np.array([0, 0, 1, 1]))
    >>> [round(float(value), 2) for value in metric.by_class()]
    [0.5, 0.67]

    Reference:
        [Everingham et al., 2015](https://doi.org/10.1007/s11263-014-0733-5), section 4.3.
    """

    def __init__(self, num_classes: int, *args: Any, **kwargs: Any) -> None:
        check_counts(num_classes=num_classes)
        super().__init__(num_classes, *args, **kwargs)

    def by_class(self) -> np.ndarray:
        """The values of the classes; `nan` for one that is neither there nor predicted."""
        table = ops.convert_to_numpy(self.total_cm).astype("float64")
        return self._ratio(np.diag(table), table.sum(axis=0) + table.sum(axis=1))

    def _ratio(self, hits, sizes):
        return np.divide(hits, sizes - hits, out=np.full(len(hits), np.nan), where=sizes > 0)


@keras.saving.register_keras_serializable(package="keras_equivariant")
class Dice(IntersectionOverUnion):
    """Dice coefficient of each class over all pixels so far, and their mean. Its arguments are those of the IoU.

        Dice = 2 TP / (2 TP + FP + FN)

    Args:
        num_classes: int, the number of classes.
        name: Name of the metric.
        dtype: As in `keras.metrics.Metric`.
        ignore_class: int, the label of pixels that do not count, or `None`.
        sparse_y_true: bool, whether labels are integers; else they are one-hot.
        sparse_y_pred: bool, whether predictions are integers; else they are scores, the largest of which counts.
        axis: int, the axis of the classes.

    Input shape:
        As of `IntersectionOverUnion`.

    Raises:
        ValueError: If `num_classes` is no positive integer; when updated, if the shapes do not go together.

    Example:

    >>> metric = Dice(num_classes=2)
    >>> _ = metric.update_state(np.array([0, 1, 1, 1]), np.array([0, 0, 1, 1]))
    >>> [round(float(value), 2) for value in metric.by_class()]
    [0.67, 0.8]

    Reference:
        [Dice, 1945](https://doi.org/10.2307/1932409).
    """

    def _ratio(self, hits, sizes):
        return np.divide(2 * hits, sizes, out=np.full(len(hits), np.nan), where=sizes > 0)

    def result(self) -> Tensor:
        table = ops.cast(self.total_cm, keras.config.floatx())
        sizes = ops.sum(table, axis=0) + ops.sum(table, axis=1)
        there = ops.cast(sizes > 0, table.dtype)
        dice = 2 * ops.diagonal(table) / (sizes + (1 - there))
        return ops.sum(dice) / ops.maximum(ops.sum(there), 1)


@keras.saving.register_keras_serializable(package="keras_equivariant")
class AveragePrecision(keras.metrics.Metric):
    """Average precision of the objects of label images, at thresholds of their intersection over union.

        AP(t) = TP / (TP + FP + FN),    F1(t) = 2 TP / (2 TP + FP + FN)

    where TP counts the true and the predicted objects that overlap by an IoU of at least t, each in one pair, FP the
    other predicted and FN the other true ones, over all pictures so far. The result is the mean of AP over the
    thresholds. It is computed in NumPy, on pictures of any size, and so not inside of a compiled training step.

    Args:
        thresholds: Sequence of floats above 0 and up to 1.
        name: Name of the metric.
        dtype: As in `keras.metrics.Metric`.

    Input shape:
        Two label images `(height, width)` of integers, or batches of them: 0 for the background, and another number
        for each object.

    Raises:
        ValueError: If a threshold is out of range; when updated, if the shapes differ or the arrays are not integers.

    Example:

    >>> metric = AveragePrecision(thresholds=(0.5, 0.75))
    >>> metric.update_state(np.array([[1, 1, 0, 2, 2]]), np.array([[7, 7, 0, 0, 4]]))
    >>> metric.by_threshold().tolist()
    [1.0, 0.3333333333333333]

    Reference:
        [Schmidt et al., 2018](https://arxiv.org/abs/1806.03535), section 3.
    """

    def __init__(
        self,
        thresholds: Sequence[float] = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9),
        name: str | None = "average_precision",
        dtype: DType = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        if not isinstance(thresholds, Sequence) or not thresholds:
            raise ValueError(f"`thresholds` must be above 0 and up to 1. Received: thresholds={thresholds!r}")
        for threshold in thresholds:
            check_number("thresholds", threshold, "above 0 and up to 1", 0, 1, open_below=True)
        self.thresholds = list(thresholds)
        shape = (3, len(self.thresholds))  # pairs, predicted objects, true objects
        self.counts = self.add_variable(shape, initializer="zeros", name="counts")

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None) -> None:
        true, predicted = (ops.convert_to_numpy(labels) for labels in (y_true, y_pred))
        if (
            true.shape != predicted.shape
            or true.ndim not in (2, 3)
            or {true.dtype.kind, predicted.dtype.kind} - {*"iu"}
        ):
            raise ValueError(
                "`y_true` and `y_pred` must be integers (height, width), or batches of them, of one shape. "
                f"Received: {true.dtype} {true.shape} and {predicted.dtype} {predicted.shape}"
            )
        for pair in zip(true, predicted, strict=True) if true.ndim == 3 else [(true, predicted)]:
            overlaps = _overlaps(*pair)
            pairs = [_count_pairs(overlaps >= threshold) for threshold in self.thresholds]
            found = np.stack([pairs, *(np.full(len(pairs), n) for n in overlaps.shape[::-1])])
            self.counts.assign_add(found.astype("float32"))

    def by_threshold(self) -> np.ndarray:
        """AP at each of the thresholds; 1 where there is no object, neither true nor predicted."""
        pairs, predicted, true = ops.convert_to_numpy(self.counts).astype("float64")
        either = predicted + true - pairs
        return np.divide(pairs, either, out=np.ones(len(pairs)), where=either > 0)

    def f1_by_threshold(self) -> np.ndarray:
        """F1 at each of the thresholds: `2 AP / (1 + AP)`."""
        precision = self.by_threshold()
        return 2 * precision / (1 + precision)

    def result(self) -> Tensor:
        return ops.convert_to_tensor(self.by_threshold().mean(), self.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "thresholds": self.thresholds}


def _overlaps(true, predicted):
    """The IoU of each true object, a row, with each predicted one, a column."""
    (_, true), (_, predicted) = (np.unique(np.append(0, labels), return_inverse=True) for labels in (true, predicted))
    # Pixel 0 was put before those of the picture for the background to be in both lists, as number 0.
    shared = sparse.coo_array(
        (np.ones(true.size - 1), (true[1:], predicted[1:])), (true.max() + 1, predicted.max() + 1)
    )
    shared = shared.toarray()
    either = shared.sum(axis=1, keepdims=True) + shared.sum(axis=0, keepdims=True) - shared
    return (shared / np.maximum(either, 1))[1:, 1:]


def _count_pairs(close):
    """The largest number of pairs, no object in two of them."""
    rows, columns = optimize.linear_sum_assignment(close, maximize=True)
    return close[rows, columns].sum()
