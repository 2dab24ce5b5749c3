"""Classic Shannon entropy of binned points, for comparison."""

import numpy as np
from numpy.typing import ArrayLike

from keras_equivariant.entropy.matrix import check_choice, check_points
from keras_equivariant.entropy.mutual_information import Subsets, mutual_information

EDGES = ("fixed", "redrawn")


def binned_shannon_entropy(x: ArrayLike, bins: int = 2) -> float:
    """Computes the Shannon entropy of points after dividing each coordinate into bins.

    A bin's edges divide the range of its coordinate into equal parts. In many dimensions almost every point has a
    cell of its own, and the entropy is log2 n whatever the points.

    Args:
        x: Array `(n, ...)` of points; axes after the first are flattened.
        bins: Number of bins for each coordinate.

    Returns:
        The entropy in bits, a float.

    Raises:
        ValueError: If there are fewer than two points, all are equal or one is not finite, or `bins` is below 2.

    Example:

    >>> print(binned_shannon_entropy([[0.0, 0.0], [0.1, 0.2], [0.9, 1.0], [1.0, 0.1]]))
    1.5

    Reference:
        Liu, A Novel Entropy and Mutual Information Measure for High Dimensional Data and Deep Neural Networks,
        equation 1.
    """
    _check_bins(bins)
    return _entropy_of_rows(_cells(check_points(x), bins))


def binned_shannon_mutual_information(
    x: ArrayLike,
    reference: ArrayLike,
    bins: int = 2,
    clusters: int = 10,
    baseline: str = "all",
    edges: str = "fixed",
    repetitions: int = 5,
    subsets: Subsets | None = None,
    seed: int = 0,
) -> float:
    """Computes the mutual information between points and a reference variable from binned entropies.

        I(X; Y) = H(X) - sum_y p(y) H(X | Y = y)

    All these entropies are of the same bins. They fail in many dimensions: with a cell for each point, the information
    is the entropy of the labels, whatever the points. With `baseline="subsets"` it is then 0 instead.

    The authors' package divides the range of each class, and of each subset, into bins of its own, so that classes
    that lie apart fill all bins and seem to have more entropy than the whole: the information of clean labels becomes
    negative. `edges="redrawn"` with `baseline="subsets"` is what it computes.

    Args:
        x: Array `(n, ...)` of points; axes after the first are flattened.
        reference: Labels or floats, as in `diffusion_spectral_mutual_information`.
        bins: Number of bins for each coordinate.
        clusters: Number of classes that a reference of floats is divided into.
        baseline: `"all"`, or `"subsets"`: random subsets of the size of the class.
        edges: `"fixed"`: the bins divide the range of all points. `"redrawn"`: that of those measured, each time anew.
        repetitions: Number of random subsets for each class.
        subsets: The subsets themselves, as in `diffusion_spectral_mutual_information`.
        seed: Decides all that is drawn.

    Returns:
        The mutual information in bits, a float.

    Raises:
        ValueError: If the reference has another length than x, or an argument is out of range.

    Example:

    >>> print(binned_shannon_mutual_information([[0.0], [0.1], [0.9], [1.0]], [0, 0, 1, 1]))
    1.0

    Reference:
        Liu, A Novel Entropy and Mutual Information Measure for High Dimensional Data and Deep Neural Networks,
        equation 2.
    """
    _check_bins(bins)
    check_choice("edges", edges, EDGES)
    x = check_points(x)
    if edges == "fixed":
        return mutual_information(
            _entropy_of_rows, _cells(x, bins), reference, clusters, baseline, repetitions, subsets, seed=seed
        )

    def entropy(points):
        return _entropy_of_rows(_cells(points, bins))

    return mutual_information(entropy, x, reference, clusters, baseline, repetitions, subsets, seed=seed)


def _cells(points, bins):
    """The bin of each coordinate of each point, the range of these points divided."""
    spread = np.ptp(points, axis=0)
    scaled = (points - points.min(axis=0)) / np.where(spread > 0, spread, 1)
    return np.digitize(scaled, np.linspace(0, 1, bins + 1)[:-1])


def _entropy_of_rows(cells):
    counts = np.unique(cells, axis=0, return_counts=True)[1]
    shares = counts / counts.sum()
    return float(-(shares * np.log2(shares)).sum()) + 0.0


def _check_bins(bins):
    if isinstance(bins, bool) or not isinstance(bins, int) or bins < 2:
        raise ValueError(f"`bins` must be an integer of at least 2. Received: bins={bins!r}")
