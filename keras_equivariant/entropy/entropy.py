"""From eigenvalues, a matrix or points to the diffusion spectral entropy, in bits."""

import functools
from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike
from threadpoolctl import ThreadpoolController

from keras_equivariant.entropy.approximation import (
    EXACT_BELOW,
    approximate_spectrum,
    approximate_symmetric_spectrum,
)
from keras_equivariant.entropy.matrix import (
    NORMALISATIONS,
    build_matrix,
    check_bandwidth,
    check_choice,
    check_points,
    check_positive,
    subsample,
)
from keras_equivariant.entropy.spectrum import exact_spectrum, symmetric_spectrum

METHODS = ("exact", "approximate")
_SINGLE_THREAD_UP_TO = 1000  # points


def entropy_of_spectrum(eigenvalues: ArrayLike, t: float = 1, weights: ArrayLike | None = None) -> float:
    """Computes the entropy of a spectrum.

        S = -sum_i p_i log2 p_i,   p_i = |lambda_i|^t / sum_j |lambda_j|^t

    Args:
        eigenvalues: Array of eigenvalues, real or complex.
        t: Diffusion time, any positive number. The longer, the less the small eigenvalues count.
        weights: How many eigenvalues each stands for; `None` for one.

    Returns:
        The entropy in bits, a float: 0 for a single eigenvalue that is not 0, log2 n for n equal ones.

    Raises:
        ValueError: If `t` is not positive, the eigenvalues are not finite or all 0, or the weights are not as many.

    Example:

    >>> print(entropy_of_spectrum([0.5, 0.25, 0.25]))
    1.5

    Reference:
        Liu, A Novel Entropy and Mutual Information Measure for High Dimensional Data and Deep Neural Networks,
        equation 4.
    """
    check_positive("t", t)
    magnitudes = np.abs(np.asarray(eigenvalues))
    if not 0 < magnitudes.max(initial=0) < np.inf:
        raise ValueError(f"`eigenvalues` must be finite, and one not 0. Received: {magnitudes.size} eigenvalues")
    if weights is not None and np.shape(weights) != magnitudes.shape:
        shapes = f"weights of shape {np.shape(weights)}, eigenvalues of shape {magnitudes.shape}"
        raise ValueError(f"`weights` must be one for each eigenvalue. Received: {shapes}")
    # Relative to the largest, so that no power of t underflows as a whole.
    powers = (magnitudes / magnitudes.max()) ** t
    present = powers > 0
    powers, weights = powers[present], 1.0 if weights is None else np.asarray(weights)[present]
    total = (weights * powers).sum()
    entropy = np.log2(total) - (weights * powers * np.log2(powers)).sum() / total
    return max(float(entropy), 0.0)


@overload
def spectral_entropy(
    matrix: ArrayLike, t: float = 1, method: str = "exact", seed: int = 0, return_error: Literal[False] = False
) -> float: ...
@overload
def spectral_entropy(
    matrix: ArrayLike, t: float = 1, method: str = "exact", seed: int = 0, *, return_error: Literal[True]
) -> tuple[float, float]: ...
def spectral_entropy(
    matrix: ArrayLike, t: float = 1, method: str = "exact", seed: int = 0, return_error: bool = False
) -> float | tuple[float, float]:
    """Computes the entropy of the spectrum of a matrix that is given.

    Args:
        matrix: Array `(n, n)`, such as a diffusion matrix, a Markov matrix or a density matrix.
        t: Diffusion time, any positive number.
        method: `"exact"`, or `"approximate"` for large symmetric matrices.
        seed: Decides the random vectors of the approximation.
        return_error: Whether to return an estimate of the error too, which is 0 for the exact method.

    Returns:
        The entropy in bits, a float; or that and the error.

    Raises:
        ValueError: If it is no square matrix of finite numbers, `t` is not positive, the method is unknown, or the
            matrix is not symmetric and the method approximate.

    Example:

    >>> print(spectral_entropy(np.eye(8)))
    3.0

    Reference:
        Liu, A Novel Entropy and Mutual Information Measure for High Dimensional Data and Deep Neural Networks,
        equation 4.
    """
    check_positive("t", t)
    check_choice("method", method, METHODS)
    if method == "approximate":
        entropy, error = _evaluate(approximate_spectrum(matrix, seed), t)
    else:
        entropy, error = entropy_of_spectrum(exact_spectrum(matrix), t), 0.0
    return (entropy, error) if return_error else entropy


