"""Segmentation: the class of each pixel, or the objects of a picture, in masks that turn with it."""

import dataclasses
import pathlib
import sys
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras_equivariant.training.data.masks import MaskedPictures, Segmented
from keras_equivariant.training.input.preprocessing import fit_preprocessing, of_picture
from keras_equivariant.training.model.network import create_network
from keras_equivariant.training.recipes import Recipe
from keras_equivariant.training.tasks.own import DATASET, OwnPictures, Wishes
from keras_equivariant.training.tasks.segmentation import objects, own
from keras_equivariant.training.tasks.segmentation.crops import IGNORED, Crops, training_batches
from keras_equivariant.training.tasks.segmentation.evaluation import evaluate, predict_masks
from keras_equivariant.training.tasks.segmentation.pictures import draw_report, overlay
from keras_equivariant.training.tasks.segmentation.tiles import scaled, strips
from keras_equivariant.training.tasks.task import Batches, Curve, Figure, Labels, Part, Prediction, Prepare, Rows, Task
from matplotlib.figure import FigureBase
from skimage.measure import regionprops_table

from keras_equivariant import losses  # noqa: F401 - recipes name them
from keras_equivariant.metrics import Dice

DATASETS = ("drawn_cells", "masked_folder")
_LARGE = 2**22  # pixels of a picture from which on the progress is shown
_REST = None, None


class Segmentation(Task[Segmented]):
    """A network of free size with scores for each pixel.

    For objects it learns three classes, background, inside and rim; labels are two, background and object, and so one
    fewer than scores.

    The shape of a crop is `input_shape` of the recipe's `model_arguments`.
    """

    name = "segmentation"
    preprocessings = ("standardise", "standardise_each")
    reads = frozenset({"augmentation", "fitted_images", "validation"})
    figures = {
        "dice": Figure("Dice (%)"),
        "iou": Figure("IoU (%)"),
        "average_precision_50": Figure("AP at IoU 0.5 (%)"),
        "average_precision": Figure("mean AP at IoU 0.5 to 0.9 (%)"),
        "turn_change": Figure("pixels that change under turns and mirrors (%)", ".2g"),
    }
    higher_is_better = True
    curves = (
        Curve("loss", "cross-entropy and Dice loss"),
        Curve("accuracy", "wrong pixels (%)", "linear", lambda accuracy: 100 * (1 - accuracy)),
    )
    metrics = ("accuracy",)
    distributions = (None,)
    checked_images = 4
    predicts_bytes = True

    def check(self, recipe: Recipe) -> None:
        super().check(recipe)
        if recipe.dataset not in (*DATASETS, DATASET):
            raise ValueError(f"`dataset` must be one of {list(DATASETS)}. Received: dataset={recipe.dataset!r}")
        _crop_size(recipe)

    def recognises(self, folder: pathlib.Path) -> bool:
        return own.recognises(folder)

    def from_folder(self, folder: pathlib.Path, wishes: Wishes) -> OwnPictures:
        return own.from_folder(folder, wishes)

    def load_own(self, recipe: Recipe, folder: pathlib.Path, rows: Rows, labels: Labels) -> Segmented:
        return own.load_own(recipe, folder, rows)

    def load(self, recipe: Recipe, data_dir: str | None) -> Segmented:
        if recipe.dataset == "drawn_cells":
            from keras_equivariant.training.data import drawn_cells

            data = drawn_cells.load()
        else:
            from keras_equivariant.training.data.masked_folder import load_masked_folder

            data = load_masked_folder(data_dir)
        return data.hold_out(recipe.validation).with_crops(_crop_size(recipe))

    def parts(self, data: Segmented) -> list[Part]:
        return [Part("", _crops(data, data.train), data.validation and _crops(data, data.validation))]

    def labels(self, data: Segmented) -> list[str]:
        return list(data.classes)

    def fit_preprocessing(self, recipe: Recipe, data: Segmented) -> Prepare:
        images = data.train.images[: recipe.fitted_images]
        return fit_preprocessing(recipe.preprocessing, (image[None].astype("float32") / 255 for image in images))

    def network(self, recipe: Recipe, data: Segmented, name: str) -> keras.Model:
        inputs = (*_REST, data.train.images[0].shape[-1])
        classes = len(objects.CLASSES) if data.instances else len(data.classes)
        arguments = {**recipe.model_arguments, "input_shape": inputs, "classes": classes}
        free = dataclasses.replace(recipe, model_arguments=arguments)
        return create_network(free, inputs, (*_REST, classes))

    def batches(
        self, recipe: Recipe, part: Part, preprocess: Prepare, epoch: int, workers: tuple[int, int] = (1, 0)
    ) -> Batches:
        how = (recipe.augmentation, recipe.batch_size, recipe.seed)
        return training_batches(part.train, preprocess, *how, epoch, recipe.steps_per_epoch)

    def validation(self, recipe: Recipe, part: Part, preprocess: Prepare) -> Batches | None:
        if part.validation is None:
            return None
        images, classes = part.validation.central(len(part.validation.images))
        prepare = (of_picture(preprocess, map(scaled, strips(image))) for image in part.validation.images)
        images = np.stack([of_one(crop) for of_one, crop in zip(prepare, scaled(images), strict=True)])
        return tf.data.Dataset.from_tensor_slices((images, classes)).batch(recipe.batch_size)

    def examples(self, data: Segmented, count: int, split: str = "test") -> tuple[np.ndarray, np.ndarray]:
        images, classes = _crops(data, getattr(data, split)).central(count)
        return images.astype("float32") / 255, classes

    def evaluate(self, recipe: Recipe, model: keras.Model, data: Segmented, preprocess: Prepare) -> dict[str, Any]:
        return evaluate(model, data.test, preprocess, data.classes, data.instances)

    def draw(
        self,
        figure: FigureBase,
        model: keras.Model,
        data: Segmented,
        preprocess: Prepare,
        history: list[dict[str, float]],
        metrics: dict[str, Any],
    ) -> None:
        draw_report(figure, model, data, preprocess, self.curves, history, metrics)

    def predict(self, model: keras.Model, image: np.ndarray, preprocess: Prepare, labels: Labels) -> Prediction:
        """The share of each class, or the number of objects, with a mask and a table of the objects."""
        names = labels or [str(k) for k in range(model.output_shape[-1])]
        instances = model.output_shape[-1] > len(names)
        prepare = _Scaled.of(image, model.input_shape[-1] == 1, preprocess)
        report = _show_progress if image.shape[0] * image.shape[1] >= _LARGE else None
        classes, found = predict_masks(model, image, prepare, instances, report)
        # Not `bincount`, which would need eight bytes for each pixel.
        counts = [np.count_nonzero(classes == k) / classes.size for k in range(len(names))]
        values: dict[str, float | str] = dict(zip(names, counts, strict=True))
        shares = ", ".join(f"{name} {share:.0%}" for name, share in list(values.items())[1:])
        if found is None:
            return Prediction(shares, values, overlay(image, classes), classes.astype("uint16"), ())
        rows = _table(found)
        text = f"{len(rows)} object{'s' * (len(rows) != 1)}, {counts[1]:.0%} of the picture"
        return Prediction(text, {"objects": len(rows), **values}, overlay(image, found), found, rows)

    def error(self, outputs: np.ndarray, targets: np.ndarray) -> float:
        classes = outputs.shape[-1]
        metric = Dice(classes, ignore_class=IGNORED, sparse_y_pred=False)
        metric.update_state(targets, outputs)
        return float(100 * np.nanmean(metric.by_class()[1:]))

    def agreement(self, outputs: np.ndarray, expected: np.ndarray) -> float:
        return float(np.mean(outputs.argmax(axis=-1) == expected.argmax(axis=-1)))


