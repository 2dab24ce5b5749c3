"""Tests of trained models, by name. Each returns a dictionary with `test_error`, in percent, among other figures."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras_equivariant.training.data.images import LabelledImages
from keras_equivariant.training.input.batches import TEST_ANGLES, rotated_batches, test_batches
from keras_equivariant.training.input.coloured_light import test_saturations, wrong_predictions
from keras_equivariant.training.input.preprocessing import Preprocessing

from keras_equivariant.equivariance import equivariance_error

BATCH_SIZE = 500
_INVARIANCE_IMAGES = 500


def _plain(model: keras.Model, data: LabelledImages, preprocess: Preprocessing) -> dict[str, Any]:
    wrong = wrong_predictions(model, test_batches(data.test, preprocess, BATCH_SIZE))
    return {"test_error": float(100 * wrong.mean())}


def _rotations(model: keras.Model, data: LabelledImages, preprocess: Preprocessing) -> dict[str, Any]:
    wrong = wrong_predictions(model, rotated_batches(data.test, preprocess, BATCH_SIZE)).reshape(-1, len(data.test))
    by_rotation = {str(round(np.degrees(a))): float(100 * e) for a, e in zip(TEST_ANGLES, wrong.mean(1), strict=True)}
    return {"test_error": float(100 * wrong.mean()), "test_error_by_rotation": by_rotation}


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """A way to test.

    Attributes:
        test: Function of the model, the `LabelledImages` and the preprocessing that returns the figures.
        batches: Function of a split, the preprocessing and a batch size that returns batches; it also
            serves to watch the training on the validation set.
    """

    test: Callable
    batches: Callable


_EVALUATIONS = {
    "plain": Evaluation(_plain, test_batches),
    "saturations": Evaluation(test_saturations, test_batches),
    "rotations": Evaluation(_rotations, rotated_batches),
}


def list_evaluations() -> list[str]:
    """Returns the names of all evaluations."""
    return list(_EVALUATIONS)


def get_evaluation(name: str) -> Evaluation:
    """Returns an `Evaluation` by its name.

    Raises:
        ValueError: If the name is unknown.
    """
    if name not in _EVALUATIONS:
        raise ValueError(f"`evaluation` must be one of {list_evaluations()}. Received: evaluation={name!r}")
    return _EVALUATIONS[name]


def evaluate(name: str, model: keras.Model, data: LabelledImages, preprocess: Any) -> dict[str, Any]:
    """Tests a model.

    Args:
        name: One of `list_evaluations()`.
        model: A `keras.Model` with logits.
        data: `LabelledImages`.
        preprocess: What `fit_preprocessing` returned.

    Returns:
        A dictionary: what the evaluation found, and `invariance_error`, the largest relative change of the logits
        under the four rotations of p4.
    """
    images = np.asarray(preprocess(data.test.first(_INVARIANCE_IMAGES).scaled_images()))
    return {
        **get_evaluation(name).test(model, data, preprocess),
        "invariance_error": equivariance_error(model, images, "p4"),
    }
