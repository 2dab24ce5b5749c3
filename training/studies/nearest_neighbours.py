"""Mutual information by nearest neighbours, for comparison."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import digamma
from sklearn.neighbors import KDTree, NearestNeighbors


def nearest_neighbour_mutual_information(x: ArrayLike, labels: ArrayLike, neighbours: int = 3) -> float:
    """Estimates the mutual information between vectors and labels from distances to nearest neighbours.

        I = psi(n) + psi(k) - mean psi(n_y) - mean psi(m)

    m counts the points, of any label and with the point itself, within the distance to the k-th neighbour of its own
    label; n_y is the size of the point's class. It is the estimator of scikit-learn's `mutual_info_classif`, which
    takes single features alone.

    Args:
        x: Array `(n, d)`.
        labels: Array `(n,)`. Classes of one point are left out.
        neighbours: k; smaller classes use as many as they have.

    Returns:
        The estimate in bits, a float.

    Example:

    >>> x = np.concatenate([np.linspace(0, 1, 50), np.linspace(5, 6, 50)])[:, None]
    >>> print(round(nearest_neighbour_mutual_information(x, np.arange(100) // 50), 1))
    1.0

    Reference:
        [Ross, 2014](https://doi.org/10.1371/journal.pone.0087357), equation 2.
    """
    x, labels = np.asarray(x, dtype="float64"), np.asarray(labels)
    radius, size, used = np.zeros(len(x)), np.zeros(len(x)), np.zeros(len(x))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) > 1:
            k = min(neighbours, len(members) - 1)
            distances, _ = NearestNeighbors(n_neighbors=k).fit(x[members]).kneighbors()
            radius[members], size[members], used[members] = np.nextafter(distances[:, -1], 0), len(members), k
    kept = size > 0
    within = KDTree(x[kept]).query_radius(x[kept], radius[kept], count_only=True)
    parts = digamma(kept.sum()), digamma(used[kept]).mean(), digamma(size[kept]).mean(), digamma(within).mean()
    return float(max(parts[0] + parts[1] - parts[2] - parts[3], 0) / np.log(2))


def kozachenko_leonenko_mutual_information(x: ArrayLike, labels: ArrayLike, neighbours: int = 3) -> float:
    """Estimates the mutual information between vectors and labels as a difference of differential entropies.

        I = |H(X) - sum_y p(y) H(X | Y = y)|,  H = psi(n) - psi(k) + d log 2 + d mean log r

    r is the distance, by the largest coordinate, of a point to its k-th neighbour. It is what the toolbox NPEET
    computes for a discrete variable, the absolute value included. In many dimensions it fails: d multiplies how much
    closer neighbours are among all points than among those of a class.

    Args:
        x: Array `(n, d)`. No more than k points may be equal.
        labels: Array `(n,)`. Classes of k points or fewer count with the entropy of all points.
        neighbours: k.

    Returns:
        The estimate in bits, a float.

    Raises:
        ValueError: If more than k points are equal, whose distance has no logarithm.

    Example:

    >>> x = np.concatenate([np.linspace(0, 1, 50), np.linspace(5, 6, 50)])[:, None]
    >>> print(round(kozachenko_leonenko_mutual_information(x, np.arange(100) // 50), 1))
    1.0

    Reference:
        Kozachenko and Leonenko, Sample Estimate of the Entropy of a Random Vector, 1987;
        [Kraskov et al., 2004](https://arxiv.org/abs/cond-mat/0305641), equation 20.
    """
    x, labels = np.asarray(x, dtype="float64"), np.asarray(labels)
    before = _differential_entropy(x, neighbours)
    after = 0.0
    for label, count in zip(*np.unique(labels, return_counts=True), strict=True):
        of_class = _differential_entropy(x[labels == label], neighbours) if count > neighbours else before
        after += count / len(x) * of_class
    return float(abs(before - after) / np.log(2))


def _differential_entropy(x: np.ndarray, neighbours: int) -> float:
    """In nats."""
    distances, _ = NearestNeighbors(n_neighbors=neighbours, metric="chebyshev").fit(x).kneighbors()
    if not distances[:, -1].min() > 0:
        raise ValueError(f"`x` must not hold more than `neighbours` equal points. Received: neighbours={neighbours}")
    spread = x.shape[1] * (np.log(2) + np.log(distances[:, -1]).mean())
    return float(digamma(len(x)) - digamma(neighbours) + spread)
