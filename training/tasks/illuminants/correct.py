"""Takes the colour of the light out of a photograph."""

import pathlib

import numpy as np
import tensorflow as tf

from keras_equivariant.layers import ApplyGamma, RemoveGamma
from training.data.files import check_not_black, read_image, scaled
from training.data.nus import shrink
from training.files import replacing
from training.runs.finished import load_model, read_recipe
from training.tasks.illuminants.images import fill, visible_pixels


def correct(
    run: str | pathlib.Path, photograph: str | pathlib.Path, output: str | pathlib.Path, raw: bool = False
) -> np.ndarray:
    """Estimates the colour of the light of a photograph and takes it out.

    Args:
        run: Folder of a finished run of the task "illuminants".
        photograph: PNG, JPEG or BMP file, of 8 bits or, as PNG, of 16.
        output: PNG file to write: the photograph before and, at its right, after.
        raw: Whether the pixels are proportional to light, as a camera's raw ones; otherwise they are sRGB.

    Returns:
        The colour of the light in linear RGB, with a mean of one.

    Raises:
        ValueError: If the run is none of that task, or the photograph cannot be read, is all black or smaller than
            the images of the network.
    """
    if read_recipe(run)[0].task != "illuminants":
        raise ValueError(f"`run` must be of a network that estimates the light. Received: run={run}")
    image = scaled(read_image(photograph))
    check_not_black(image, photograph)
    model = load_model(run)
    size = model.input_shape[1]
    if min(image.shape[:2]) < size:
        raise ValueError(
            f"The image must be at least {size} pixels wide and high. Received: {photograph} {image.shape[:2]}"
        )
    linear = image if raw else np.asarray(RemoveGamma()(image))
    small = shrink(linear, np.ones((*linear.shape[:2], 1), "float32"), size)[None].astype("float32")
    light = np.asarray(model(fill(small, visible_pixels(small))))[0].astype("float64")
    if not light.min() > 0:
        raise ValueError(f"The estimate must be positive to be taken out. Received: {light} for {photograph}")
    light = light / light.mean()
    corrected = np.clip(linear / light.astype("float32"), 0, 1)
    both = np.concatenate([np.asarray(ApplyGamma()(x)) for x in (linear, corrected)], axis=1)
    with replacing(output) as partial:
        pathlib.Path(partial).write_bytes(tf.io.encode_png(np.rint(255 * both).astype("uint8")).numpy())
    return light
