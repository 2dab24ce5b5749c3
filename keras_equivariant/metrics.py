"""How far an estimated colour of the light is from the true one."""

import math
from typing import Any

import keras
from keras import ops

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
    if y_pred.shape[-1] not in (3, None):
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
    true, pred = tuple(y_true.shape), tuple(y_pred.shape)
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
