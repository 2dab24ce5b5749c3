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
