"""Folders of people's own pictures: what is found in them, how they are split, what goes wrong."""

import shutil

import numpy as np
import pytest
from keras_equivariant.training import cli
from keras_equivariant.training.runs import own as own_runs
from keras_equivariant.training.runs.own import from_folder
from keras_equivariant.training.tasks.classification.evaluation import calibration_error, format_classes
from keras_equivariant.training.tasks.own import Wishes, choose_network, common_size
from own_pictures import write_classes
from small_tasks import quickly

pytestmark = pytest.mark.usefixtures("tensorflow_backend")


def test_defaults(tmp_path):
    own = from_folder(write_classes(tmp_path, (("a", 60), ("b", 20), ("c", 20))))
    recipe = own.recipe
    assert (recipe.model, recipe.augmentation, recipe.epochs, recipe.batch_size) == ("p4m_small", (), 100, 16)
    assert recipe.patience == 15 and recipe.schedule == {"kind": "cosine"} and recipe.precision == "float32"
    np.testing.assert_allclose(
        np.bincount(own.data.train.labels) @ recipe.class_weights, len(own.data.train), rtol=1e-3
    )
    assert len(own.lines) <= 10 and "a picture of b counts 3.0 times as much as one of a" in own.lines[-1]
    assert "pictures that a network sees" not in " ".join(own.lines)


@pytest.mark.parametrize(
    "wishes, model, augmentation",
    [
        ({}, "p4m_small", ()),
        ({"symmetry": "p4"}, "p4_small", ()),
        ({"symmetry": "p1"}, "small", ()),
        ({"model": "small"}, "small", ("square_symmetries",)),
        ({"model": "small", "symmetry": "p1"}, "small", ()),
        ({"model": "small", "symmetry": "p4"}, "small", ("quarter_turns",)),
        ({"model": "p4_small"}, "p4_small", ("flip",)),
        ({"model": "p4m_small", "symmetry": "p4"}, "p4m_small", ()),
    ],
)
def test_copies_are_trained_on_where_the_network_is_not_invariant(wishes, model, augmentation):
    recipe, lines = choose_network(Wishes(**wishes), 100, (16, 16, 1), 3)
    assert (recipe.model, recipe.augmentation) == (model, augmentation)
    assert recipe.model_arguments["input_shape"] == (16, 16, 1) and len(lines) == 2


def test_another_model_gets_a_size_that_suits_it():
    wishes = {"model": "p4_all_cnn_c"}
    recipe, _ = choose_network(Wishes(**wishes), 100, (32, 32, 3), 3)
    side = recipe.model_arguments["input_shape"][0]
    assert abs(side - 32) < 16
    choose_network(Wishes(**wishes, size=side), 100, (side, side, 3), 3)


@pytest.mark.parametrize("longest, side", [(10, 32), (32, 32), (41, 48), (55, 48), (1000, 64)])
def test_the_common_size(longest, side):
    assert common_size([(longest, 9), (1, 1), (5, 5000)]) == side


def test_the_calibration_error():
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.35, 0.65]])
    # Two at 0.9, one of them right; one at 0.8, right; one at 0.65, wrong: 2/4 of 0.4, 1/4 of 0.2 and 1/4 of 0.65.
    assert calibration_error(probabilities, np.array([0, 1, 1, 0])) == pytest.approx(100 * (0.2 + 0.05 + 0.1625))


def test_the_table_of_classes():
    metrics = {
        "accuracy": 75.0,
        "calibration_error": 3.0,
        "confusion_matrix": [[2, 0], [1, 1]],
        "recall_by_class": {"a": 100.0, "longer name": 50.0},
        "precision_by_class": {"a": 66.7, "longer name": None},
    }
    _, _, head, first, second = format_classes(metrics).splitlines()
    assert head.split() == ["class", "pictures", "precision", "%", "recall", "%", "as", "1", "as", "2"]
    assert first.split() == ["1", "a", "2", "66.7", "100.0", "2", "0"]
    assert second.split() == ["2", "longer", "name", "2", "-", "50.0", "1", "1"]


