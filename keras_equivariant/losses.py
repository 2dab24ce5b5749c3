"""The squared error of the classic networks, the angular error of estimated light, and a loss of masks."""

from typing import Any

import keras
from keras import ops

from keras_equivariant.metrics import check_same_shape, reproduction_angular_error
from keras_equivariant.typing import DType, Tensor


@keras.saving.register_keras_serializable(package="keras_equivariant")
class HalvedSquaredError(keras.losses.Loss):
    """Half of the squared distance of the outputs from their targets, summed over the classes.

        E = 1/2 sum_k (t_k - y_k)^2

    `keras.losses.MeanSquaredError` takes the mean over the classes instead. By default the loss of a batch is the mean
    over its patterns; `reduction="sum"` gives the notes' sum over all patterns, for which the learning rate must
    shrink as the batch grows.

    Args:
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss.
        dtype: As in `keras.losses.Loss`.

    Input shape:
        Targets and outputs `(batch, classes)`; targets may be `(batch,)` for outputs `(batch, 1)`.

    Raises:
        ValueError: When called, if targets and outputs have different shapes.

    Example:

    >>> print(float(HalvedSquaredError()(np.array([[1.0, -1.0, -1.0]]), np.zeros((1, 3)))))
    1.5

    Reference:
        [Bouvrie, 2006](http://cogprints.org/5869/), equation 1.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "halved_squared_error",
        dtype: DType = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        if len(y_true.shape) == 1 and tuple(y_pred.shape[1:]) == (1,):
            y_true = ops.expand_dims(y_true, -1)
        check_same_shape(y_true, y_pred)
        return 0.5 * ops.sum(ops.square(y_true - y_pred), axis=-1)


@keras.saving.register_keras_serializable(package="keras_equivariant")
class SparseHalvedSquaredError(HalvedSquaredError):
    """`HalvedSquaredError` for integer labels: the target is `high` for the class of the pattern, `low` for others.

    Args:
        low: float, the target of the wrong classes.
        high: float, the target of the right class.
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss.
        dtype: As in `keras.losses.Loss`.

    Input shape:
        Integer labels `(batch,)` or `(batch, 1)` and outputs `(batch, classes)`.

    Raises:
        ValueError: If `low` is not below `high`.

    Example:

    >>> print(float(SparseHalvedSquaredError()(np.array([0]), np.zeros((1, 3)))))
    1.5

    Reference:
        [Bouvrie, 2006](http://cogprints.org/5869/), equation 1 and section 2.1.
    """

    def __init__(
        self,
        low: float = -1.0,
        high: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "sparse_halved_squared_error",
        dtype: DType = None,
    ) -> None:
        super().__init__(reduction=reduction, name=name, dtype=dtype)
        if not low < high:
            raise ValueError(f"`low` must be below `high`. Received: low={low}, high={high}")
        self.low = low
        self.high = high

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        labels = ops.reshape(ops.cast(y_true, "int32"), (-1,))
        one_of_c = ops.one_hot(labels, y_pred.shape[-1], dtype=y_pred.dtype)
        return super().call(self.low + (self.high - self.low) * one_of_c, y_pred)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "low": self.low, "high": self.high}


# Named apart from the metric: both are registered in one list.
@keras.saving.register_keras_serializable(package="keras_equivariant", name="ReproductionAngularErrorLoss")
class ReproductionAngularError(keras.losses.Loss):
    """Reproduction angular error of estimated colours of the light, in degrees.

        E = arccos(sum of r_c / sqrt(3 sum of r_c^2)),   r_c = estimate_c / light_c

    See `metrics.reproduction_angular_error`.

    Args:
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss.
        dtype: As in `keras.losses.Loss`.

    Input shape:
        True and estimated colours of the light, `(batch, 3)`.

    Raises:
        ValueError: When called, if the colours have another shape.

    Example:

    >>> loss = ReproductionAngularError()
    >>> print(f"{float(loss(np.array([[1.0, 1.0, 1.0]]), np.array([[1.0, 1.0, 0.0]]))):.2f}")
    35.26

    Reference:
        [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), equation 29.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "reproduction_angular_error",
        dtype: DType = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return reproduction_angular_error(y_true, y_pred)


@keras.saving.register_keras_serializable(package="keras_equivariant")
class CrossentropyAndDice(keras.losses.Loss):
    """Cross-entropy of the classes of pixels, plus one minus the Dice coefficient of each class.

        L = mean over pixels of -log p(class of the pixel) + mean over classes of (1 - 2 |p t| / (|p| + |t|))

    with the probabilities p, the softmax of the logits, the targets t, 0 or 1, and sums |.| over all pixels of the
    batch. The first part is steady from the start; the second counts a rare class as much as a frequent one. A class
    that the batch does not show counts in the first part only.

    Args:
        ignore_class: int, the label of pixels that do not count, or `None`.
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss.
        dtype: As in `keras.losses.Loss`.

    Input shape:
        Integer labels `(batch, height, width)` and logits `(batch, height, width, classes)`.

    Raises:
        ValueError: If `ignore_class` is no integer; when called, if the shapes do not go together.

    Example:

    >>> loss = CrossentropyAndDice()(np.array([[[0, 1]]]), np.array([[[[9.0, 0.0], [0.0, 9.0]]]]))
    >>> print(f"{float(loss):.4f}")
    0.0002

    Reference:
        [Milletari et al., 2016](https://arxiv.org/abs/1606.04797), section 3, with sums in place of sums of squares.
    """

    def __init__(
        self,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "crossentropy_and_dice",
        dtype: DType = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if ignore_class is not None and (isinstance(ignore_class, bool) or not isinstance(ignore_class, int)):
            raise ValueError(f"`ignore_class` must be an integer or None. Received: ignore_class={ignore_class!r}")
        self.ignore_class = ignore_class

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        check_same_shape(y_true, y_pred[..., 0])
        labels = ops.cast(y_true, "int32")
        counted = ops.ones_like(labels) if self.ignore_class is None else ops.not_equal(labels, self.ignore_class)
        counted = ops.expand_dims(ops.cast(counted, y_pred.dtype), -1)
        # The label of pixels that do not count may be none of the classes.
        target = counted * ops.one_hot(labels, y_pred.shape[-1], dtype=y_pred.dtype)
        probability = counted * ops.softmax(y_pred)
        pixels = tuple(range(1, len(y_pred.shape) - 1))
        counts = ops.maximum(ops.sum(counted, axis=(*pixels, -1)), 1)
        entropy = -ops.sum(target * ops.log_softmax(y_pred), axis=(*pixels, -1)) / counts
        shown = ops.sum(target, axis=(0, *pixels))
        overlap = 2 * ops.sum(target * probability, axis=(0, *pixels))
        dice = overlap / ops.maximum(shown + ops.sum(probability, axis=(0, *pixels)), keras.config.epsilon())
        there = ops.cast(shown > 0, y_pred.dtype)
        return entropy + ops.sum(there * (1 - dice)) / ops.maximum(ops.sum(there), 1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "ignore_class": self.ignore_class}
