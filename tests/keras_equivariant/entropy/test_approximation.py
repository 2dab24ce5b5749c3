"""The approximate spectrum: its error, the estimate of it, and that it repeats."""

import numpy as np
import pytest

from keras_equivariant import entropy
from keras_equivariant.entropy import approximation


def blobs(random, points):
    return 5 * random.normal(size=(10, 30))[random.integers(10, size=points)] + random.normal(size=(points, 30))


def uniform(random, points):
    return random.uniform(-5, 5, (points, 20))


def tree(random, points):
    directions = random.normal(size=(10, 20))[random.integers(10, size=points)]
    return directions * random.uniform(0, 10, (points, 1)) + random.normal(size=(points, 20))


def features(random, points):
    """As of an untrained network: rectified random projections."""
    return np.maximum(uniform(random, points) @ random.normal(size=(20, 64)), 0)


@pytest.mark.parametrize("make", [blobs, uniform, tree, features])
def test_error_is_small_and_covered_by_its_estimate(make):
    x = make(np.random.default_rng(0), 1100)
    median = entropy.median_bandwidth(x)
    for sigma in (0.02 * median, 0.3 * median, median, 10 * median):
        exact = entropy.exact_spectrum(entropy.diffusion_matrix(x, sigma))
        spectrum = approximation.approximate_spectrum(entropy.diffusion_matrix(x, sigma))
        for t in (1, 2, 5):
            value, error = spectrum.evaluate(
                lambda values, weights, t=t: entropy.entropy_of_spectrum(values, t, weights)
            )
            deviation = abs(value - entropy.entropy_of_spectrum(exact, t))
            assert deviation <= min(error, 0.02), (sigma, t, deviation, error)
            assert error < 0.05


def test_points_and_their_matrix_agree_and_repeat():
    x = uniform(np.random.default_rng(0), 1100)
    arguments = {"method": "approximate", "return_error": True}
    first = entropy.diffusion_spectral_entropy(x, 10.0, seed=1, **arguments)
    assert first == entropy.diffusion_spectral_entropy(x, 10.0, seed=1, **arguments)
    other = entropy.diffusion_spectral_entropy(x, 10.0, seed=2, **arguments)
    assert 0 < abs(first[0] - other[0]) < first[1] + other[1]
    given = entropy.spectral_entropy(entropy.diffusion_matrix(x, 10.0), seed=1, **arguments)
    assert abs(given[0] - first[0]) < 1e-3
    assert entropy.diffusion_spectral_entropy(x, 10.0, seed=1, method="approximate") == first[0]


def test_known_traces_are_met():
    x = tree(np.random.default_rng(0), 1100)
    matrix = entropy.diffusion_matrix(x, 5.0)
    spectrum = approximation.approximate_spectrum(matrix)
    for power, expected in enumerate((len(x), np.trace(matrix), (matrix**2).sum())):
        value, _ = spectrum.evaluate(lambda values, weights, power=power: (weights * values**power).sum())
        assert abs(value / expected - 1) < 1e-4


@pytest.mark.parametrize("matrix", [np.eye(1100), np.diag(np.repeat([1.0, 0.0], [4, 1096]))])
def test_spectra_that_exhaust_the_krylov_space(matrix):
    value, error = entropy.spectral_entropy(matrix, method="approximate", return_error=True)
    assert abs(value - np.log2(np.trace(matrix))) <= error < 0.02


def test_probes_see_only_what_is_not_known():
    """The quadrature of each probe, beside the known eigenvectors, is exact for polynomials of what is left of it."""
    random = np.random.default_rng(0)
    eigenvalues = np.concatenate([np.ones(20), np.geomspace(1e-2, 1e-5, 180)])
    vectors = np.linalg.qr(random.normal(size=(200, 200)))[0]
    matrix = (vectors * eigenvalues) @ vectors.T
    known, probes = vectors[:, :20], random.normal(size=(200, 48))
    single = [array.astype("float32") for array in (matrix, probes, eigenvalues[:20], known)]
    left = probes - known @ (known.T @ probes)
    for nodes, weights in approximation._probe_quadratures(*single):
        np.testing.assert_allclose(weights[:, :20], (known.T @ probes).T ** 2, rtol=1e-3, atol=1e-4)
        power = left
        for degree in range(8):
            rest = (weights[:, 20:] * nodes[:, 20:] ** degree).sum(axis=1)
            np.testing.assert_allclose(rest, (left * power).sum(axis=0), rtol=1e-3)
            power = matrix @ power


def test_a_bias_is_covered_by_the_estimate():
    """Of a spectrum over six decades, few steps see too little, and all probes err alike."""
    eigenvalues = np.concatenate([np.ones(30), np.geomspace(1e-2, 1e-6, 1070)])
    value, error = entropy.spectral_entropy(np.diag(eigenvalues), 0.25, method="approximate", return_error=True)
    assert 0.01 < abs(value - entropy.entropy_of_spectrum(eigenvalues, 0.25)) <= error < 0.1


def test_small_matrices_are_exact():
    x = np.random.default_rng(0).normal(size=(60, 3))
    value, error = entropy.diffusion_spectral_entropy(x, 1.0, method="approximate", return_error=True)
    assert error == 0 and abs(value - entropy.diffusion_spectral_entropy(x, 1.0)) < 1e-9
    value, error = entropy.spectral_entropy(entropy.diffusion_matrix(x, 1.0), method="approximate", return_error=True)
    assert error == 0 and abs(value - entropy.diffusion_spectral_entropy(x, 1.0)) < 1e-9


def test_matrices_that_are_not_symmetric_are_refused():
    with pytest.raises(ValueError, match="`matrix` must be symmetric"):
        entropy.spectral_entropy(np.triu(np.ones((5, 5))), method="approximate")
