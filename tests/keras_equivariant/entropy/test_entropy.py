"""Entropies against the authors' package (recorded values), the formula, and what the paper says of them."""

import json
import pathlib

import numpy as np
import pytest
from sklearn.datasets import load_digits

from keras_equivariant import entropy

FOLDER = pathlib.Path(__file__).parent
RECORDED = json.loads((FOLDER / "reference.json").read_text())


def reference_points(name):
    """As in benchmarks/entropy_reference.py."""
    if name in ("digits", "embedding"):
        digits = load_digits()
        x = digits.data[:240] if name == "digits" else np.loadtxt(FOLDER / "embedding.csv", delimiter=",")
        return x, digits.target[:240]
    index = np.arange(240 * 6, dtype="int64")
    uniform = (index * 7919 % 10007 / 10007).reshape(240, 6)
    labels = np.arange(240) % 3
    return (uniform * 20, labels) if name == "uniform" else (uniform * 4 + 30 * labels[:, None], labels)


def oracle(x, sigma, t):
    """Equation 4 from the Markov matrix, by the letter."""
    kernel = np.array([[np.exp(-((a - b) ** 2).sum() / (2 * sigma**2)) for b in x] for a in x])
    markov = kernel / kernel.sum(axis=1, keepdims=True)
    powers = np.abs(np.linalg.eigvals(np.linalg.matrix_power(markov, t)))
    shares = powers[powers > 1e-300] / powers.sum()
    return -(shares * np.log2(shares)).sum()


def clusters(count, points=40, distance=1000.0, dimensions=8, seed=0):
    random = np.random.default_rng(seed)
    centres = distance * np.eye(max(count, dimensions))[:count, :]
    return np.repeat(centres, points, axis=0) + 0.01 * random.normal(size=(count * points, max(count, dimensions)))


@pytest.mark.parametrize("row", [row for row in RECORDED["rows"] if "sigma" in row], ids=lambda row: str(row)[12:50])
def test_agrees_with_the_authors_package(row):
    x, labels = reference_points(row["points"])
    subsets = RECORDED["subsets"]["digits" if row["points"] in ("digits", "embedding") else "blobs"]
    arguments = {"sigma": row["sigma"], "t": row["t"]}
    assert abs(entropy.diffusion_spectral_entropy(x, **arguments) - row["dse"]) < 1e-6
    measured = entropy.diffusion_spectral_mutual_information(x, labels, subsets=subsets, **arguments)
    assert abs(measured - row["dsmi"]) < 1e-6


@pytest.mark.parametrize("row", [row for row in RECORDED["rows"] if "shannon" in row], ids=lambda row: row["points"])
def test_binned_entropy_agrees_with_the_authors_package(row):
    x, labels = reference_points(row["points"])
    assert abs(entropy.binned_shannon_entropy(x) - row["shannon"]) < 1e-6
    subsets = RECORDED["subsets"]["digits" if row["points"] in ("digits", "embedding") else "blobs"]
    arguments = {"baseline": "subsets", "edges": "redrawn", "subsets": subsets}
    measured = entropy.binned_shannon_mutual_information(x, labels, **arguments)
    assert abs(measured - row["shannon_information"]) < 1e-6


@pytest.mark.parametrize("sigma", [0.5, 2.0, 30.0])
@pytest.mark.parametrize("t", [1, 2, 3])
def test_formula(sigma, t):
    x = np.random.default_rng(0).normal(size=(25, 4))
    assert abs(entropy.diffusion_spectral_entropy(x, sigma, t) - oracle(x, sigma, t)) < 1e-9


def test_anisotropic_matrix_has_the_eigenvalues_of_the_markov_matrix_of_k():
    x = np.random.default_rng(0).normal(size=(600, 4)) * np.linspace(1, 3, 600)[:, None]
    symmetric = entropy.diffusion_matrix(x, 2.0)
    markov = symmetric / symmetric.sum(axis=1, keepdims=True)
    expected = np.sort(np.linalg.eigvals(markov).real)
    actual = entropy.exact_spectrum(entropy.diffusion_matrix(x, 2.0, "anisotropic"))
    np.testing.assert_allclose(actual, expected, atol=1e-12)
    assert abs(actual[-1] - 1) < 1e-12
    assert (
        abs(entropy.diffusion_spectral_entropy(x, 2.0, normalisation="anisotropic") - entropy.spectral_entropy(markov))
        < 1e-6
    )


def test_clusters():
    assert abs(entropy.diffusion_spectral_entropy(clusters(5)) - np.log2(5)) < 0.01
    assert entropy.diffusion_spectral_entropy(clusters(1)) < 0.01


def test_known_spectra():
    assert entropy.spectral_entropy(np.eye(16), t=7.5) == 4
    assert entropy.spectral_entropy(np.diag([1.0, 0.0, 0.0])) == 0
    assert abs(entropy.spectral_entropy(np.diag([-0.5, 0.25, 0.25])) - 1.5) < 1e-12
    rotation = np.array([[0.0, -1.0], [1.0, 0.0]])  # eigenvalues i and -i
    assert abs(entropy.spectral_entropy(rotation) - 1) < 1e-12
    assert abs(entropy.entropy_of_spectrum([1e-200, 1e-200], t=5) - 1) < 1e-12


