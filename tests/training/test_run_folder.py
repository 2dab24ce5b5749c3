import keras
import numpy as np
import pytest
from keras_equivariant.training.files import read_json, replacing, write_csv, write_json
from keras_equivariant.training.runs.checkpoint import load_checkpoint, save_checkpoint
from keras_equivariant.training.runs.folder import find_finished_run, open_run

CONFIG = {"recipe": {"name": "a", "epochs": 3}, "versions": {"keras": "3"}}


def with_epochs(epochs):
    return {**CONFIG, "recipe": {"name": "a", "epochs": epochs}}


def test_a_new_run_stores_its_configuration(tmp_path):
    run = open_run(tmp_path / "some" / "run", CONFIG)
    assert read_json(run.config) == CONFIG
    assert not run.finished


def test_a_finished_run_is_never_overwritten(tmp_path):
    run = open_run(tmp_path, CONFIG)
    write_json(run.metrics, {})
    with pytest.raises(ValueError, match="already holds a finished run"):
        open_run(tmp_path, CONFIG)
    for config in (CONFIG, with_epochs(2)):
        with pytest.raises(ValueError, match="`epochs` must be above those of the finished run, 3, for it to go on"):
            open_run(tmp_path, config, resume=True)
    assert find_finished_run(tmp_path).path == tmp_path
    assert read_json(run.config) == CONFIG


def test_a_finished_run_goes_on_for_more_epochs_and_counts_as_unfinished(tmp_path):
    run = open_run(tmp_path, CONFIG)
    write_json(run.metrics, {})
    with pytest.raises(ValueError, match="already holds a finished run.*add --resume and more --epochs"):
        open_run(tmp_path, with_epochs(4))
    with pytest.raises(ValueError, match="Received: recipe.name: a -> b"):
        open_run(tmp_path, {**CONFIG, "recipe": {"name": "b", "epochs": 4}}, resume=True)
    assert run.finished, "what is refused changes nothing"
    open_run(tmp_path, with_epochs(4), resume=True)
    assert read_json(run.config) == with_epochs(4)
    with pytest.raises(ValueError, match="this one is unfinished.*--resume`"):
        find_finished_run(tmp_path)


def test_an_unfinished_run_is_resumed_only_when_asked_and_unchanged(tmp_path):
    open_run(tmp_path, CONFIG)
    with pytest.raises(ValueError, match="holds an unfinished run: add --resume"):
        open_run(tmp_path, CONFIG)
    assert open_run(tmp_path, CONFIG, resume=True).path == tmp_path
    with pytest.raises(ValueError, match="Received: recipe.epochs: 3 -> 2"):
        open_run(tmp_path, with_epochs(2), resume=True)
    with pytest.raises(ValueError, match="Received: versions.keras: 3 -> 4"):
        open_run(tmp_path, {**CONFIG, "versions": {"keras": "4"}}, resume=True)


def test_a_resumed_run_tells_where_its_data_lie_now(tmp_path):
    open_run(tmp_path, {**CONFIG, "data_dir": "/here"})
    run = open_run(tmp_path, {**CONFIG, "data_dir": "/there"}, resume=True)
    assert read_json(run.config) == {**CONFIG, "data_dir": "/there"}


def test_folders_that_cannot_be_used(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="can be written"):
        open_run(tmp_path / "file", CONFIG)
    with pytest.raises(ValueError, match="must be an empty or a new folder"):
        open_run(tmp_path, CONFIG)
    with pytest.raises(ValueError, match="must be the folder of a finished run"):
        find_finished_run(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_a_file_does_not_take_the_place_of_a_folder(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "precious").write_text("old")
    with pytest.raises(OSError), replacing(tmp_path / "folder") as partial:
        partial.write_text("new")
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["folder", "folder/precious"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_failed_write_leaves_what_was_there(tmp_path, kind):
    target = tmp_path / "target"

    def write(path, content):
        if kind == "folder":
            path.mkdir()
            path = path / "inside"
        path.write_text(content)

    def content():
        return (target / "inside" if kind == "folder" else target).read_text()

    for text in ("old", "new"):
        with replacing(target) as partial:
            write(partial, text)
        assert content() == text
    with pytest.raises(RuntimeError), replacing(target) as partial:
        write(partial, "half")
        raise RuntimeError
    assert content() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_what_a_killed_process_left_is_in_no_one_s_way(tmp_path):
    partial = tmp_path / ".partial-target"
    partial.mkdir()
    (partial / "inside").write_text("half")
    with replacing(tmp_path / "target") as path:
        path.write_text("whole")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("target", "whole")]


def test_checkpoints(tmp_path):
    path = tmp_path / "checkpoint.npz"
    variables = [keras.Variable(np.arange(3.0)), keras.Variable(2, dtype="int32")]
    history = [{"epoch": 0, "loss": 0.1}]
    save_checkpoint(path, variables, history, 2.5)
    fresh = [keras.Variable(np.zeros(3)), keras.Variable(0, dtype="int32")]
    assert load_checkpoint(path, fresh) == (history, 2.5)
    np.testing.assert_array_equal(fresh[0], np.arange(3.0))
    assert int(fresh[1]) == 2
    with pytest.raises(ValueError, match="is the checkpoint of another model"):
        load_checkpoint(path, fresh[:1])
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="is damaged.*remove it to start"):
        load_checkpoint(path, fresh)


def test_history_and_json(tmp_path):
    write_csv(tmp_path / "history.csv", [{"epoch": 0, "loss": 0.5}, {"epoch": 1, "loss": 0.25}])
    assert (tmp_path / "history.csv").read_text().split() == ["epoch,loss", "0,0.5", "1,0.25"]
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(ValueError, match="broken.json is damaged"):
        read_json(tmp_path / "broken.json")
