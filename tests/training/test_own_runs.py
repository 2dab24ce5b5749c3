import csv
import dataclasses
import json
import re
import shutil
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras_equivariant.training import cli
from keras_equivariant.training.data.decoded import DecodedFiles, Pictures
from keras_equivariant.training.data.own_split import read_split
from keras_equivariant.training.runs.callbacks import load_callbacks
from keras_equivariant.training.runs.fit import fit
from keras_equivariant.training.runs.own import from_folder
from keras_equivariant.training.tasks.classification import Classification
from keras_equivariant.training.tasks.classification import own as own_classification
from own_pictures import draw, parts, write_classes
from PIL import Image
from small_tasks import killed_after, quickly, without_files

pytestmark = pytest.mark.usefixtures("tensorflow_backend", "quick")


@pytest.fixture
def quick():
    with quickly():
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on a folder: the folder, that of the run, and what was printed."""
    tmp_path = tmp_path_factory.mktemp("own")
    folder = write_classes(tmp_path / "my pictures", (("bars", 24), ("rings", 24), ("ä b", 9)))
    small = ["--size", "16", "--batch-size", "18"]  # two steps an epoch
    arguments = ["fit", "--data", str(folder), "--epochs", "2", *small, "--output", str(tmp_path / "run")]
    with quickly():
        assert cli.main(arguments) == 0
    return folder, tmp_path / "run", arguments


def test_a_run_keeps_its_split_and_its_classes(run):
    _, path, _ = run
    rows = read_split(path / "split.csv")
    assert parts(rows) == {"bars": (15, 4, 5), "rings": (15, 4, 5), "ä b": (6, 1, 2)}
    assert json.loads((path / "labels.json").read_text()) == ["bars", "rings", "ä b"]
    metrics = json.loads((path / "metrics.json").read_text())
    matrix = np.array(metrics["confusion_matrix"])
    assert matrix.sum(axis=1).tolist() == [5, 5, 2]
    assert metrics["accuracy"] == pytest.approx(100 * np.trace(matrix) / 12) == 100 - metrics["test_error"]
    assert metrics["recall_by_class"]["bars"] == pytest.approx(100 * matrix[0, 0] / 5)
    assert 0 <= metrics["calibration_error"] <= 100 and metrics["invariance_error"] < 1e-4
    assert (path / "report.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "file, damage",
    [
        ("split.csv", lambda text: text.replace(",bars", ",rods", 1)),
        ("split.csv", lambda text: text.replace("label", "lable", 1)),
        ("labels.json", lambda text: '["bars"]'),
        ("config.json", lambda text: text.replace('"input_shape"', '"shape"')),
        ("config.json", lambda text: re.sub('"data_dir": ".*"', '"data_dir": 3', text)),
    ],
)
def test_files_of_a_run_that_do_not_go_together(run, file, damage, tmp_path, capsys):
    shutil.copytree(run[1], tmp_path / "run")
    path = tmp_path / "run" / file
    path.write_text(damage(path.read_text()))
    assert cli.main(["evaluate", str(tmp_path / "run")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search("must hold split.csv, labels.json and config.json that go together|holds no recipe", line)


def test_evaluate_tests_on_the_same_pictures_wherever_they_are(run, tmp_path, capsys):
    folder, path, _ = run
    expected = json.loads((path / "metrics.json").read_text())
    moved = tmp_path / "moved"
    shutil.copytree(folder, moved)
    draw(moved / "bars" / "new.png", 1, 77)
    for options in ([], ["--data", str(moved)]):
        assert cli.main(["evaluate", str(path), *options]) == 0
        printed = capsys.readouterr().out
        assert f"accuracy {expected['accuracy']:.2f} %" in printed and "on 12 test pictures" in printed


def test_evaluate_tests_on_all_of_another_folder(run, tmp_path, capsys):
    _, path, _ = run
    for i in range(3):
        draw(tmp_path / "new" / "rings" / f"other {i}.png", 1, 90 + i)
    assert cli.main(["evaluate", str(path), "--data", str(tmp_path / "new")]) == 0
    assert "on 3 test pictures" in capsys.readouterr().out
    draw(tmp_path / "new" / "spots" / "x.png", 1, 99)
    assert cli.main(["evaluate", str(path), "--data", str(tmp_path / "new")]) == 2
    assert "must have classes of the run" in capsys.readouterr().err


def test_a_finished_run_goes_on(run, tmp_path, capsys):
    folder, path, arguments = run
    shutil.copytree(path, tmp_path / "run")
    before = (tmp_path / "run" / "history.csv").read_text()
    draw(folder / "bars" / "later.png", 0, 123)
    try:
        longer = [*arguments[:-1], str(tmp_path / "run"), "--resume"]
        with quickly(), without_files():
            assert cli.main([*longer, "--epochs", "3"]) == 0
    finally:
        (folder / "bars" / "later.png").unlink()
    assert (tmp_path / "run" / "history.csv").read_text().startswith(before)
    assert (tmp_path / "run" / "split.csv").read_text() == (path / "split.csv").read_text()


def test_predictions_and_an_export(run, tmp_path):
    folder, path, _ = run
    status = cli.main(["predict", str(path), str(folder / "ä b"), "--output", str(tmp_path / "said")])
    assert status == 0
    with (tmp_path / "said" / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["file", "prediction", "bars", "rings", "ä b"] and len(rows) == 9
    assert sum(float(rows[0][name]) for name in ("bars", "rings", "ä b")) == pytest.approx(1, abs=1e-5)
    out = tmp_path / "m.keras"
    assert cli.main(["export", str(path), "--format", "keras", "--preprocessing", "inside", "--output", str(out)]) == 0
    assert json.loads((tmp_path / "labels.json").read_text()) == ["bars", "rings", "ä b"]


def test_an_export_takes_the_files_themselves(run, tmp_path):
    folder, path, _ = run
    files = [folder / "bars" / "0.png", *sorted((folder / "ä b").iterdir())]
    assert cli.main(["predict", str(path), *map(str, files), "--output", str(tmp_path / "said")]) == 0
    with (tmp_path / "said" / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    options = ["--format", "saved_model", "--preprocessing", "inside", "--softmax", "--planar"]
    assert cli.main(["export", str(path), *options, "--output", str(tmp_path / "served")]) == 0
    served = tf.saved_model.load(str(tmp_path / "served"))
    said = served.serve_bytes([file.read_bytes() for file in files])
    names = [name.decode() for name in said["names"].numpy()[0]]
    assert names == json.loads((tmp_path / "served" / "labels.json").read_text()) == ["bars", "rings", "ä b"]
    expected = [[float(row[name]) for name in names] for row in rows]
    np.testing.assert_allclose(said["scores"], expected, atol=1e-4)


def test_callbacks_by_name(tmp_path, monkeypatch):
    (tmp_path / "mine_to_call.py").write_text(
        "import keras\n\n\nclass Note(keras.callbacks.Callback):\n"
        "    def on_epoch_end(self, epoch, logs=None):\n        open('noted', 'a').write(f'{epoch} ')\n\n\n"
        "def broken():\n    raise RuntimeError('no server')\n\n\ndef other():\n    return 3\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (note,) = load_callbacks(["mine_to_call:Note"])
    with open("noted", "w"):
        pass
    assert isinstance(note, keras.callbacks.Callback)
    for name, message in {
        "mine_to_call": "must be MODULE:NAME",
        "mine_to_call:missing": "AttributeError",
        "no_such_module_here:x": "ModuleNotFoundError",
        "mine_to_call:broken": "RuntimeError: no server",
        "mine_to_call:other": "which made a int",
    }.items():
        with pytest.raises(ValueError, match=message):
            load_callbacks([name])


def test_callbacks_are_called(tmp_path):
    seen = []
    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append((epoch, "val_loss" in logs)))
    own = from_folder(write_classes(tmp_path / "mine"), size=8, symmetry="p1", epochs=2, batch_size=7)
    with quickly(), without_files():
        fit(own.recipe, tmp_path / "run", data_dir=str(tmp_path / "mine"), data=own.data, callbacks=[callback])
    assert seen == [(0, True), (1, True)]


def test_the_best_epoch_is_kept_and_the_training_ends(tmp_path, monkeypatch):
    """The validation losses 3, 2, 2.5, 2.4: with a patience of 2, the weights of the second epoch after four."""
    own = from_folder(write_classes(tmp_path / "mine"), size=8, symmetry="p1", epochs=9, batch_size=7)
    recipe = dataclasses.replace(own.recipe, patience=2)
    with pytest.raises(ValueError, match="`data` must be that of `from_folder`"):
        fit(recipe, tmp_path / "run", data_dir=str(tmp_path / "mine"))
    losses, kept = iter([3.0, 2.0, 2.5, 2.4, 0.0]), []

    class Rigged(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            logs["val_loss"] = next(losses)
            kept.append(self.model.get_weights())

    monkeypatch.setattr(Classification, "callbacks", lambda *_: [Rigged()])
    monkeypatch.setattr(Classification, "draw", lambda *_: None)
    with quickly(), without_files() as models:
        _, metrics = fit(recipe, tmp_path / "run", data_dir=str(tmp_path / "mine"), data=own.data)
        assert metrics["epochs"] == 4
        for found, expected in zip(models[0].get_weights(), kept[1], strict=True):
            np.testing.assert_array_equal(found, expected)
        (tmp_path / "run" / "metrics.json").unlink()
        _, again = fit(recipe, tmp_path / "run", True, str(tmp_path / "mine"))
        assert again["epochs"] == 4 and len(kept) == 4, "a training that has ended is not trained on"
        for found, expected in zip(models[-1].get_weights(), kept[1], strict=True):
            np.testing.assert_array_equal(found, expected)


def test_a_killed_run_goes_on_to_the_same_end(tmp_path):
    write_classes(tmp_path / "mine", (("a", 12), ("b", 30)))
    arguments = ["fit", "--data", str(tmp_path / "mine"), "--size", "8", "--symmetry", "p1", "--epochs", "3"]
    arguments += ["--batch-size", "13"]
    with quickly(), without_files():
        assert cli.main([*arguments, "--output", str(tmp_path / "whole")]) == 0
        with killed_after(1):
            cli.main([*arguments, "--output", str(tmp_path / "run")])
        assert cli.main([*arguments, "--output", str(tmp_path / "run")]) == 2
        assert cli.main([*arguments, "--output", str(tmp_path / "run"), "--resume"]) == 0
    for name in ("history.csv", "split.csv"):
        assert (tmp_path / "run" / name).read_text() == (tmp_path / "whole" / name).read_text()


def test_pictures_too_many_for_the_memory_give_the_same_batches(tmp_path, monkeypatch):
    folder = write_classes(tmp_path / "mine")
    held = from_folder(folder, size=16)
    monkeypatch.setattr(own_classification, "IN_MEMORY", 1000)
    kept = from_folder(folder, size=16)
    assert not kept.data.train.in_memory and kept.recipe.fitted_images == 1000
    assert {**vars(kept.recipe), "fitted_images": None} == vars(held.recipe) and kept.data.rows == held.data.rows
    task = Classification()
    batches = []
    for own in (held, kept):
        (part,) = task.parts(own.data)
        preprocess = task.fit_preprocessing(own.recipe, own.data)
        batches.append(
            [
                *task.batches(own.recipe, part, preprocess, 0).take(9).as_numpy_iterator(),
                *task.validation(own.recipe, part, preprocess).as_numpy_iterator(),
                task.examples(own.data, 3),
            ]
        )
    for found, expected in zip(*batches, strict=True):
        np.testing.assert_allclose(found[0], expected[0], atol=1e-5)
        np.testing.assert_array_equal(found[1], expected[1])
    for part in ("train", "validation", "test"):
        found, expected = getattr(kept.data, part), getattr(held.data, part)
        np.testing.assert_array_equal(found.first().images, expected.images)
        np.testing.assert_array_equal(found.take([2, 0]).images, expected.images[[2, 0]])


def test_a_run_on_pictures_too_many_for_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(own_classification, "IN_MEMORY", 1000)
    arguments = ["--data", str(write_classes(tmp_path / "mine")), "--size", "8", "--symmetry", "p1", "--epochs", "1"]
    arguments += ["--batch-size", "7"]
    with quickly():
        assert cli.main(["fit", *arguments, "--output", str(tmp_path / "run")]) == 0
    assert cli.main(["evaluate", str(tmp_path / "run")]) == 0


def test_another_picture_of_the_class_stands_in_for_one_that_cannot_be_read(tmp_path, capsys):
    paths = [tmp_path / f"{i}.png" for i in range(6)]
    for i, path in enumerate(paths):
        Image.new("L", (8, 8), 10 * i).save(path)
    for i in (0, 3, 5):
        paths[i].write_text("text")
    pictures = Pictures(DecodedFiles(paths, (8, 8, 1), [0, 1, 0, 1, 0, 2]), np.arange(6))
    assert pictures[[4, 0, 3]][:, 0, 0, 0].tolist() == [40, 40, 10]
    assert pictures[::5][:, 0, 0, 0].tolist() == [40, 0], "of the class of the last, no other is there"
    assert pictures[2:3].shape == (1, 8, 8, 1) and len(pictures) == 6
    told = capsys.readouterr().err.split("\n")
    assert sum("cannot be read; another one of its class stands in" in line for line in told) == 3
