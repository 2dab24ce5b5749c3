"""A run that is killed again and again ends as one that is left alone."""

import json
import os
import pathlib
import random
import subprocess
import sys
import time

import pytest
from helpers import ROOT

# Ten are killed with KERAS_EQUIVARIANT_KILLS=10, which takes some minutes.
KILLS = int(os.environ.get("KERAS_EQUIVARIANT_KILLS", "1"))
EPOCHS = 2 + KILLS


def start(folder, *arguments):
    command = [sys.executable, "-u", "-m", "training", "fit", "--model", "z2cnn", "--epochs", str(EPOCHS)]
    return subprocess.Popen(
        [*command, "--output", str(folder), *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def kill_in_the_middle_of_an_epoch(process, patience):
    """Waits for a step of an epoch after the first that this process begins, and a random moment more."""
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
def test_killed_runs_lose_nothing(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    process = start(whole)
    printed, _ = process.communicate(timeout=600)
    assert process.returncode == 0, printed[-2000:]
    moments = random.Random(0)
    for kill in range(KILLS):
        process = start(killed, *(["--resume"] if kill else []))
        kill_in_the_middle_of_an_epoch(process, moments.uniform(0, 0.5))
        assert not (killed / "metrics.json").exists()
        done = pathlib.Path(killed / "history.csv").read_text().splitlines()
        assert 1 < len(done) <= EPOCHS
    process = start(killed, "--resume")
    printed, _ = process.communicate(timeout=600)
    assert process.returncode == 0, printed[-2000:]
    assert results(killed) == results(whole)
