"""Pictures in, predictions out. Imports nothing heavy before its arguments are checked."""

from __future__ import annotations

import itertools
import pathlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from keras_equivariant.training.files import ENDINGS, replacing, write_csv
from keras_equivariant.training.runs.folder import find_finished_run

if TYPE_CHECKING:
    import numpy as np
    from keras_equivariant.training.tasks.task import Prediction

SHOWN = 24  # predictions on the contact sheet
_COLUMNS = 6
_THUMBNAIL = 256  # at most about so many pixels wide and high
_LONGEST_NAME = 28


def find_pictures(paths: list[str] | list[pathlib.Path]) -> list[pathlib.Path]:
    """The files among some paths, and all pictures in the folders among them, in order.

    Raises:
        ValueError: If a path does not exist, or there is no picture in a folder.
    """
    found: dict[pathlib.Path, None] = {}
    for path in map(pathlib.Path, paths):
        files = [path]
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.suffix.lower() in ENDINGS and file.is_file())
        if not files or not path.exists():
            rule = f"must exist, and a folder must hold pictures ({', '.join(ENDINGS)})"
            raise ValueError(f"Each path {rule}. Received: {path}")
        found |= dict.fromkeys(files)
    return list(found)


def check_folder(path: str | pathlib.Path) -> None:
    """Checks that a folder is new or empty.

    Raises:
        ValueError: If it is not, or something else has its place.
    """
    path = pathlib.Path(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ValueError(f"`output` must be an empty or a new folder. Received: output={path}")


def predict(
    run: str | pathlib.Path,
    paths: list[str] | list[pathlib.Path],
    output: str | pathlib.Path,
    raw: bool = False,
) -> tuple[dict[str, str], list[str]]:
    """Asks the model of a finished run about pictures, and writes what it says into a folder.

    The folder gets `predictions.csv`, `predictions.png` with the first pictures and what is said of them, the pictures
    that belong to the predictions, if there are any, as PNG files of 8 bits, their masks in `masks/` as PNG files of 16
    bits, and `objects.csv`, a table of the objects in them.

    Args:
        run: Folder of the run.
        paths: Pictures, and folders that are searched for pictures.
        output: Folder to write, new or empty.
        raw: Whether pixels are proportional to light, as a camera's raw ones; otherwise they are sRGB.

    Returns:
        A dictionary from each file to what is said of it, and for each file of which nothing can be said a line with
        the reason.

    Raises:
        ValueError: If an argument is out of range, the run cannot be loaded, or nothing can be said of any file.
    """
    files, output = find_pictures(paths), pathlib.Path(output).resolve()
    check_folder(output)
    find_finished_run(run)
    unreadable: list[str] = []
    predictions = _predictions(run, files, raw, unreadable)
    first = next(predictions, None)
    if first is None:
        raise ValueError(f"One picture or more must be readable. Received: {len(unreadable)}, such as {unreadable[0]}")
    rows, objects, names, shown, texts = [], [], {"predictions"}, [], {}
    with replacing(output) as partial:
        partial.mkdir(parents=True)
        for file, image, prediction in itertools.chain([first], predictions):
            row = {"file": str(file), **prediction.values}
            if prediction.picture is not None or prediction.mask is not None:
                numbered = itertools.chain([file.stem], (f"{file.stem}-{i}" for i in itertools.count(2)))
                name = next(name for name in numbered if name.lower() not in names)
                names.add(name.lower())
                if prediction.picture is not None:
                    row["picture"] = f"{name}.png"
                    _write_png(partial / row["picture"], _in_bytes(prediction.picture))
                if prediction.mask is not None:
                    row["mask"] = f"masks/{name}.png"
                    (partial / "masks").mkdir(exist_ok=True)
                    _write_png(partial / row["mask"], prediction.mask.astype("uint16", copy=False))
            objects += [{"file": str(file), **found} for found in prediction.objects]
            rows.append(row)
            texts[str(file)] = prediction.text
            if len(shown) < SHOWN:
                pictures = [image] if prediction.picture is None else [image, prediction.picture]
                shown.append((file.name, prediction.text, [_thumbnail(picture) for picture in pictures]))
            print(f"\r{len(rows) + len(unreadable)} of {len(files)} pictures", end="", file=sys.stderr, flush=True)
        print(f"\r{len(files)} of {len(files)} pictures", file=sys.stderr)
        write_csv(partial / "predictions.csv", rows)
        if objects:
            write_csv(partial / "objects.csv", objects)
        _draw_sheet(shown, partial / "predictions.png")
    return texts, unreadable


def _predictions(
    run: str | pathlib.Path, files: list[pathlib.Path], raw: bool, unreadable: list[str]
) -> Iterator[tuple[pathlib.Path, np.ndarray, Prediction]]:
    """Each file that can be read, its image and what is said of it; the others get a line in the list."""
    import numpy as np
    import tensorflow as tf
    from keras_equivariant.training.data.pictures import read_picture
    from keras_equivariant.training.runs.finished import load_run

    from keras_equivariant.layers import ApplyGamma

    loaded = load_run(run)
    for file in files:
        try:
            image = read_picture(file)
            large = loaded.task.predicts_bytes  # then a grey picture in bytes is a view, for the sake of memory
            image = image / np.float32(255) if image.dtype == np.uint8 and (raw or not large) else image
            if image.shape[-1] == 1:
                shape = (*image.shape[:2], 3)
                image = np.broadcast_to(image, shape) if large else np.repeat(image, 3, axis=-1)
            image = np.asarray(ApplyGamma()(image)) if raw else image
            said = loaded.task.predict(loaded.model, image, loaded.preprocess, loaded.labels)
        except (ValueError, tf.errors.OpError) as error:  # of TensorFlow where a picture is too large for the memory
            message = " ".join(str(error).split())
            unreadable.append(message if str(file) in message else f"{file}: {message}")
        else:
            yield file, image, said


def _write_png(path: pathlib.Path, picture: np.ndarray) -> None:
    from PIL import Image

    Image.fromarray(picture).save(path)  # as a stream: TensorFlow would hold the file in memory, more than once


def _in_bytes(picture: np.ndarray) -> np.ndarray:
    import numpy as np

    return picture if picture.dtype == np.uint8 else np.rint(255 * np.clip(picture, 0, 1)).astype("uint8")


def _thumbnail(image: np.ndarray) -> np.ndarray:
    step = max(1, max(image.shape[:2]) // _THUMBNAIL)
    small = image[::step, ::step]
    return small if small.dtype.kind == "u" else small.clip(0, 1)


def _draw_sheet(shown: list[tuple[str, str, list[np.ndarray]]], path: pathlib.Path) -> None:
    """Draws pictures in rows, each with its name and what is said of it, and beside it what belongs to that."""
    from keras_equivariant.training.pictures.curves import save_figure
    from matplotlib.figure import Figure

    wide = max(len(pictures) for *_, pictures in shown)
    columns = min(_COLUMNS // wide, len(shown)) * wide
    rows = -(-len(shown) * wide // columns)
    figure = Figure(figsize=(2 * columns, 2.3 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).reshape(-1, wide)
    for axes in grid.flat:
        axes.axis("off")
    for cells, (name, text, pictures) in zip(grid, shown, strict=False):
        short = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME // 2]}…{name[-_LONGEST_NAME // 2 :]}"
        cells[0].set_title(f"{short}\n{text}", fontsize=8, parse_math=False)
        for axes, picture in zip(cells, pictures, strict=False):
            axes.imshow(picture, interpolation="nearest")
    save_figure(figure, path)
