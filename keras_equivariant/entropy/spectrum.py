"""From a matrix to its eigenvalues."""

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike


def exact_spectrum(matrix: ArrayLike, overwrite: bool = False) -> np.ndarray:
    """Computes all eigenvalues of a matrix with LAPACK.

    Args:
        matrix: Array `(n, n)`. One that is not symmetric, such as a Markov matrix, costs about ten times as much.
        overwrite: Whether the array, if it is symmetric, may be used as work space.

    Returns:
        Array `(n,)`, ascending for a symmetric matrix; complex where the eigenvalues are.

    Raises:
        ValueError: If it is no square matrix of finite numbers.

    Example:

    >>> print(exact_spectrum([[2.0, 1.0], [1.0, 2.0]]))
    [1. 3.]
    """
    matrix = check_matrix(matrix)
    if is_symmetric(matrix):
        return symmetric_spectrum(matrix, overwrite)
    return np.linalg.eigvals(matrix)


def symmetric_spectrum(matrix: np.ndarray, overwrite: bool) -> np.ndarray:
    """The eigenvalues of a matrix that is known to be symmetric and finite."""
    # Its transpose is the same matrix in LAPACK's own order, so nothing is copied when it may be overwritten.
    return scipy.linalg.eigvalsh(matrix.T, overwrite_a=overwrite, check_finite=False, driver="evd")


def is_symmetric(matrix: np.ndarray) -> bool:
    """Whether a matrix is symmetric up to rounding."""
    return np.allclose(matrix, matrix.T, rtol=1e-5, atol=1e-8 * np.abs(matrix).max())


def check_matrix(matrix: ArrayLike) -> np.ndarray:
    """The matrix as an array of float64 or, if it is one already, float32."""
    matrix = np.asarray(matrix)
    if matrix.dtype.kind not in "biuf":
        raise ValueError(f"`matrix` must be an array of real numbers. Received: one of type {matrix.dtype}")
    if matrix.dtype != "float32":
        matrix = matrix.astype("float64", copy=False)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.size == 0:
        raise ValueError(f"`matrix` must be square. Received: a matrix of shape {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise ValueError("`matrix` must be finite. Received: a matrix with NaN or infinity")
    if not matrix.any():
        raise ValueError("`matrix` must not be zero. Received: a matrix of zeros")
    return matrix
