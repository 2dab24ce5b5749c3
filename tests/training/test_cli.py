"""The command line as its users meet it, on a shortened recipe."""

import csv
import dataclasses
import json
import re

import keras
import keras_equivariant.training.data
import numpy as np
import pytest
import tensorflow as tf
from keras_equivariant.training import cli
from keras_equivariant.training.recipes import get_recipe
from keras_equivariant.training.runs import fit
from keras_equivariant.training.runs.folder import RunFolder
from keras_equivariant.training.tasks.classification import Classification
from small_tasks import quickly, without_files

EPOCHS = "2"
FEW_STEPS = ["--batch-size", "50", "--steps-per-epoch", "2"]
FILES = {
    "config.json",
    "metrics.json",
    "history.csv",
    "labels.json",
    "preprocessing.npz",
    "report.png",
    "model.keras",
    "saved_model",
    "tensorboard",
    "checkpoint.npz",
}


@pytest.fixture(autouse=True)
def only_tensorflow(tensorflow_backend):
    pass


@pytest.fixture(scope="module", autouse=True)
def few_images():
    """Models and pictures take longer than trainings on these."""
    load = keras_equivariant.training.data.load

    def load_few(*arguments):
        data = load(*arguments)
        sizes = {"train": 600, "validation": 100, "test": 40}
        return dataclasses.replace(data, **{name: getattr(data, name).first(size) for name, size in sizes.items()})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras_equivariant.training.data, "load", load_few)
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "p4cnn"
    assert cli.main(["fit", "--epochs", EPOCHS, "--validation", "50", "--output", str(path)]) == 0
    return path


