"""From points to a diffusion matrix."""

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

_ROWS = 512  # Blocks of this many rows keep the work space small beside the matrix.
_BANDWIDTH_POINTS = 1000
_LARGEST = 1e150  # whose square is still finite


def diffusion_matrix(
    x: ArrayLike, sigma: float | str = 10.0, normalisation: str = "symmetric", dtype: str = "float64"
) -> np.ndarray:
    """Builds a symmetric matrix with the eigenvalues of a diffusion matrix.

    With the Gaussian kernel `G_ij = exp(-|x_i - x_j|^2 / (2 sigma^2))` and its row sums d, the result is

        K = d^-1/2 G d^-1/2                          (symmetric)
        d_K^-1/2 K d_K^-1/2, d_K the row sums of K   (anisotropic)

    K has the eigenvalues of the Markov matrix `d^-1 G`, and is what the authors compute. The second has those of
    `d_K^-1 K`, the anisotropic diffusion matrix, which takes less notice of how densely the points lie.

    Args:
        x: Array `(n, ...)` of points; axes after the first are flattened.
        sigma: Width of the kernel, in the units of x, or `"median"` for the median distance between the points.
        normalisation: `"symmetric"` or `"anisotropic"`.
        dtype: Type of the matrix, `"float64"` or `"float32"`. Distances are computed in float64 either way.

    Returns:
        Array `(n, n)`, symmetric and positive semi-definite, with largest eigenvalue 1.

    Raises:
        ValueError: If there are fewer than two points, all are equal or one is not finite, if `sigma` is not
            positive, or a name is unknown.

    Example:

    >>> print(diffusion_matrix([[0.0], [1.0], [5.0]], sigma=1.0).shape)
    (3, 3)

    Reference:
        [Liao et al., 2023](https://arxiv.org/abs/2312.04823), section II.
    """
    x = check_points(x)
    sigma = check_bandwidth(sigma, x)
    check_choice("normalisation", normalisation, NORMALISATIONS)
    check_choice("dtype", dtype, ("float64", "float32"))
    return build_matrix(x, sigma, normalisation, dtype)


def median_bandwidth(x: ArrayLike, seed: int = 0) -> float:
    """Finds the median Euclidean distance between points, a bandwidth that follows their scale.

    Args:
        x: Array `(n, ...)` of points. Of more than 1,000, as many are drawn.
        seed: Decides which are drawn.

    Returns:
        The median as a float.

    Raises:
        ValueError: If there are fewer than two points, all are equal or one is not finite, or most distances are 0.

    Example:

    >>> print(median_bandwidth([[0.0], [1.0], [4.0]]))
    3.0
    """
    x = subsample(check_points(x), _BANDWIDTH_POINTS, seed)
    first, second = np.triu_indices(len(x), 1)
    median = float(np.median(np.sqrt(squared_distances(x, x)[first, second])))
    if median <= 0:
        raise ValueError("`sigma` must be a number where most of the points are equal. Received: sigma='median'")
    return median


def build_matrix(x: np.ndarray, sigma: float, normalisation: str = "symmetric", dtype: str = "float64") -> np.ndarray:
    """The matrix of points that have been checked; one point, or equal points, will do."""
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = (x - x.mean(axis=0)) / (np.sqrt(2) * sigma)
    if not np.abs(scaled).max() < _LARGEST:
        raise ValueError(f"`sigma` must be at least {1 / _LARGEST:g} of the points. Received: sigma={sigma!r}")
    matrix = np.empty((len(x), len(x)), dtype)
    for start in range(0, len(x), _ROWS):
        rows = matrix[start : start + _ROWS]
        rows[:] = -squared_distances(scaled[start : start + _ROWS], scaled)
        np.exp(rows, out=rows)
    np.fill_diagonal(matrix, 1)
    for _ in range(NORMALISATIONS[normalisation]):
        scale = (1 / np.sqrt(matrix.sum(axis=1, dtype="float64"))).astype(dtype)
        for start in range(0, len(x), _ROWS):
            matrix[start : start + _ROWS] *= scale[start : start + _ROWS, None] * scale
    return matrix


def squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances of each row of x to each of y."""
    product = x @ y.T
    product *= -2
    product += (x * x).sum(axis=1)[:, None]
    product += (y * y).sum(axis=1)
    return np.maximum(product, 0, out=product)


def subsample(x: np.ndarray, points: int | None, seed: int) -> np.ndarray:
    """At most so many rows of an array, drawn without replacement and left in their order."""
    if points is None or len(x) <= points:
        return x
    return x[np.sort(np.random.default_rng(seed).choice(len(x), points, replace=False))]


def check_points(x: ArrayLike, name: str = "x") -> np.ndarray:
    """The points as a float64 array (n, d)."""
    try:
        points = np.asarray(x).astype("float64", casting="same_kind", copy=False)
    except (TypeError, ValueError):
        raise ValueError(f"`{name}` must be an array of numbers. Received: {name} of type {type(x).__name__}") from None
    if points.ndim == 0 or len(points) < 2 or points.size == 0:
        raise ValueError(f"`{name}` must hold at least two points. Received: {name} of shape {points.shape}")
    points = points.reshape(len(points), -1)
    if not np.isfinite(points).all():
        raise ValueError(f"`{name}` must be finite. Received: {name} with NaN or infinity")
    if (points == points[0]).all():
        raise ValueError(f"`{name}` must hold two different points. Received: {len(points)} equal points")
    return points


def check_bandwidth(sigma: float | str, x: np.ndarray) -> float:
    """The bandwidth as a number."""
    if isinstance(sigma, str) and sigma == "median":
        return median_bandwidth(x)
    check_positive("sigma", sigma, "a positive number or 'median'")
    return float(sigma)


def check_positive(name: str, value: Any, what: str = "a positive number") -> None:
    """Refuses what is no positive number."""
    if not _is_number(value) or not 0 < value < np.inf:
        raise ValueError(f"`{name}` must be {what}. Received: {name}={value!r}")


def _is_number(value):
    return np.isscalar(value) and not isinstance(value, str | bool | complex)


def check_choice(name: str, value: Any, choices: Collection[str]) -> None:
    """Refuses what is none of the choices."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"`{name}` must be one of {list(choices)}. Received: {name}={value!r}")


NORMALISATIONS = {"symmetric": 1, "anisotropic": 2}  # how often the matrix is divided by its row sums
