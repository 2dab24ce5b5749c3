"""What a finished run has left, read as what others may have damaged."""

import pathlib
import zipfile

import keras

from training.recipes import Recipe
from training.run_folder import find_finished_run, read_json


def read_recipe(path):
    """Reads what a finished run was made by.

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
        return Recipe(**config["recipe"]), config["data_dir"]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{run.config} holds no recipe ({error!r}). Received: run={path}") from None


def run_labels(paths):
    """A name for each run, no two the same: that of its folder, with those above it as far as they tell runs apart.

    Args:
        paths: Folders of runs; one that comes again gets a number.

    Returns:
        List of strings.
    """
    paths = [pathlib.Path(path).resolve() for path in paths]
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        labels = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(labels)) == len(set(paths)):
            break
    numbers = [labels[: i + 1].count(label) for i, label in enumerate(labels)]
    return [label if number == 1 else f"{label} ({number})" for label, number in zip(labels, numbers, strict=True)]


def load_model(path):
    """Loads the model of a finished run.

    Args:
        path: Folder of the run.

    Returns:
        The `keras.Model`.

    Raises:
        ValueError: If the folder holds no finished run, or its `model.keras` is missing or damaged.
    """
    run = find_finished_run(path)
    try:
        # Where the checksum of the weights is wrong, Keras tries again in a way that may not look at it.
        with zipfile.ZipFile(run.model) as archive:
            if archive.testzip() is not None:
                raise ValueError(f"the checksum of {archive.testzip()} is wrong")
        return keras.models.load_model(run.model)
    except Exception as error:  # any: damaged archives, HDF5 files and configurations have errors of their own
        raise ValueError(f"{run.model} cannot be loaded ({error}). Received: run={path}") from error
