"""The colour of the light from a photograph, tested by cross-validation beside classic estimates."""

from typing import Any

import keras
import numpy as np
from keras_equivariant.training.data.files import check_not_black, shrink
from keras_equivariant.training.data.images import Split
from keras_equivariant.training.input.pipelines import training_batches
from keras_equivariant.training.input.preprocessing import Unchanged
from keras_equivariant.training.model.network import create_network
from keras_equivariant.training.recipes import Recipe
from keras_equivariant.training.tasks.illuminants import pictures
from keras_equivariant.training.tasks.illuminants.evaluation import cross_validated_errors, deviation_from_equivariance
from keras_equivariant.training.tasks.illuminants.images import LitImages, fill, load, visible_pixels
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
    Task,
)
from matplotlib.figure import FigureBase

from keras_equivariant import losses  # noqa: F401 - recipes name them
from keras_equivariant.layers import ApplyGamma, LogRGB, RemoveGamma
from keras_equivariant.metrics import reproduction_angular_error


class Illuminants(Task[LitImages]):
    """Networks from linear RGB without hidden pixels to the colour of the light, one for each fold.

    The model of the run is their mean.
    """

    name = "illuminants"
    preprocessings = ("linear", "linear_log_rgb")
    reads = frozenset({"augmentation"})
    figures = {"median_error": Figure("median error (degrees)")}
    curves = (Curve("loss", "training error (degrees)"),)

    def load(self, recipe: Recipe, data_dir: str | None) -> LitImages:
        return load(recipe.dataset, data_dir)

    def parts(self, data: LitImages) -> list[Part]:
        return [Part(f"fold_{fold}", data.take(data.folds != fold)) for fold in np.unique(data.folds)]

    def network(self, recipe: Recipe, data: LitImages, name: str) -> keras.Model:
        shape = data.images.shape[1:]
        network = create_network(recipe, shape, (3,), input_shape=shape)
        inputs = keras.Input(shape)
        x = LogRGB()(inputs) if recipe.preprocessing == "linear_log_rgb" else inputs
        return keras.Model(inputs, network(x), name=name)

    def batches(
        self, recipe: Recipe, part: Part, preprocess: Prepare, epoch: int, workers: tuple[int, int] = (1, 0)
    ) -> Batches:
        split = Split(fill(part.train.images, visible_pixels(part.train.images)), part.train.lights)
        how = (recipe.augmentation, recipe.batch_size, recipe.seed, epoch)
        return training_batches(split, Unchanged(), *how, workers=workers, steps=recipe.steps_per_epoch)

    def join(self, networks: list[keras.Model]) -> keras.Model:
        inputs = keras.Input(networks[0].input_shape[1:])
        estimates = [network(inputs) for network in networks]
        return keras.Model(inputs, keras.layers.Average()(estimates), name="estimator")

    def examples(self, data: LitImages, count: int, split: str = "test") -> tuple[np.ndarray, np.ndarray]:
        """All images are trained on and tested on, each by another network."""
        images = data.images[:count]
        return fill(images, visible_pixels(images)), data.lights[:count]

    def evaluate(self, recipe: Recipe, model: keras.Model, data: LitImages, preprocess: Prepare) -> dict[str, Any]:
        models = _networks(model)
        errors = cross_validated_errors(models, data)
        medians = {saturation: row["median"] for saturation, row in errors["network"].items()}
        return {
            "images": len(data),
            "median_error": medians["0.0"],
            "median_error_by_saturation": medians,
            "errors": errors,
            "equivariance_error": deviation_from_equivariance(models, data),
        }

    def draw(
        self,
        figure: FigureBase,
        model: keras.Model,
        data: LitImages,
        preprocess: Prepare,
        history: list[dict[str, float]],
        metrics: dict[str, Any],
    ) -> None:
        pictures.draw_report(figure, _networks(model), data, history, metrics)

    def predict(self, model: keras.Model, image: np.ndarray, preprocess: Prepare, labels: Labels) -> Prediction:
        """The light, in linear RGB with a mean of one, and the picture without its colour."""
        check_not_black(image, "it")
        size = model.input_shape[1]
        if min(image.shape[:2]) < size:
            raise ValueError(f"The image must be at least {size} pixels wide and high. Received: {image.shape[:2]}")
        linear = np.asarray(RemoveGamma()(image))
        small = shrink(linear, np.ones((*linear.shape[:2], 1), "float32"), size)[None].astype("float32")
        light = np.asarray(model(fill(small, visible_pixels(small))))[0].astype("float64")
        if not light.min() > 0:
            raise ValueError(f"The estimate must be positive to be taken out. Received: {light}")
        light = light / light.mean()
        corrected = np.clip(linear / light.astype("float32"), 0, 1)
        values: dict[str, Any] = {"prediction": " ".join(f"{value:.3f}" for value in light)}
        values |= dict(zip(("red", "green", "blue"), light.tolist(), strict=True))
        return Prediction(f"light {values['prediction']}", values, np.asarray(ApplyGamma()(corrected)))

    def error(self, outputs: np.ndarray, targets: np.ndarray) -> float:
        degrees = reproduction_angular_error(targets.astype("float32"), outputs.astype("float32"))
        return float(np.median(keras.ops.convert_to_numpy(degrees)))

    def by_saturation(self, label: str, metrics: dict[str, Any]) -> BySaturation:
        """Medians by method: those of the networks carry the label, the classic estimates their own names."""
        lines = {}
        for method, rows in metrics["errors"].items():
            name = method.replace("network", label, 1).replace("_without", ", without").replace("_", " ")
            medians = {saturation: row["median"] for saturation, row in rows.items()}
            lines[name if method.startswith("network") else method] = medians
        return lines

    def draw_under_light(self, figure: FigureBase, models: Models, data: LitImages, count: int) -> None:
        networks = {label: _networks(model) for label, (model, _) in models.items()}
        pictures.draw_corrections(figure, networks, data, count)


def _networks(model: keras.Model) -> list[keras.Model]:
    """The networks of the folds, in the model that joins them."""
    return [layer for layer in model.layers if isinstance(layer, keras.Model)]


TASK = Illuminants()
