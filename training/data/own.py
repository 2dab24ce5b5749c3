"""A folder of people's own pictures: what is in it, and what can be read of it.

Everything here works on rows, as they stand in a run's `split.csv`: dictionaries with `file`, the path of a picture
inside the folder, `split`, one of `PARTS` or nothing yet, and what is known of the picture.
"""

import collections
import csv
import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from keras_equivariant.training.data.decoded import in_threads
from keras_equivariant.training.data.pictures import decode, is_grey, look_at, without_warnings
from keras_equivariant.training.data.transforms import fit_into
from keras_equivariant.training.files import ENDINGS

PARTS = ("train", "validation", "test")
_NAMES = {"train": 0, "training": 0, "validation": 1, "valid": 1, "val": 1, "test": 2, "testing": 2}
Row = dict[str, str]


@dataclasses.dataclass(frozen=True)
class Found:
    """What there is in a folder.

    Attributes:
        folder: The folder.
        rows: A row for each picture whose beginning can be read.
        sizes: Height and width of each, in pixels.
        grey: Whether all of them are grey.
        twins: For each a key that only files of equal bytes have in common.
        notes: Lines for people: what is left out, and what is odd.
    """

    folder: pathlib.Path
    rows: list[Row]
    sizes: list[tuple[int, int]]
    grey: bool
    twins: list[str]
    notes: list[str]


def has_classes(folder: pathlib.Path) -> bool:
    """Whether a folder has class subfolders, and not `images/`."""
    return folder.is_dir() and not (folder / "images").is_dir() and bool(_folders(folder))


def has_table(folder: pathlib.Path) -> bool:
    """Whether a folder has `images/` and `labels.csv`."""
    return (folder / "images").is_dir() and (folder / "labels.csv").is_file()


def list_classes(folder: pathlib.Path) -> tuple[list[Row], list[str]]:
    """A row with a `label` for each picture in the class subfolders of a folder, and lines on what is odd.

    The class subfolders may be in folders `train`, `validation` and `test`. Links are followed, but in no circle.

    Raises:
        ValueError: If there are no class subfolders, or no pictures in them.
    """
    folders = _folders(folder)
    if not folders:
        raise ValueError(f"`data` must hold a subfolder for each class. Received: {folder} without subfolders")
    notes, rows = [], []
    nested = {path: PARTS[_NAMES[path.name.lower()]] for path in folders if path.name.lower() in _NAMES}
    split = len(nested) == len(folders) and any(part == "train" and _folders(path) for path, part in nested.items())
    flat = [path.name for path in folders if split and not _folders(path)]
    if flat:
        notes.append(f"warning: left out, without class subfolders: {_some(flat)}")
    homes = [(below, nested[path]) for path in folders for below in _folders(path)] if split else []
    circles, empty = 0, []
    for path, part in homes if split else [(path, "") for path in folders]:
        files, found = pictures_below(path, folder)
        circles += found
        if not files:
            empty.append(path.name)
        rows += [{"file": file, "split": part, "label": path.name} for file in files]
    if circles:
        notes.append(f"warning: not followed, back to where they are: {count(circles, 'link')}")
    if empty:
        notes.append(f"warning: no picture in {_some(sorted(set(empty)))}, which is left out")
    loose = sum(path.suffix.lower() in ENDINGS for path in folder.iterdir() if path.is_file())
    if loose:
        notes.append(f"warning: left out, outside of the class subfolders: {count(loose, 'picture')}")
    if not rows:
        raise ValueError(f"`data` must hold pictures ({', '.join(ENDINGS)}). Received: {folder} without one")
    return rows, notes


def list_table(folder: pathlib.Path) -> tuple[list[Row], list[str]]:
    """A row for each row of `labels.csv`, with its other columns, whose names are returned too.

    Raises:
        ValueError: If the table is malformed, or names a picture that is not there: the line.
    """
    table = folder / "labels.csv"
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            header, *lines = ((reader.line_num, [cell.strip() for cell in line]) for line in reader if any(line))
    except (OSError, ValueError, csv.Error) as error:
        rule = "The file must be a table with a header, as CSV in UTF-8"
        raise ValueError(f"{rule}. Received: {table} ({error})") from None
    names = header[1]
    columns = [name for name in names if name not in ("file", "split")]
    if names.count("file") != 1 or not columns or len({*names, ""}) <= len(names):
        rule = "a column 'file' and others for the label or for numbers, each with a name of its own"
        raise ValueError(f"The table must have {rule}. Received: {table} with {', '.join(map(repr, names))}")
    rows: dict[str, Row] = {}
    for line, cells in lines:
        where = f"{table}, line {line}"
        if len(cells) != len(names):
            raise ValueError(f"Each row must have {len(names)} cells. Received: {where} with {len(cells)}")
        row = dict(zip(names, cells, strict=True))
        path = pathlib.Path("images", row["file"]).as_posix()
        if not (folder / path).is_file():
            raise ValueError(f"Each picture must be there. Received: {where}: no such file as {folder / path}")
        if path in rows:
            raise ValueError(f"Each picture must be named once. Received: {where}: {folder / path} again")
        part = row.get("split", "").lower()
        if part and part not in _NAMES:
            raise ValueError(f"`split` must be one of {PARTS} or empty. Received: {where}: {part!r}")
        rows[path] = {**row, "file": path, "split": PARTS[_NAMES[part]] if part else ""}
    if not rows:
        raise ValueError(f"The table must name pictures. Received: {table} with none")
    return list(rows.values()), columns


