"""From a folder of people's own pictures to a run. What is imported here at first is light."""

from __future__ import annotations

import argparse
import dataclasses
import os
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from keras_equivariant.training.files import read_json
from keras_equivariant.training.names import check_name, list_models
from keras_equivariant.training.recipes import Recipe, starting_from
from keras_equivariant.training.runs.folder import RunFolder, check_output
from keras_equivariant.training.tasks import get_task, list_tasks

if TYPE_CHECKING:
    from keras_equivariant.training.tasks.own import OwnPictures

_MOST_LINES = 10
AUTO = "auto"
_TRIED = ("p1", "p4", "p4m")
_SECONDS = 60.0  # that each of them is trained
_OPTIONS = ("symmetry", "size", "masks", "palette")  # that go with a folder only
_FORMS = "class subfolders, images/ with labels.csv, or images/ with masks/"


def add_options(command: argparse.ArgumentParser) -> None:
    """Adds what `fit` takes for a folder of pictures."""
    command.add_argument("--data", metavar="FOLDER", help=f"pictures of your own, instead of a recipe: {_FORMS}")
    command.add_argument("--task", metavar="NAME", help="with --data: what to learn; default: as the folder looks")
    known = "with --data: of the pictures, p4m (default), p4, p1, or auto to measure which suits them"
    command.add_argument("--symmetry", metavar="NAME", help=known)
    side = "with --data: side that pictures get, or that of crops of those with masks, in pixels"
    command.add_argument("--size", type=int, metavar="N", help=side)
    masks = "with --data: whether masks tell classes, or number the instances; default: as they look"
    command.add_argument("--masks", metavar="KIND", help=masks)
    palette = "with --data: for masks in colours, NAME=#rrggbb,NAME=#rrggbb,... or a file with one on each line"
    command.add_argument("--palette", metavar="FILE", help=palette)
    callback = "a Keras callback, a class or a function that makes one, in a module that Python finds here"
    command.add_argument("--callback", metavar="MODULE:NAME", action="append", dest="callbacks", help=callback)


def share_or_count(text: str) -> float | int:
    """A number of pictures, or with a point a share of them."""
    return float(text) if "." in text else int(text)


def check_options(arguments: argparse.Namespace) -> None:
    """Checks that what goes with a folder, and what goes with a recipe, is given with that.

    Raises:
        ValueError: If not.
    """
    if arguments.validation is not None and arguments.validation < 0:
        raise ValueError(f"`validation` must not be negative. Received: validation={arguments.validation}")
    if arguments.data is None:
        for name in ("task", *_OPTIONS):
            if getattr(arguments, name) is not None:
                raise ValueError(f"`{name}` must go with --data FOLDER. Received: {name}={getattr(arguments, name)!r}")
        if isinstance(arguments.validation, float):
            rule = "must be a number of images for a recipe"
            raise ValueError(f"`validation` {rule}. Received: validation={arguments.validation}")
        return
    for name in ("recipe", "data_dir", "jitter"):
        if getattr(arguments, name) is not None:
            raise ValueError(f"`{name}` must not go with --data FOLDER. Received: {name}={getattr(arguments, name)!r}")
    if isinstance(arguments.validation, int) and arguments.validation:
        rule = "must be a share of the pictures, such as 0.15, for a folder"
        raise ValueError(f"`validation` {rule}. Received: validation={arguments.validation}")
    if arguments.model is not None:
        check_name("model", arguments.model, list_models())
    if arguments.task is not None:
        check_name("task", arguments.task, list_tasks())
    check_data(arguments.data)


def check_data(folder: str | os.PathLike) -> pathlib.Path:
    """The absolute path of a folder of pictures.

    Raises:
        ValueError: If there is no such folder.
    """
    path = pathlib.Path(os.path.abspath(os.path.expanduser(folder)))
    if not path.is_dir():
        kind = "a file" if path.exists() else "no such folder"
        raise ValueError(f"`data` must be a folder of pictures: {_FORMS}. Received: data={folder} ({kind})")
    return path


def from_folder(folder: str | os.PathLike, task: str | None = None, **wishes: Any) -> OwnPictures:
    """Makes a recipe and a data set of a folder of people's own pictures.

    Args:
        folder: The folder: class subfolders; `images/` and `labels.csv`; or `images/` and `masks/`.
        task: Name of the task, or `None` for the one that the folder looks like.
        **wishes: As in `keras_equivariant.training.tasks.own.Wishes`. `symmetry` may also be `"auto"`: then networks
            on p1, p4 and p4m are trained for a minute each, and that of the smallest validation error is taken.

    Returns:
        `OwnPictures`: `recipe` and `data` for `fit`, and lines that say what was chosen and why.

    Raises:
        ValueError: If the folder cannot be used.

    Example:

    ```python
    own = from_folder("pictures")
    run, metrics = fit(own.recipe, "runs/own", data_dir="pictures", data=own.data)
    ```
    """
    from keras_equivariant.training.tasks.own import Wishes

    path = check_data(folder)
    if wishes.get("symmetry") == AUTO:
        return _try_symmetries(path, task, wishes)
    tasks = [get_task(name) for name in ([task] if task else list_tasks())]
    chosen = tasks if task else [candidate for candidate in tasks if candidate.recognises(path)]
    if not chosen:
        raise ValueError(f"`data` must be a folder with {_FORMS}. Received: data={folder} with neither")
    return chosen[0].from_folder(path, Wishes(**wishes))


