"""Classic estimates of the colour of the light, and how errors are summed up.

Each baseline maps images `(n, height, width, 3)` in linear RGB and their visible pixels `(n, height, width)` to
colours `(n, 3)`. All of them follow the light exactly.
"""

import numpy as np

_POWER = 6


def grey_world(images: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """The mean colour."""
    return _power_mean(images, visible, 1)


def max_rgb(images: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """The largest value of each colour."""
    return (images * visible[..., None]).max((1, 2))


def shades_of_grey(images: np.ndarray, visible: np.ndarray, power: int = _POWER) -> np.ndarray:
    """The mean of the sixth powers, between the other two."""
    return _power_mean(images, visible, power)


def _power_mean(images: np.ndarray, visible: np.ndarray, power: int) -> np.ndarray:
    weights = visible[..., None].astype("float64")
    return ((images**power * weights).sum((1, 2)) / weights.sum((1, 2))) ** (1 / power)


BASELINES = {"grey-world": grey_world, "max-RGB": max_rgb, "shades-of-grey": shades_of_grey}


def summarise(errors: np.ndarray) -> dict[str, float]:
    """The figures that publications report, of errors in degrees.

    Args:
        errors: Array `(n,)`.

    Returns:
        A dictionary: `median`, `mean`, `trimean` (of the quartiles, the median counted twice), and the means of the
        best and the worst quarter of all errors.

    Example:

    >>> summarise(np.array([4.0, 1.0, 3.0, 2.0, 100.0]))["trimean"]
    3.0
    """
    ordered = np.sort(errors)
    quarter = max(1, len(ordered) // 4)
    first, median, third = np.percentile(ordered, [25, 50, 75])
    return {
        "median": float(median),
        "mean": float(ordered.mean()),
        "trimean": float((first + 2 * median + third) / 4),
        "best_quarter": float(ordered[:quarter].mean()),
        "worst_quarter": float(ordered[-quarter:].mean()),
    }
