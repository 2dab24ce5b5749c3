"""Full disks, too little memory and no network: one line, and exit status 2."""

import errno

import keras
import pytest
from keras_equivariant.training import cli
from keras_equivariant.training.files import replacing, write_json


def told(error, monkeypatch, capsys):
    """What the command line says of an error in the middle of its work."""

    def fail(arguments):
        raise error

    monkeypatch.setattr(cli, "_list", fail)
    assert cli.main(["list"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_a_full_disk_under_tensorflow(monkeypatch, capsys, tensorflow_backend):
    import tensorflow as tf

    message = "{{function_node __wrapped__SaveV2}} /full/.partial-saved_model/variables;\nNo space left [Op:SaveV2]"
    line = told(tf.errors.ResourceExhaustedError(None, None, message), monkeypatch, capsys)
    assert line == "keras-equivariant: error: /full/.partial-saved_model/variables; No space left"


@pytest.mark.parametrize("error, line", [("", "there is not enough memory"), ("Unable to allocate 3 GiB",) * 2])
def test_too_little_memory(error, line, monkeypatch, capsys):
    assert told(MemoryError(error), monkeypatch, capsys) == f"keras-equivariant: error: {line}"


def test_errors_of_ours_stay_as_they_are(monkeypatch, capsys):
    with pytest.raises(KeyError):
        told(KeyError("epoch"), monkeypatch, capsys)


def test_where_a_disk_is_full(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*metrics.json'"):
        write_json(tmp_path / "metrics.json", {})
    assert not list(tmp_path.iterdir())


def test_an_error_without_a_number_keeps_its_words(tmp_path):
    with pytest.raises(OSError, match="^Unable to write$"), replacing(tmp_path / "model.keras"):
        raise OSError("Unable to write")


def test_weights_of_imagenet_without_a_network(tmp_path, monkeypatch, capsys, tensorflow_backend):
    def fail(weights):
        raise Exception("URL fetch failure")  # as Keras does

    for place in (keras.applications, keras.applications.mobilenet_v2):
        monkeypatch.setattr(place, "MobileNetV2", fail)
    command = ["rank", "MobileNetV2", "b", "c", "--images", "20", "--output", str(tmp_path / "out")]
    assert cli.main(command) == 2
    message = "must be there or downloadable (URL fetch failure). Received: 'MobileNetV2'"
    assert message in capsys.readouterr().err.splitlines()[-1]
