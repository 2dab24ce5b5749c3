"""Figure 2: the entropy of k tight clusters is log2 k, and so is their mutual information with the labels."""

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras_equivariant.training.studies.results import draw_lines, new_figure, save
from keras_equivariant.training.studies.simulated import tight_clusters

from keras_equivariant.entropy import diffusion_spectral_entropy, diffusion_spectral_mutual_information

SIGMA = 10.0


def run(
    output: str | pathlib.Path,
    seed: int = 0,
    points: int = 500,
    runs: int = 5,
    counts: Sequence[int] = (1, 2, 5, 10),
    times: Sequence[int] = (1, 2, 5, 10, 20, 50),
) -> dict[str, Any]:
    """Measures both over the diffusion time; labels are the clusters, or random where there is one cluster.

    Args:
        output: Folder for the results.
        seed: Decides the points.
        points: Number of points.
        runs: Number of independent data sets.
        counts: Numbers of clusters.
        times: Diffusion times.

    Returns:
        The results, a dictionary.
    """
    random = np.random.default_rng(seed)
    entropy, information = ({str(k): np.zeros((runs, len(times))) for k in counts} for _ in range(2))
    for run_index in range(runs):
        for k in counts:
            x, labels = tight_clusters(random, k, points)
            labels = random.integers(10, size=points) if k == 1 else labels
            for i, t in enumerate(times):
                entropy[str(k)][run_index, i] = diffusion_spectral_entropy(x, SIGMA, t)
                information[str(k)][run_index, i] = diffusion_spectral_mutual_information(
                    x, labels, SIGMA, t, repetitions=2, seed=seed
                )
    figure, (left, right) = new_figure(2)
    names = {f"{k} clusters, log2 k = {np.log2(k):.2f}": str(k) for k in counts}
    for axes, measured, title in ((left, entropy, "DSE"), (right, information, "DSMI with the labels")):
        lines = {name: measured[k] for name, k in names.items()}
        draw_lines(axes, times, lines, title, "diffusion time t", "bits", xscale="log")
    lists = [{k: values.tolist() for k, values in measured.items()} for measured in (entropy, information)]
    return save(output, {"sigma": SIGMA, "t": list(times), "dse": lists[0], "dsmi": lists[1]}, figure)