@dataclasses.dataclass(frozen=True)
class _Scaled:
    """What is done to a tile of a picture: a large one is never in memory as floats."""

    grey: bool
    preprocess: Any = None

    @classmethod
    def of(cls, image: np.ndarray, grey: bool, preprocess: Prepare) -> "_Scaled":
        """What is done to the tiles of a picture."""
        return cls(grey, of_picture(preprocess, map(cls(grey).pixels, strips(image))))

    def __call__(self, part: np.ndarray) -> Any:
        """Prepares a part of a picture in bytes, or of one between 0 and 1."""
        return self.preprocess(self.pixels(part))

    def pixels(self, part: np.ndarray) -> np.ndarray:
        """A part of a picture between 0 and 1, with the channels of the network."""
        pixels = scaled(part)
        return pixels.mean(axis=-1, keepdims=True, dtype="float32") if self.grey else pixels


def _crop_size(recipe: Recipe) -> tuple[int, int]:
    shape = recipe.model_arguments.get("input_shape", ())
    if len(shape) != 3 or not all(isinstance(side, int) and side > 0 for side in shape):
        rule = "must name `input_shape`, the height and width of a crop and a number of channels"
        raise ValueError(f"`model_arguments` {rule}. Received: model_arguments={recipe.model_arguments}")
    return tuple(shape[:2])


def _crops(data: Segmented, pictures: MaskedPictures) -> Crops:
    """Where crops of some pictures come from, with the classes that the network learns."""
    classes = [objects.rims(mask) if data.instances else mask.astype("int32") for mask in pictures.masks]
    return Crops(pictures.images, classes, data.crop)


def _table(found: np.ndarray) -> tuple[dict[str, float], ...]:
    """A row for each object: its number, its area in pixels, and the column and row of its centre."""
    columns = regionprops_table(found, properties=("label", "area", "centroid"))
    rows = zip(*(columns[name].tolist() for name in ("label", "area", "centroid-1", "centroid-0")), strict=True)
    return tuple({"label": i, "area": int(area), "x": round(x, 2), "y": round(y, 2)} for i, area, x, y in rows)


def _show_progress(done: float) -> None:
    print(f"\r{done:4.0%} of the picture", end="" if done < 1 else "\n", file=sys.stderr, flush=True)


TASK = Segmentation()