def test_a_run_folder_is_complete(run):
    assert {path.name for path in run.iterdir()} == FILES
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["parameters"] == 24_680
    assert metrics["epochs"] == 2
    assert 0 < metrics["test_error"] < 60
    assert len(metrics["test_error_by_rotation"]) == 8
    assert np.mean(list(metrics["test_error_by_rotation"].values())) == pytest.approx(metrics["test_error"])
    assert metrics["invariance_error"] < 1e-4
    assert metrics["keras_difference"] < 1e-6
    assert metrics["saved_model_difference"] < 1e-6
    rows = list(csv.DictReader((run / "history.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert float(rows[1]["loss"]) < float(rows[0]["loss"])
    assert all(0 < float(row["dsmi_y"]) < float(row["dse"]) < np.log2(100) for row in rows)
    config = json.loads((run / "config.json").read_text())
    assert config["recipe"]["epochs"] == 2
    assert config["recipe"]["validation"] == 50
    assert float(rows[0]["val_loss"]) > 0
    assert config["versions"]["keras"] == keras.__version__
    assert list((run / "tensorboard").rglob("events*"))
    assert (run / "report.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_in_mixed_precision_ends_with_a_model_in_32_bits(tmp_path):
    arguments = ["--precision", "mixed_bfloat16", "--epochs", "1", *FEW_STEPS, "--output", str(tmp_path / "run")]
    with quickly(saved_models=True):
        assert cli.main(["fit", "--model", "z2cnn", *arguments]) == 0
    assert {path.name for path in (tmp_path / "run").iterdir()} == FILES
    model = keras.models.load_model(tmp_path / "run" / "model.keras")
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["saved_model_difference"] < 1e-6
    config = json.loads((tmp_path / "run" / "config.json").read_text())["recipe"]
    assert config["precision"] == "mixed_bfloat16"


def test_quarter_turns_do_not_change_the_error(run):
    errors = list(json.loads((run / "metrics.json").read_text())["test_error_by_rotation"].values())
    np.testing.assert_allclose(errors[:2] * 4, errors, atol=0.3)


def test_the_end_of_a_fit_is_a_table_and_the_paths(run, tmp_path, capsys):
    arguments = ["--epochs", "1", *FEW_STEPS, "--seed", "1", "--output", str(tmp_path / "z2cnn")]
    with quickly(), without_files():
        assert cli.main(["fit", "--model", "z2cnn", *arguments]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^test error +\d+\.\d\d %$", printed, re.M)
    assert re.search(r"^trainable parameters +21,750$", printed, re.M)
    assert re.search(r"^  rotation 45 +\d+\.\d\d %$", printed, re.M)
    assert str(tmp_path / "z2cnn" / "history.csv") in printed
    assert json.loads((tmp_path / "z2cnn" / "metrics.json").read_text())["invariance_error"] > 0.01


def test_options_change_the_recipe(tmp_path, monkeypatch):
    received = []
    monkeypatch.setattr(fit, "fit", lambda *arguments: received.extend(arguments) or (RunFolder(tmp_path), {"seed": 0}))
    options = [
        "--batch-size",
        "7",
        "--jit",
        "--distribute",
        "mirrored",
        "--data-dir",
        "data",
        "--resume",
        "--validation",
        "9",
        "--steps-per-epoch",
        "11",
        "--time-limit",
        "0.5",
    ]
    assert cli.main(["fit", "rotated_mnist", *options, "--output", "folder"]) == 0
    changes = {"batch_size": 7, "jit": True, "distribution": "mirrored", "validation": 9, "steps_per_epoch": 11}
    assert received == [get_recipe("rotated_mnist", **changes), "folder", True, "data", 0.5, None, []]


def test_evaluate_repeats_the_test(run, capsys):
    assert cli.main(["evaluate", str(run)]) == 0
    error = json.loads((run / "metrics.json").read_text())["test_error"]
    assert re.search(rf"^test error +{error:.2f} %$", capsys.readouterr().out, re.M)


def test_the_test_error_of_an_export_is_that_of_the_fit(run, tmp_path, capsys, monkeypatch):
    def quantise(model, path, calibration, inputs, expected, agreement, error):
        return {"agreement": 99.5, "error": 1.5, "float_error": error(expected), "images": len(inputs), "bytes": 12345}

    monkeypatch.setattr("keras_equivariant.training.runs.export.quantise", quantise)
    how = ["--format", "litert", "--int8", "--output", str(tmp_path / "m.tflite")]
    with quickly():
        assert cli.main(["export", str(run), *how]) == 0
    printed = capsys.readouterr().out
    assert "12,345 bytes; on 320 test images" in printed and "to 99.50 %" in printed, "40 images in 8 rotations"
    error = json.loads((run / "metrics.json").read_text())["test_error"]
    assert f"test error 1.50 %, in floating point {error:.2f} %" in printed


def test_exports_compute_the_same(run, tmp_path):
    x = np.random.default_rng(0).normal(size=(3, 28, 28, 1)).astype("float32")
    expected = keras.models.load_model(run / "model.keras")(x).numpy()
    with quickly():
        assert cli.main(["export", str(run), "--output", str(tmp_path / "served")]) == 0
        assert cli.main(["export", str(run), "--format", "keras", "--output", str(tmp_path / "copy.keras")]) == 0
    loaded = tf.saved_model.load(str(tmp_path / "served"))
    np.testing.assert_allclose(loaded.serve(x), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(keras.models.load_model(tmp_path / "copy.keras")(x), expected, rtol=1e-6)


def test_a_finished_run_goes_on_for_more_epochs(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Classification, "callbacks", lambda *arguments: [])
    command = ["fit", "--model", "z2cnn", *FEW_STEPS, "--output", str(tmp_path / "run")]
    with quickly(), without_files():
        assert cli.main([*command, "--epochs", "1"]) == 0
        assert cli.main([*command, "--epochs", "1", "--resume"]) == 2
        assert "above those of the finished run, 1, for it to go on. Received: epochs=1" in capsys.readouterr().err
        assert cli.main([*command, "--epochs", "2", "--resume"]) == 0
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["epochs"] == 2


@pytest.mark.parametrize("arguments", [["fit"], ["evaluate", "{run}"], ["export", "{run}", "--output", "new"]])
def test_a_folder_of_data_is_refused_where_it_is_not_read(arguments, run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main([argument.format(run=run) for argument in arguments] + ["--data-dir", str(tmp_path)]) == 2
    assert re.search(r"data set 'digits', which reads no folder. Received: data_dir=/", capsys.readouterr().err)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["fit", "nothing"], r"`recipe` must be one of \['rotated_digits'.*\]. Received: recipe='nothing'"),
        (["fit", "--precision", "float7"], r"`precision` must be one of \[.*'mixed_bfloat16'.*Received: .*'float7'"),
        (["fit", "--distribute", "jax"], "'jax' needs KERAS_BACKEND=jax. Received: distribution='jax'"),
        (["fit", "rotated_mnist", "--data-dir", "{file}"], "could not be loaded.*Received: data_dir=.*file"),
        (["study", "nothing"], r"`study` must be one of \[.*'clusters'.*Received: study='nothing'"),
        (["report", "{run}", "{new}"], "must be the folder of a finished run"),
        (["report", "{run}", "--format", "pdf"], r"\['markdown', 'json'\]. Received: format='pdf'"),
        (["fit", "--model", "nothing"], r"must be one of \[.*'p4cnn'.*Received: model='nothing'"),
        (
            ["fit", "--model", "context_encoder"],
            r"must be one from \(28, 28, 1\) to \(10,\) .*'context_encoder', from \(128, 128, 3\)",
        ),
        (["fit", "--validation", "600"], "must be below the number of training images, 600. Received: validation=600"),
        (["fit", "--validation", "-1"], "`validation` must not be negative. Received: validation=-1"),
        (["fit", "--epochs", "0"], "`epochs` must be at least 1. Received: epochs=0"),
        (["fit", "--seed", "-1"], "`seed` must be at least 0 .*Received: seed=-1"),
        (["fit", "--output", "{run}"], "already holds a finished run"),
        (["fit", "--output", "{file}"], "must be a folder that can be written"),
        (["fit", "--output", "{file}/below"], "must be a folder that can be written"),
        (["evaluate", "{new}"], "must be the folder of a finished run"),
        (["export", "{new}", "--output", "{new}2"], "must be the folder of a finished run"),
        (["export", "{run}", "--output", "{file}"], "`output` must not exist yet"),
        (
            ["export", "{run}", "--output", "{new}", "--format", "zip"],
            r"\['keras', 'saved_model'.*\]. Received: .*'zip'",
        ),
    ],
)
def test_errors_take_one_line_and_leave_nothing(arguments, message, run, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    places = {"run": run, "file": tmp_path / "file", "new": tmp_path / "new"}
    arguments = [argument.format(**places) for argument in arguments]
    if arguments[0] == "fit" and "--output" not in arguments:
        arguments += ["--output", str(tmp_path / "new")]
    assert cli.main(arguments) == 2
    printed = capsys.readouterr().err
    assert re.fullmatch(f"keras-equivariant: error: .*{message}.*\n", printed)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.filterwarnings("ignore:The embedding of epoch")
def test_a_loss_that_is_no_number_stops_the_run_and_keeps_good_weights(tmp_path):
    recipe = get_recipe("rotated_digits", model="z2cnn", epochs=3, batch_size=50, steps_per_epoch=2)
    explosive = {"class_name": "SGD", "config": {"learning_rate": 1e30}}
    with quickly(), pytest.raises(ValueError, match="must stay a number.*Received: loss=nan in epoch 1"):
        fit.fit(dataclasses.replace(recipe, optimizer=explosive, schedule=None), tmp_path / "run")
    left = {path.name for path in (tmp_path / "run").iterdir()}
    assert left <= {"config.json", "labels.json", "preprocessing.npz", "tensorboard"}


def test_a_full_disk_is_told_and_earlier_results_stay(run, tmp_path, monkeypatch, capsys):
    def fail(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    path = tmp_path / "run"
    command = ["fit", "--model", "z2cnn", "--epochs", "1", *FEW_STEPS, "--output", str(path)]
    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", fail)
        with quickly():
            assert cli.main(command) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert not list(path.glob(".partial*"))
    with quickly(), without_files():
        assert cli.main([*command, "--resume"]) == 0
