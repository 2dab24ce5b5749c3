"""Figure 3 B: mutual information of trees with their branches falls to 0 as the labels are shuffled."""

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras_equivariant.training.studies.results import draw_lines, new_figure, save
from keras_equivariant.training.studies.simulated import corrupt, tree

from keras_equivariant.entropy import binned_shannon_mutual_information, diffusion_spectral_mutual_information

# Fixed before measuring. 10 is the default of the authors' package: well above the noise of a branch, 0.5, and below
# the distance of the middles of two branches, 35. Time 2, because the entropy is to count branches, for which a
# "sufficiently large t" must take out what is left of the spectrum within a branch: a branch is three sigmas long, and
# at time 1 that hides part of log2 k. Much longer times would begin to take out the branches themselves.
SIGMA, TIME = 10.0, 2


def run(
    output: str | pathlib.Path,
    seed: int = 0,
    points: int = 500,
    runs: int = 5,
    branches: Sequence[int] = (2, 5, 10),
    shares: Sequence[float] = (0.0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0),
) -> dict[str, Any]:
    """Measures it for trees of some numbers of branches, beside binned Shannon information.

    Args:
        output: Folder for the results.
        seed: Decides the points and the labels.
        points: Number of points.
        runs: Number of independent data sets.
        branches: Numbers of branches.
        shares: Shares of the labels that are shuffled.

    Returns:
        The results, a dictionary.
    """
    random = np.random.default_rng(seed)
    results = {"sigma": SIGMA, "t": TIME, "shares": list(shares), "trees": {}}
    figure, axes = new_figure(len(branches))
    for panel, k in zip(axes, branches, strict=True):
        lines = {"DSMI": [], "binned Shannon": [], "binned Shannon, bins redrawn": []}
        for _ in range(runs):
            x, labels = tree(random, k, points)
            corrupted = [corrupt(random, labels, share) for share in shares]
            lines["DSMI"].append([diffusion_spectral_mutual_information(x, y, SIGMA, TIME) for y in corrupted])
            lines["binned Shannon"].append([binned_shannon_mutual_information(x, y) for y in corrupted])
            # As the authors' package computes it.
            redrawn = [binned_shannon_mutual_information(x, y, baseline="subsets", edges="redrawn") for y in corrupted]
            lines["binned Shannon, bins redrawn"].append(redrawn)
        draw_lines(panel, shares, lines, f"{k} branches", "share of shuffled labels", "bits")
        panel.axhline(np.log2(k), color="grey", linestyle=":")
        results["trees"][str(k)] = lines
    return save(output, results, figure)
