"""Mutual information: what the paper says of it, how references become labels, and bad arguments."""

from collections import Counter

import numpy as np
import pytest
from sklearn.datasets import make_blobs

from keras_equivariant import entropy
from keras_equivariant.entropy import diffusion_spectral_mutual_information as dsmi


def tree(branches, points=60, dimensions=20, seed=0):
    """Straight branches from the origin along axes, and the branch of each point."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(branches), points)
    x = 0.1 * random.normal(size=(len(labels), dimensions))
    x[np.arange(len(labels)), labels] += random.uniform(20, 40, len(labels))
    return x, labels


@pytest.mark.parametrize("branches", [2, 5, 10])
def test_falls_from_log_k_to_zero_as_labels_are_shuffled(branches):
    x, labels = tree(branches)
    random, measured = np.random.default_rng(1), []
    for share in (0, 0.1, 0.3, 1):
        shuffled = labels.copy()
        chosen = random.choice(len(labels), int(share * len(labels)), replace=False)
        shuffled[chosen] = shuffled[random.permutation(chosen)]
        measured.append(dsmi(x, shuffled, sigma=10.0, t=1))
    assert measured[0] >= 0.9 * np.log2(branches)
    assert abs(measured[-1]) < 0.05
    assert measured[0] > measured[1] + 0.2 > measured[2] + 0.4


def test_baselines_written_out():
    x, labels = tree(3, points=20)
    x, labels = x[:50], labels[:50]  # classes of 20, 20 and 10
    of_classes = [entropy.diffusion_spectral_entropy(x[labels == k]) for k in range(3)]
    whole = entropy.diffusion_spectral_entropy(x)
    expected = sum(share * (whole - part) for share, part in zip((0.4, 0.4, 0.2), of_classes, strict=True))
    assert abs(dsmi(x, labels, baseline="all") - expected) < 1e-12
    subsets = [[np.arange(0, 50, 3)], [np.arange(20), np.arange(30, 50)], [np.arange(10)]]
    before = [np.mean([entropy.diffusion_spectral_entropy(x[s]) for s in of_class]) for of_class in subsets]
    expected = sum(s * (b - a) for s, b, a in zip((0.4, 0.4, 0.2), before, of_classes, strict=True))
    assert abs(dsmi(x, labels, subsets=subsets) - expected) < 1e-12


def test_labels_of_any_discrete_kind():
    x, labels = tree(2, points=30)
    expected = dsmi(x, labels)
    assert dsmi(x, labels[:, None]) == expected
    assert dsmi(x, labels.astype(bool)) == expected
    assert dsmi(x, np.array(["cat", "dog"])[labels]) == expected
    assert dsmi(x, labels.astype(float), clusters=2) == expected


def test_classes_of_one_and_of_equal_points():
    x, labels = tree(2, points=10)
    x[:10] = x[0]
    labels[-1] = 7
    assert np.isfinite(dsmi(x, labels))


def test_seed():
    x, labels = tree(3, points=20)
    x *= 0.2
    assert dsmi(x, labels, seed=1) == dsmi(x, labels, seed=1) != dsmi(x, labels, seed=2)
    assert dsmi(x, labels, seed=1) != dsmi(x, labels, seed=1, repetitions=1)
    drawn = np.random.default_rng(3).choice(60, 30, replace=False)
    assert (
        abs(dsmi(x, labels, baseline="all", max_points=30, seed=3) - dsmi(x[drawn], labels[drawn], baseline="all"))
        < 1e-9
    )


def test_vectors_are_clustered_once_and_reused():
    x, labels = tree(4, points=30)
    clusters = entropy.cluster_reference(x, clusters=4)
    pairs = set(zip(labels.tolist(), clusters.tolist(), strict=True))
    assert len(pairs) == 4, "spectral clustering finds the branches"
    assert dsmi(x, x, clusters=4) == dsmi(x, clusters)


def test_scalars_are_binned_by_width():
    np.testing.assert_array_equal(entropy.cluster_reference([0.0, 0.2, 0.5, 0.9, 1.0], clusters=2), [0, 0, 1, 1, 1])


def blobs(dimensions, seed=1):
    return make_blobs(500, dimensions, centers=5, random_state=seed)


def test_binned_mutual_information_of_fixed_bins():
    assert entropy.binned_shannon_mutual_information([[0.0], [0.1], [0.9], [1.0]], [0, 0, 1, 1]) == 1
    x, labels = blobs(8)
    assert abs(entropy.binned_shannon_mutual_information(x, labels) - np.log2(5)) < 1e-9
    subsets = entropy.binned_shannon_mutual_information(x, labels, baseline="subsets")
    assert 2 < subsets < np.log2(5), "a subset misses some of the cells"


def test_binned_mutual_information_written_out():
    x, labels = np.random.default_rng(0).normal(size=(40, 2)), np.arange(40) % 3
    cells = [tuple(cell) for cell in np.floor(3 * (x - x.min(axis=0)) / np.ptp(x, axis=0)).clip(max=2)]

    def bits(chosen):
        shares = np.array(list(Counter(chosen).values())) / len(chosen)
        return -(shares * np.log2(shares)).sum()

    classes = [[cell for cell, label in zip(cells, labels, strict=True) if label == k] for k in range(3)]
    expected = bits(cells) - sum(len(of_class) / 40 * bits(of_class) for of_class in classes)
    assert abs(entropy.binned_shannon_mutual_information(x, labels, bins=3) - expected) < 1e-12


def test_binned_mutual_information_cannot_tell_shuffled_labels_in_many_dimensions():
    random = np.random.default_rng(0)
    shuffled = []
    for dimensions in (8, 32, 128):
        x, labels = blobs(dimensions)
        shuffled.append(entropy.binned_shannon_mutual_information(x, random.permutation(labels)))
    assert 0.1 < shuffled[0] < 0.2 and 0.4 < shuffled[1] < 1 and shuffled[2] > 0.98 * np.log2(5)
    assert abs(dsmi(x, random.permutation(labels), sigma=39.0, t=2)) < 0.05 < 2 < dsmi(x, labels, sigma=39.0, t=2)


@pytest.mark.parametrize(
    "message, arguments",
    [
        ("`reference` must have as many entries", {"reference": np.arange(3)}),
        ("`reference` must have as many entries", {"reference": 3}),
        ("`reference` must be finite", {"reference": np.full(20, np.nan)}),
        ("`clusters` must be", {"reference": np.linspace(0, 1, 20), "clusters": 1}),
        ("`clusters` must be", {"reference": np.linspace(0, 1, 20), "clusters": 21}),
        ("`baseline` must be", {"baseline": "none"}),
        ("`repetitions` must be", {"repetitions": 0}),
        ("`subsets` must have an entry", {"subsets": [[[1, 2]]]}),
        ("`subsets` must hold indices", {"subsets": [[[1, 2]], [[20]]]}),
        ("`subsets` must hold indices", {"subsets": [[[1, 2]], []]}),
        ("`subsets` must hold indices", {"subsets": [[[0.5]], [[1]]]}),
        ("`sigma` must be", {"sigma": 0}),
        ("`t` must be", {"t": -1}),
        ("`x` must hold two different points", {"x": np.zeros((20, 2))}),
    ],
)
def test_bad_arguments(message, arguments):
    x, labels = tree(2, points=10)
    with pytest.raises(ValueError, match=message):
        dsmi(**{"x": x, "reference": labels, **arguments})


@pytest.mark.parametrize("bins", [1, 2.5, True])
def test_bad_bins(bins):
    with pytest.raises(ValueError, match="`bins` must be"):
        entropy.binned_shannon_entropy(np.eye(3), bins)


def test_bad_edges():
    with pytest.raises(ValueError, match="`edges` must be one of"):
        entropy.binned_shannon_mutual_information(np.eye(3), [0, 1, 1], edges="drawn")
