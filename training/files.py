"""Files and folders that are written whole or not at all; JSON and CSV."""

import contextlib
import csv
import errno
import json
import os
import pathlib
import shutil
from collections.abc import Iterator, Sequence
from typing import Any

Path = str | pathlib.Path
ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")  # of pictures


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[pathlib.Path]:
    """Gives a temporary path to write to, and moves the file or folder to its place once that has succeeded.

    A folder takes the place of a folder; a file does not, but raises an `OSError`.

    Args:
        path: Where the file or folder shall be.

    Yields:
        The temporary path, beside it and with the same ending.
    """
    path = pathlib.Path(path)
    partial = path.with_name(f".partial-{path.name}")
    _remove(partial)
    try:
        yield partial
        if path.is_dir() and partial.is_dir():
            shutil.rmtree(path)
        os.replace(partial, path)
    except OSError as error:
        if error.errno == errno.ENOSPC and error.filename is None:  # a full disk does not say where
            error.filename = str(path)
        raise
    finally:
        _remove(partial)


def _remove(path: pathlib.Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def read_json(path: Path) -> dict[str, Any]:
    """Reads an object from a JSON file.

    Raises:
        ValueError: If it holds none.
    """
    try:
        content = json.loads(pathlib.Path(path).read_bytes())
        if not isinstance(content, dict):
            raise ValueError("no object")
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}): remove the run's folder and start again") from None
    return content


def write_json(path: Path, content: Any) -> None:
    """Writes a JSON file, whole or not at all."""
    with replacing(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n")


def write_csv(path: Path, rows: Sequence[dict[str, Any]], columns: Sequence[str] = ()) -> None:
    """Writes a list of dictionaries with the same keys as CSV; the columns name those of an empty list."""
    with replacing(path) as partial, partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else columns)
        writer.writeheader()
        writer.writerows(rows)
