"""Figure 3 A: the entropy grows with the intrinsic dimension, where binned Shannon entropy is log2 n throughout."""

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras_equivariant.training.studies.results import draw_lines, new_figure, save

from keras_equivariant.entropy import binned_shannon_entropy, diffusion_spectral_entropy, spectral_entropy

SIGMA, TIME, NOISE = 10.0, 1, 0.02
AMBIENT = 2048
# What coordinates are multiplied by: 1 is the paper's own U[-1, 1] and N(0, I), beside which a kernel of width 10 is
# wide; with 5, a direction is about as wide as the kernel.
SCALES = (1.0, 5.0)


def run(
    output: str | pathlib.Path,
    seed: int = 0,
    points: int = 500,
    runs: int = 5,
    dimensions: Sequence[int] = (1, 2, 4, 8, 16, 32, 64),
    sizes: Sequence[int] = (50, 100, 200, 400),
) -> dict[str, Any]:
    """Measures matrices on the way to the identity, and uniform and normal data of more and more dimensions.

    Args:
        output: Folder for the results.
        seed: Decides the points.
        points: Number of points.
        runs: Number of independent data sets.
        dimensions: Intrinsic dimensions.
        sizes: Sizes of the matrices.

    Returns:
        The results, a dictionary.
    """
    random = np.random.default_rng(seed)
    shares = np.linspace(0, 1, 6)
    matrices = {f"n = {n}": [[_mixed(random, n, share) for share in shares] for _ in range(runs)] for n in sizes}
    draws = {"uniform": lambda shape: random.uniform(-1, 1, shape), "normal": random.standard_normal}
    lines = {f"DSE, times {scale:g}": scale for scale in SCALES}
    measured = {name: {line: [] for line in (*lines, "binned Shannon")} for name in draws}
    for name, draw in draws.items():
        for _ in range(runs):
            data = [_embed(random, draw((points, d))) for d in dimensions]
            for line, scale in lines.items():
                entropies = [diffusion_spectral_entropy(scale * x, SIGMA, TIME) for x in data]
                measured[name][line].append(entropies)
            measured[name]["binned Shannon"].append([binned_shannon_entropy(x) for x in data])
    figure, axes = new_figure(3)
    draw_lines(axes[0], shares, matrices, "(1 - w) random PSD + w identity", "w", "DSE (bits)")
    for panel, (name, of_kind) in zip(axes[1:], measured.items(), strict=True):
        draw_lines(panel, dimensions, of_kind, f"{name}, d of {AMBIENT} dimensions", "d", "bits", xscale="log")
        panel.axhline(np.log2(points), color="grey", linestyle=":")
    settings = {"sigma": SIGMA, "t": TIME, "points": points, "log2_points": float(np.log2(points))}
    settings |= {"scales": list(SCALES), "dimensions": list(dimensions), "identity_shares": shares.tolist()}
    return save(output, settings | {"matrices": matrices} | measured, figure)


def _mixed(random: np.random.Generator, n: int, share: float) -> float:
    """The entropy of a random positive matrix mixed with the identity, both of trace 1."""
    factor = random.normal(size=(n, n))
    matrix = factor @ factor.T
    return spectral_entropy((1 - share) * matrix / np.trace(matrix) + share * np.eye(n) / n)


def _embed(random: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """Turns points of few coordinates into points of many, with noise."""
    axes = np.linalg.qr(random.normal(size=(AMBIENT, x.shape[1])))[0]
    return x @ axes.T + NOISE * random.normal(size=(len(x), AMBIENT))
