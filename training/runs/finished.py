"""Reads the files of a finished run. They may be damaged; errors become a `ValueError`."""

import dataclasses
import json
import pathlib
from typing import Any

import keras
from keras_equivariant.training.data.images import load_images
from keras_equivariant.training.files import read_json
from keras_equivariant.training.input.preprocessing import Preprocessing, list_preprocessings, load_preprocessing
from keras_equivariant.training.recipes import Recipe
from keras_equivariant.training.runs.folder import RunFolder, find_finished_run
from keras_equivariant.training.runs.own import check_data, load_own
from keras_equivariant.training.tasks import get_task
from keras_equivariant.training.tasks.task import Task
from keras_equivariant.zoo.pretrained import read_model


@dataclasses.dataclass(frozen=True)
class FinishedRun:
    """A finished run, loaded for testing, export or predictions.

    Attributes:
        folder: The `RunFolder`.
        recipe: Its recipe.
        data_dir: The folder of data sets that it used, or `None`.
        task: Its task.
        model: Its model.
        preprocess: Its preprocessing, or `None` if all of it is in the model.
        labels: Names of the classes in their order, or `None` where there are no classes.
    """

    folder: RunFolder
    recipe: Recipe
    data_dir: str | None
    task: Task
    model: keras.Model
    preprocess: Preprocessing | None
    labels: list[str] | None

    def load_data(self, data_dir: str | None = None) -> Any:
        """Loads the data set of the run from a folder, by default the one that the run was made with."""
        if self.folder.split.exists():
            folder = check_data(data_dir or self.data_dir or "")
            return load_own(self.folder, self.recipe, folder, self.labels)
        if self.folder.images.exists():
            if data_dir is not None:
                rule = f"must not be given for a run with its images in {self.folder.images.name}"
                raise ValueError(f"`data_dir` {rule}. Received: data_dir={data_dir}")
            return load_images(self.folder.images)
        return self.task.load(self.recipe, data_dir or self.data_dir)

    def evaluate(self, data_dir: str | None = None) -> dict[str, Any]:
        """Tests the model again: a dictionary as in `metrics.json`."""
        return self.task.evaluate(self.recipe, self.model, self.load_data(data_dir), self.preprocess)


def load_run(path: str | pathlib.Path) -> FinishedRun:
    """Loads a finished run.

    Args:
        path: Its folder.

    Returns:
        A `FinishedRun`.

    Raises:
        ValueError: If the folder holds no finished run, or one of its files is missing or damaged.
    """
    recipe, data_dir = read_recipe(path)
    folder = find_finished_run(path)
    task = get_task(recipe.task)
    preprocess = None
    if recipe.preprocessing in list_preprocessings():
        preprocess = load_preprocessing(folder.preprocessing, recipe.preprocessing)
    return FinishedRun(folder, recipe, data_dir, task, load_model(path), preprocess, _read_labels(folder.labels))


def read_recipe(path: str | pathlib.Path) -> tuple[Recipe, str | None]:
    """Reads the recipe of a finished run.

    Args:
        path: Folder of the run.

    Returns:
        The `Recipe`, and the folder of data sets that the run was made with, or `None`.

    Raises:
        ValueError: If the folder holds no finished run, or its `config.json` is damaged.
    """
    run = find_finished_run(path)
    config = read_json(run.config)
    try:
        recipe, data_dir = Recipe(**config["recipe"]), config["data_dir"]
        if data_dir is not None and not isinstance(data_dir, str):
            raise TypeError("its data_dir is no path")
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{run.config} holds no recipe ({error!r}). Received: run={path}") from None
    return recipe, data_dir


def _read_labels(path: pathlib.Path) -> list[str] | None:
    if not path.exists():
        return None
    try:
        labels = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error})") from None
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise ValueError(f"{path} is damaged (it holds no list of names)")
    return labels


def run_labels(paths: list[str] | list[pathlib.Path]) -> list[str]:
    """A unique name for each run: that of its folder, with as many parent folders as needed.

    Args:
        paths: Folders of runs; one that comes again gets a number.

    Returns:
        List of strings.
    """
    resolved = [pathlib.Path(path).resolve() for path in paths]
    labels: list[str] = []
    for depth in range(1, max(len(path.parts) for path in resolved) + 1):
        labels = ["/".join(path.parts[-depth:]) for path in resolved]
        if len(set(labels)) == len(set(resolved)):
            break
    numbers = [labels[: i + 1].count(label) for i, label in enumerate(labels)]
    return [label if number == 1 else f"{label} ({number})" for label, number in zip(labels, numbers, strict=True)]


def load_model(path: str | pathlib.Path) -> keras.Model:
    """Loads the model of a finished run.

    Args:
        path: Folder of the run.

    Returns:
        The `keras.Model`.

    Raises:
        ValueError: If the folder holds no finished run, or its `model.keras` is missing or damaged.
    """
    return read_model(find_finished_run(path).model)
