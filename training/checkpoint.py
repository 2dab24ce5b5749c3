"""Interrupted trainings go on where they stopped."""

import math

import keras

from training.run_folder import load_checkpoint, save_checkpoint, write_history


class Checkpoint(keras.callbacks.Callback):
    """Keeps everything that the rest of a training depends on in one file, replaced after each epoch.

    That is all variables of the model, random seeds among them, those of the optimizer, and the history.

    Args:
        run: The `RunFolder`.

    Attributes:
        history: List of dictionaries, one for each epoch: its number and its logs.
    """

    def __init__(self, run):
        super().__init__()
        self._run = run
        self.history = []

    def restore(self, model):
        """Puts a compiled model back to where the checkpoint left it, if there is one.

        Returns:
            The number of epochs done.
        """
        if self._run.checkpoint.exists():
            model.optimizer.build(model.trainable_variables)
            self.history = load_checkpoint(self._run.checkpoint, _variables(model))
        return len(self.history)

    def on_epoch_end(self, epoch, logs=None):
        """Saves the checkpoint and the history, unless the loss is no number."""
        if not math.isfinite(logs["loss"]):
            return
        self.history.append({"epoch": epoch, **{name: float(value) for name, value in logs.items()}})
        save_checkpoint(self._run.checkpoint, _variables(self.model), self.history)
        write_history(self._run.history, self.history)

    def raise_if_failed(self):
        """Raises a `ValueError` if the last epoch was not saved because its loss was no number."""
        if len(self.history) < self.params["epochs"]:
            raise ValueError(
                f"The loss must stay a number: try a smaller learning rate. {self._run.checkpoint} holds the last good "
                f"weights. Received: loss=nan in epoch {len(self.history) + 1}"
            )


def _variables(model):
    return [*model.variables, *model.optimizer.variables]
