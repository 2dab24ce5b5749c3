"""Trainings that start from trained weights, and the choice of a symmetry."""

import csv
import dataclasses
import json
import re

import numpy as np
import pytest
from keras_equivariant.training import cli, names
from keras_equivariant.training.recipes import Recipe, get_recipe, starting_from
from keras_equivariant.training.runs.finished import load_model
from keras_equivariant.training.runs.fit import fit
from keras_equivariant.training.runs.symmetry import choose_symmetry
from keras_equivariant.training.tasks.classification import Classification
from keras_equivariant.training.tasks.task import Part
from keras_equivariant.zoo.features import split
from runs import finished_run
from small_tasks import killed_after, quickly, without_files

from keras_equivariant import zoo

pytestmark = pytest.mark.usefixtures("tensorflow_backend")


def recipe(**changes):
    """A small network on rotated digits, tested as they are, two steps an epoch."""
    changes = {"model": "z2cnn", "batch_size": 100, "epochs": 2, "reestimate_batch_norm": False, **changes}
    return get_recipe("rotated_digits", evaluation="plain", **changes)


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    """A run on seven classes."""
    path = tmp_path_factory.mktemp("runs") / "earlier"
    return finished_run(path, "rotated_digits", model="z2cnn", model_arguments={"filters": 3, "classes": 7})


def trained(tuned, path, resume=False):
    """The model of a run, and its metrics."""
    with quickly("classification"), without_files() as models, pytest.MonkeyPatch.context() as patch:
        for method in ("callbacks", "draw"):
            patch.setattr(Classification, method, lambda *arguments: [])
        _, metrics = fit(tuned, path, resume)
    return models[0], metrics


def body(model):
    """The weights before the head, but for statistics."""
    head = split(model)[1]
    return [np.array(w) for layer in model.layers if layer not in head for w in layer.trainable_weights]


def columns(path):
    with open(path / "history.csv") as file:
        return len(list(csv.DictReader(file)))


def test_the_head_first_then_all(earlier, tmp_path):
    model, metrics = trained(starting_from(recipe(weights=str(earlier))), tmp_path / "run")
    assert (columns(tmp_path / "run" / "head"), columns(tmp_path / "run")) == (1, 2)
    assert metrics["parameters"] == zoo.create("z2cnn", filters=3).count_params() - 2 * 6 * 3
    assert all(layer.trainable for layer in model.layers)
    for new, old in zip(body(model), body(load_model(earlier)), strict=True):
        assert np.abs(new - old).max() > 0
    assert json.loads((tmp_path / "run" / "config.json").read_text())["recipe"]["weights"] == str(earlier)


def test_only_the_head(earlier, tmp_path):
    tuned = starting_from(recipe(weights=str(earlier), freeze=True, epochs=1, reestimate_batch_norm=True))
    model, metrics = trained(tuned, tmp_path / "run")
    before = load_model(earlier)
    for new, old in zip(body(model), body(before), strict=True):
        np.testing.assert_array_equal(new, old)
    for new, old in zip(model.non_trainable_weights, before.non_trainable_weights, strict=True):
        np.testing.assert_array_equal(np.array(new), np.array(old))
    assert all(layer.trainable for layer in model.layers)
    assert not (tmp_path / "run" / "head").exists()
    assert metrics["parameters"] == zoo.create("z2cnn", filters=3).count_params() - 2 * 6 * 3


def test_it_goes_on_as_if_it_had_not_stopped(earlier, tmp_path):
    tuned = starting_from(recipe(weights=str(earlier), epochs=1))
    expected, _ = trained(tuned, tmp_path / "whole")
    with killed_after(1):  # when the head is trained
        trained(tuned, tmp_path / "stopped")
    model, _ = trained(tuned, tmp_path / "stopped", resume=True)
    for new, old in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)
    more, _ = trained(dataclasses.replace(tuned, epochs=2), tmp_path / "stopped", resume=True)
    assert (columns(tmp_path / "stopped" / "head"), columns(tmp_path / "stopped")) == (1, 2)
    assert np.abs(body(more)[0] - body(model)[0]).max() > 0


def test_weights_of_the_package(tmp_path):
    tuned = starting_from(recipe(weights="rotated_mnist", freeze=True, epochs=1), "z2cnn")
    assert (tuned.model, tuned.weights) == ("z2cnn", "rotated_mnist")
    model, _ = trained(tuned, tmp_path / "run")
    for new, old in zip(body(model), body(zoo.z2cnn(weights="rotated_mnist")), strict=True):
        np.testing.assert_array_equal(new, old)


def test_the_model_of_weights(earlier, tmp_path):
    assert names.model_of_weights("rotated_mnist", "all_cnn_c") == "p4cnn"  # the best of the three
    assert names.model_of_weights("rotated_mnist", "z2cnn") == "z2cnn"
    assert names.model_of_weights(str(earlier), "p4cnn") == "z2cnn"
    (tmp_path / "mine.keras").touch()
    assert names.model_of_weights(str(tmp_path / "mine.keras"), "z2cnn") == "z2cnn"
    for weights in ("moon", str(tmp_path), "rotated_*"):
        with pytest.raises(ValueError, match=r"`weights` must be one of \['mnist', 'rotated_mnist'\], the folder"):
            names.model_of_weights(weights, "z2cnn")
    assert starting_from(recipe(weights=str(earlier)), "p4cnn").model == "p4cnn"


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--freeze"], "`freeze` must be False without `weights`"),
        (["--weights", "moon"], "`weights` must be one of"),
        (["--weights", "EARLIER", "--model", "p4cnn"], "must be those of p4cnn, not of z2cnn"),
    ],
)
def test_refusals_of_the_command_line(earlier, tmp_path, capsys, arguments, message):
    arguments = [str(earlier) if argument == "EARLIER" else argument for argument in arguments]
    assert cli.main(["fit", *arguments, "--output", str(tmp_path / "run")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_tasks_that_do_not_read_weights():
    with pytest.raises(ValueError, match="`weights` must be None for the task 'inpainting', which does not read it"):
        fit(get_recipe("inpainting", weights="rotated_mnist"), "nowhere")


def test_the_choice_of_a_symmetry(capfd, monkeypatch):
    small = {"filters": (2,), "features": 4, "input_shape": (28, 28, 1)}
    candidates = {
        symmetry: recipe(model=model, model_arguments=small, batch_size=50)
        for symmetry, model in {"p1": "small", "p4": "p4_small"}.items()
    }
    for steps in ("_WARM_UP", "_TIMED"):
        monkeypatch.setattr(f"keras_equivariant.training.runs.symmetry.{steps}", 1)
    with quickly("classification"):
        best, line = choose_symmetry(candidates, seconds=0.3)
    errors = dict(re.findall(r"(p\d) ([\d.]+)", line.partition("are")[2]))
    assert line.startswith(f"symmetry {best}: after 0.3 s each, the validation errors (%) are p1 ")
    assert float(errors[best]) == min(map(float, errors.values()))
    assert "Trying the symmetry p4" in capfd.readouterr().out
    monkeypatch.setattr(Classification, "parts", lambda task, data: [Part("", data.train)])
    with pytest.raises(ValueError, match="`validation` must be images to compare symmetries on. Received: 0"):
        choose_symmetry(candidates)


def test_a_recipe_that_freezes_nothing():
    with pytest.raises(ValueError, match="`freeze` must be False without `weights`"):
        Recipe(**{**dataclasses.asdict(recipe()), "freeze": True})
