"""Activation functions of the classic networks, and the sparse softmax."""

import math
from typing import Any, Self

import keras
import numpy as np
from keras import ops

from keras_equivariant.arguments import check_number
from keras_equivariant.typing import Tensor


class _Activation:
    """What Keras asks of an activation function that has arguments."""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**config)


@keras.saving.register_keras_serializable(package="keras_equivariant")
class ScaledTanh(_Activation):
    """Hyperbolic tangent with an amplitude and a slope.

        f(x) = a tanh(b x)

    With the defaults f(1) = 1 and f(-1) = -1, where the curvature is largest: targets of +1 and -1 can be reached
    without driving the units into saturation.

    Args:
        amplitude: float, a.
        slope: float, b.

    Raises:
        ValueError: If a number is not positive.

    Example:

    >>> print(keras.layers.Dense(4, activation=ScaledTanh())(np.ones((2, 3))).shape)
    (2, 4)
    >>> print(round(float(ScaledTanh()(1.0)), 4))
    1.0

    Reference:
        [Bouvrie, 2006](http://cogprints.org/5869/), section 2.1.
    """

    def __init__(self, amplitude: float = 1.7159, slope: float = 2 / 3) -> None:
        _check_positive(amplitude=amplitude, slope=slope)
        self.amplitude = amplitude
        self.slope = slope

    def __call__(self, x: Tensor) -> Tensor:
        return self.amplitude * ops.tanh(self.slope * x)

    def get_config(self) -> dict[str, Any]:
        return {"amplitude": self.amplitude, "slope": self.slope}


@keras.saving.register_keras_serializable(package="keras_equivariant")
class Logistic(_Activation):
    """Logistic function with a slope.

        f(x) = 1 / (1 + exp(-beta x))

    Args:
        slope: float, beta.

    Raises:
        ValueError: If the slope is not positive.

    Example:

    >>> print(keras.layers.Dense(4, activation=Logistic(slope=2.0))(np.ones((2, 3))).shape)
    (2, 4)

    Reference:
        [Bouvrie, 2006](http://cogprints.org/5869/), section 2.1.
    """

    def __init__(self, slope: float = 1.0) -> None:
        _check_positive(slope=slope)
        self.slope = slope

    def __call__(self, x: Tensor) -> Tensor:
        return ops.sigmoid(self.slope * x)

    def get_config(self) -> dict[str, Any]:
        return {"slope": self.slope}


@keras.saving.register_keras_serializable(package="keras_equivariant")
def sparsemax(x: Tensor, axis: int = -1) -> Tensor:
    """The point of the probability simplex nearest to `x`: like a softmax, but with zeros.

        y_i = max(x_i - t, 0),  with t such that sum_i y_i = 1

    Entries far below the largest one become exactly zero, and then their gradient is zero too.

    Args:
        x: Tensor.
        axis: int, the axis along which the result sums to one; its length must be known.

    Returns:
        Tensor of the same shape.

    Raises:
        ValueError: If `x` does not hold floating-point numbers.

    Example:

    >>> print(ops.convert_to_numpy(sparsemax(np.array([0.5, 0.5, 0.5]))).round(3).tolist())
    [0.333, 0.333, 0.333]
    >>> print(ops.convert_to_numpy(sparsemax(np.array([2.0, 1.5, 0.0]))).tolist())
    [0.75, 0.25, 0.0]

    Reference:
        [Martins & Astudillo, 2016](https://arxiv.org/abs/1602.02068), algorithm 1.
    """
    x = ops.convert_to_tensor(x)
    if "float" not in str(x.dtype):
        raise ValueError(f"`x` must hold floating-point numbers. Received: x of dtype {x.dtype}")
    x = ops.moveaxis(x, axis, -1)
    dtype = x.dtype
    if "float16" in str(dtype):  # or bfloat16: too few bits to add numbers up in
        x = ops.cast(x, "float32")
    count = x.shape[-1]
    descending = ops.flip(ops.sort(x, axis=-1), axis=-1)
    ranks = ops.convert_to_tensor(np.arange(1, count + 1), dtype=x.dtype)
    # A product with a triangle of ones: PyTorch's cumulative sum leaves float64.
    triangle = ops.convert_to_tensor(np.triu(np.ones((count, count))), dtype=x.dtype)
    # The axes are named: on some processors, TensorFlow gets an ellipsis wrong.
    others = "abcdefgh"[: len(x.shape) - 1]
    sums = ops.einsum(f"{others}i,ij->{others}j", descending, triangle)
    # The first entries in descending order, as many as stay positive when their own surplus over 1 is taken off.
    positive = ops.cast(descending * ranks + 1 > sums, x.dtype)
    surplus = ops.sum(positive * descending, axis=-1, keepdims=True) - 1
    y = ops.relu(x - surplus / ops.sum(positive, axis=-1, keepdims=True))
    return ops.cast(ops.moveaxis(y, -1, axis), dtype)


def _check_positive(**numbers):
    for name, number in numbers.items():
        check_number(name, number, "positive", 0, math.inf, open_below=True)
