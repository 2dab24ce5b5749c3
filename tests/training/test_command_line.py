import re

import pytest
from helpers import run_python
from keras_equivariant.training import cli, names
from keras_equivariant.training.export.formats import list_formats
from keras_equivariant.training.recipes import durations, list_recipes
from keras_equivariant.training.runs import commands

from keras_equivariant import zoo


def test_list(capsys):
    assert cli.main(["list"]) == 0
    printed = capsys.readouterr().out
    for name in zoo.list_models():
        assert re.search(
            rf"^  {name} +{re.escape(zoo.get_builder(name).__doc__.splitlines()[0])}$", printed, re.MULTILINE
        )
    for name in ("rotated_digits", "inpainting_small_original_crops", "label_corruption"):
        assert f"  {name} " in printed
    assert "Recipes, segmentation:\n  drawn_cells " in printed
    assert re.search("^  rotated_mnist .*needs the data set rotated_mnist; about 17 minutes$", printed, re.MULTILINE)
    assert list(names.list_models()) == zoo.list_models()
    assert list(cli._FORMATS) == list_formats()


def test_durations_are_of_recipes_that_there_are():
    assert set(durations._MINUTES) <= set(list_recipes())


def test_the_command_alone_says_what_can_be_done_next(capsys):
    assert cli.main([]) == 0
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) <= 12
    _, commands = cli._parser()
    named = re.findall(r"^  keras-equivariant (\w+)", printed, re.M)
    assert {"fit", "list", "report", "predict", "export"} <= set(named) <= {*commands, "COMMAND"}


# Prints the exit status after what the command has printed; nothing heavy can be imported.
LIGHT = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("keras", "matplotlib", "numpy", "tensorflow"):
            raise AssertionError(f"{name} is imported")

sys.meta_path.insert(0, Refuse())
sys.argv[0] = "keras-equivariant"  # which imports Keras later than a program does
sys.stderr = sys.stdout
from keras_equivariant.training import cli
try:
    print(cli.main(sys.argv[1:]))
except SystemExit as exit_:
    print(exit_.code)
"""


@pytest.mark.parametrize(
    "arguments, status, message",
    [
        ([], 0, "What you can do next"),
        (["--version"], 0, r"keras-equivariant \d+\.\d+\.\d+\n"),
        (["--help"], 0, "COMMAND"),
        (["fit", "--help"], 0, "--batch-size"),
        (["list"], 0, "p4cnn_rotation_pooling"),
        (["fti"], 2, "`command` must be one of .* Did you mean 'fit'\\? Received: command='fti'"),
        (["fit", "rotated_digit"], 2, "Did you mean 'rotated_digits'\\? Received: recipe='rotated_digit'"),
        (["fit", "--model", "p4cn"], 2, "`model` must be .* Did you mean 'p4cnn'\\? Received: model='p4cn'"),
        (["fit", "--precision", "float23"], 2, "Did you mean 'float32'\\? Received: precision='float23'"),
        (["fit", "--precision", "??"], 2, "'float64'\\]. Received: precision='\\?\\?'"),
        (["fit", "--data-di", "folder"], 2, "unrecognized arguments: --data-di"),
        (["fit", "--output", "{finished}"], 2, "already holds a finished run"),
        (["fit", "--output", "{unfinished}"], 2, "holds an unfinished run: add --resume"),
        (
            ["evaluate", "{unfinished}"],
            2,
            "this one is unfinished.*RECIPE --output .* --resume`",
        ),
        (
            ["export", "{finished}", "--output", "x", "--format", "onx"],
            2,
            "Did you mean 'onnx'\\?",
        ),
        (["export", "{finished}", "--output", "{finished}"], 2, "`output` must not exist yet"),
        (["report", "{finished}", "{unfinished}"], 2, "this one is unfinished"),
        (["report", "{finished}", "--format", "pdf"], 2, "\\['markdown', 'json'\\]. Received: format='pdf'"),
        (["lights", "{unfinished}"], 2, "this one is unfinished"),
        (["lights", "{finished}", "--images", "0"], 2, "`images` must be at least 1. Received: images=0"),
        (["predict", "{unfinished}", "{finished}", "--output", "x"], 2, "this one is unfinished"),
        (
            ["predict", "{finished}", "{unfinished}", "--output", "x"],
            2,
            "a folder must hold pictures .*: .*unf",
        ),
        (["study", "cluster"], 2, "Did you mean 'clusters'\\? Received: study='cluster'"),
    ],
)
def test_help_and_refusals_import_nothing_heavy(arguments, status, message, tmp_path):
    for name in ("finished", "unfinished"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    (tmp_path / "finished" / "metrics.json").write_text("{}")
    places = {name: tmp_path / name for name in ("finished", "unfinished")}
    printed = run_python(LIGHT, *(argument.format(**places) for argument in arguments))
    assert re.search(message, printed)
    assert printed.splitlines()[-1] == str(status)
    assert status == 0 or re.fullmatch("keras-equivariant: error: [^\n]+\n2\n", printed)


@pytest.mark.parametrize("arguments", [["fit", "--epochs", "many"], ["evaluate"], ["fit", "--epoch", "3"]])
def test_wrong_usage_takes_one_line(arguments, capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main(arguments)
    assert exit_.value.code == 2
    assert re.fullmatch("keras-equivariant: error: .*\n", capsys.readouterr().err)


@pytest.mark.parametrize("command, resumable", [(["fit"], True), (["study", "clusters"], False)])
def test_only_a_fit_can_be_resumed(command, resumable, monkeypatch, capsys):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli if command[0] == "fit" else commands, f"_{command[0]}", interrupt)
    assert cli.main(command) == 130
    printed = capsys.readouterr().err
    assert printed.startswith("keras-equivariant: interrupted")
    assert ("--resume" in printed) == resumable


@pytest.mark.parametrize("command", ["evaluate", "export", "lights"])
def test_the_data_are_by_default_those_of_the_run(command, capsys):
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    printed = " ".join(capsys.readouterr().out.split())
    assert "default: those that the run was made with" in printed
