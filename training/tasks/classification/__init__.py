"""Classification: which of some classes an image shows."""

import pathlib
from typing import Any

import keras
import numpy as np
from keras_equivariant.training import data as datasets
from keras_equivariant.training.data.images import LabelledImages
from keras_equivariant.training.data.transforms import fit_into
from keras_equivariant.training.input.batches import TEST_ANGLES, once, training_batches
from keras_equivariant.training.input.preprocessing import (
    Preprocessing,
    Unchanged,
    fit_preprocessing,
    list_preprocessings,
)
from keras_equivariant.training.model.network import create_network
from keras_equivariant.training.recipes import Recipe
from keras_equivariant.training.tasks.classification import own, own_report, pictures
from keras_equivariant.training.tasks.classification.evaluation import (
    BATCH_SIZE,
    evaluate,
    format_classes,
    get_evaluation,
)
from keras_equivariant.training.tasks.own import OwnPictures, Wishes
from keras_equivariant.training.tasks.task import (
    Batches,
    BySaturation,
    Curve,
    Figure,
    Labels,
    Models,
    Part,
    Prediction,
    Prepare,
    Rows,
    Task,
)
from matplotlib.figure import FigureBase

from keras_equivariant import losses  # noqa: F401 - recipes name them
from keras_equivariant.callbacks import DiffusionSpectralEntropy

_ENTROPY_IMAGES = 500


