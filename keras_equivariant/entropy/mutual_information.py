"""Mutual information between points and labels, as a difference of entropies."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from keras_equivariant.entropy.clusters import cluster_reference
from keras_equivariant.entropy.entropy import check_options, entropy_of_points
from keras_equivariant.entropy.matrix import check_bandwidth, check_choice, check_points, subsample

Subsets: TypeAlias = Sequence[
    Sequence[np.ndarray | Sequence[int]]
]  # of the points, by their indices: for each class, some
BASELINES = ("subsets", "all")


def diffusion_spectral_mutual_information(
    x: ArrayLike,
    reference: ArrayLike,
    sigma: float | str = 10.0,
    t: float = 1,
    clusters: int = 10,
    baseline: str = "subsets",
    repetitions: int = 5,
    subsets: Subsets | None = None,
    normalisation: str = "symmetric",
    method: str = "exact",
    max_points: int | None = 10_000,
    seed: int = 0,
) -> float:
    """Computes the diffusion spectral mutual information between points and a reference variable.

        I(X; Y) = sum_y p(y) [S(X*_y) - S(X | Y = y)]

    S is the diffusion spectral entropy. `X*_y` is a random subset of X of the size of class y, its entropy the mean
    over a few such subsets, because the entropy grows with the number of points; or all of X, as equation 5 has it.

    Args:
        x: Array `(n, ...)` of points; axes after the first are flattened.
        reference: Array `(n,)` of integers, booleans or strings: labels. Or floats `(n, ...)`, which
            `cluster_reference` divides into classes; to use these again, pass what it returns.
        sigma: Width of the Gaussian kernel, in the units of x, or `"median"` for the median distance between points.
        t: Diffusion time, any positive number.
        clusters: Number of classes that a reference of floats is divided into.
        baseline: `"subsets"`, or `"all"` for equation 5 as printed.
        repetitions: Number of random subsets for each class.
        subsets: The subsets themselves: for each class, in the order of the sorted labels, a list of index arrays.
        normalisation: `"symmetric"` or `"anisotropic"`; see `diffusion_matrix`.
        method: `"exact"` or `"approximate"`; see `diffusion_spectral_entropy`.
        max_points: Of more points than this, as many are drawn; `None` for all.
        seed: Decides all that is drawn.

    Returns:
        The mutual information in bits, a float. Estimates may be a little below 0.

    Raises:
        ValueError: If the reference has another length than x, or an argument is out of range.

    Example:

    >>> x, labels = [[0.0], [0.0], [1000.0], [1000.0]], [0, 0, 1, 1]
    >>> print(diffusion_spectral_mutual_information(x, labels, baseline="all"))
    1.0

    Reference:
        Liu, A Novel Entropy and Mutual Information Measure for High Dimensional Data and Deep Neural Networks,
        equation 5; [Liao et al., 2023](https://arxiv.org/abs/2312.04823).
    """
    check_options(t, normalisation, method, max_points)
    x = check_points(x)
    sigma = check_bandwidth(sigma, x)

    def entropy(points):
        return entropy_of_points(points, sigma, t, normalisation, method, seed)[0]

    return mutual_information(
        entropy, x, reference, clusters, baseline, repetitions, subsets, max_points=max_points, seed=seed
    )


def mutual_information(
    entropy: Callable[[np.ndarray], float],
    x: np.ndarray,
    reference: ArrayLike,
    clusters: int = 10,
    baseline: str = "subsets",
    repetitions: int = 5,
    subsets: Subsets | None = None,
    max_points: int | None = None,
    seed: int = 0,
) -> float:
    """Mutual information as a difference of any entropy: a function of an array of points.

    The other arguments are those of `diffusion_spectral_mutual_information`, x as `check_points` returns it.
    """
    check_choice("baseline", baseline, BASELINES)
    if isinstance(repetitions, bool) or not isinstance(repetitions, int) or repetitions < 1:
        raise ValueError(f"`repetitions` must be a positive integer. Received: repetitions={repetitions!r}")
    labels = as_labels(reference, len(x), clusters, seed)
    chosen = subsample(np.arange(len(x)), max_points, seed)
    x, labels = x[chosen], labels[chosen]
    classes, counts = np.unique(labels, return_counts=True)
    if baseline == "all":
        before = np.full(len(classes), entropy(x))
    else:
        subsets = (
            _random_subsets(counts, repetitions, seed) if subsets is None else _check_subsets(subsets, classes, len(x))
        )
        before = np.array([np.mean([entropy(x[subset]) for subset in of_class]) for of_class in subsets])
    after = np.array([entropy(x[labels == label]) for label in classes])
    return float((counts / counts.sum()) @ (before - after))


def as_labels(reference: ArrayLike, length: int, clusters: int = 10, seed: int = 0) -> np.ndarray:
    """The reference as an array of labels: itself, if it is discrete, or the classes it is divided into."""
    reference = np.asarray(reference)
    if reference.ndim == 0 or len(reference) != length:
        raise ValueError(
            f"`reference` must have as many entries as there are points, {length}. "
            f"Received: reference of shape {reference.shape}"
        )
    if reference.dtype.kind in "iubUS" and reference.size == length:
        return reference.reshape(-1)
    return cluster_reference(reference, clusters, seed)


def _random_subsets(counts, repetitions, seed):
    random, points = np.random.default_rng(seed), counts.sum()
    return [[random.choice(points, count, replace=False) for _ in range(repetitions)] for count in counts]


def _check_subsets(subsets, classes, points):
    if len(subsets) != len(classes):
        raise ValueError(
            f"`subsets` must have an entry for each of the {len(classes)} classes. Received: {len(subsets)} entries"
        )
    for indices in (np.asarray(subset) for of_class in subsets for subset in (of_class if len(of_class) else [[]])):
        if indices.size == 0 or indices.dtype.kind not in "iu" or indices.min() < 0 or indices.max() >= points:
            raise ValueError(
                f"`subsets` must hold indices of the {points} points, at least one subset for each class. "
                f"Received: {indices}"
            )
    return subsets