def one_class(folder):
    shutil.rmtree(folder / "rings")


def no_pictures(folder):
    for path in folder.rglob("*.png"):
        path.unlink()


def only_one_each(folder):
    for path in folder.rglob("*.png"):
        if path.stem != "0":
            path.unlink()


def all_damaged(folder):
    for path in (folder / "rings").iterdir():
        path.write_bytes(path.read_bytes()[:-40])


def nothing(folder):
    shutil.rmtree(folder)
    folder.mkdir()


BAD = {
    "missing": (shutil.rmtree, [], r"`data` must be a folder of pictures: .*mine \(no such folder\)"),
    "empty": (nothing, [], r"`data` must be a folder with class subfolders, .* with neither"),
    "one class": (one_class, [], "two classes or more. Received: .*mine with bars"),
    "no pictures": (no_pictures, [], r"must hold pictures \(.png, .*mine without one"),
    "one picture in each class": (only_one_each, [], "must have pictures to test on"),
    "all of a class damaged": (all_damaged, [], "picture of each class that can be read.* Received: none of rings"),
    "another task": (lambda _: 0, ["--task", "segmentation"], "must hold images/ and masks/"),
    "no such task": (lambda _: 0, ["--task", "clasification"], "Did you mean 'classification'"),
    "no such model": (lambda _: 0, ["--model", "p4m_smal"], "Did you mean 'p4m_small'"),
    "no such symmetry": (lambda _: 0, ["--symmetry", "p5"], "`symmetry`.* Received: .*'p5'"),
    "a size that does not suit": (lambda _: 0, ["--size", "3"], "`size` must be from 8 to 4096 pixels"),
    "a model of something else": (lambda _: 0, ["--model", "color_cerberus"], "must be a classifier"),
    "a share above all": (lambda _: 0, ["--validation", "1.5"], "`validation` must be a share"),
    "a number of pictures": (lambda _: 0, ["--validation", "5"], "`validation` must be a share"),
    "masks": (lambda _: 0, ["--masks", "classes"], "`masks` must go with a folder that has masks/"),
    "a recipe too": (lambda _: 0, ["rotated_digits"], "`recipe` must not go with --data FOLDER"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_folders_are_told_in_one_line_before_anything_is_written(case, tmp_path, capsys):
    spoil, options, message = BAD[case]
    folder = write_classes(tmp_path / "mine")
    spoil(folder)
    status = cli.main(["fit", "--data", str(folder), *options, "--output", str(tmp_path / "run")])
    (line,) = capsys.readouterr().err.splitlines()
    assert status == 2 and line.startswith("keras-equivariant: error: ")
    with pytest.raises(ValueError, match=message):
        raise ValueError(line)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("option", [["--size", "32"], ["--symmetry", "p4"], ["--task", "x"], ["--validation", "0.1"]])
def test_options_of_folders_need_a_folder(option, capsys):
    assert cli.main(["fit", *option]) == 2
    assert f"`{option[0][2:]}` must" in capsys.readouterr().err


def test_the_symmetry_is_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(own_runs, "_SECONDS", 0.3)
    for steps in ("_WARM_UP", "_TIMED"):
        monkeypatch.setattr(f"keras_equivariant.training.runs.symmetry.{steps}", 1)
    with quickly():
        own = from_folder(write_classes(tmp_path), symmetry="auto", size=8)
    assert own.lines[0].startswith("symmetry p") and "after 0.3 s each" in own.lines[0]
    symmetry = own.lines[0].split()[1].rstrip(":")
    assert own.recipe.model == {"p1": "small", "p4": "p4_small", "p4m": "p4m_small"}[symmetry]
    assert "Trying the symmetry p4m" in capsys.readouterr().out
    with pytest.raises(ValueError, match="must not be 'auto' where the model is given"):
        from_folder(tmp_path, symmetry="auto", model="small")
