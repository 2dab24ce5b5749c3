"""Regression on people's own pictures: `images/` and a table of numbers."""

import dataclasses
import math
import pathlib
from typing import Any

import numpy as np
from keras_equivariant.training.data.decoded import FITTED, IN_MEMORY, DecodedFiles, Pictures
from keras_equivariant.training.data.images import LabelledImages, Split
from keras_equivariant.training.data.own import PARTS, Row, has_table, list_table, look, read_all, skipped
from keras_equivariant.training.data.own_split import assign, count_parts
from keras_equivariant.training.recipes import Recipe
from keras_equivariant.training.tasks.own import (
    OwnPictures,
    Wishes,
    choose_network,
    common_size,
    named,
    with_length,
)

_FEWEST = 10
_NOT_NUMBERS = ("file", "split")


def recognises(folder: pathlib.Path) -> bool:
    """Whether a folder has a table of numbers for each picture."""
    return has_table(folder) and "label" not in list_table(folder)[1]


def from_folder(folder: pathlib.Path, wishes: Wishes) -> OwnPictures:
    """As `Task.from_folder`."""
    wishes.check_no_masks()
    for name in ("weights", "freeze"):
        if getattr(wishes, name):
            raise ValueError(f"`{name}` must not go with numbers. Received: {name}={getattr(wishes, name)!r}")
    if not has_table(folder):
        raise ValueError(f"`data` must hold images/ and labels.csv. Received: {folder} without")
    rows, columns = list_table(folder)
    for row in rows:
        for column in columns:
            _number(row[column], f"{folder / 'labels.csv'}: {row['file']}, column {column!r}")
    found = look(folder, rows)
    if len(found.rows) < _FEWEST:
        rule = f"must have at least {_FEWEST} pictures that can be read"
        raise ValueError(f"`data` {rule}. Received: {folder} with {len(found.rows)}")
    notes = found.notes + assign(found, wishes.validation, wishes.seed, lambda row: "")
    side = wishes.size or common_size(found.sizes)
    training = sum(row["split"] == "train" for row in found.rows)
    recipe, lines = choose_network(wishes, training, (side, side, 1 if found.grey else 3))
    shape = tuple(recipe.model_arguments["input_shape"])
    data, unread = _read(folder, found.rows, shape)
    recipe, length = with_length(recipe, wishes, len(data.train), len(data.validation or ()))
    loss = {"class_name": "MeanSquaredError", "config": {}}
    fitted = None if data.train.in_memory else FITTED
    recipe = dataclasses.replace(recipe, task="regression", loss=loss, fitted_images=fitted)
    recipe = named(recipe, folder, "on the numbers of")
    first = [
        f"{len(data.rows):,} pictures with {', '.join(columns)}",
        f"split: {count_parts(data.rows)}, in split.csv",
        f"pictures: {'grey' if shape[-1] == 1 else 'in colours'}, whole, with black beside them, {shape[0]}x{shape[1]} "
        "pixels",
    ]
    return OwnPictures(recipe, data, [*first, *lines, length, *notes, *skipped(unread)])


def load_own(recipe: Recipe, folder: pathlib.Path, rows: list[Row]) -> LabelledImages:
    """The data set of a run again. Of a folder that has none of its pictures, all pictures are for testing."""
    there = [row for row in rows if (folder / row["file"]).is_file()]
    columns = [name for name in rows[0] if name not in _NOT_NUMBERS]
    if not there:
        found, known = list_table(folder)
        if not set(columns) <= set(known):
            raise ValueError(f"`data` must have the columns {columns} in labels.csv. Received: {folder} with {known}")
        there = [{**{key: row[key] for key in ("file", *columns)}, "split": "test"} for row in found]
    data, _ = _read(folder, there, tuple(recipe.model_arguments["input_shape"]))
    return data


def _read(folder: pathlib.Path, rows: list[Row], shape: tuple[int, int, int]) -> tuple[LabelledImages, list[str]]:
    columns = [name for name in rows[0] if name not in _NOT_NUMBERS]
    if len(rows) * math.prod(shape) > IN_MEMORY:
        # A picture has its own numbers: none can stand in for another, so all are read before the training.
        files = DecodedFiles([folder / row["file"] for row in rows], shape, range(len(rows)))
        reasons = files.decode_all()
        kept = np.array([i for i in range(len(rows)) if i not in reasons], "int64")
        images: Any = Pictures(files, kept)
        rows, unread = [rows[i] for i in kept], list(reasons.values())
    else:
        images, rows, unread = read_all(folder, rows, shape)
    numbers = np.array(
        [[_number(row[column], f"{row['file']}, column {column!r}") for column in columns] for row in rows], "float32"
    ).reshape(-1, len(columns))
    parts = np.array([row["split"] for row in rows])
    chosen = images.__getitem__ if isinstance(images, np.ndarray) else images.some
    train, validation, test = (Split(chosen(np.flatnonzero(parts == part)), numbers[parts == part]) for part in PARTS)
    if not len(test):
        raise ValueError(f"`data` must have pictures to test on that can be read. Received: {folder} without")
    ordered = tuple({key: row[key] for key in ("file", "split", *columns)} for row in rows)
    watching = validation if len(validation) else None
    return LabelledImages(train, test, len(columns), watching, tuple(columns), ordered), unread


def _number(cell: str, where: str) -> float:
    try:
        number = float(cell)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"Each cell must be a finite number. Received: {where}: {cell!r}")
    return number
