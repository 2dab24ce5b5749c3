"""Regression: one number or more for each image, which no turn of the image changes."""

import dataclasses
import inspect
import pathlib
from typing import Any

import keras
import numpy as np
from keras_equivariant.training.data.folders import load_labelled_folder
from keras_equivariant.training.data.images import LabelledImages
from keras_equivariant.training.data.transforms import fit_into
from keras_equivariant.training.input.pipelines import test_batches, training_batches
from keras_equivariant.training.input.preprocessing import Unchanged, fit_preprocessing
from keras_equivariant.training.model.network import create_network
from keras_equivariant.training.recipes import Recipe
from keras_equivariant.training.tasks.own import DATASET, OwnPictures, Wishes
from keras_equivariant.training.tasks.regression import own
from keras_equivariant.training.tasks.regression.pictures import draw_report
from keras_equivariant.training.tasks.task import Batches, Curve, Figure, Labels, Part, Prediction, Prepare, Rows, Task
from matplotlib.figure import FigureBase

from keras_equivariant import zoo
from keras_equivariant.equivariance import equivariance_error

DATASETS = ("drawn_discs", "folder")
_LOSSES = ("MeanSquaredError", "MeanAbsoluteError", "Huber")
_BATCH_SIZE = 500
_INVARIANCE_IMAGES = 500
_FEATURES = 16  # the network's classes, of which a dense layer makes the numbers: some networks end in a ReLU
_STANDARDISED = "standardised"