class Classification(Task[LabelledImages]):
    """A network with one logit for each class."""

    name = "classification"
    preprocessings = tuple(list_preprocessings())
    reads = frozenset(
        {"augmentation", "class_weights", "estimator", "evaluation", "fitted_images", "freeze", "validation", "weights"}
    )
    figures = {
        "test_error": Figure("test error (%)"),
        "invariance_error": Figure("change under quarter turns", ".1e"),
    }
    curves = (Curve("loss", "loss"), Curve("accuracy", "error (%)", "linear", lambda accuracy: 100 * (1 - accuracy)))
    metrics = ("accuracy",)
    probabilities = True
    names_outputs = True

    def check(self, recipe: Recipe) -> None:
        super().check(recipe)
        get_evaluation(recipe.evaluation)
        if (recipe.estimator is not None) != (recipe.preprocessing == "estimated_light"):
            raise ValueError(
                "`estimator` must go with the preprocessing 'estimated_light', and with no other. "
                f"Received: estimator={recipe.estimator!r}, preprocessing={recipe.preprocessing!r}"
            )

    def recognises(self, folder: pathlib.Path) -> bool:
        return own.recognises(folder)

    def from_folder(self, folder: pathlib.Path, wishes: Wishes) -> OwnPictures:
        return own.from_folder(folder, wishes)

    def load_own(self, recipe: Recipe, folder: pathlib.Path, rows: Rows, labels: Labels) -> LabelledImages:
        return own.load_own(folder, rows, tuple(recipe.model_arguments["input_shape"]), labels)

    def load(self, recipe: Recipe, data_dir: str | None) -> LabelledImages:
        return datasets.load(recipe.dataset, data_dir).hold_out(recipe.validation)

    def parts(self, data: LabelledImages) -> list[Part]:
        return [Part("", data.train, data.validation)]

    def labels(self, data: LabelledImages) -> list[str]:
        return list(data.names or map(str, range(data.classes)))

    def fit_preprocessing(self, recipe: Recipe, data: LabelledImages) -> Preprocessing:
        return fit_preprocessing(recipe.preprocessing, data.train.parts(recipe.fitted_images), recipe.estimator)

    def network(self, recipe: Recipe, data: LabelledImages, name: str) -> keras.Model:
        return create_network(recipe, data.train.first(1).images.shape[1:], (data.classes,))

    def batches(
        self, recipe: Recipe, part: Part, preprocess: Prepare, epoch: int, workers: tuple[int, int] = (1, 0)
    ) -> Batches:
        how = (recipe.augmentation, recipe.batch_size, recipe.seed, epoch)
        return training_batches(part.train, preprocess, *how, workers=workers, steps=recipe.steps_per_epoch)

    def validation(self, recipe: Recipe, part: Part, preprocess: Prepare) -> Batches | None:
        if part.validation is None:
            return None
        return once(part.validation, get_evaluation(recipe.evaluation).batches(part.validation, preprocess, BATCH_SIZE))

    def callbacks(self, recipe: Recipe, part: Part, preprocess: Prepare) -> list[keras.callbacks.Callback]:
        """Adds the entropy of the embedding of some images, and its mutual information with the labels, to the logs."""
        shown = (part.train if part.validation is None else part.validation).first(_ENTROPY_IMAGES)
        images = np.asarray((preprocess or Unchanged())(shown.scaled_images()))
        entropy = DiffusionSpectralEntropy(images, shown.labels, sigma="median", clusters=None, batch_size=BATCH_SIZE)
        return [entropy]

    def examples(self, data: LabelledImages, count: int, split: str = "test") -> tuple[np.ndarray, np.ndarray]:
        first = getattr(data, split).first(count)
        return first.scaled_images(), first.labels

    def test_examples(self, recipe: Recipe, data: LabelledImages, count: int) -> tuple[np.ndarray, np.ndarray]:
        each = count // len(TEST_ANGLES) if recipe.evaluation == "rotations" else count
        batches = get_evaluation(recipe.evaluation).batches(data.test.first(each), Unchanged(), BATCH_SIZE)
        images, labels = zip(*batches, strict=True)
        return np.concatenate([np.asarray(part) for part in images]), np.concatenate([np.asarray(y) for y in labels])

    def evaluate(self, recipe: Recipe, model: keras.Model, data: LabelledImages, preprocess: Prepare) -> dict[str, Any]:
        return evaluate(recipe.evaluation, model, data, preprocess)

    def table(self, metrics: dict[str, Any]) -> str:
        return format_classes(metrics) if "confusion_matrix" in metrics else ""

    def draw(
        self,
        figure: FigureBase,
        model: keras.Model,
        data: LabelledImages,
        preprocess: Prepare,
        history: list[dict[str, float]],
        metrics: dict[str, Any],
    ) -> None:
        drawn = own_report.draw_report if "confusion_matrix" in metrics else pictures.draw_report
        drawn(figure, model, data, preprocess, history, metrics, self.labels(data))

    def predict(self, model: keras.Model, image: np.ndarray, preprocess: Prepare, labels: Labels) -> Prediction:
        images = fit_into(image, model.input_shape[1:])[None]
        outputs = model(np.asarray((preprocess or Unchanged())(images)))
        probabilities = keras.ops.convert_to_numpy(keras.ops.softmax(keras.ops.cast(outputs, "float32")))[0]
        names = labels or [str(k) for k in range(len(probabilities))]
        best = int(probabilities.argmax())
        values = {"prediction": names[best], **dict(zip(names, map(float, probabilities), strict=True))}
        return Prediction(f"{names[best]} ({probabilities[best]:.0%})", values)

    def error(self, outputs: np.ndarray, targets: np.ndarray) -> float:
        return float(100 * np.mean(outputs.argmax(axis=-1) != targets))

    def agreement(self, outputs: np.ndarray, expected: np.ndarray) -> float:
        return float(np.mean(outputs.argmax(axis=-1) == expected.argmax(axis=-1)))

    def by_saturation(self, label: str, metrics: dict[str, Any]) -> BySaturation:
        """An ordinary model's errors inside an adapter that makes it invariant are a line of their own."""
        lines = {"test_error_by_saturation": label, "adapted_error_by_saturation": f"{label}, in an adapter"}
        found = {line: metrics[key] for key, line in lines.items() if key in metrics}
        return found or super().by_saturation(label, metrics)

    def draw_under_light(self, figure: FigureBase, models: Models, data: LabelledImages, count: int) -> None:
        pictures.draw_under_light(figure, models, data, count, self.labels(data))


TASK = Classification()
