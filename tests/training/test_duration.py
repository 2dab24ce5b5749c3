"""Runs that end early: shorter epochs, time limits, and what the user is told of the duration."""

import dataclasses
import json
import re
import types

import numpy as np
import pytest
from keras_equivariant.training import cli
from keras_equivariant.training.model.optimizer import build_optimizer
from keras_equivariant.training.recipes import get_recipe
from keras_equivariant.training.runs import duration
from keras_equivariant.training.runs.fit import fit, steps_per_epoch
from keras_equivariant.training.tasks import classification, get_task
from keras_equivariant.training.tasks.task import Part
from small_tasks import SMALL, quickly, small_recipe, without_files

TOLD = duration.Duration.on_train_batch_end


class Clock:
    """Stands still until something moves it."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr(duration, "time", types.SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr("keras_equivariant.training.runs.fit.time", duration.time)

    def run(self, seconds):
        """Lets a callback of the training take that many seconds for each step, given one after the other."""
        seconds = iter(seconds)

        def step(callback, batch, logs=None):
            self.now += next(seconds)
            TOLD(callback, batch, logs)

        return step


def history(folder):
    return (folder / "history.csv").read_text().splitlines()


def trained(folder, clock, monkeypatch, seconds=(1.0,) * 100, **options):
    """Trains two steps an epoch, three epochs, for so many seconds a step; returns the metrics."""
    monkeypatch.setattr(duration.Duration, "on_train_batch_end", clock.run(seconds))
    # What takes longest is left out.
    recipe = small_recipe("classification", epochs=3, steps_per_epoch=2, reestimate_batch_norm=False)
    monkeypatch.setattr(classification, "evaluate", lambda *arguments: {"test_error": 50.0})
    monkeypatch.setattr(classification.Classification, "callbacks", lambda *arguments: [])
    with quickly("classification"), without_files():
        return fit(recipe, folder, **options)[1]


@pytest.mark.parametrize("task", list(SMALL))
def test_a_shorter_epoch_has_so_many_steps(task, tmp_path):
    SMALL[task].write(tmp_path)
    with quickly(task):
        recipe = small_recipe(task, steps_per_epoch=1, epochs=2)
        found = get_task(task)
        data = found.load(recipe, str(tmp_path))
        part = found.parts(data)[0]
        batches = iter(found.batches(recipe, part, found.fit_preprocessing(recipe, data), 0))
        shown = [np.asarray(next(batches)[0]) for _ in range(2)]
        later = np.asarray(next(iter(found.batches(recipe, part, found.fit_preprocessing(recipe, data), 1)))[0])
    assert np.array_equal(shown[1], later), "the second batch is the first of the second epoch"
    assert not np.array_equal(shown[0], shown[1])


def test_the_schedule_is_that_of_the_shorter_epochs(tmp_path):
    recipe = get_recipe("cifar10_light", steps_per_epoch=10, epochs=4)
    assert steps_per_epoch(recipe, Part("", range(50_000))) == 10
    assert steps_per_epoch(get_recipe("cifar10_light"), Part("", range(50_000))) == 390


def test_a_shorter_training_has_its_rates_in_proportion():
    schedule = {"kind": "steps", "factor": 0.1, "epochs": [100, 200], "of": 400}
    recipe = dataclasses.replace(get_recipe("cifar10_light"), epochs=4)
    optimizer = {"class_name": "SGD", "config": {"learning_rate": 1.0}}
    built = build_optimizer(dataclasses.replace(recipe, optimizer=optimizer, schedule=schedule), 10)
    assert built.get_config()["learning_rate"]["config"]["boundaries"] == [10, 20]


def test_a_time_limit_ends_a_run_in_the_middle_of_an_epoch_with_a_full_report(tmp_path, monkeypatch):
    clock = Clock(monkeypatch)
    metrics = trained(tmp_path / "run", clock, monkeypatch, time_limit=2.5 / 60)  # ends after the third step
    assert (metrics["epochs"], metrics["planned_epochs"]) == (1.5, 3)
    assert len(history(tmp_path / "run")) == 3, "a whole epoch and half of one, under the title"
    assert json.loads((tmp_path / "run" / "metrics.json").read_text()) == metrics


def test_a_run_that_was_ended_goes_on_as_if_it_had_not_been(tmp_path, monkeypatch):
    clock = Clock(monkeypatch)
    whole = trained(tmp_path / "whole", clock, monkeypatch)
    trained(tmp_path / "ended", clock, monkeypatch, time_limit=2.5 / 60)
    ended = trained(tmp_path / "ended", clock, monkeypatch, time_limit=1.5 / 60, resume=True)
    assert ended["epochs"] == 2, "exactly at the end of an epoch"
    resumed = trained(tmp_path / "ended", clock, monkeypatch, resume=True)
    assert history(tmp_path / "ended") == history(tmp_path / "whole")
    assert {**resumed, "fit_seconds": 0} == {**whole, "fit_seconds": 0}
    with pytest.raises(ValueError, match="above those of the finished run, 3"):
        trained(tmp_path / "ended", clock, monkeypatch, resume=True)


def test_a_run_that_ends_in_its_first_step_is_reported(tmp_path, monkeypatch):
    metrics = trained(tmp_path / "run", Clock(monkeypatch), monkeypatch, time_limit=0.5 / 60)
    assert (metrics["epochs"], metrics["planned_epochs"]) == (0.5, 3)
    resumed = trained(tmp_path / "run", Clock(monkeypatch), monkeypatch, resume=True)
    assert resumed["epochs"] == 3 and "planned_epochs" not in resumed


def test_folds_share_the_time(tmp_path, monkeypatch):
    clock = Clock(monkeypatch)
    monkeypatch.setattr(duration.Duration, "on_train_batch_end", clock.run([1.0] * 100))
    SMALL["illuminants"].write(tmp_path)
    recipe = small_recipe("illuminants", epochs=9, batch_size=4, steps_per_epoch=1)
    with quickly("illuminants"), without_files():
        _, metrics = fit(recipe, tmp_path / "run", data_dir=str(tmp_path), time_limit=5.5 / 60)
    assert metrics["epochs"] == 3, "three steps of each of the two folds"


def test_the_duration_is_told_after_the_first_epoch(tmp_path, monkeypatch, capsys):
    # The first step takes 100 seconds, since it compiles; the second, and so any other, 30.
    trained(tmp_path / "run", Clock(monkeypatch), monkeypatch, [100.0, 30.0, 30.0, 30.0, 30.0, 30.0])
    printed = capsys.readouterr().out
    assert "An epoch takes 1 min here, the other 2 about 2 min." in printed
    assert printed.count("An epoch takes") == 1
    trained(tmp_path / "ended", Clock(monkeypatch), monkeypatch, [1.0, 1.0, 1e4], time_limit=60)
    assert "An epoch takes 2 s here, the other 2 about 4 s; the time limit is in 1 h 0 min." in capsys.readouterr().out


@pytest.mark.parametrize(
    "seconds, words",
    [(0.25, "0.25 s"), (12.6, "13 s"), (59.9, "60 s"), (90, "2 min"), (3 * 3600 + 90, "3 h 2 min"), (3e5, "3.5 days")],
)
def test_durations_in_words(seconds, words):
    assert duration._in_words(seconds) == words


@pytest.mark.parametrize("minutes", ["0", "-3", "nan"])
def test_time_limits_that_are_refused(minutes, tmp_path, capsys):
    assert cli.main(["fit", "--time-limit", minutes, "--output", str(tmp_path / "run")]) == 2
    assert re.search(r"`time_limit` must be above 0 minutes. Received: time_limit=\S+\n$", capsys.readouterr().err)


def test_several_processes_have_no_time_limit(monkeypatch):
    monkeypatch.setattr(duration, "workers", lambda distribution: (2, 0))
    with pytest.raises(ValueError, match="None where several processes train together"):
        duration.end_of(3.0, "jax")
    assert duration.end_of(None, "jax") is None


@pytest.mark.parametrize("steps, rule", [(0, "at least 1"), (3, "at most 2, the number of whole batches")])
def test_steps_that_are_refused(steps, rule, tmp_path):
    refusal = f"`steps_per_epoch` must be {rule}.* Received: steps_per_epoch={steps}"
    with quickly("classification"), pytest.raises(ValueError, match=refusal):
        fit(small_recipe("classification", steps_per_epoch=steps), tmp_path / "run")
