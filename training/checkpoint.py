"""Interrupted trainings go on where they stopped."""

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
        """Saves the checkpoint and the history."""
        self.history.append({"epoch": epoch, **{name: float(value) for name, value in (logs or {}).items()}})
        save_checkpoint(self._run.checkpoint, _variables(self.model), self.history)
        write_history(self._run.history, self.history)


def _variables(model):
    return [*model.variables, *model.optimizer.variables]
