"""Tests of estimates of the light: errors by cross-validation, under more and more coloured light."""

import keras
import numpy as np
from keras_equivariant.training.tasks.illuminants.baselines import BASELINES, summarise
from keras_equivariant.training.tasks.illuminants.images import LitImages, fill, visible_pixels

from keras_equivariant.layers import LogRGB
from keras_equivariant.metrics import reproduction_angular_error

SATURATIONS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
# A pixel that reaches this under white light is not clipped by the logarithm under any light of the test.
_FLOOR = LogRGB().epsilon / (1 - SATURATIONS[-1])
_BATCH_SIZE = 100


def estimate(models: list[keras.Model], images: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """The estimate of each image by the network that has not been trained on its fold.

    Args:
        models: List of networks, one for each fold.
        images: `(n, height, width, 3)`, without hidden pixels.
        folds: `(n,)`.

    Returns:
        Array `(n, 3)`.
    """
    estimates = np.zeros((len(images), 3), "float32")
    for fold in np.unique(folds):
        estimates[folds == fold] = models[fold].predict(images[folds == fold], batch_size=_BATCH_SIZE, verbose=0)
    return estimates


def cross_validated_errors(models: list[keras.Model], data: LitImages) -> dict[str, dict[str, dict[str, float]]]:
    """Errors over all images, of the networks and of the classic estimates.

    Args:
        models: List of networks, one for each fold.
        data: `LitImages`.

    Returns:
        A dictionary from the method to a dictionary from the saturation to what `summarise` returns. The methods are
        `network`; `network_without_dark_pixels`, for which those pixels of the original image count as hidden too
        that the logarithm clips under the strongest light; and the names of `BASELINES`.
    """
    seen, bright = visible_pixels(data.images), visible_pixels(data.images, _FLOOR)
    methods = {
        "network": lambda lit: estimate(models, fill(lit.images, seen), lit.folds),
        "network_without_dark_pixels": lambda lit: estimate(models, fill(lit.images, bright), lit.folds),
        **{name: lambda lit, baseline=baseline: baseline(lit.images, seen) for name, baseline in BASELINES.items()},
    }
    errors: dict[str, dict[str, dict[str, float]]] = {name: {} for name in methods}
    for saturation in SATURATIONS:
        lit = data.under(saturation)
        for name, method in methods.items():
            degrees = np.asarray(reproduction_angular_error(lit.lights, method(lit).astype("float32")))
            errors[name][str(saturation)] = summarise(degrees)
    return errors


def deviation_from_equivariance(models: list[keras.Model], data: LitImages) -> float:
    """The largest relative deviation of `estimate(image x light)` from `estimate(image) x light`.

    Measured under the strongest light of the test, where nothing is clipped.
    """
    lit = data.under(SATURATIONS[-1])
    bright = visible_pixels(data.images, _FLOOR)
    before, after = (estimate(models, fill(images, bright), data.folds) for images in (data.images, lit.images))
    expected = before * lit.lights / data.lights
    deviations = np.abs(after - expected).max(axis=1) / np.maximum(expected.max(axis=1), np.finfo("float32").tiny)
    return float(deviations.max())
