"""Figure 5: how long the estimators of mutual information take, over the dimension."""

import pathlib
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras_equivariant.training.studies.estimators import CLASSES, estimators
from keras_equivariant.training.studies.results import draw_lines, new_figure, save
from keras_equivariant.training.studies.simulated import blobs


def run(
    output: str | pathlib.Path,
    seed: int = 0,
    points: int = 500,
    runs: int = 3,
    dimensions: Sequence[int] = (2, 8, 32, 128, 512, 2048),
    mine_steps: int = 500,
) -> dict[str, Any]:
    """Times each estimator, in turn, on the same blobs. The first of the runs warms up, and is not counted.

    Args:
        output: Folder for the results.
        seed: Decides the points.
        points: Number of points.
        runs: Number of timings.
        dimensions: Dimensions.
        mine_steps: Number of training steps of the network that MINE trains for each estimate.

    Returns:
        The results, a dictionary.
    """
    random = np.random.default_rng(seed)
    by_name = estimators(mine_steps)
    seconds = {name: np.zeros((runs + 1, len(dimensions))) for name in by_name}
    for column, d in enumerate(dimensions):
        x, labels = blobs(random, CLASSES, points, d)
        for row in range(runs + 1):
            for name, estimate in by_name.items():
                start = time.perf_counter()
                estimate(x, labels)
                seconds[name][row, column] = time.perf_counter() - start
    lines = {name: values[1:].tolist() for name, values in seconds.items()}
    figure, (axes,) = new_figure(1)
    draw_lines(axes, dimensions, lines, f"{points} points", "dimension", "seconds", xscale="log", yscale="log")
    return save(output, {"points": points, "dimensions": list(dimensions), "seconds": lines}, figure)
