"""How long a training takes: the user is told after the first epoch, and a time limit ends it."""

import time
from typing import Any

import keras
from keras_equivariant.training.model.devices import workers
from keras_equivariant.training.runs.folder import check_time_limit


class Duration(keras.callbacks.Callback):
    """Says after the first epoch how long the others will take, and ends the training when its time is up.

    The first step of a process is slow, since it compiles: it counts as the mean of the others.

    Args:
        deadline: Value of `time.monotonic()` at which to end, after the step that is then under way; or `None`.
    """

    def __init__(self, deadline: float | None = None) -> None:
        super().__init__()
        self._deadline = deadline
        self._marks: list[float] = []  # the beginning of the first epoch, and the ends of its first and last step
        self._steps = 0
        self._told = False

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Takes the time, and, when an epoch is done, says how long the rest will take."""
        now = time.monotonic()
        if not self._marks:
            self._marks = [now]
        elif not self._told:
            self._told = True
            print(self._message(now, self.params["epochs"] - epoch), flush=True)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Ends the training if its time is up."""
        if not self._told:
            self._steps += 1
            self._marks[1 if self._steps == 1 else 2 :] = [time.monotonic()]
        self._end_in_time()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Ends the training if its time is up, before another epoch begins."""
        self._end_in_time()

    def _end_in_time(self) -> None:
        if self._deadline is not None and time.monotonic() >= self._deadline:
            self.model.stop_training = True

    def _message(self, now: float, epochs: int) -> str:
        seconds = now - self._marks[0]
        if self._steps > 1:
            start, first, last = self._marks
            seconds += (last - first) / (self._steps - 1) - (first - start)
        left = "" if self._deadline is None else f"; the time limit is in {_in_words(self._deadline - now)}"
        epoch, others = _in_words(seconds), _in_words(epochs * seconds)
        return f"An epoch takes {epoch} here, the other {epochs} about {others}{left}."


def end_of(minutes: float | None, distribution: str | None) -> float | None:
    """The value of `time.monotonic()` at the end of a time limit, or `None` without one.

    Raises:
        ValueError: If it is not positive, or if several processes train together, which would not end at the same step.
    """
    check_time_limit(minutes)
    if minutes is not None and workers(distribution)[0] > 1:
        raise ValueError(
            f"`time_limit` must be None where several processes train together. Received: time_limit={minutes}"
        )
    return None if minutes is None else time.monotonic() + 60 * minutes


def _in_words(seconds: float) -> str:
    if seconds < 60:
        return f"{max(seconds, 0):.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    if hours >= 48:
        return f"{hours / 24:.1f} days"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
