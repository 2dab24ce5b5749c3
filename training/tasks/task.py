"""What a task is: all that `fit`, `evaluate`, `export`, `predict` and `report` need to know of it."""

import abc
import dataclasses
import pathlib
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Generic, TypeVar

import keras
import numpy as np
from keras_equivariant.training.input.batches import check_augmentation
from keras_equivariant.training.input.preprocessing import Preprocessing, check_preprocessing
from keras_equivariant.training.model.devices import check_distribution
from keras_equivariant.training.recipes import Recipe
from keras_equivariant.training.tasks.own import OwnPictures, Wishes
from matplotlib.figure import FigureBase

from keras_equivariant import zoo

Data = TypeVar("Data")
Batches = Any  # `tf.data.Dataset` or `keras.utils.PyDataset` of pairs of inputs and targets
Labels = list[str] | None  # names of the classes; None where there are none
Prepare = Preprocessing | None  # None if all of the preprocessing is in the network
Rows = list[dict[str, str]]  # of a `split.csv`
BySaturation = dict[str, dict[str, float]]
Models = dict[str, tuple[keras.Model, Prepare]]  # of some runs, by their names


@dataclasses.dataclass(frozen=True)
class Part:
    """One training of a run. Most runs have one; a cross-validation has one for each fold.

    Attributes:
        name: Folder of its checkpoint and logs inside the run's folder; `""` for the run's folder itself.
        train: What it is trained on.
        validation: What watches the training, or `None`.
    """

    name: str
    train: Any  # has a length
    validation: Any = None


@dataclasses.dataclass(frozen=True)
class Figure:
    """A number of `metrics.json` that people read in tables.

    Attributes:
        title: Its name and its unit: `"median error (degrees)"`.
        form: How to print it.
    """

    title: str
    form: str = ".2f"


