"""Tests of masks: how well their pixels and their objects agree with the true ones, and whether they turn."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras_equivariant.training.data.masks import MaskedPictures
from keras_equivariant.training.input.preprocessing import of_picture
from keras_equivariant.training.tasks.segmentation import objects
from keras_equivariant.training.tasks.segmentation.tiles import scaled, scores_by_strips, strips

from keras_equivariant.equivariance import transform_image
from keras_equivariant.metrics import AveragePrecision, Dice, IntersectionOverUnion
from keras_equivariant.symmetry import get_symmetry

_TURNED = 4  # pictures that are turned
_SYMMETRY = "p4m"


def predict_masks(
    model: keras.Model,
    image: np.ndarray,
    preprocess: Any,
    instances: bool,
    report: Callable[[float], None] | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """The classes of all pixels of a picture, and its objects.

    Args:
        model: `keras.Model` from pictures of free size to scores.
        image: `(height, width, channels)` of any size, as `preprocess` takes it: between 0 and 1.
        preprocess: What `fit_preprocessing` returned.
        instances: Whether the model has learned objects.
        report: Function to call with the share that is done, now and then.

    Returns:
        Bytes `(height, width)`, with instances 0 and 1, and numbers of objects as `uint16` or `None`.

    Raises:
        ValueError: If there are more objects than 16 bits can number.
    """
    size = image.shape[:2]
    classes = np.zeros(size, "uint8")
    height = np.zeros(size, "float32") if instances else None
    prepare = of_picture(preprocess, map(scaled, strips(image)))
    for rows, scores in scores_by_strips(model, image, prepare):
        classes[rows] = scores.argmax(axis=-1) if height is None else objects.parts(scores)
        if height is not None:
            height[rows] = scores[..., objects.RIM] - scores[..., objects.INSIDE]
        if report is not None:
            report(rows.stop / size[0])
    if height is None:
        return classes, None
    found = objects.number_objects(classes, height)
    del height  # before there is another copy of the objects
    return np.minimum(classes, 1, out=classes), found.astype("uint16")


def evaluate(
    model: keras.Model, pictures: MaskedPictures, preprocess: Any, names: tuple[str, ...], instances: bool
) -> dict[str, Any]:
    """Compares predicted masks of whole pictures with the true ones.

    Args:
        model: `keras.Model` from pictures of free size to scores.
        pictures: `MaskedPictures`.
        preprocess: What `fit_preprocessing` returned.
        names: Names of the classes, the background first.
        instances: Whether masks number objects.

    Returns:
        A dictionary, in percent: `dice` and `iou`, means over the classes but the background, and each `by_class`; with
        instances `average_precision`, its mean over thresholds of the IoU from 0.5 to 0.9, `average_precision_50`,
        `f1_50` and both `by_threshold`; and `turn_change`, the share of pixels whose class is another when a picture
        turns or is mirrored.
    """
    dice, iou = (metric(len(names), ignore_class=-1, sparse_y_pred=True) for metric in (Dice, IntersectionOverUnion))
    precision = AveragePrecision()
    for image, mask in zip(pictures.images, pictures.masks, strict=True):
        classes, found = predict_masks(model, scaled(image), preprocess, instances)
        true = (mask > 0).astype("int32") if instances else mask.astype("int32")
        for metric in (dice, iou):
            metric.update_state(true[None], classes[None].astype("int32"))
        if found is not None:
            precision.update_state(mask, found)
    metrics: dict[str, Any] = {}
    for name, metric in (("dice", dice), ("iou", iou)):
        values = 100 * metric.by_class()[1:]
        metrics[name] = float(np.nanmean(values)) if np.isfinite(values).any() else 0.0
        by_class = {n: float(v) for n, v in zip(names[1:], values, strict=True) if np.isfinite(v)}
        metrics |= {f"{name}_by_class": by_class} if len(names) > 2 else {}
    if instances:
        thresholds = [f"{threshold:g}" for threshold in precision.thresholds]
        for name, values in (
            ("average_precision", precision.by_threshold()),
            ("f1", precision.f1_by_threshold()),
        ):
            metrics[name] = float(100 * values.mean())
            metrics[f"{name}_50"] = float(100 * values[0])
            metrics[f"{name}_by_threshold"] = dict(zip(thresholds, map(float, 100 * values), strict=True))
    metrics["turn_change"] = turn_change(model, pictures.images[:_TURNED], preprocess, instances)
    return metrics


def turn_change(model: keras.Model, images: Any, preprocess: Any, instances: bool) -> float:
    """Percent of pixels whose class is another when a picture turns or is mirrored, over all ways but staying."""
    changed, count = 0, 0
    for image in map(scaled, images):
        classes, _ = predict_masks(model, image, preprocess, instances)
        for element in range(1, get_symmetry(_SYMMETRY).order):
            turned = transform_image(image[None], _SYMMETRY, element)[0]
            found, _ = predict_masks(model, turned, preprocess, instances)
            expected = transform_image(classes[None, ..., None], _SYMMETRY, element)[0, ..., 0]
            changed, count = changed + int((found != expected).sum()), count + found.size
    return 100 * changed / count
