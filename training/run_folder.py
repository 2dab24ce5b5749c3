"""The folder of one training run: what is in it, and how files get there whole or not at all."""

import contextlib
import csv
import json
import os
import pathlib
import shutil

import numpy as np


class RunFolder:
    """Paths of a run's files.

    A run is finished when `metrics.json`, which is written last, is there.
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.config = self.path / "config.json"
        self.metrics = self.path / "metrics.json"
        self.preprocessing = self.path / "preprocessing.npz"
        self.history = self.path / "history.csv"
        self.report = self.path / "report.png"
        self.model = self.path / "model.keras"
        self.saved_model = self.path / "saved_model"
        self.tensorboard = self.path / "tensorboard"
        self.checkpoint = self.path / "checkpoint.npz"

    @property
    def finished(self):
        """Whether the run got to its end."""
        return self.metrics.exists()


def open_run(path, config, resume=False):
    """Makes the folder of a new run, or opens that of an interrupted one.

    Args:
        path: The folder.
        config: What decides the run, as a dictionary for `config.json`.
        resume: Whether to go on with the run that the folder holds, if it holds one.

    Returns:
        The `RunFolder`.

    Raises:
        ValueError: If the folder cannot be written, holds a finished run or other files, holds an unfinished run and
            `resume` is False, or `resume` is True and that run was made with another recipe.
    """
    run = RunFolder(path)
    if run.finished:
        raise ValueError(f"`output` already holds a finished run: choose another folder. Received: output={path}")
    if run.config.exists():
        if not resume:
            raise ValueError(
                f"`output` holds an unfinished run: add --resume, or choose another folder. Received: output={path}"
            )
        changes = _differences(read_json(run.config), config)
        if changes:
            raise ValueError(f"`resume` needs the run's own recipe, code and versions. Received: {'; '.join(changes)}")
        write_json(run.config, config)  # the data may have moved
        return run
    try:
        run.path.mkdir(parents=True, exist_ok=True)
        if any(run.path.iterdir()):
            raise ValueError(f"`output` must be an empty or a new folder. Received: output={path}")
        write_json(run.config, config)
    except OSError as error:
        raise ValueError(
            f"`output` must be a folder that can be written ({error.strerror}). Received: {path}"
        ) from None
    return run


def _differences(stored, config, prefix=""):
    """What has changed between two configurations, as lines of text; where the data lie does not count."""
    lines = []
    for key in sorted({*stored, *config} - {"data_dir"}):
        old, new = stored.get(key), config.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            lines += _differences(old, new, f"{prefix}{key}.")
        elif old != new:
            lines.append(f"{prefix}{key}: {old} -> {new}")
    return lines


def find_finished_run(path):
    """Opens the folder of a finished run.

    Args:
        path: The folder.

    Returns:
        The `RunFolder`.

    Raises:
        ValueError: If the folder holds no finished run.
    """
    run = RunFolder(path)
    if not run.finished:
        raise ValueError(f"`run` must be the folder of a finished run. Received: run={path}")
    return run


@contextlib.contextmanager
def replacing(path):
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
    finally:
        _remove(partial)


def save_figure(figure, path, dpi=110):
    """Writes a Matplotlib figure to a PNG file, whole or not at all; makes the folder for it."""
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        figure.savefig(partial, dpi=dpi, format="png")


def _remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def read_json(path):
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


def write_json(path, content):
    """Writes a JSON file, whole or not at all."""
    with replacing(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n")


def write_history(path, history):
    """Writes a list of dictionaries, one for each epoch, as CSV."""
    with replacing(path) as partial, partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(history[0]) if history else ["epoch"])
        writer.writeheader()
        writer.writerows(history)


def save_checkpoint(path, variables, history, seconds):
    """Saves variables, the history so far and the seconds that it took in one file, whole or not at all."""
    arrays = {str(i): np.asarray(value) for i, value in enumerate(variables)}
    with replacing(path) as partial:
        np.savez(partial, history=np.array(json.dumps(history)), seconds=np.float64(seconds), **arrays)


def load_checkpoint(path, variables):
    """Reads what `save_checkpoint` wrote.

    Args:
        path: The file.
        variables: The variables to set, in the order in which they were saved.

    Returns:
        The history and the seconds.

    Raises:
        ValueError: If the file is damaged or of another model.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            history, seconds = json.loads(str(stored["history"])), float(stored["seconds"])
            arrays = [stored[str(i)] for i in range(len(stored.files) - 2)]
    except Exception as error:
        raise ValueError(f"{path} is damaged ({error}): remove it to start the run from the beginning") from None
    if [array.shape for array in arrays] != [tuple(variable.shape) for variable in variables]:
        raise ValueError(f"{path} is the checkpoint of another model: remove it to start the run from the beginning")
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
    return history, seconds