@dataclasses.dataclass(frozen=True)
class Curve:
    """A learning curve.

    Attributes:
        column: Column of `history.csv`; the validation's has the prefix `val_`.
        label: What the axis shows, with its unit.
        scale: `"log"` or `"linear"`.
        value: Function from the number in the column to the one to draw.
    """

    column: str
    label: str
    scale: str = "log"
    value: Callable[[float], float] = float


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What a model says of one picture.

    Attributes:
        text: For people: `"7 (98 %)"`.
        values: Columns of `predictions.csv`.
        picture: sRGB image `(height, width, 3)` that belongs to it, between 0 and 1 or in bytes, or `None`.
        mask: Integers `(height, width)` of the picture's size, at most 65,535, that are written to a PNG file of 16
            bits, or `None`.
        objects: Rows of `objects.csv`, one for each object in the picture.
    """

    text: str
    values: dict[str, float | str]
    picture: np.ndarray | None = None
    mask: np.ndarray | None = None
    objects: Sequence[dict[str, float]] = ()


class Task(abc.ABC, Generic[Data]):
    """What a network is trained for. A task keeps nothing between two calls.

    Models map images `(n, height, width, channels)` to outputs `(n, ...)`. The methods stand in the order of `fit`.

    Attributes:
        name: What recipes call it; also its folder.
        preprocessings: Names that `Recipe.preprocessing` may take. For those of `list_preprocessings()`,
            `fit_preprocessing` returns one, which is stored with the run; the others are part of the network.
        reads: The fields `augmentation`, `class_weights`, `estimator`, `evaluation`, `fitted_images`, `freeze`,
            `validation` and `weights` of a recipe, as far as the task reads them. The others stay at their defaults.
        figures: Numbers of `metrics.json` for tables, by their keys. The first is the test error or the like.
        higher_is_better: Whether a higher first figure is the better one.
        curves: Learning curves.
        distributions: Values that `Recipe.distribution` may take.
        checked_images: How many test images a saved model is compared on.
        metrics: Keras metrics to watch in training.
        predicts_bytes: Whether `predict` takes pictures in bytes too, as most files have them: a quarter of the memory.
    """

    name: ClassVar[str]
    preprocessings: ClassVar[tuple[str, ...]]
    reads: ClassVar[frozenset[str]] = frozenset()
    figures: ClassVar[dict[str, Figure]]
    higher_is_better: ClassVar[bool] = False
    curves: ClassVar[tuple[Curve, ...]] = (Curve("loss", "loss"),)
    distributions: ClassVar[tuple[str | None, ...]] = (None, "mirrored", "jax")
    checked_images: ClassVar[int] = 64
    metrics: ClassVar[tuple[str, ...]] = ()
    predicts_bytes: ClassVar[bool] = False
    probabilities: ClassVar[bool] = False  # whether a softmax of the outputs makes sense
    names_outputs: ClassVar[bool] = False  # whether a picture is fitted into the input, and each label has an output

    def check(self, recipe: Recipe) -> None:
        """Checks a recipe before any work.

        Raises:
            ValueError: If the task does not know what the recipe names, or does not read a field that it sets.
        """
        zoo.get_builder(recipe.model)
        check_preprocessing(recipe.preprocessing, self.preprocessings)
        for name in recipe.augmentation:
            check_augmentation(name)
        defaults = {field.name: field.default for field in dataclasses.fields(Recipe)}
        optional = {"augmentation", "class_weights", "estimator", "evaluation", "fitted_images"}
        optional |= {"freeze", "validation", "weights"}
        for field in sorted(optional - self.reads):
            if getattr(recipe, field) != defaults[field]:
                raise ValueError(
                    f"`{field}` must be {defaults[field]!r} for the task {self.name!r}, which does not read it. "
                    f"Received: {field}={getattr(recipe, field)!r}"
                )
        if recipe.distribution not in self.distributions:
            raise ValueError(
                f"`distribution` must be one of {list(self.distributions)} for the task {self.name!r}. "
                f"Received: distribution={recipe.distribution!r}"
            )
        check_distribution(recipe.distribution)

    def recognises(self, folder: pathlib.Path) -> bool:
        """Whether a folder of people's own pictures looks like one for this task."""
        return False

    def from_folder(self, folder: pathlib.Path, wishes: Wishes) -> OwnPictures:
        """A recipe and a data set made of such a folder; a `ValueError` if it cannot be used."""
        raise ValueError(f"`task` must be one that reads folders of pictures. Received: task={self.name!r}")

    def load_own(self, recipe: Recipe, folder: pathlib.Path, rows: Rows, labels: Labels) -> Data:
        """Loads such a folder by the `split.csv` and the labels of a run; of another folder, all is for testing."""
        raise ValueError(f"`data` must not be given for a run of the task {self.name!r}. Received: data={folder}")

    @abc.abstractmethod
    def load(self, recipe: Recipe, data_dir: str | None) -> Data:
        """Loads the data set that the recipe names.

        Raises:
            ValueError: If it cannot be loaded.
        """

    @abc.abstractmethod
    def parts(self, data: Data) -> list[Part]:
        """The trainings of a run."""

    def labels(self, data: Data) -> list[str] | None:
        """Names of the classes in their order, or `None` where there are no classes."""
        return None

    def fit_preprocessing(self, recipe: Recipe, data: Data) -> Prepare:
        """What is done to images before the network sees them; `None` if all of it is in the network."""
        return None

    @abc.abstractmethod
    def network(self, recipe: Recipe, data: Data, name: str) -> keras.Model:
        """Builds the network that a part trains, with the name of the part.

        Raises:
            ValueError: If the recipe's model does not fit the data.
        """

    def trainable(self, recipe: Recipe, network: keras.Model) -> keras.Model:
        """The model to compile and fit: the network itself, or one around it with a training step of its own."""
        return network

    def loss(self, recipe: Recipe) -> keras.losses.Loss | None:
        """The loss to compile with; `None` if the trainable model has its own."""
        return keras.losses.get(recipe.loss)

    @abc.abstractmethod
    def batches(
        self, recipe: Recipe, part: Part, preprocess: Prepare, epoch: int, workers: tuple[int, int] = (1, 0)
    ) -> Batches:
        """Training batches `(inputs, targets)` from an epoch on, without end. They depend on the seed and the epoch.

        Args:
            recipe: The recipe.
            part: What to train on.
            preprocess: What `fit_preprocessing` returned.
            epoch: Number of the first epoch.
            workers: Number of processes that train together, and which of them this is.
        """

    def validation(self, recipe: Recipe, part: Part, preprocess: Prepare) -> Batches | None:
        """Batches that watch the training, or `None`."""
        return None

    def callbacks(self, recipe: Recipe, part: Part, preprocess: Prepare) -> list[keras.callbacks.Callback]:
        """More callbacks for the training."""
        return []

    def join(self, networks: list[keras.Model]) -> keras.Model:
        """The model of the run, from the networks of its parts."""
        (network,) = networks
        return network

    @abc.abstractmethod
    def examples(self, data: Data, count: int, split: str = "test") -> tuple[np.ndarray, np.ndarray]:
        """The first images `(n, height, width, channels)` of a split, before the preprocessing, and their targets."""

    def test_examples(self, recipe: Recipe, data: Data, count: int) -> tuple[np.ndarray, np.ndarray]:
        """About as many images as asked for, and targets, of those that `evaluate` tests on."""
        return self.examples(data, count)

    @abc.abstractmethod
    def evaluate(self, recipe: Recipe, model: keras.Model, data: Data, preprocess: Prepare) -> dict[str, Any]:
        """Tests the model of a run: what goes into `metrics.json`."""

    def table(self, metrics: dict[str, Any]) -> str:
        """What else to print of `metrics.json`; empty for nothing."""
        return ""

    @abc.abstractmethod
    def draw(
        self,
        figure: FigureBase,
        model: keras.Model,
        data: Data,
        preprocess: Prepare,
        history: list[dict[str, float]],
        metrics: dict[str, Any],
    ) -> None:
        """Draws the report of a run into an empty figure."""

    @abc.abstractmethod
    def predict(self, model: keras.Model, image: np.ndarray, preprocess: Prepare, labels: Labels) -> Prediction:
        """What the model of a run says of a picture.

        Args:
            model: The model.
            image: sRGB image of any size, `(height, width, 3)`, between 0 and 1, or in bytes if `predicts_bytes`.
            preprocess: What `fit_preprocessing` returned.
            labels: Names of the classes, or `None`.

        Raises:
            ValueError: If the picture is too small, or shows nothing.
        """

    @abc.abstractmethod
    def error(self, outputs: np.ndarray, targets: np.ndarray) -> float:
        """The error of some outputs, in the unit of the first of `figures`."""

    def agreement(self, outputs: np.ndarray, expected: np.ndarray) -> float:
        """How far outputs of a model in 8-bit integers agree with those in floating point: 1 if they are equal."""
        return float(1 - np.abs(outputs - expected).mean() / np.abs(expected).mean())

    def by_saturation(self, label: str, metrics: dict[str, Any]) -> BySaturation:
        """The first figure under coloured light: for each line to draw, a number for each saturation.

        Args:
            label: Name of the run.
            metrics: What its `metrics.json` holds.

        Raises:
            ValueError: If the run was not tested so.
        """
        raise ValueError(f"The run must have been tested under coloured light. Received: {label}")

    def draw_under_light(self, figure: FigureBase, models: Models, data: Data, count: int) -> None:
        """Draws some test images under coloured light, and what models say of them.

        Args:
            figure: An empty figure.
            models: From the name of each run to its model and its preprocessing.
            data: The data set.
            count: Number of images.
        """
        raise NotImplementedError
