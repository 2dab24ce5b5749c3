"""Simulated data of the studies."""

import numpy as np
from sklearn.datasets import make_blobs


def tight_clusters(
    random: np.random.Generator, clusters: int, points: int, dimensions: int = 20, distance: float = 100.0
) -> tuple[np.ndarray, np.ndarray]:
    """Clusters of unit deviation whose centres lie far apart, on axes, and the cluster of each point."""
    labels = np.arange(points) % clusters
    x = random.normal(size=(points, dimensions))
    x[np.arange(points), labels] += distance
    return x, labels


def tree(
    random: np.random.Generator,
    branches: int,
    points: int,
    dimensions: int = 20,
    length: float = 40.0,
    noise: float = 0.5,
) -> tuple[np.ndarray, np.ndarray]:
    """Straight branches from the origin in directions at right angles, and the branch of each point."""
    labels = np.arange(points) % branches
    directions = np.linalg.qr(random.normal(size=(dimensions, dimensions)))[0][:branches]
    # Of even density along the outer three quarters, so that branches do not run into one another at the root.
    x = directions[labels] * random.uniform(length / 4, length, (points, 1))
    return x + noise * random.normal(size=x.shape), labels


def blobs(random: np.random.Generator, classes: int, points: int, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian blobs as scikit-learn makes them: of unit deviation, the centres' coordinates between -10 and 10."""
    state = int(random.integers(2**31))
    return make_blobs(points, dimensions, centers=classes, random_state=state)


def corrupt(random: np.random.Generator, labels: np.ndarray, share: float) -> np.ndarray:
    """Shuffles a share of the labels among themselves."""
    labels = labels.copy()
    chosen = random.choice(len(labels), round(share * len(labels)), replace=False)
    labels[chosen] = labels[random.permutation(chosen)]
    return labels
