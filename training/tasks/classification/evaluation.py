"""Tests of trained models, by name. Each returns a dictionary with `test_error`, in percent, among other figures."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras_equivariant.training.data.images import LabelledImages
from keras_equivariant.training.input.batches import TEST_ANGLES, rotated_batches, test_batches
from keras_equivariant.training.input.preprocessing import Preprocessing
from keras_equivariant.training.tasks.classification.errors import (
    BATCH_SIZE,
    counted,
    test_saturations,
    wrong_predictions,
)

from keras_equivariant.equivariance import equivariance_error

_INVARIANCE_IMAGES = 500
_SHOWN_CLASSES = 12  # so many columns of a confusion matrix are printed


def _plain(model: keras.Model, data: LabelledImages, preprocess: Preprocessing) -> dict[str, Any]:
    wrong = wrong_predictions(model, counted(test_batches(data.test, preprocess, BATCH_SIZE), len(data.test)))
    return {"test_error": float(100 * wrong.mean())}


def _rotations(model: keras.Model, data: LabelledImages, preprocess: Preprocessing) -> dict[str, Any]:
    batches = counted(rotated_batches(data.test, preprocess, BATCH_SIZE), len(TEST_ANGLES) * len(data.test))
    wrong = wrong_predictions(model, batches).reshape(-1, len(data.test))
    by_rotation = {str(round(np.degrees(a))): float(100 * e) for a, e in zip(TEST_ANGLES, wrong.mean(1), strict=True)}
    return {"test_error": float(100 * wrong.mean()), "test_error_by_rotation": by_rotation}


def _classes(model: keras.Model, data: LabelledImages, preprocess: Preprocessing) -> dict[str, Any]:
    """Figures of each class, the confusion matrix, rows being true classes, and how far to trust the probabilities."""
    batches = counted(test_batches(data.test, preprocess, BATCH_SIZE), len(data.test))
    logits = np.concatenate([model.predict_on_batch(np.asarray(images)) for images, _ in batches])
    probabilities = keras.ops.convert_to_numpy(keras.ops.softmax(keras.ops.convert_to_tensor(logits)))
    labels, predicted = data.test.labels, probabilities.argmax(axis=1)
    matrix = np.zeros((data.classes, data.classes), int)
    np.add.at(matrix, (labels, predicted), 1)
    right = np.diag(matrix)

    def shares(totals: np.ndarray) -> dict[str, float | None]:
        return {
            name: float(100 * n / total) if total else None
            for name, n, total in zip(data.names, right, totals, strict=True)
        }

    return {
        "test_error": float(100 * np.mean(predicted != labels)),
        "accuracy": float(100 * np.mean(predicted == labels)),
        "precision_by_class": shares(matrix.sum(axis=0)),
        "recall_by_class": shares(matrix.sum(axis=1)),
        "confusion_matrix": matrix.tolist(),
        "calibration_error": calibration_error(probabilities, labels),
    }


def calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error in percent: how far the probability of the predicted class is from the accuracy.

    `100 sum_b n_b / n |accuracy_b - confidence_b|`, over bins of equal width of the probability.

    Args:
        probabilities: Array `(n, classes)`.
        labels: Integers `(n,)`.
        bins: Number of bins.

    Reference:
        [Guo et al., 2017](https://arxiv.org/abs/1706.04599), equation 3.
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.bincount(bin_of, right - confidence, minlength=bins)
    return float(100 * np.abs(gaps).sum() / len(labels))


def format_classes(metrics: dict[str, Any]) -> str:
    """A table of the classes: how many test pictures, precision, recall, and what they are taken for."""
    names, matrix = list(metrics["recall_by_class"]), metrics["confusion_matrix"]
    lines = [
        f"accuracy {metrics['accuracy']:.2f} %, calibration error {metrics['calibration_error']:.2f} % "
        f"on {sum(map(sum, matrix)):,} test pictures",
        "",
    ]
    shown = len(names) <= _SHOWN_CLASSES
    heads = [f"as {i}" for i in range(1, len(names) + 1)] if shown else []
    rows = [["", "class", "pictures", "precision %", "recall %", *heads]]
    for i, (name, counts) in enumerate(zip(names, matrix, strict=True), start=1):
        shares = [metrics[f"{figure}_by_class"][name] for figure in ("precision", "recall")]
        cells = ["-" if share is None else f"{share:.1f}" for share in shares]
        rows.append([str(i), name, str(sum(counts)), *cells, *(map(str, counts) if shown else [])])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.ljust(w) if c == 1 else cell.rjust(w) for c, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


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
    "classes": Evaluation(_classes, test_batches),
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
