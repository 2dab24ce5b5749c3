"""Checkpoints, from which interrupted trainings continue."""

import json
import math
import pathlib
import time
from typing import Any

import keras
import numpy as np
from keras_equivariant.training.files import replacing, write_csv
from keras_equivariant.training.runs.folder import RunFolder

_BETTER = 1e-3  # by how much a validation loss must be smaller to count as better


class Checkpoint(keras.callbacks.Callback):
    """Keeps everything that the rest of a training depends on in one file, replaced after each epoch.

    That is all variables of the model, random seeds among them, those of the optimizer, the history and the time.

    Args:
        run: The `RunFolder`.
        seconds: Duration of what was trained before the first epoch.

    Attributes:
        history: List of dictionaries, one for each epoch: its number and its logs.
        seconds: Duration of the epochs, including those of earlier processes, and of what was trained before.
        unfinished: The logs of an epoch that was ended in the middle, in a list, and how much of it was done. It is not
            saved: a run that goes on does all of it again, and ends as if it had never been ended.
    """

    def __init__(self, run: RunFolder, seconds: float = 0.0) -> None:
        super().__init__()
        self._run = run
        self.history: list[dict[str, Any]] = []
        self.seconds = seconds
        self.unfinished: list[dict[str, Any]] = []
        self.share_of_unfinished = 0.0
        self._steps = 0
        self._failed = False

    def restore(self, model: keras.Model) -> int:
        """Restores a compiled model and the history from the checkpoint, if there is one.

        Returns:
            The number of epochs done.
        """
        if self._run.checkpoint.exists():
            model.optimizer.build(model.trainable_variables)
            self.history, self.seconds = load_checkpoint(self._run.checkpoint, _variables(model))
            write_csv(self._run.history, self.history)  # an interrupted process may not have written it
        return len(self.history)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Starts the clock."""
        self._start = time.perf_counter() - self.seconds

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Starts to count."""
        self._steps = 0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Counts the steps of the epoch."""
        self._steps += 1

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Saves the checkpoint and the history, unless the loss is no number or the epoch was ended in the middle."""
        logs = logs or {}
        if not math.isfinite(logs.get("loss", math.nan)):
            self._failed = True
            return
        row = {"epoch": epoch, **{name: float(value) for name, value in logs.items()}}
        self.seconds = time.perf_counter() - self._start
        if self._steps < (self.params.get("steps") or 0):
            self.unfinished, self.share_of_unfinished = [row], self._steps / self.params["steps"]
            return
        self.history.append(row)
        save_checkpoint(self._run.checkpoint, _variables(self.model), self.history, self.seconds)
        write_csv(self._run.history, self.history)

    def raise_if_failed(self) -> None:
        """Raises a `ValueError` if the last epoch was not saved because its loss was no number."""
        if self._failed:
            raise ValueError(
                f"The loss must stay a number: try a smaller learning rate. {self._run.checkpoint} holds the last good "
                f"weights. Received: loss=nan in epoch {len(self.history) + 1}"
            )


class BestEpoch(keras.callbacks.Callback):
    """Ends a training that no longer gets better, and keeps the weights of its best epoch in a file.

    It stands before the `Checkpoint`: if the process is killed between the two, the epoch is trained again, to the
    same end. So is an epoch that was ended in the middle: if it is the best, its weights are kept in memory only.

    Args:
        run: The `RunFolder`.
        patience: Number of epochs without a validation loss that is smaller by 0.001, or `None` to do nothing.
        history: That of the checkpoint.
    """

    def __init__(self, run: RunFolder, patience: int | None, history: list[dict[str, Any]]) -> None:
        super().__init__()
        self._run, self._patience, self._history = run, patience, history
        self.ended = False
        self._steps = 0
        self._unfinished: list[np.ndarray] = []
        self._check()

    def _check(self, *new: float) -> bool:
        """Finds out whether the training has ended; returns whether the last epoch is the best."""
        if self._patience is None:
            return False
        losses = [row["val_loss"] for row in self._history] + [*new]
        losses = [loss if math.isfinite(loss) else math.inf for loss in losses]
        best = 0
        for epoch, loss in enumerate(losses):
            best = epoch if loss < losses[best] - _BETTER else best
        self.ended = len(losses) - 1 - best >= self._patience
        return bool(losses) and best == len(losses) - 1

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Starts to count."""
        self._steps = 0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Counts the steps of the epoch."""
        self._steps += 1

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Saves the weights of the best epoch so far, and ends the training when it is time."""
        if self._patience is None or not math.isfinite((logs or {}).get("loss", math.nan)):
            return
        best = self._check((logs or {})["val_loss"])
        if best and self._steps < (self.params.get("steps") or 0):
            self._unfinished = self.model.get_weights()
        elif best:
            save_checkpoint(self._run.best, list(self.model.variables), self._history, 0.0)
        if self.ended:
            self.model.stop_training = True

    def restore(self, model: keras.Model) -> None:
        """Gives a model the weights of the best epoch."""
        if self._unfinished:
            model.set_weights(self._unfinished)
        elif self._patience is not None:
            load_checkpoint(self._run.best, list(model.variables))


def _variables(model: keras.Model) -> list[Any]:
    return [*model.variables, *model.optimizer.variables]


def save_checkpoint(path: pathlib.Path, variables: list[Any], history: list[dict[str, Any]], seconds: float) -> None:
    """Saves variables, the history so far and the seconds that it took in one file, whole or not at all."""
    arrays: dict[str, Any] = {str(i): np.asarray(value) for i, value in enumerate(variables)}
    with replacing(path) as partial:
        np.savez(partial, history=np.array(json.dumps(history)), seconds=np.float64(seconds), **arrays)


def load_checkpoint(path: pathlib.Path, variables: list[Any]) -> tuple[list[dict[str, Any]], float]:
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
