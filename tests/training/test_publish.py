import json

import keras
import numpy as np
import pytest
from keras_equivariant.training.runs import publish
from keras_equivariant.training.runs.finished import load_run
from keras_equivariant.zoo import pretrained
from runs import finished_run

from keras_equivariant import zoo

pytestmark = pytest.mark.usefixtures("tensorflow_backend")


def test_weights_and_card_of_a_run(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path / "package")
    run = finished_run(tmp_path / "run", seed=3)
    publish.main([str(run), "--output", str(tmp_path / "package")])
    assert {path.name for path in (tmp_path / "package").iterdir()} == {
        "p4cnn-rotated_mnist.weights.h5",
        "p4cnn-rotated_mnist.json",
    }
    card = zoo.get_card("p4cnn", "rotated_mnist")
    loaded = load_run(run)
    assert (card["model"], card["seed"], card["test_error"], card["revision"]) == ("p4cnn", 3, 2.5, "1234")
    assert card["preprocessing"] == {
        "name": "standardise",
        "mean": loaded.preprocess.mean,
        "deviation": loaded.preprocess.deviation,
    }
    assert card["recipe"]["epochs"] == 100
    assert "CC BY-SA" in card["data"]["licence"]
    assert "keras_difference" not in card
    for new, old in zip(zoo.p4cnn(weights="rotated_mnist").get_weights(), loaded.model.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)


def test_arguments_of_the_recipe_are_part_of_the_card(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path / "package")
    run = finished_run(tmp_path / "run", model_arguments={"filters": 3, "dropout": 0.2})
    publish.publish(run, tmp_path / "package")
    assert zoo.p4cnn(filters=3, weights="rotated_mnist").count_params() < 5000
    with pytest.raises(ValueError, match="filters=3 must stay as trained. Received: filters=10"):
        zoo.p4cnn(weights="rotated_mnist")


def test_runs_that_cannot_be_published(tmp_path, monkeypatch):
    output = tmp_path / "package"
    with pytest.raises(ValueError, match="must be the folder of a finished run"):
        publish.publish(tmp_path, output)
    with pytest.raises(ValueError, match="of a model that takes `weights`. Received: a run of lenet5"):
        publish.publish(finished_run(tmp_path / "lenet5", model="lenet5"), output)
    with pytest.raises(ValueError, match="must be on one of .*'mnist'.*Received: a run on stars"):
        publish.publish(finished_run(tmp_path / "stars", dataset="stars"), output)
    with pytest.raises(ValueError, match="must be of a few numbers. Received: a ContrastZca"):
        publish.publish(finished_run(tmp_path / "zca", preprocessing="contrast_zca"), output)
    assert not output.exists()


def test_errors_take_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    for run, output, message in (
        (tmp_path, tmp_path / "package", "`run` must be the folder of a finished run"),
        (finished_run(tmp_path / "run"), tmp_path / "file", "File exists"),
    ):
        with pytest.raises(SystemExit) as exit_:
            publish.main([str(run), "--output", str(output)])
        assert exit_.value.code == 2
        printed = capsys.readouterr().err
        assert (
            printed.startswith("python -m keras_equivariant.training.runs.publish: error: ")
            and printed.count("\n") == 1
        )
        assert message in printed


def test_a_failed_write_leaves_the_old_files(tmp_path, monkeypatch):
    output = tmp_path / "package"
    publish.publish(finished_run(tmp_path / "run"), output)
    before = {path.name: path.read_bytes() for path in output.iterdir()}

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(publish, "write_json", fail)
        with pytest.raises(OSError, match="No space left"):
            publish.publish(finished_run(tmp_path / "other", model_arguments={"filters": 3}), output)
    assert {path.name: path.read_bytes() for path in output.iterdir()} == before
    monkeypatch.setattr(keras.Model, "save_weights", lambda self, path: path.write_bytes(b"half"))
    with pytest.raises(ValueError, match="cannot be read"):
        publish.publish(tmp_path / "run", output)
    assert {path.name: path.read_bytes() for path in output.iterdir()} == before
    assert json.loads(before["p4cnn-rotated_mnist.json"])["sha256"]