class Regression(Task[LabelledImages]):
    """A network whose outputs, features here, a dense layer turns into a number for each column.

    It learns the numbers standardised by mean and deviation of the training set, so that columns of different units
    count alike. The model of the run ends in a layer that takes this back: its outputs have the columns' units.
    """

    name = "regression"
    preprocessings = ("standardise",)
    reads = frozenset({"augmentation", "fitted_images", "validation"})
    figures = {
        "mean_absolute_error": Figure("mean absolute error", ".3g"),
        "invariance_error": Figure("change under quarter turns", ".1e"),
    }
    curves = (
        Curve("loss", "loss (standardised)"),
        Curve("mean_absolute_error", "mean absolute error (standardised)"),
    )
    metrics = ("mean_absolute_error",)
    names_outputs = True

    def check(self, recipe: Recipe) -> None:
        super().check(recipe)
        for field, found, known in (
            ("dataset", recipe.dataset, DATASETS),
            ("loss", recipe.loss.get("class_name"), _LOSSES),
        ):
            if found not in (*known, DATASET):
                raise ValueError(f"`{field}` must be one of {list(known)}. Received: {field}={found!r}")

    def recognises(self, folder: pathlib.Path) -> bool:
        return own.recognises(folder)

    def from_folder(self, folder: pathlib.Path, wishes: Wishes) -> OwnPictures:
        return own.from_folder(folder, wishes)

    def load_own(self, recipe: Recipe, folder: pathlib.Path, rows: Rows, labels: Labels) -> LabelledImages:
        return own.load_own(recipe, folder, rows)

    def load(self, recipe: Recipe, data_dir: str | None) -> LabelledImages:
        if recipe.dataset == "folder":
            data = load_labelled_folder(data_dir, _input_shape(recipe))
        else:
            from keras_equivariant.training.data import drawn_discs

            data = drawn_discs.load()
        return data.hold_out(recipe.validation)

    def parts(self, data: LabelledImages) -> list[Part]:
        mean, deviation = _mean_and_deviation(data)
        train, validation = (
            split and dataclasses.replace(split, labels=(split.labels - mean) / deviation)
            for split in (data.train, data.validation)
        )
        return [Part("", train, validation)]

    def labels(self, data: LabelledImages) -> list[str]:
        return list(data.names)

    def fit_preprocessing(self, recipe: Recipe, data: LabelledImages) -> Prepare:
        return fit_preprocessing(recipe.preprocessing, data.train.parts(recipe.fitted_images))

    def network(self, recipe: Recipe, data: LabelledImages, name: str) -> keras.Model:
        network = create_network(recipe, data.train.images.shape[1:], (_FEATURES,), classes=_FEATURES)
        mean, deviation = (value.tolist() for value in _mean_and_deviation(data))
        # In mixed precision, 16 bits would round large numbers.
        dtype = keras.config.dtype_policy().variable_dtype
        standardised = keras.layers.Dense(data.classes, dtype=dtype, name=_STANDARDISED)(network.output)
        outputs = keras.layers.Rescaling(deviation, mean, dtype=dtype, name="units")(standardised)
        return keras.Model(network.input, outputs, name=network.name)

    def trainable(self, recipe: Recipe, network: keras.Model) -> keras.Model:
        return keras.Model(network.input, network.get_layer(_STANDARDISED).output)

    def batches(
        self, recipe: Recipe, part: Part, preprocess: Prepare, epoch: int, workers: tuple[int, int] = (1, 0)
    ) -> Batches:
        how = (recipe.augmentation, recipe.batch_size, recipe.seed, epoch)
        return training_batches(part.train, preprocess, *how, workers=workers, steps=recipe.steps_per_epoch)

    def validation(self, recipe: Recipe, part: Part, preprocess: Prepare) -> Batches | None:
        if part.validation is None:
            return None
        batches = test_batches(part.validation, preprocess, _BATCH_SIZE)
        return batches.cache() if part.validation.in_memory else batches

    def examples(self, data: LabelledImages, count: int, split: str = "test") -> tuple[np.ndarray, np.ndarray]:
        first = getattr(data, split).first(count)
        return first.scaled_images(), first.labels

    def evaluate(self, recipe: Recipe, model: keras.Model, data: LabelledImages, preprocess: Any) -> dict[str, Any]:
        """Mean absolute errors, in the columns' units and over all of them, beside those of the training's median."""
        errors = np.abs(_outputs(model, data, preprocess) - data.test.labels)
        known = data.train if len(data.train) else data.test  # of another folder, all pictures are for testing
        constant = np.abs(np.median(known.labels, axis=0) - data.test.labels)
        images = np.asarray(preprocess(data.test.scaled_images(_INVARIANCE_IMAGES)))
        return {
            "mean_absolute_error": float(errors.mean()),
            "mean_absolute_error_by_column": _by_column(data, errors),
            "median_guess_error_by_column": _by_column(data, constant),
            "invariance_error": equivariance_error(model, images, "p4"),
        }

    def draw(
        self,
        figure: FigureBase,
        model: keras.Model,
        data: LabelledImages,
        preprocess: Prepare,
        history: list[dict[str, float]],
        metrics: dict[str, Any],
    ) -> None:
        draw_report(figure, _outputs(model, data, preprocess), data, self.curves, history, metrics)

    def predict(self, model: keras.Model, image: np.ndarray, preprocess: Prepare, labels: Labels) -> Prediction:
        fitted = fit_into(image, model.input_shape[1:])[None]
        outputs = keras.ops.convert_to_numpy(model(np.asarray((preprocess or Unchanged())(fitted))))[0]
        names = labels or [str(i) for i in range(len(outputs))]
        values: dict[str, float | str] = dict(zip(names, map(float, outputs), strict=True))
        text = ", ".join(f"{name} {value:.3g}" for name, value in zip(names, outputs, strict=True))
        return Prediction(text, values)

    def error(self, outputs: np.ndarray, targets: np.ndarray) -> float:
        return float(np.abs(outputs - targets).mean())


def _input_shape(recipe: Recipe) -> tuple[int, int, int]:
    """The shape of the images that the recipe's network takes."""
    parameter = inspect.signature(zoo.get_builder(recipe.model)).parameters.get("input_shape")
    shape = recipe.model_arguments.get("input_shape", parameter and parameter.default)
    if not (isinstance(shape, (list, tuple)) and len(shape) == 3 and all(shape) and shape[-1] in (1, 3)):
        rule = "must be one with an `input_shape` of a height, a width and 1 or 3 channels"
        raise ValueError(f"`model` {rule}. Received: model={recipe.model!r} with input_shape={shape}")
    return tuple(shape)


def _mean_and_deviation(data: LabelledImages) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of each column over the training set; 1 for the deviation of a column of equal numbers."""
    deviation = data.train.labels.std(axis=0)
    return data.train.labels.mean(axis=0), np.where(deviation > 0, deviation, 1)


def _outputs(model: keras.Model, data: LabelledImages, preprocess: Prepare) -> np.ndarray:
    batches = test_batches(data.test, preprocess, _BATCH_SIZE)
    return np.concatenate([model.predict_on_batch(np.asarray(images)) for images, _ in batches])


def _by_column(data: LabelledImages, errors: np.ndarray) -> dict[str, float]:
    return dict(zip(data.names, map(float, errors.mean(axis=0)), strict=True))


TASK = Regression()
