"""Labels for a reference variable that has none: bins for scalars, clusters for vectors."""

import warnings

import numpy as np
from numpy.typing import ArrayLike

from keras_equivariant.entropy.matrix import check_points


def cluster_reference(reference: ArrayLike, clusters: int = 10, seed: int = 0) -> np.ndarray:
    """Divides a reference variable into classes, once, for use with any number of embeddings.

    Scalars are divided into bins of equal width, vectors by spectral clustering of their nearest-neighbour graph.

    Args:
        reference: Array `(n,)` or `(n, 1)` of scalars, or `(n, ...)` of vectors, such as images.
        clusters: Number of classes.
        seed: Decides the random numbers of the clustering.

    Returns:
        Integer array `(n,)`, the class of each point.

    Raises:
        ValueError: If the values are not finite or all equal, or there are fewer points than classes.

    Example:

    >>> print(cluster_reference([0.0, 0.1, 1.0], clusters=2))
    [0 0 1]

    Reference:
        [Liao et al., 2023](https://arxiv.org/abs/2312.04823).
    """
    points = check_points(reference, "reference")
    check_clusters(clusters, len(points))
    if points.shape[1] == 1:
        scaled = (points[:, 0] - points.min()) / np.ptp(points)
        return np.minimum((scaled * clusters).astype("int64"), clusters - 1)
    from sklearn.cluster import SpectralClustering  # half a second that nothing else in the library needs

    clustering = SpectralClustering(
        clusters,
        affinity="nearest_neighbors",
        n_neighbors=min(10, len(points)),
        assign_labels="cluster_qr",
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Graph is not fully connected")  # clusters that lie apart are no mistake
        return clustering.fit_predict(points).astype("int64")


def check_clusters(clusters: int, points: int) -> None:
    """Refuses a number of clusters that so many points cannot be divided into."""
    if isinstance(clusters, bool) or not isinstance(clusters, int) or not 1 < clusters <= points:
        raise ValueError(
            f"`clusters` must be an integer from 2 to the number of points, {points}. Received: clusters={clusters!r}"
        )
