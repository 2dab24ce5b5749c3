"""A run that is killed again and again ends as one that is left alone."""

import json
import os
import random
import subprocess
import sys
import time

import pytest
from helpers import ROOT
from keras_equivariant.training.runs.fit import fit
from small_tasks import SMALL, quickly, small_recipe, without_files

# With KERAS_EQUIVARIANT_KILLS=10, ten runs of each task are killed, which takes some minutes.
KILLS = int(os.environ.get("KERAS_EQUIVARIANT_KILLS", "1"))
TASKS = list(SMALL) if KILLS > 1 else ["classification"]
EPOCHS = 2 + 4 * KILLS  # a few of them pass until a process is killed

# Trains by the small recipe of a task. Where others commit in between, the code is still the same.
TRAIN = """
import sys
from small_tasks import quickly, small_recipe, without_files
from keras_equivariant.training.runs.fit import fit

task, epochs, data_dir, output, resume = sys.argv[1:]
with quickly(task), without_files():
    fit(small_recipe(task, epochs=int(epochs)), output, resume == "resume", data_dir)
"""


def start(task, data_dir, folder, resume=""):
    return subprocess.Popen(
        [sys.executable, "-u", "-c", TRAIN, task, str(EPOCHS), str(data_dir), str(folder), resume],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def train(task, data_dir, folder, resume=False):
    """In this process; only one that is killed needs a process of its own."""
    with quickly(task), without_files():
        fit(small_recipe(task, epochs=EPOCHS), folder, resume, str(data_dir))


def kill_in_the_middle_of_an_epoch(process, patience):
    """Waits for the beginning of the second epoch of this process, and a random moment more."""
    seen = b""
    while seen.count(b"Epoch ") < 2:
        seen += process.stdout.read(64)
        assert process.poll() is None, seen[-2000:]
    time.sleep(patience)
    process.kill()
    process.communicate()


def results(folder):
    metrics = json.loads((folder / "metrics.json").read_text())
    del metrics["fit_seconds"]
    return (folder / "history.csv").read_text(), metrics


@pytest.mark.usefixtures("tensorflow_backend")
@pytest.mark.parametrize("task", TASKS)
def test_killed_runs_lose_nothing(task, tmp_path):
    SMALL[task].write(tmp_path)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train(task, tmp_path, whole)
    moments = random.Random(0)
    for kill in range(KILLS):
        process = start(task, tmp_path, killed, "resume" if kill else "")
        kill_in_the_middle_of_an_epoch(process, moments.uniform(0, 0.5))
        assert not (killed / "metrics.json").exists()
        histories = [path.read_text().splitlines() for path in killed.rglob("history.csv")]
        assert all(1 < len(lines) <= EPOCHS + 1 for lines in histories) and histories
    train(task, tmp_path, killed, resume=True)
    assert results(killed) == results(whole)
