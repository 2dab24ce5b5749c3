"""Tests of painted centres: the peak signal-to-noise ratio under more and more coloured light."""

import keras
import numpy as np
from keras_equivariant.training.tasks.illuminants.images import random_lights
from keras_equivariant.training.tasks.inpainting.images import centre, erase

from keras_equivariant.layers import ApplyGamma, RemoveGamma

SATURATIONS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_BATCH_SIZE = 50


def paint_centres(generator: keras.Model, images: np.ndarray) -> np.ndarray:
    """The centres that a generator paints into images `(n, 128, 128, 3)` in linear RGB, in linear RGB too."""
    painted = generator.predict(np.asarray(erase(images)), batch_size=_BATCH_SIZE, verbose=0)
    return np.asarray(RemoveGamma()(np.clip((painted + 1) / 2, 0, 1)))


def mean_centres(images: np.ndarray) -> np.ndarray:
    """The mean colour of what surrounds the centres, in linear RGB."""
    return np.asarray(centre(erase(images)))


def signal_to_noise(painted: np.ndarray, real: np.ndarray) -> float:
    """Mean over the images of the peak signal-to-noise ratio in decibels; both in linear RGB, compared in sRGB.

    10 log10(1 / mean of (painted - real)^2)
    """
    painted, real = (np.asarray(ApplyGamma()(np.clip(x, 0, 1).astype("float32")), "float64") for x in (painted, real))
    return float(np.mean(-10 * np.log10(np.maximum(((painted - real) ** 2).mean((1, 2, 3)), 1e-10))))


def measure(generator: keras.Model, images: np.ndarray) -> dict[str, dict[str, float]]:
    """Ratios of painted centres and of the mean colour, under lights of random hue and given saturation.

    Args:
        generator: `keras.Model` from linear RGB with an erased centre to the centre in sRGB, in [-1, 1].
        images: `(n, 128, 128, 3)` in linear RGB.

    Returns:
        A dictionary of dictionaries from the saturation to the ratio: `psnr_by_saturation`, with the light taken out of
        the painted centre; `tinted_psnr_by_saturation`, under the light, as in figure 7 of the paper;
        and both for the mean colour, `mean_...`.
    """
    rows: dict[str, dict[str, float]] = {name: {} for name in ("psnr", "tinted_psnr", "mean_psnr", "mean_tinted_psnr")}
    real = centre(images)
    for saturation in SATURATIONS:
        lights = random_lights(len(images), saturation)
        for prefix, painted in (
            ("", paint_centres(generator, images * lights)),
            ("mean_", mean_centres(images * lights)),
        ):
            rows[f"{prefix}psnr"][str(saturation)] = signal_to_noise(painted / lights, real)
            rows[f"{prefix}tinted_psnr"][str(saturation)] = signal_to_noise(painted, real * lights)
    return {f"{name}_by_saturation": by_saturation for name, by_saturation in rows.items()}