@overload
def diffusion_spectral_entropy(
    x: ArrayLike,
    sigma: float | str = 10.0,
    t: float = 1,
    normalisation: str = "symmetric",
    method: str = "exact",
    max_points: int | None = 10_000,
    seed: int = 0,
    return_error: Literal[False] = False,
) -> float: ...
@overload
def diffusion_spectral_entropy(
    x: ArrayLike,
    sigma: float | str = 10.0,
    t: float = 1,
    normalisation: str = "symmetric",
    method: str = "exact",
    max_points: int | None = 10_000,
    seed: int = 0,
    *,
    return_error: Literal[True],
) -> tuple[float, float]: ...
def diffusion_spectral_entropy(
    x: ArrayLike,
    sigma: float | str = 10.0,
    t: float = 1,
    normalisation: str = "symmetric",
    method: str = "exact",
    max_points: int | None = 10_000,
    seed: int = 0,
    return_error: bool = False,
) -> float | tuple[float, float]:
    """Computes the diffusion spectral entropy of a set of points.

    It is the entropy of the eigenvalues of their diffusion matrix, raised to the power t. With clusters much tighter
    than `sigma` and much further apart, it is the logarithm of their number.

    Args:
        x: Array `(n, ...)` of points; axes after the first are flattened.
        sigma: Width of the Gaussian kernel, in the units of x, or `"median"` for the median distance between points.
        t: Diffusion time, any positive number.
        normalisation: `"symmetric"`, the authors' matrix, or `"anisotropic"`; see `diffusion_matrix`.
        method: `"exact"`, or `"approximate"`, which is faster from about 1,000 points on.
        max_points: Of more points than this, as many are drawn; `None` for all.
        seed: Decides which are drawn, and the random vectors of the approximation.
        return_error: Whether to return an estimate of the error too, which is 0 for the exact method.

    Returns:
        The entropy in bits, a float between 0 and log2 n; or that and the error.

    Raises:
        ValueError: If there are fewer than two points, all are equal or one is not finite, `sigma`, `t` or
            `max_points` is out of range, or a name is unknown.

    Example:

    >>> print(diffusion_spectral_entropy([[0.0], [0.0], [1000.0], [1000.0]]))
    1.0

    Reference:
        Liu, A Novel Entropy and Mutual Information Measure for High Dimensional Data and Deep Neural Networks,
        equation 4; [Liao et al., 2023](https://arxiv.org/abs/2312.04823).
    """
    check_options(t, normalisation, method, max_points)
    x = subsample(check_points(x), max_points, seed)
    entropy, error = entropy_of_points(x, check_bandwidth(sigma, x), t, normalisation, method, seed)
    return (entropy, error) if return_error else entropy


def entropy_of_points(
    x: np.ndarray, sigma: float, t: float, normalisation: str, method: str, seed: int
) -> tuple[float, float]:
    """Entropy and error for points and arguments that have been checked; one point, or equal points, will do."""
    if method == "approximate" and len(x) >= EXACT_BELOW:
        matrix = build_matrix(x, sigma, normalisation, "float32")
        return _evaluate(approximate_symmetric_spectrum(matrix, seed), t)
    with _threads_for(len(x)):
        eigenvalues = symmetric_spectrum(build_matrix(x, sigma, normalisation), overwrite=True)
    return entropy_of_spectrum(eigenvalues, t), 0.0


def check_options(t: float, normalisation: str, method: str, max_points: int | None) -> None:
    """Refuses options that are out of range."""
    check_positive("t", t)
    check_choice("normalisation", normalisation, NORMALISATIONS)
    check_choice("method", method, METHODS)
    if max_points is not None and (not isinstance(max_points, int) or max_points < 2):
        raise ValueError(f"`max_points` must be None or an integer of at least 2. Received: max_points={max_points!r}")


def _threads_for(points):
    """One thread for small matrices: several wait for one another, for minutes while a model trains beside them."""
    return _linear_algebra_threads().limit(limits=1 if points <= _SINGLE_THREAD_UP_TO else None, user_api="blas")


@functools.cache
def _linear_algebra_threads():
    return ThreadpoolController()


def _evaluate(spectrum, t):
    return spectrum.evaluate(lambda eigenvalues, weights: entropy_of_spectrum(eigenvalues, t, weights))