def _try_symmetries(path: pathlib.Path, task: str | None, wishes: dict[str, Any]) -> OwnPictures:
    """The recipe of the symmetry that suits best, with a line that says so."""
    from keras_equivariant.training.runs.symmetry import choose_symmetry

    if wishes.get("model") or wishes.get("weights"):
        raise ValueError("`symmetry` must not be 'auto' where the model is given. Received: symmetry='auto'")
    found = {name: from_folder(path, task, **{**wishes, "symmetry": name}) for name in _TRIED}
    recipes = {name: own.recipe for name, own in found.items()}
    best, line = choose_symmetry(recipes, seconds=_SECONDS, data=found[_TRIED[0]].data)
    return dataclasses.replace(found[best], lines=[line, *found[best].lines])


def prepare(arguments: argparse.Namespace, import_tensorflow: Callable[[], None]) -> tuple[Recipe, Any, str]:
    """What the command line asks for: the recipe, the data set, and the folder of the run."""
    run = RunFolder(arguments.output) if arguments.output else None
    if run is not None:
        check_output(run.path, arguments.epochs or 10**9, arguments.resume)
    import_tensorflow()
    fields = {field.name for field in dataclasses.fields(Recipe)} - {"validation", "weights", "model", "task"}
    given = {name: value for name, value in vars(arguments).items() if name in fields and value is not None}
    if run is not None and arguments.resume and run.split.exists():
        recipe, data = _again(run, check_data(arguments.data))
        return dataclasses.replace(recipe, **given), data, str(run.path)
    wishes = {
        name: getattr(arguments, name)
        for name in ("model", "symmetry", "size", "weights", "masks", "epochs", "batch_size")
    }
    wishes |= {"freeze": bool(arguments.freeze), "seed": arguments.seed or 0}
    wishes |= {} if arguments.validation is None else {"validation": arguments.validation}
    wishes |= {} if arguments.palette is None else {"palette": _palette(arguments.palette)}
    own = from_folder(arguments.data, arguments.task, **wishes)
    recipe = dataclasses.replace(own.recipe, **given)
    if recipe.weights is not None:
        recipe = dataclasses.replace(starting_from(recipe, recipe.model), model_arguments=recipe.model_arguments)
    output = arguments.output or os.path.join("runs", f"{recipe.name}-{recipe.model}-{recipe.seed}")
    check_output(output, recipe.epochs, arguments.resume)
    lines = own.lines
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES - 1], "; ".join(lines[_MOST_LINES - 1 :])]
    print(*lines, sep="\n", flush=True)
    return recipe, own.data, output


def _again(run: RunFolder, folder: pathlib.Path) -> tuple[Recipe, Any]:
    """The recipe and the data of a run that goes on, split as before."""
    from keras_equivariant.training.data.own_split import read_split

    try:
        recipe = Recipe(**read_json(run.config)["recipe"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"{run.config} holds no recipe ({error!r}). Received: run={run.path}") from None
    rows = read_split(run.split)
    missing = [row["file"] for row in rows if not (folder / row["file"]).is_file()]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ValueError(f"`data` must hold the pictures of the run. Received: {folder} without {missing[0]}{more}")
    return recipe, load_own(run, recipe, folder)


def load_own(run: RunFolder, recipe: Recipe, folder: pathlib.Path, labels: list[str] | None = None) -> Any:
    """The data set of a run on people's own pictures, split as before; as `Task.load_own`.

    Raises:
        ValueError: If a picture cannot be used, or a file of the run is damaged.
    """
    from keras_equivariant.training.data.own_split import read_split

    rows = read_split(run.split)
    try:
        return get_task(recipe.task).load_own(recipe, folder, rows, labels)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        rule = f"must hold {run.split.name}, {run.labels.name} and {run.config.name} that go together ({error!r})"
        raise ValueError(f"The folder of a run {rule}. Received: run={run.path}") from error


def _palette(text: str) -> dict[str, str]:
    """A palette from a file, with a class on each line, or from the text itself."""
    from keras_equivariant.training.data.masked_folder import parse_palette

    if os.path.isfile(text):
        try:
            lines = pathlib.Path(text).read_text("utf-8").splitlines()
            return parse_palette(",".join(line.strip() for line in lines if line.strip()))
        except ValueError as error:
            raise ValueError(f"{error}, in the file {text}") from None
    if "=" not in text:
        raise ValueError(f"`palette` must be a file, or NAME=#rrggbb,NAME=#rrggbb,... Received: palette={text!r}")
    return parse_palette(text)
