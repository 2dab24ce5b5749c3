"""Folders of people's own pictures: what is found in them, how they are split, what goes wrong."""

import collections
import csv
import dataclasses
import json
import os
import shutil
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras_equivariant.training import cli
from keras_equivariant.training.data.decoded import DecodedFiles, Pictures
from keras_equivariant.training.data.own import list_classes, list_table, look, pictures_below
from keras_equivariant.training.data.own_split import assign, read_split
from keras_equivariant.training.runs import own as own_runs
from keras_equivariant.training.runs.callbacks import load_callbacks
from keras_equivariant.training.runs.fit import fit
from keras_equivariant.training.runs.own import from_folder
from keras_equivariant.training.tasks.classification import Classification
from keras_equivariant.training.tasks.classification import own as own_classification
from keras_equivariant.training.tasks.classification.evaluation import calibration_error, format_classes
from keras_equivariant.training.tasks.own import Wishes, choose_network, common_size
from PIL import Image
from small_tasks import killed_after, quickly, without_files

pytestmark = pytest.mark.usefixtures("tensorflow_backend")


def draw(path, kind, seed, size=(24, 18)):
    """A picture of one kind or another, of its own size and noise: rings or bars."""
    rng = np.random.default_rng(seed)
    width, height = size[0] + seed % 7, size[1] + seed % 5
    rows, columns = np.mgrid[:height, :width] - np.array([height, width])[:, None, None] / 2
    shown = np.hypot(rows, columns) % 6 < 3 if kind else columns % 6 < 3
    image = np.where(shown[..., None], (200, 80, 60), (40, 90, 160)) + rng.integers(-20, 20, (height, width, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image.clip(0, 255).astype("uint8")).save(path)


def write_classes(folder, counts=(("bars", 12), ("rings", 12)), ending="png"):
    seed = 0
    for kind, (name, count) in enumerate(counts):
        for i in range(count):
            draw(folder / name / f"{i}.{ending}", kind % 2, seed := seed + 1)
    return folder


def parts(rows):
    counts = collections.Counter((row["label"], row["split"]) for row in rows)
    return {label: tuple(counts[label, part] for part in ("train", "validation", "test")) for label, _ in counts}


def split(folder, validation=0.15, seed=0):
    found = look(folder, *list_classes(folder))
    lines = assign(found, validation, seed, lambda row: row["label"])
    return found, lines


def label(row):
    return row["label"]


def test_a_split_is_stratified_and_alike_for_a_seed(tmp_path):
    write_classes(tmp_path, (("a", 20), ("b", 40), ("c", 3), ("d", 2), ("e", 1)))
    found, lines = split(tmp_path)
    assert not found.notes and not lines and not found.grey
    expected = {"a": (13, 3, 4), "b": (26, 6, 8), "c": (1, 1, 1), "d": (1, 0, 1), "e": (1, 0, 0)}
    assert parts(found.rows) == expected
    assert split(tmp_path)[0].rows == found.rows != split(tmp_path, seed=1)[0].rows
    assert parts(split(tmp_path, validation=0)[0].rows)["a"] == (16, 0, 4)


@pytest.mark.parametrize("names", [("train", "validation", "test"), ("Training", "val", "testing")])
def test_a_split_that_is_given(tmp_path, names):
    for name, count in zip(names, (6, 2, 3), strict=True):
        write_classes(tmp_path / name, (("a", count), ("b", count)))
    found, lines = split(tmp_path)
    assert parts(found.rows) == {"a": (6, 2, 3), "b": (6, 2, 3)}
    assert " across the split, such as" in lines[0] and "none" not in lines[0], "the pictures are drawn alike"


def test_what_a_given_split_lacks_is_taken_from_the_training(tmp_path):
    write_classes(tmp_path / "train", (("a", 20), ("b", 10)))
    write_classes(tmp_path / "test", (("a", 2), ("b", 3)))
    assert parts(split(tmp_path)[0].rows) == {"a": (17, 3, 2), "b": (8, 2, 3)}


def test_pictures_to_test_on_without_classes_are_left_out(tmp_path):
    write_classes(tmp_path / "train", (("a", 20), ("b", 10)))
    draw(tmp_path / "test" / "0.png", 0, 99)
    found, _ = split(tmp_path)
    assert parts(found.rows) == {"a": (13, 3, 4), "b": (6, 2, 2)}
    assert found.notes == ["warning: left out, without class subfolders: test"]


def test_classes_with_names_of_parts_are_classes(tmp_path):
    write_classes(tmp_path, (("test", 5), ("train", 5)))
    assert set(parts(split(tmp_path)[0].rows)) == {"test", "train"}


def test_copies_stay_together(tmp_path):
    write_classes(tmp_path, (("a", 20), ("b", 20)))
    for i in range(8):
        shutil.copy(tmp_path / "a" / f"{i}.png", tmp_path / "a" / f"copy {i}.png")
    for seed in range(5):
        found, (line,) = split(tmp_path, seed=seed)
        where = {row["file"]: row["split"] for row in found.rows}
        assert all(where[f"a/{i}.png"] == where[f"a/copy {i}.png"] for i in range(8))
        assert line.startswith("warning: there more than once: 8 pictures, none of them across the split, such as a/")
    shutil.copy(tmp_path / "a" / "0.png", tmp_path / "b" / "of a.png")
    assert split(tmp_path)[1][-1].startswith("warning: there with more than one label: 1 picture, such as a/0.png")


def test_links_are_followed_but_in_no_circle(tmp_path):
    write_classes(tmp_path / "elsewhere", (("more", 3),))
    folder = write_classes(tmp_path / "mine", (("a", 4), ("b", 4)))
    os.symlink(folder, folder / "a" / "up")
    os.symlink(folder / "b", folder / "b" / "again")
    os.symlink(tmp_path / "elsewhere" / "more", folder / "b" / "more")
    rows, notes = list_classes(folder)
    assert parts(rows) == {"a": (0, 0, 0), "b": (0, 0, 0)} and len(rows) == 11
    assert notes == ["warning: not followed, back to where they are: 2 links"]
    assert pictures_below(folder / "a", folder)[0] == [f"a/{i}.png" for i in range(4)]


def test_what_cannot_be_read_is_left_out_and_counted(tmp_path):
    folder = write_classes(tmp_path / "mine")
    (folder / "bars" / "a 'text'.png").write_text("text")
    (folder / "rings" / "empty ü.jpg").touch()
    (folder / "rings" / "notes.txt").write_text("no picture, and not taken for one")
    (folder / ".hidden").mkdir()
    whole = (folder / "bars" / "3.png").read_bytes()
    (folder / "bars" / "3.png").write_bytes(whole[: len(whole) // 2])
    (folder / "loose.png").write_bytes(whole)
    (folder / "nothing").mkdir()
    own = from_folder(folder)
    assert len(own.data.rows) == 23 and own.data.names == ("bars", "rings")
    left = [line for line in own.lines if line.startswith("warning")]
    assert left[0] == "warning: no picture in nothing, which is left out"
    assert left[1] == "warning: left out, outside of the class subfolders: 1 picture"
    assert left[2].startswith("warning: left out, cannot be read: 2 files: ") and "and 1 more" in left[2]
    assert left[3].startswith("warning: left out, cannot be read: 1 file: ") and "3.png (" in left[3]


def test_pictures_of_all_kinds_in_one_folder(tmp_path):
    folder = write_classes(tmp_path, (("a", 8), ("b", 8)))
    for i, (mode, ending) in enumerate([("L", "jpg"), ("RGBA", "webp"), ("P", "gif"), ("1", "bmp"), ("LA", "png")]):
        with Image.open(folder / "a" / f"{i}.png") as picture:
            picture.convert(mode).save(folder / "b" / f"m{i}.{ending}")
    Image.fromarray(np.full((30, 40), 65535, "uint16")).save(folder / "b" / "deep.tif")
    own = from_folder(folder)
    assert len(own.data.rows) == 22 and own.data.train.images.shape[1:] == (32, 32, 3)
    splits = (own.data.train, own.data.validation, own.data.test)
    values = np.concatenate([s.images.ravel() for s in splits])
    assert values.dtype == "float32" and 0 == values.min() and values.max() == 1, "one of them has 16 bits"


def test_grey_pictures_are_recognised_however_they_are_stored(tmp_path):
    folder = write_classes(tmp_path)
    for i, path in enumerate(folder.rglob("*.png")):
        with Image.open(path) as picture:
            grey = picture.convert("L")
        (grey.convert("RGB") if i % 2 else grey).save(path)
    own = from_folder(folder)
    assert own.data.train.images.shape[1:] == (32, 32, 1) == tuple(own.recipe.model_arguments["input_shape"])
    assert "grey" in own.lines[2]


def test_a_table_of_labels(tmp_path):
    for i in range(20):
        draw(tmp_path / "images" / f"{i}.png", i % 2, i)
    rows = "\n".join(f"{i}.png,{'even' if i % 2 else 'odd, really'!r},x".replace("'", '"') for i in range(20))
    (tmp_path / "labels.csv").write_text(f"file,label,note\n{rows}\n")
    own = from_folder(tmp_path)
    assert own.recipe.task == "classification" and own.data.names == ("even", "odd, really")
    assert list_table(tmp_path)[1] == ["label", "note"]
    assert sorted(row["file"] for row in own.data.rows) == sorted(f"images/{i}.png" for i in range(20))


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


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on a folder: the folder, that of the run, and what was printed."""
    tmp_path = tmp_path_factory.mktemp("own")
    folder = write_classes(tmp_path / "my pictures", (("bars", 24), ("rings", 24), ("ä b", 9)))
    arguments = ["fit", "--data", str(folder), "--epochs", "2", "--output", str(tmp_path / "run")]
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


def test_the_symmetry_is_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(own_runs, "_SECONDS", 0.3)
    with quickly():
        own = from_folder(write_classes(tmp_path), symmetry="auto", size=8)
    assert own.lines[0].startswith("symmetry p") and "after 0.3 s each" in own.lines[0]
    symmetry = own.lines[0].split()[1].rstrip(":")
    assert own.recipe.model == {"p1": "small", "p4": "p4_small", "p4m": "p4m_small"}[symmetry]
    assert "Trying the symmetry p4m" in capsys.readouterr().out
    with pytest.raises(ValueError, match="must not be 'auto' where the model is given"):
        from_folder(tmp_path, symmetry="auto", model="small")


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
    own = from_folder(write_classes(tmp_path / "mine"), size=8, symmetry="p1", epochs=2)
    with quickly(), without_files():
        fit(own.recipe, tmp_path / "run", data_dir=str(tmp_path / "mine"), data=own.data, callbacks=[callback])
    assert seen == [(0, True), (1, True)]


def test_the_best_epoch_is_kept_and_the_training_ends(tmp_path, monkeypatch):
    """The validation losses 3, 2, 2.5, 2.4: with a patience of 2, the weights of the second epoch after four."""
    own = from_folder(write_classes(tmp_path / "mine"), size=8, symmetry="p1", epochs=9)
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
