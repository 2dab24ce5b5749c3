"""The folder of one training run and what is in it."""

import pathlib
from typing import Any

from keras_equivariant.training.files import read_json, write_json


class RunFolder:
    """Paths of a run's files.

    A run is finished when `metrics.json`, which is written last, is there.
    """

    def __init__(self, path: str | pathlib.Path) -> None:
        self.path = pathlib.Path(path)
        self.config = self.path / "config.json"
        self.metrics = self.path / "metrics.json"
        self.labels = self.path / "labels.json"
        self.split = self.path / "split.csv"
        self.images = self.path / "images.npz"
        self.preprocessing = self.path / "preprocessing.npz"
        self.history = self.path / "history.csv"
        self.report = self.path / "report.png"
        self.model = self.path / "model.keras"
        self.saved_model = self.path / "saved_model"
        self.tensorboard = self.path / "tensorboard"
        self.checkpoint = self.path / "checkpoint.npz"
        self.best = self.path / "best.npz"

    @property
    def finished(self) -> bool:
        """Whether the run got to its end."""
        return self.metrics.exists()


def check_output(path: str | pathlib.Path, epochs: int, resume: bool = False) -> None:
    """Checks that a run can begin or go on in a folder.

    Args:
        path: The folder.
        epochs: Number of epochs that the run shall have in the end.
        resume: Whether to go on with the run that the folder holds, if it holds one.

    Raises:
        ValueError: If it holds other files, a finished run that has as many epochs and was not ended by a time limit,
            or any run and `resume` is False.
    """
    run = RunFolder(path)
    if not run.config.exists():
        if run.path.is_dir() and any(run.path.iterdir()):
            raise ValueError(f"`output` must be an empty or a new folder. Received: output={path}")
    elif not resume:
        if run.finished:
            raise ValueError(
                "`output` already holds a finished run: choose another folder, or add --resume and more --epochs. "
                f"Received: output={path}"
            )
        raise ValueError(
            f"`output` holds an unfinished run: add --resume, or choose another folder. Received: output={path}"
        )
    elif run.finished:
        done = read_json(run.config).get("recipe", {}).get("epochs")
        if not isinstance(done, int) or epochs < done or epochs == done and not _ended_early(run):
            raise ValueError(
                f"`epochs` must be above those of the finished run, {done}, for it to go on. Received: epochs={epochs}"
            )


def check_time_limit(minutes: float | None) -> None:
    """Raises a `ValueError` unless a time limit, if there is one, is a positive number of minutes."""
    if minutes is not None and not minutes > 0:
        raise ValueError(f"`time_limit` must be above 0 minutes. Received: time_limit={minutes}")


def _ended_early(run: RunFolder) -> bool:
    """Whether a finished run was ended by its time limit."""
    return "planned_epochs" in read_json(run.metrics)


def open_run(path: str | pathlib.Path, config: dict[str, Any], resume: bool = False) -> RunFolder:
    """Makes the folder of a new run, or opens that of one which goes on.

    A finished run that goes on counts as unfinished from here.

    Args:
        path: The folder.
        config: What decides the run, as a dictionary for `config.json`.
        resume: Whether to go on with the run that the folder holds, if it holds one.

    Returns:
        The `RunFolder`.

    Raises:
        ValueError: As in `check_output`; and if the folder cannot be written, or the run in it was made with another
            recipe (but for a smaller number of epochs), other code or other versions.
    """
    check_output(path, config["recipe"]["epochs"], resume)
    run = RunFolder(path)
    if run.config.exists():
        changes = _differences(read_json(run.config), config)
        if changes:
            raise ValueError(f"`resume` needs the run's own recipe, code and versions. Received: {'; '.join(changes)}")
        run.metrics.unlink(missing_ok=True)
        write_json(run.config, config)  # the data may have moved, and the epochs may be more
        return run
    try:
        run.path.mkdir(parents=True, exist_ok=True)
        write_json(run.config, config)
    except OSError as error:
        raise ValueError(
            f"`output` must be a folder that can be written ({error.strerror}). Received: {path}"
        ) from None
    return run


def _differences(stored: dict[str, Any], config: dict[str, Any], prefix: str = "") -> list[str]:
    """What has changed between two configurations, as lines of text.

    Where the data lie does not count, nor do additional epochs.
    """
    lines = []
    for key in sorted({*stored, *config} - {"data_dir"}):
        old, new = stored.get(key), config.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            lines += _differences(old, new, f"{prefix}{key}.")
        elif old != new and not (f"{prefix}{key}" == "recipe.epochs" and isinstance(old, int) and old < (new or 0)):
            lines.append(f"{prefix}{key}: {old} -> {new}")
    return lines


def find_finished_run(path: str | pathlib.Path) -> RunFolder:
    """Opens the folder of a finished run.

    Raises:
        ValueError: If the folder holds no run, or an unfinished one.
    """
    run = RunFolder(path)
    if run.finished:
        return run
    if run.config.exists():
        raise ValueError(
            "`run` must be the folder of a finished run; this one is unfinished. To continue: `keras-equivariant fit "
            f"RECIPE --output {path} --resume`. Received: run={path}"
        )
    raise ValueError(f"`run` must be the folder of a finished run. Received: run={path}")
