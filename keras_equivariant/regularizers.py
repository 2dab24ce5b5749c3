"""Penalties on weights."""

import math
from typing import Any

import keras
from keras import ops

from keras_equivariant.arguments import check_number
from keras_equivariant.typing import Tensor

# Added inside the logarithm, so that the derivative at a weight of exactly zero is finite.
_TINY = 1e-7


@keras.saving.register_keras_serializable(package="keras_equivariant")
class EntropyRegularizer(keras.regularizers.Regularizer):
    """Penalises the entropy of weights that are probabilities, which concentrates them on few.

        penalty = - entropy * sum_i a_i log a_i

    It is largest for equal weights and zero when all weight is on one. The sum of |a_i|, which serves that purpose
    elsewhere, is always 1 for probabilities and does nothing (see `CombinationConv2D`).

    Args:
        entropy: float, the factor of the penalty, in units of the loss for each nat.

    Raises:
        ValueError: If the factor is negative.

    Example:

    >>> equal = np.full((4, 1), 0.25, "float32")
    >>> print(round(float(EntropyRegularizer(1.0)(equal)), 3))
    1.386

    Reference:
        In place of equation 11 of [Bouvrie, 2006](http://cogprints.org/5869/).
    """

    def __init__(self, entropy: float = 0.01) -> None:
        check_number("entropy", entropy, "at least 0", 0, math.inf)
        self.entropy = entropy

    def __call__(self, x: Tensor) -> Tensor:
        x = ops.convert_to_tensor(x)
        return -self.entropy * ops.sum(x * ops.log(x + _TINY))

    def get_config(self) -> dict[str, Any]:
        return {"entropy": self.entropy}
