"""Figure 4: mutual information of Gaussian blobs by five estimators, over label corruption and dimension."""

import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from keras_equivariant.training.studies.mine import neural_mutual_information
from keras_equivariant.training.studies.nearest_neighbours import (
    kozachenko_leonenko_mutual_information,
    nearest_neighbour_mutual_information,
)
from keras_equivariant.training.studies.results import draw_lines, new_figure, save
from keras_equivariant.training.studies.simulated import blobs, corrupt
from matplotlib.figure import Figure

from keras_equivariant.entropy import binned_shannon_mutual_information, diffusion_spectral_mutual_information

# Fixed before measuring. In d dimensions, points of a blob of unit deviation are about sqrt(2 d) apart, those of two
# blobs, whose centres' coordinates lie between -10 and 10, about sqrt(69 d): sigma is halfway in their logarithm.
# Time 2 takes out what is left of the spectrum within a blob, as for the trees of Figure 3.
SIGMA_PER_ROOT, TIME, CLASSES = 138**0.25, 2, 5


def estimators(mine_steps: int) -> dict[str, Callable[[np.ndarray, np.ndarray], float]]:
    """The estimators by name; how many steps the network of one is trained is a setting."""
    return {
        "DSMI": lambda x, y: diffusion_spectral_mutual_information(x, y, SIGMA_PER_ROOT * np.sqrt(x.shape[1]), TIME),
        "binned Shannon": binned_shannon_mutual_information,
        "Kozachenko-Leonenko (NPEET)": kozachenko_leonenko_mutual_information,
        "nearest neighbours (Ross)": nearest_neighbour_mutual_information,
        "MINE": lambda x, y: neural_mutual_information(x, y, mine_steps),
    }


def run(
    output: str | pathlib.Path,
    seed: int = 0,
    points: int = 500,
    runs: int = 3,
    shares: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 1.0),
    dimensions: Sequence[int] = (2, 8, 32, 128, 512, 2048),
    mine_steps: int = 500,
) -> dict[str, Any]:
    """Measures over label corruption in few and many dimensions, and over the dimension, clean and shuffled.

    Args:
        output: Folder for the results.
        seed: Decides the points and the labels.
        points: Number of points.
        runs: Number of independent data sets.
        shares: Shares of the labels that are shuffled.
        dimensions: Dimensions; the second and the last but one are those of the first two panels.
        mine_steps: Number of training steps of the network that MINE trains for each estimate.

    Returns:
        The results, a dictionary.
    """
    random = np.random.default_rng(seed)
    by_name = estimators(mine_steps)

    def measure(rows: list[list[tuple[np.ndarray, np.ndarray]]]) -> dict[str, list[list[float]]]:
        return {name: [[estimate(*pair) for pair in row] for row in rows] for name, estimate in by_name.items()}

    results: dict[str, Any] = {"sigma_per_root": SIGMA_PER_ROOT, "t": TIME, "mine_steps": mine_steps}
    results |= {"shares": list(shares), "dimensions": list(dimensions)}
    for d in (dimensions[1], dimensions[-2]):
        data = [blobs(random, CLASSES, points, d) for _ in range(runs)]
        results[f"corruption_{d}"] = measure([[(x, corrupt(random, y, share)) for share in shares] for x, y in data])
    clean = [[blobs(random, CLASSES, points, d) for d in dimensions] for _ in range(runs)]
    results["dimension"] = measure(clean)
    results["dimension_shuffled"] = measure([[(x, random.permutation(y)) for x, y in row] for row in clean])
    return save(output, results, draw(results))


def draw(results: dict[str, Any]) -> Figure:
    """Draws the results: what stays near log2 of the number of classes, and what goes far beyond."""
    figure, axes = new_figure(2, rows=2)
    for panel, name in zip(axes, [key for key in results if key.startswith("corruption")], strict=False):
        title = f"{CLASSES} blobs in {name.removeprefix('corruption_')} dimensions"
        draw_lines(panel, results["shares"], results[name], title, "share of shuffled labels", "bits")
    for panel, name in ((axes[2], "dimension"), (axes[3], "dimension_shuffled")):
        title = "shuffled labels" if name.endswith("shuffled") else "clean labels"
        draw_lines(panel, results["dimensions"], results[name], title, "dimension", "bits", xscale="log")
    for panel in (axes[1], axes[3]):
        panel.set_yscale("symlog", linthresh=3)
        ticks = [0, 1, 2, 3, 10, 100]
        panel.set_yticks(ticks, [str(tick) for tick in ticks], minor=False)
        panel.set_yticks([], minor=True)
    for index, panel in enumerate(axes):
        panel.set_ylim(bottom=-0.2)
        panel.axhline(np.log2(CLASSES), color="grey", linestyle=":")
        if index != 2 and (legend := panel.get_legend()):
            legend.remove()
    return figure
