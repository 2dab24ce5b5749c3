"""A folder of your own: pictures in `images/`, and numbers for each of them in `labels.csv`."""

import csv
import math
import pathlib

import numpy as np
from keras_equivariant.training.data.files import read_image, scaled
from keras_equivariant.training.data.images import LabelledImages, Split
from keras_equivariant.training.data.transforms import fit_into

_FEWEST = 10
_SHARES = {"test": 0.2, "validation": 0.1}  # the rest is trained on


def load_labelled_folder(folder: str | None, shape: tuple[int, int, int], seed: int = 0) -> LabelledImages:
    """Loads pictures and numbers for each of them, split at random, always alike for a seed.

    Args:
        folder: The folder. `labels.csv` has a column `file`, the path of a picture inside `images/`, and one or more
            columns of numbers.
        shape: Height, width and number of channels, 3 or 1, that all pictures get. They keep their aspect ratio: what
            is left over is black.
        seed: Decides which pictures are trained on, which watch the training, 10 %, and which test it, 20 %.

    Returns:
        `LabelledImages`, with bytes, the numbers `(n, columns)` as labels and the columns as names.

    Raises:
        ValueError: If files are missing, unreadable or malformed: the file, the line and the rule.
    """
    if folder is None:
        raise ValueError("`data_dir` must be a folder with images/ and labels.csv. Received: data_dir=None")
    files, numbers, columns = _read_table(pathlib.Path(folder))
    images = np.stack([_read_picture(where, path, shape) for where, path in files])
    everything, order = Split(images, numbers), np.random.default_rng(seed).permutation(len(files))
    parts = {}
    for name, share in _SHARES.items():
        count = int(share * len(files))
        parts[name], order = everything.take(np.sort(order[:count])), order[count:]
    return LabelledImages(everything.take(np.sort(order)), classes=len(columns), names=columns, **parts)


def _read_table(folder: pathlib.Path) -> tuple[list[tuple[str, pathlib.Path]], np.ndarray, tuple[str, ...]]:
    """The files, each with the place where it is named, the numbers `(n, columns)` and the names of the columns."""
    table, pictures = folder / "labels.csv", folder / "images"
    for path in (table, pictures):
        if not path.exists():
            raise ValueError(f"`data_dir` must hold images/ and labels.csv. Received: no such path as {path}")
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            header, *rows = ((reader.line_num, [cell.strip() for cell in row]) for row in reader if any(row))
    except (OSError, ValueError, csv.Error) as error:
        raise ValueError(
            f"The file must be a table with a header, as CSV in UTF-8. Received: {table} ({error})"
        ) from None
    names = header[1]
    columns = tuple(name for name in names if name != "file")
    if names.count("file") != 1 or not columns or len({*names, ""}) <= len(names):
        rule = "a column 'file' and one or more columns of numbers, each with a name of its own"
        raise ValueError(f"The table must have {rule}. Received: {table} with {', '.join(map(repr, names))}")
    if len(rows) < _FEWEST:
        raise ValueError(f"The table must name at least {_FEWEST} pictures. Received: {table} with {len(rows)}")
    files: dict[pathlib.Path, str] = {}
    numbers = []
    for line, cells in rows:
        where = f"{table}, line {line}"
        if len(cells) != len(names):
            raise ValueError(f"Each row must have {len(names)} cells. Received: {where} with {len(cells)}")
        row = dict(zip(names, cells, strict=True))
        path = pictures / row.pop("file")
        if not path.is_file():
            raise ValueError(f"Each picture must be there. Received: {where}: no such file as {path}")
        if path in files:
            raise ValueError(f"Each picture must be named once. Received: {where}: {path} again")
        files[path] = where
        numbers.append([_number(cell, f"{where}, column {name!r}") for name, cell in row.items()])
    return [(where, path) for path, where in files.items()], np.array(numbers, "float32"), columns


def _number(cell: str, where: str) -> float:
    try:
        number = float(cell)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"Each cell must be a finite number. Received: {where}: {cell!r}")
    return number


def _read_picture(where: str, path: pathlib.Path, shape: tuple[int, int, int]) -> np.ndarray:
    try:
        return np.rint(255 * fit_into(scaled(read_image(path)), shape)).astype("uint8")
    except ValueError as error:
        raise ValueError(f"{error}, named in {where}") from None