def test_longer_times_leave_less_entropy():
    x = np.random.default_rng(0).normal(size=(60, 5))
    entropies = [entropy.diffusion_spectral_entropy(x, 2.0, t) for t in (0.5, 1, 2.5, 10)]
    assert entropies == sorted(entropies, reverse=True)


def test_invariant_to_rotation_permutation_and_translation():
    random = np.random.default_rng(0)
    x = random.normal(size=(80, 6))
    rotation = np.linalg.qr(random.normal(size=(6, 6)))[0]
    expected = entropy.diffusion_spectral_entropy(x, 1.5)
    for moved in (x @ rotation, x[random.permutation(80)], x + 1e5):
        assert abs(entropy.diffusion_spectral_entropy(moved, 1.5) - expected) < 1e-8
    assert (
        abs(entropy.diffusion_spectral_entropy(7 * x, "median") - entropy.diffusion_spectral_entropy(x, "median"))
        < 1e-9
    )


def test_grows_with_intrinsic_dimension_where_binned_entropy_is_saturated():
    random = np.random.default_rng(0)
    measured = []
    for dimension in (1, 2, 4, 8):
        x = random.uniform(-1, 1, (500, dimension)) @ random.normal(size=(dimension, 2048))
        x += 0.1 * random.normal(size=x.shape)
        measured.append(entropy.diffusion_spectral_entropy(x))
        assert abs(entropy.binned_shannon_entropy(x) - np.log2(500)) < 1e-9
    assert (np.diff(measured) > 0.1).all()


def test_subsampling():
    x = np.random.default_rng(0).normal(size=(300, 3))
    few = entropy.diffusion_spectral_entropy(x, 1.0, max_points=50, seed=3)
    assert few == entropy.diffusion_spectral_entropy(x, 1.0, max_points=50, seed=3)
    assert few != entropy.diffusion_spectral_entropy(x, 1.0, max_points=50, seed=4)
    assert few < np.log2(50) < entropy.diffusion_spectral_entropy(x, 0.1, max_points=None)


def test_images_are_flattened_and_integers_taken():
    images = load_digits().images[:40].astype("uint8")
    flat = images.reshape(40, -1).astype("float64")
    assert entropy.diffusion_spectral_entropy(images) == entropy.diffusion_spectral_entropy(flat)


POINTS = np.random.default_rng(0).normal(size=(10, 3))


@pytest.mark.parametrize(
    "message, arguments",
    [
        ("`x` must hold at least two points", {"x": POINTS[:1]}),
        ("`x` must hold at least two points", {"x": 3.0}),
        ("`x` must hold two different points", {"x": np.ones((5, 2))}),
        ("`x` must be finite", {"x": np.where(POINTS > 1, np.nan, POINTS)}),
        ("`x` must be an array of numbers", {"x": [["a"], ["b"]]}),
        ("`sigma` must be a positive number or 'median'", {"sigma": 0}),
        ("`sigma` must be", {"sigma": -1.0}),
        ("`sigma` must be", {"sigma": "mean"}),
        ("`sigma` must be", {"sigma": 1j}),
        ("`sigma` must be at least 1e-150 of the points", {"sigma": 1e-300}),
        ("`sigma` must be at least 1e-150 of the points", {"x": 1e200 * POINTS}),
        ("`x` must be an array of numbers", {"x": POINTS + 1j}),
        ("`x` must be an array of numbers", {"x": None}),
        ("`sigma` must be a number where most", {"x": [[0.0]] * 9 + [[1.0]], "sigma": "median"}),
        ("`t` must be", {"t": 0}),
        ("`t` must be", {"t": np.nan}),
        ("`normalisation` must be", {"normalisation": "none"}),
        ("`method` must be", {"method": "chebyshev"}),
        ("`max_points` must be", {"max_points": 1}),
    ],
)
def test_bad_arguments(message, arguments):
    with pytest.raises(ValueError, match=message):
        entropy.diffusion_spectral_entropy(**{"x": POINTS, **arguments})


@pytest.mark.parametrize(
    "matrix", [np.ones((2, 3)), np.ones(4), np.full((2, 2), np.nan), np.zeros((2, 2)), "a", 1j * np.eye(2)]
)
def test_bad_matrices(matrix):
    with pytest.raises(ValueError, match="`matrix` must"):
        entropy.spectral_entropy(matrix)


@pytest.mark.parametrize("eigenvalues", [[], [0.0, 0.0], [1.0, np.nan], [1.0, np.inf]])
def test_bad_eigenvalues(eigenvalues):
    with pytest.raises(ValueError, match="`eigenvalues` must be finite"):
        entropy.entropy_of_spectrum(eigenvalues)
