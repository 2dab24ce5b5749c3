"""Classification of people's own pictures: class subfolders, or `images/` and a table of labels."""

import collections
import dataclasses
import math
import pathlib
from typing import Any

import numpy as np
from keras_equivariant.training.data.decoded import FITTED, IN_MEMORY, DecodedFiles, Pictures
from keras_equivariant.training.data.images import LabelledImages, Split
from keras_equivariant.training.data.own import (
    PARTS,
    Row,
    has_classes,
    has_table,
    list_classes,
    list_table,
    look,
    read_all,
    skipped,
)
from keras_equivariant.training.data.own_split import assign, count_parts
from keras_equivariant.training.recipes import Recipe
from keras_equivariant.training.tasks.own import OwnPictures, Wishes, choose_network, common_size, named, with_length

_UNBALANCED = 1.5  # times as many pictures as another class has
_LISTED = 8  # classes that are named


def recognises(folder: pathlib.Path) -> bool:
    """Whether a folder has class subfolders, or a table with the label of each picture."""
    return has_classes(folder) or (has_table(folder) and "label" in list_table(folder)[1])


def from_folder(folder: pathlib.Path, wishes: Wishes) -> OwnPictures:
    """As `Task.from_folder`."""
    wishes.check_no_masks()
    rows, notes = _rows(folder)
    found = look(folder, rows, notes)
    counts = collections.Counter(row["label"] for row in found.rows)
    if len(counts) < 2:
        names = ", ".join(counts) or "none"
        raise ValueError(f"`data` must have pictures of two classes or more. Received: {folder} with {names}")
    notes = found.notes + assign(found, wishes.validation, wishes.seed, lambda row: row["label"])
    side = wishes.size or common_size(found.sizes)
    channels = 1 if found.grey else 3
    training = sum(row["split"] == "train" for row in found.rows)
    recipe, lines = choose_network(wishes, training, (side, side, channels), len(counts))
    data, unread = _read(folder, found.rows, tuple(recipe.model_arguments["input_shape"]), sorted(counts))
    notes += skipped(unread)
    if channels == 3 and data.train.in_memory and all((s.images[..., :1] == s.images).all() for s in _splits(data)):
        channels, data = 1, _grey(data)
        shape = (*recipe.model_arguments["input_shape"][:2], 1)
        recipe, lines = choose_network(wishes, training, shape, len(counts))
    recipe, length = with_length(recipe, wishes, len(data.train), len(data.validation or ()))
    recipe, weighting = _weigh(recipe, data)
    fitted = None if data.train.in_memory else FITTED
    recipe = dataclasses.replace(recipe, evaluation="classes", fitted_images=fitted)
    recipe = named(recipe, folder, "on the pictures in")
    side = recipe.model_arguments["input_shape"][0]
    single = [name for name, count in counts.items() if count == 1]
    if single:
        notes.append(f"warning: one picture only of {_list(single)}: trained on, never tested")
    numbers = _list([f"{name} {counts[name]:,}" for name in sorted(counts)])
    first = [
        f"{len(data.rows):,} pictures in {len(counts)} classes: {numbers}",
        f"split: {count_parts(data.rows)}, as large a share of each class, in split.csv",
        f"pictures: {'grey' if channels == 1 else 'in colours'}, whole, with black beside them, {side}x{side} pixels"
        + ("" if wishes.size else f"; the median of their longer sides is {_median(found.sizes)}"),
    ]
    return OwnPictures(recipe, data, [*first, *lines, length, *weighting, *notes])


def load_own(
    folder: pathlib.Path, rows: list[Row], shape: tuple[int, int, int], names: list[str] | None
) -> LabelledImages:
    """The data set of a run again. Of a folder that has none of its pictures, all pictures are for testing."""
    there = [row for row in rows if (folder / row["file"]).is_file()]
    names = names or sorted({row["label"] for row in rows})
    if not there:
        found, _ = _rows(folder)
        there = [{**row, "split": "test"} for row in found]
        unknown = sorted({row["label"] for row in there} - set(names))
        if unknown:
            raise ValueError(f"`data` must have classes of the run, {names}. Received: {folder} with {unknown}")
    data, _ = _read(folder, there, shape, names)
    return data


def _rows(folder: pathlib.Path) -> tuple[list[Row], list[str]]:
    if not has_table(folder):
        return list_classes(folder)
    rows, columns = list_table(folder)
    if "label" not in columns:
        rule = "must have a column 'label', the class of each picture"
        raise ValueError(f"The table {rule}. Received: {folder / 'labels.csv'} with {', '.join(columns)}")
    empty = next((row["file"] for row in rows if not row["label"]), None)
    if empty:
        raise ValueError(f"Each picture must have a label. Received: {folder / 'labels.csv'}: {empty} without")
    return [{key: row[key] for key in ("file", "split", "label")} for row in rows], []


def _read(
    folder: pathlib.Path, rows: list[Row], shape: tuple[int, int, int], names: list[str]
) -> tuple[LabelledImages, list[str]]:
    unread: list[str] = []
    if len(rows) * math.prod(shape) > IN_MEMORY:
        files = DecodedFiles([folder / row["file"] for row in rows], shape, [(r["split"], r["label"]) for r in rows])
        images: Any = Pictures(files, np.arange(len(rows)))
    else:
        images, rows, unread = read_all(folder, rows, shape)
    number = {name: i for i, name in enumerate(names)}
    labels = np.array([number[row["label"]] for row in rows], "int64")
    parts = np.array([row["split"] for row in rows])
    chosen = images.__getitem__ if isinstance(images, np.ndarray) else images.some
    train, validation, test = (Split(chosen(np.flatnonzero(parts == part)), labels[parts == part]) for part in PARTS)
    if not len(test):
        raise ValueError(f"`data` must have pictures to test on that can be read. Received: {folder} without")
    data = LabelledImages(train, test, len(names), validation if len(validation) else None, tuple(names), tuple(rows))
    return data, unread


def _splits(data: LabelledImages) -> list[Split]:
    return [split for split in (data.train, data.validation, data.test) if split is not None]


def _grey(data: LabelledImages) -> LabelledImages:
    parts = {name: getattr(data, name) for name in ("train", "validation", "test")}
    parts = {name: split and Split(split.images[..., :1], split.labels) for name, split in parts.items()}
    return dataclasses.replace(data, **parts)


def _weigh(recipe: Recipe, data: LabelledImages) -> tuple[Recipe, list[str]]:
    """The recipe with class weights, if the classes are unbalanced; all training pictures together count as before."""
    counts = np.bincount(data.train.labels, minlength=data.classes)
    missing = [data.names[i] for i in np.flatnonzero(counts == 0)]
    if missing:
        rule = "must have a picture of each class that can be read, to train on"
        raise ValueError(f"`data` {rule}. Received: none of {_list(missing)}")
    if counts.max() < _UNBALANCED * counts.min():
        return recipe, []
    weights = counts.sum() / (data.classes * counts)
    most, least = (data.names[i] for i in (counts.argmax(), counts.argmin()))
    line = (
        f"class weights: the classes are unbalanced; a picture of {least} counts "
        f"{counts.max() / counts.min():.1f} times as much as one of {most}"
    )
    return dataclasses.replace(recipe, class_weights=tuple(round(float(w), 4) for w in weights)), [line]


def _list(names: list[str]) -> str:
    return ", ".join(names[:_LISTED]) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")


def _median(sizes: list[tuple[int, int]]) -> int:
    return sorted(map(max, sizes))[len(sizes) // 2]
