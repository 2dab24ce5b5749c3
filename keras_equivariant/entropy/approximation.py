"""The spectrum of a large symmetric matrix, approximately, with an estimate of the error.

What an entropy needs is not every eigenvalue but traces of functions of the matrix. A basis Q of Krylov vectors takes
in the top of the spectrum; random probes are enough for what is orthogonal to it:

    tr f(A) = tr Q^T f(A) Q + tr (I - QQ^T) f(A) (I - QQ^T)

Both parts are quadratures by the Lanczos process: nodes, and how many eigenvalues each stands for. Three traces are
known, those of I, A and A^2. Calibrating the probes' weights to them takes out most of the noise, whatever f is.

Reference: [Meyer et al., 2021](https://arxiv.org/abs/2010.09649) for the split, [Chen & Hallman,
2023](https://arxiv.org/abs/2205.01736) for reading the first part off the Krylov basis.
"""

import dataclasses
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from keras_equivariant.entropy.spectrum import check_matrix, is_symmetric, symmetric_spectrum

Nodes: TypeAlias = tuple[np.ndarray, np.ndarray]  # eigenvalues, and how many there are of each
EXACT_BELOW = 1000  # rows; smaller matrices are cheaper to do exactly
_BLOCK, _BLOCKS, _LEADING_BLOCKS = 48, 8, 4
_PROBES, _STEPS = 48, 16
_CONVERGED = 1e-3  # residual of an eigenvector, relative to its eigenvalue
_NOISE = 1e-6  # far above rounding in float32, far below anything that matters
_ROUNDING_ERROR = 5e-4


@dataclasses.dataclass
class ApproximateSpectrum:
    """The spectrum of a matrix as nodes and weights.

    Attributes:
        leading: Nodes and weights of the top of the spectrum.
        probes: Nodes and weights of the rest, two arrays with a row for each probe; their mean is the estimate.
        moments: Traces of the 0th, 1st and 2nd power of the matrix.
        coarse_leading: As `leading`, from a smaller basis.
        coarse_probes: As `probes`, from fewer steps.
    """

    leading: Nodes
    probes: Nodes
    moments: np.ndarray
    coarse_leading: Nodes | None = None
    coarse_probes: Nodes | None = None

    def evaluate(self, function: Callable[[np.ndarray, np.ndarray], float]) -> tuple[float, float]:
        """Evaluates a function of the spectrum.

        Args:
            function: Takes an array of eigenvalues and one of weights, how many there are of each; returns a number.

        Returns:
            The value, and an estimate of how far it may be off: three standard errors over the probes, what more
            steps and a larger basis have changed, and an allowance for rounding.
        """
        value = function(*self._calibrated(self.leading, self.probes))
        if self.coarse_leading is None:
            return value, 0.0
        count = len(self.probes[0])
        others = [np.arange(count) != left_out for left_out in range(count)]
        samples = [function(*self._calibrated(self.leading, [part[kept] for part in self.probes])) for kept in others]
        noise = np.sqrt((count - 1) * np.var(samples))
        steps = abs(value - function(*self._calibrated(self.leading, self.coarse_probes)))
        basis = abs(value - function(*self._calibrated(self.coarse_leading, self.probes)))
        return value, float(3 * noise + steps + basis + _ROUNDING_ERROR)

    def _calibrated(self, leading, probes):
        """All nodes and weights, the probes' weights changed by the least that gives the known traces."""
        if len(probes[0]) == 0:
            return leading
        nodes, weights = probes[0].reshape(-1), probes[1].reshape(-1) / len(probes[1])
        powers = np.stack([np.ones_like(nodes), nodes, nodes**2])
        scale = np.sqrt((weights * powers**2).sum(axis=1)) + np.finfo("float64").tiny
        missing = self.moments - _moments(*leading) - _moments(nodes, weights)
        gram = (powers * weights) @ powers.T / np.outer(scale, scale)
        change = np.linalg.lstsq(gram, missing / scale, rcond=1e-10)[0]
        weights = weights * (1 + (change / scale) @ powers)
        return np.concatenate([leading[0], nodes]), np.concatenate([leading[1], weights])


def approximate_spectrum(matrix: ArrayLike, seed: int = 0) -> ApproximateSpectrum:
    """Approximates the spectrum of a symmetric matrix in a time that grows as the square of its size.

    It computes in float32, and takes about a thousand products of the matrix with a vector. Matrices of fewer than
    1,000 rows are done exactly.

    Args:
        matrix: Symmetric array `(n, n)`.
        seed: Decides the random vectors.

    Returns:
        An `ApproximateSpectrum`.

    Raises:
        ValueError: If it is no symmetric matrix of finite numbers.

    Example:

    >>> spectrum = approximate_spectrum(np.diag([0.5, 0.25, 0.25]))
    >>> value, error = spectrum.evaluate(lambda eigenvalues, weights: (weights * eigenvalues).sum())
    >>> print(value, error)
    1.0 0.0

    Reference:
        [Meyer et al., 2021](https://arxiv.org/abs/2010.09649); [Chen & Hallman,
        2023](https://arxiv.org/abs/2205.01736).
    """
    matrix = check_matrix(matrix)
    if not is_symmetric(matrix):
        raise ValueError("`matrix` must be symmetric for method='approximate'. Received: one that is not")
    return approximate_symmetric_spectrum(matrix, seed)


