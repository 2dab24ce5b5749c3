"""A model on moved inputs, where it takes their size."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np


def run_moved(
    run: Callable[[np.ndarray], Any], inputs: np.ndarray, moves: dict[int, np.ndarray]
) -> list[tuple[int, Any]]:
    """What comes out of each moved input of a size that the model takes, with the index of the element that moved it.

    Elements that exchange the sides of a map make another size of one that is not square, which a model of a fixed
    input refuses: the others are tested, and a warning says which they are.
    """
    results, refused = [], []
    for element, moved in moves.items():
        try:
            results.append((element, run(moved)))
        except ValueError:
            if moved.shape == inputs.shape:
                raise
            refused.append(element)
    if refused:
        warnings.warn(
            f"The elements {[element for element, _ in results]} alone are tested: the model takes inputs of one size, "
            f"{inputs.shape[1:3]}, whose sides the elements {refused} exchange. Build it for a square to test all.",
            stacklevel=3,
        )
    return results
