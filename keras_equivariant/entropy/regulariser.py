"""The diffusion spectral entropy as a differentiable regulariser."""

import math
from typing import Any

import keras
from keras import ops

from keras_equivariant.entropy.matrix import check_positive
from keras_equivariant.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_equivariant")
class DiffusionSpectralEntropyRegularizer(keras.regularizers.Regularizer):
    """Adds the diffusion spectral entropy of a batch of activations to the loss: `factor * S`.

    Use it as `activity_regularizer` of a layer. The gradient of a sum over eigenvalues, `sum_i s(lambda_i)`, is
    `V s'(Lambda) V^T`: no derivative of an eigenvector enters, so equal eigenvalues do no harm.

    Args:
        factor: Weight of the entropy in the loss, in units of loss per bit. A negative one rewards entropy.
        sigma: Width of the Gaussian kernel, in the units of the activations.
        t: Diffusion time, any positive number.
        epsilon: Eigenvalues below this count as this. It bounds the gradient, and should be above the rounding error.

    Input shape:
        `(batch, ...)`; axes after the first are flattened. The points are those of the batch.

    Output shape:
        A scalar.

    Raises:
        ValueError: If `factor` is not finite, or `sigma`, `t` or `epsilon` is not positive.

    Example:

    >>> layer = keras.layers.Dense(4, activity_regularizer=DiffusionSpectralEntropyRegularizer(-0.01, sigma=1.0))
    >>> print(layer(np.ones((8, 3))).shape, len(layer.losses))
    (8, 4) 1

    Reference:
        Liu, A Novel Entropy and Mutual Information Measure for High Dimensional Data and Deep Neural Networks,
        equation 4.
    """

    def __init__(self, factor: float = 0.01, sigma: float = 10.0, t: float = 1, epsilon: float = 1e-6) -> None:
        if isinstance(factor, str | bool) or not math.isfinite(factor):
            raise ValueError(f"`factor` must be a finite number. Received: factor={factor!r}")
        for name, value in (("sigma", sigma), ("t", t), ("epsilon", epsilon)):
            check_positive(name, value)
        self.factor = factor
        self.sigma = sigma
        self.t = t
        self.epsilon = epsilon

    def __call__(self, x: Tensor) -> Tensor:
        """The scalar to add to the loss."""
        x = ops.reshape(x, (ops.shape(x)[0], -1))
        matrix = self._matrix(x)
        constant = ops.stop_gradient(matrix)
        eigenvalues, vectors = ops.eigh(constant)
        eigenvalues = ops.maximum(eigenvalues, ops.cast(self.epsilon, eigenvalues.dtype))
        powers = ops.exp(self.t * ops.log(eigenvalues))
        total = ops.sum(powers)
        shares = powers / total
        bits = ops.log(shares) / math.log(2)
        entropy = -ops.sum(shares * bits)
        derivative = -self.t * shares / eigenvalues * (bits + entropy)
        gradient = ops.einsum("ik,k,jk->ij", vectors, derivative, vectors)
        # The second term is 0 and has the gradient of the entropy.
        change = ops.sum(ops.stop_gradient(gradient) * (matrix - constant))
        return self.factor * (ops.stop_gradient(entropy) + change)

    def get_config(self) -> dict[str, Any]:
        return {"factor": self.factor, "sigma": self.sigma, "t": self.t, "epsilon": self.epsilon}

    def _matrix(self, x):
        squares = ops.sum(x * x, axis=1)
        distances = squares[:, None] + squares - 2 * ops.einsum("ik,jk->ij", x, x)
        kernel = ops.exp(distances / (-2 * self.sigma**2))
        scale = 1 / ops.sqrt(ops.sum(kernel, axis=1))
        return kernel * scale[:, None] * scale
