"""The command line with random arguments: exit code 2 and one line, nothing written; or the work begins."""

import importlib
import pathlib
import re
import shutil
import types

import keras_equivariant.training.studies
import numpy as np
import pytest
from fuzz import CASES, draw
from keras_equivariant.training import cli
from runs import finished_run

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("tensorflow_backend")]

COMMANDS = {
    "list": (0, ()),
    "fit": (
        1,
        (
            "--model",
            "--epochs",
            "--batch-size",
            "--validation",
            "--seed",
            "--precision",
            "--jit",
            "--distribute",
            "--output",
            "--resume",
        ),
    ),
    "evaluate": (1, ("--data-dir",)),
    "export": (
        1,
        ("--format", "--planar", "--preprocessing", "--softmax", "--int8", "--output", "--data-dir", "--no-planar"),
    ),
    "report": (2, ("--format", "--output")),
    "lights": (2, ("--images", "--output", "--data-dir")),
    "predict": (3, ("--raw", "--output")),
    "study": (1, ("--seed", "--output")),
    "dance": (1, ("--nothing",)),
}
VALUES = (
    *("run", "run", "run", "file", "folder", "new", "new/below", "file/below", "image.png", "\0", "", " ", "-", "--"),
    *("-1", "0", "1", "2", "7.5", "1e9", str(2**31), str(10**30), "nan", "x" * 300, "é", "'; ls", "nothing"),
    *("rotated_digits", "rotated_mnist", "cifar10", "p4cnn", "z2cnn", "lenet5", "clusters", "model.keras"),
    *("keras", "saved_model", "onnx", "litert", "openvino", "markdown", "json", "inside", "outside"),
    *("float32", "mixed_bfloat16", "float16", "mirrored", "jax"),
)
# Where each command's checks end.
WORK = (
    *(
        ("keras_equivariant.training.runs.fit", "_train"),
        ("keras_equivariant.training.tasks.classification", "evaluate"),
    ),
    *(("keras_equivariant.training.runs.export", "export"), ("keras_equivariant.training.runs.export", "quantise")),
    *(
        ("keras_equivariant.training.runs.lights", "save_figure"),
        ("keras_equivariant.training.runs.predict", "_predictions"),
    ),
    ("keras_equivariant.training.data.from_tfds", "load"),  # or data would be downloaded
)


class WorkBegins(BaseException):
    pass


def begin(*arguments, **keywords):
    raise WorkBegins


def random_command(rng):
    name = draw(rng, list(COMMANDS))
    places, options = COMMANDS[name]
    words = [str(draw(rng, VALUES)) for _ in range(rng.integers(places + 1))]
    if name in ("evaluate", "export", "report", "lights", "predict") and rng.random() < 0.5:
        words = ["run", *words]
    for _ in range(rng.integers(4)):
        words += [draw(rng, options)] if options else []
        words += [draw(rng, VALUES)] if rng.random() < 0.8 else []
    if rng.random() < 0.3:
        rng.shuffle(words)
    return [name, *map(str, words)]


def files(folder):
    return {path: path.stat().st_size for path in sorted(folder.rglob("*"))}


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    finished_run(tmp_path / "run", "rotated_digits", model="z2cnn")
    (tmp_path / "run" / "history.csv").write_text("epoch,loss,accuracy\n0,1.5,0.5\n")
    (tmp_path / "file").write_text("text")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "other").write_text("")
    (tmp_path / "image.png").write_bytes(b"\x89PNG")
    for module, name in WORK:
        monkeypatch.setattr(importlib.import_module(module), name, begin)
    monkeypatch.setattr(keras_equivariant.training.studies, "importlib", types.SimpleNamespace(import_module=begin))
    return tmp_path


def test_commands(place, capsys):
    before, faults = files(place), []
    for case in range(CASES):
        command = random_command(np.random.default_rng([3, case]))
        try:
            code = cli.main(command)
        except SystemExit as exit_:
            code = exit_.code
        except WorkBegins:
            code = 0
        except Exception as error:
            code = f"{type(error).__name__}: {error}"
        printed = capsys.readouterr().err
        told = re.fullmatch("keras-equivariant: error: [^\n]+\n", printed)
        if code not in (0, 2) or (code == 2 and (not told or files(place) != before)):
            faults.append((command, code, printed, sorted(set(files(place)) ^ set(before))))
        restore(place, before)
    assert not faults, "\n".join(map(str, faults))


def restore(folder, before):
    """Removes what a command that was right has written."""
    for path in set(files(folder)) - set(before):
        shutil.rmtree(path) if path.is_dir() else pathlib.Path(path).unlink(missing_ok=True)