def pictures_below(path: pathlib.Path, root: pathlib.Path) -> tuple[list[str], int]:
    """The pictures in a folder and below, as sorted paths inside a root, and how many links lead in a circle."""
    found, circles = [], 0
    waiting = [(path, frozenset(map(os.path.realpath, path.parents)))]
    while waiting:
        here, above = waiting.pop()
        real = os.path.realpath(here)
        if real in above:
            circles += 1
            continue
        for entry in os.scandir(here):
            if entry.name.startswith("."):
                continue
            inside = pathlib.Path(here, entry.name)
            if entry.is_dir():
                waiting.append((inside, above | {real}))
            elif inside.suffix.lower() in ENDINGS:
                found.append(inside.relative_to(root).as_posix())
    return sorted(found), circles


def look(folder: pathlib.Path, rows: Sequence[Row], notes: Iterable[str] = ()) -> Found:
    """Looks at the beginning of each file, and for files of equal bytes."""

    def one(row: Row) -> Any:
        try:
            row["file"].encode()
            return look_at(folder / row["file"])
        except (ValueError, OSError) as error:
            return str(error).rpartition("Received: ")[2]

    with without_warnings():
        seen = in_threads(one, rows)
    unread = [reason for reason in seen if isinstance(reason, str)]
    read = [(row, what) for row, what in zip(rows, seen, strict=True) if not isinstance(what, str)]
    kept = [row for row, _ in read]
    sizes, modes = [size for _, (size, _) in read], [mode for _, (_, mode) in read]
    return Found(folder, kept, sizes, all(map(is_grey, modes)), _twins(folder, kept), [*notes, *skipped(unread)])


def skipped(unread: Sequence[str]) -> list[str]:
    """The line on files that cannot be read, if there are any."""
    if not unread:
        return []
    more = f", and {len(unread) - 1} more" if len(unread) > 1 else ""
    return [f"warning: left out, cannot be read: {count(len(unread), 'file')}: {unread[0]}{more}"]


def read_all(
    folder: pathlib.Path, rows: Sequence[Row], shape: tuple[int, int, int]
) -> tuple[np.ndarray, list[Row], list[str]]:
    """Decodes pictures and fits them into a shape.

    Returns:
        Array `(n, *shape)` of bytes, or of floats between 0 and 1 if a file has more than 8 bits; the rows that could
        be read, as many; and for each of the others its name and the reason.
    """

    def one(row: Row) -> Any:
        try:
            return fit_into(decode(folder / row["file"]), shape)
        except ValueError as error:
            return str(error).rpartition("Received: ")[2]

    with without_warnings():
        read = in_threads(one, rows)
    kept = [i for i, picture in enumerate(read) if not isinstance(picture, str)]
    pictures = [read[i] for i in kept]
    if any(picture.dtype != np.uint8 for picture in pictures):
        pictures = [p / np.float32(255) if p.dtype == np.uint8 else p for p in pictures]
    images = np.stack(pictures) if pictures else np.zeros((0, *shape), "uint8")
    return images, [rows[i] for i in kept], [reason for reason in read if isinstance(reason, str)]


def _twins(folder: pathlib.Path, rows: Sequence[Row]) -> list[str]:
    """For each file a key that only files of equal bytes have in common; only those of equal sizes are read."""
    lengths = [os.path.getsize(folder / row["file"]) for row in rows]
    counts = collections.Counter(lengths)

    def key(item: tuple[Row, int]) -> str:
        row, length = item
        if counts[length] == 1:
            return row["file"]
        return hashlib.blake2b((folder / row["file"]).read_bytes()).hexdigest()

    return in_threads(key, list(zip(rows, lengths, strict=True)))


def count(number: int, what: str) -> str:
    """`"1 file"`, `"2 files"`."""
    return f"{number:,} {what}{'s' * (number != 1)}"


def _folders(path: pathlib.Path) -> list[pathlib.Path]:
    return sorted(below for below in path.iterdir() if below.is_dir() and not below.name.startswith("."))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