def approximate_symmetric_spectrum(matrix: np.ndarray, seed: int) -> ApproximateSpectrum:
    """The approximate spectrum of a matrix that is known to be symmetric and finite."""
    size = len(matrix)
    if size < EXACT_BELOW:
        leading = symmetric_spectrum(matrix.astype("float64"), overwrite=True), np.ones(size)
        nothing = np.zeros((0, 0)), np.zeros((0, 0))
        return ApproximateSpectrum(leading, nothing, _moments(*leading))
    random = np.random.default_rng(seed)
    matrix = matrix.astype("float32", copy=False)
    basis, projected, values, vectors = _krylov(matrix, random)
    columns = _BLOCK * _LEADING_BLOCKS
    probes = random.standard_normal((size, _PROBES), dtype="float32")
    for _ in range(2):  # once leaves rounding errors
        probes -= basis[:, :columns] @ (basis[:, :columns].T @ probes)
    probes *= np.sqrt(size - columns) / np.linalg.norm(probes, axis=0)
    probe_quadrature, coarse_probe_quadrature = _probe_quadratures(matrix, probes, values, vectors)
    return ApproximateSpectrum(
        leading=_leading_quadrature(projected, columns),
        probes=probe_quadrature,
        moments=np.array([size, np.trace(matrix, dtype="float64"), _sum_of_squares(matrix)]),
        coarse_leading=_leading_quadrature(projected[:-_BLOCK, :-_BLOCK], columns),
        coarse_probes=coarse_probe_quadrature,
    )


def _krylov(matrix, random):
    """A basis of block Krylov vectors, the matrix in that basis, and the eigenpairs found to have converged."""
    size = len(matrix)
    basis = np.empty((size, _BLOCK * _BLOCKS), "float32", order="F")
    image = np.empty_like(basis)
    block = np.linalg.qr(random.standard_normal((size, _BLOCK), dtype="float32"))[0]
    for start in range(0, _BLOCK * _BLOCKS, _BLOCK):
        columns = slice(start, start + _BLOCK)
        basis[:, columns] = block
        image[:, columns] = matrix @ block
        block = image[:, columns]
        # Where the Krylov space is exhausted, as for the identity, the noise supplies new directions.
        noise = random.standard_normal(block.shape, dtype="float32")
        block = block + np.float32(_NOISE / np.sqrt(size)) * noise
        for _ in range(2):
            block = np.linalg.qr(block - basis[:, : columns.stop] @ (basis[:, : columns.stop].T @ block))[0]
    projected = (basis.T @ image).astype("float64")
    projected = (projected + projected.T) / 2
    values, rotation = np.linalg.eigh(projected)
    vectors = basis @ rotation.astype("float32")
    residuals = np.linalg.norm(image @ rotation.astype("float32") - vectors * values.astype("float32"), axis=0)
    converged = residuals < _CONVERGED * np.abs(values)
    return basis, projected, values[converged], vectors[:, converged]


def _leading_quadrature(projected, columns):
    """The trace over the first columns of the basis: nodes, and the share of the columns in each."""
    nodes, rotation = np.linalg.eigh(projected)
    return nodes, (rotation[:columns] ** 2).sum(axis=0)


def _probe_quadratures(matrix, probes, values, vectors):
    """The Lanczos process on all probes at once, with all steps and with half of them.

    Eigenvectors that are known are taken out exactly. Otherwise rounding would bring back the largest, and drown the
    small eigenvalues, of which there are many.
    """
    known = vectors.T @ probes
    probes = probes - vectors @ known
    norms = np.linalg.norm(probes, axis=0)
    current, previous = probes / np.maximum(norms, np.float32(1e-30)), np.zeros_like(probes)
    diagonal, off_diagonal = np.zeros((2, _STEPS, _PROBES), "float32")
    for step in range(_STEPS):
        image = matrix @ current
        image -= vectors @ (vectors.T @ image)
        diagonal[step] = np.einsum("ij,ij->j", current, image)
        image -= diagonal[step] * current + (off_diagonal[step - 1] * previous if step else 0)
        off_diagonal[step] = np.linalg.norm(image, axis=0)
        previous, current = current, image / np.maximum(off_diagonal[step], np.float32(1e-30))
    known_weights = known.T.astype("float64") ** 2
    known_nodes = np.broadcast_to(values, known_weights.shape)
    for steps in (_STEPS, _STEPS // 2):
        tridiagonal = np.zeros((_PROBES, steps, steps))
        here = np.arange(steps)
        tridiagonal[:, here, here] = diagonal[:steps].T
        tridiagonal[:, here[1:], here[:-1]] = off_diagonal[: steps - 1].T  # eigh reads the lower triangle alone
        nodes, rotation = np.linalg.eigh(tridiagonal)
        weights = rotation[:, 0] ** 2 * norms[:, None].astype("float64") ** 2
        yield np.concatenate([known_nodes, nodes], axis=1), np.concatenate([known_weights, weights], axis=1)


def _moments(nodes, weights):
    return np.array([weights.sum(), (weights * nodes).sum(), (weights * nodes**2).sum()])


def _sum_of_squares(matrix):
    return sum(float(row @ row) for row in (row.astype("float64") for row in matrix))
