import types

import keras
import pytest
from helpers import random_array
from keras_equivariant.training.files import write_csv
from keras_equivariant.training.runs import checkpoint as module
from keras_equivariant.training.runs.checkpoint import Checkpoint
from keras_equivariant.training.runs.folder import RunFolder


def fit(run, epochs):
    """Trains a small model up to an epoch, from where the folder's checkpoint is; returns the checkpoint."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.01), "mse", jit_compile=False)
    checkpoint = Checkpoint(run)
    done = checkpoint.restore(model)
    x = random_array(8, 3)
    model.fit(x, x[:, :1], epochs=epochs, initial_epoch=done, verbose=0, shuffle=False, callbacks=[checkpoint])
    checkpoint.raise_if_failed()
    return checkpoint


def test_a_history_that_was_not_written_any_more_is_made_good(tmp_path):
    run = RunFolder(tmp_path)
    fit(run, 2)
    whole = run.history.read_text()
    write_csv(run.history, [{"epoch": 0, "loss": 1.0}])  # killed after the checkpoint of the last epoch
    fit(run, 2)
    assert run.history.read_text() == whole


def test_the_seconds_of_interrupted_processes_count(tmp_path, monkeypatch):
    clock = iter(range(100, 1000, 10))
    monkeypatch.setattr(module, "time", types.SimpleNamespace(perf_counter=lambda: float(next(clock))))
    run = RunFolder(tmp_path)
    assert fit(run, 2).seconds == 20
    assert fit(run, 5).seconds == 50
    assert fit(run, 5).seconds == pytest.approx(50), "nothing was left to do"
    assert "seconds" not in run.history.read_text()
