"""The command line with random arguments: exit code 2 and one line, nothing written; or the work begins."""

import argparse
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
from own_pictures import write_classes, write_masks
from runs import finished_run, own_run

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("tensorflow_backend")]

# What is right, by the command; then some of it is spoiled.
RIGHT = {
    "list": ((),),
    "fit": (
        ("rotated_digits", "--output", "new"),
        ("rotated_digits", "--weights", "run", "--output", "new"),
        ("--data", "classes", "--output", "new"),
        ("--data", "table", "--output", "new", "--size", "16"),
        ("--data", "masks", "--output", "new"),
        ("--data", "classes", "--output", "own", "--resume"),
        ("--data", "masks", "--output", "segmented", "--resume"),
    ),
    "evaluate": (("run",), ("own", "--data", "classes"), ("segmented", "--data", "masks")),
    "export": tuple((run, "--output", "new.keras", "--format", "keras") for run in ("run", "own", "segmented")),
    "report": (("run", "own"), ("run", "--output", "new.png")),
    "lights": (("run", "--output", "new"),),
    "predict": (("run", "classes", "--output", "new"), ("own", "image.png", "--output", "new")),
    "study": (("clusters", "--output", "new"), ("training_dynamics", "--output", "new", "--seeds", "1")),
    "rank": (("run", "run", "run", "--output", "new"),),
    "dance": ((),),
}
VALUES = (
    *("run", "run", "run", "file", "folder", "new", "new/below", "file/below", "image.png", "\0", "", " ", "-", "--"),
    *("-1", "0", "1", "2", "7.5", "1e9", str(2**31), str(10**30), "nan", "inf", "x" * 300, "é", "'; ls", "nothing"),
    *("rotated_digits", "rotated_mnist", "cifar10", "p4cnn", "z2cnn", "lenet5", "unet", "clusters", "model.keras"),
    *("keras", "saved_model", "onnx", "litert", "openvino", "markdown", "json", "inside", "outside"),
    *("float32", "mixed_bfloat16", "float16", "mirrored", "jax", "grey_world", "estimated_light", "zca"),
    *("own", "segmented", "classes", "table", "masks", "images", "p1", "p4", "auto", "instances", "0.15", "16", "64"),
    *("a=#000000,b=#ff0000", "a=#000000", "classification", "regression", "segmentation", "digits", "run/model.keras"),
    *("json:loads", "keras.callbacks:History", "nowhere:no", "keras", ":", "FAMILY=run", "classes/bars"),
)
# Where each command's checks end.
WORK = (
    ("runs.fit", "_train"),
    ("runs.symmetry", "choose_symmetry"),
    ("tasks.classification", "evaluate"),
    ("tasks.segmentation", "evaluate"),
    ("runs.export", "export"),
    ("runs.export", "quantise"),
    ("runs.lights", "save_figure"),
    ("runs.predict", "_draw_sheet"),
    ("runs.rank", "rank"),
    ("data.from_tfds", "load"),  # or data would be downloaded
    ("data.from_tfds", "prepare"),
)


class WorkBegins(BaseException):
    pass


def begin(*arguments, **keywords):
    raise WorkBegins


def options_of(parser):
    (commands,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return {
        name: [text for action in command._actions for text in action.option_strings if text != "-h"]
        for name, command in commands.choices.items()
    }


OPTIONS = options_of(cli._parser()[0])


def random_command(rng):
    name = draw(rng, list(RIGHT))
    options = OPTIONS.get(name, ["--nothing"])
    right = rng.random() < 0.7
    words = list(draw(rng, RIGHT[name])) if right else [draw(rng, VALUES) for _ in range(rng.integers(4))]
    if right and rng.random() < 0.5 and words:
        words[rng.integers(len(words))] = draw(rng, VALUES)
    for _ in range(rng.integers(4)):
        words += [draw(rng, options)]
        words += [draw(rng, VALUES)] if rng.random() < 0.8 else []
    if rng.random() < 0.2:
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
    write_classes(tmp_path / "classes", (("bars", 5), ("rings", 5)))
    write_classes(tmp_path / "table", (("images", 8),))
    (tmp_path / "table" / "labels.csv").write_text("\n".join(["file,weight", *(f"{i}.png,{i}" for i in range(8))]))
    write_masks(tmp_path / "masks")
    own_run(tmp_path / "own", tmp_path / "classes", model="small", size=16)
    own_run(tmp_path / "segmented", tmp_path / "masks", model="unet")
    for module, name in WORK:
        monkeypatch.setattr(importlib.import_module(f"keras_equivariant.training.{module}"), name, begin)
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
