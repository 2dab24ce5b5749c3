"""Runs side by side, on made-up folders."""

import dataclasses
import json

import pytest
from keras_equivariant.training import cli
from keras_equivariant.training.recipes import get_recipe
from keras_equivariant.training.runs import compare

HISTORIES = {
    "classification": "epoch,loss,accuracy,val_loss,val_accuracy\n0,1.5,0.5,2.5,0.25\n1,0.5,0.75,1.0,0.5\n",
    "illuminants": "epoch,loss\n0,4.0\n1,2.0\n",
    "inpainting": "epoch,reconstruction_loss,generator_loss,discriminator_loss\n0,3.0,2.0,1.0\n1,1.0,0.5,0.25\n",
}


@pytest.fixture(autouse=True)
def only_tensorflow(tensorflow_backend):
    pass


def made_up(path, name, metrics, history=None, **changes):
    """A folder with what `report` reads."""
    recipe = get_recipe(name, **changes)
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps({"recipe": dataclasses.asdict(recipe), "data_dir": None}))
    common = {"parameters": 1234, "epochs": recipe.epochs, "seed": recipe.seed, "fit_seconds": 10.0 + recipe.seed}
    (path / "metrics.json").write_text(json.dumps({"model": recipe.model, **common, **metrics}))
    (path / "history.csv").write_text(history or HISTORIES[recipe.task])
    return str(path)


def table(paths, capsys):
    """What `report` prints: a dictionary for each row."""
    assert cli.main(["report", *paths]) == 0
    titles, _, *rows = (
        [cell.strip() for cell in line.split("|")[1:-1]] for line in capsys.readouterr().out.splitlines()
    )
    return [dict(zip(titles, row, strict=True)) for row in rows]


@pytest.fixture
def drawn(monkeypatch):
    figures = []
    monkeypatch.setattr(compare, "save_figure", lambda figure, path: figures.append(figure))
    return figures


def test_runs_that_differ_in_the_seed_share_a_row(tmp_path, capsys):
    errors = {0: 1.81, 1: 1.61, 2: 1.81}
    paths = [
        made_up(
            tmp_path / f"p4cnn-{seed}", "rotated_digits", {"test_error": error, "invariance_error": 1e-6}, seed=seed
        )
        for seed, error in errors.items()
    ]
    other = made_up(tmp_path / "z2cnn", "rotated_digits", {"test_error": 0.5}, model="z2cnn")
    longer = made_up(tmp_path / "longer", "rotated_digits", {"test_error": 1.75}, epochs=61)
    best, first, second = table([paths[2], longer, other, *paths[:2]], capsys)
    assert (best["run"], best["runs"], best["test error (%)"]) == (other, "1", "0.50")
    assert best["change under quarter turns"] == ""
    assert first == {
        "run": str(tmp_path / "p4cnn-{2,0,1}"),
        "model": "p4cnn",
        "parameters": "1,234",
        "epochs": "60",
        "runs": "3",
        "seed": "0, 1, 2",
        "time of the fit (s)": "11 ± 1",
        "test error (%)": "1.74 ± 0.12",  # sample deviation, not 0.09
        "change under quarter turns": "1.0e-06 ± 0.0e+00",
    }
    assert (second["run"], second["test error (%)"]) == (longer, "1.75")


def test_the_same_run_twice_is_not_two_runs(tmp_path, capsys):
    path = made_up(tmp_path / "run", "rotated_digits", {"test_error": 1.0})
    again = made_up(tmp_path / "again", "rotated_digits", {"test_error": 3.0})
    assert [row["runs"] for row in table([path, path, again], capsys)] == ["1"] * 3


def test_the_paper_s_figure_stands_beside_ours(tmp_path, capsys):
    published = {"p4cnn": 2.284}
    known = made_up(tmp_path / "p4cnn", "rotated_mnist", {"test_error": 2.0}, published=published)
    unknown = made_up(tmp_path / "z2cnn", "rotated_mnist", {"test_error": 4.0}, model="z2cnn", published=published)
    first, second = table([unknown, known], capsys)
    titles = list(first)
    assert titles.index("the paper's test error (%)") == titles.index("test error (%)") + 1
    assert first["the paper's test error (%)"] == "2.28"
    assert second["the paper's test error (%)"] == ""
    assert "the paper's test error (%)" not in table([made_up(tmp_path / "own", "rotated_digits", {})], capsys)[0]


def test_runs_of_several_tasks_in_one_table(tmp_path, capsys):
    paths = [
        made_up(tmp_path / "worse", "inpainting_small", {"psnr": 11.0}),
        made_up(tmp_path / "better", "inpainting_small_original", {"psnr": 12.0}),
        made_up(tmp_path / "light", "colorchecker", {"median_error": 3.0}),
        made_up(tmp_path / "unknown", "colorchecker", {}, epochs=7),
        made_up(tmp_path / "digits", "rotated_digits", {"test_error": 2.0}),
    ]
    rows = table(paths, capsys)
    assert [row["run"].rpartition("/")[2] for row in rows] == ["better", "worse", "light", "unknown", "digits"]
    assert [row["PSNR of the centre (dB)"] for row in rows] == ["12.00", "11.00", "", "", ""]
    assert [row["median error (degrees)"] for row in rows] == ["", "", "3.00", "", ""]
    assert [row["test error (%)"] for row in rows] == ["", "", "", "", "2.00"]


def test_json_keeps_one_object_a_run(tmp_path, capsys):
    paths = [made_up(tmp_path / str(seed), "rotated_digits", {"test_error": 2.5}, seed=seed) for seed in range(2)]
    assert cli.main(["report", *paths, "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["run"], row["seed"], row["test_error"]) for row in rows] == [(paths[0], 0, 2.5), (paths[1], 1, 2.5)]


def test_learning_curves_of_classifiers(tmp_path, drawn):
    paths = [
        made_up(tmp_path / "one", "rotated_digits", {"test_error": 2.5}),
        made_up(tmp_path / "two", "rotated_digits", {"test_error": 3.5}, "epoch,loss,accuracy\n0,2.0,0.5\n", seed=1),
    ]
    assert cli.main(["report", *paths, "--output", str(tmp_path / "curves.png")]) == 0
    loss, error = drawn[0].axes
    assert (loss.get_ylabel(), loss.get_yscale()) == ("loss", "log")
    assert (error.get_ylabel(), error.get_yscale()) == ("error (%)", "linear")
    lines = [(line.get_linestyle(), line.get_color(), *line.get_xydata().T.tolist()) for line in loss.lines]
    assert lines == [
        ("-", "C0", [1, 2], [1.5, 0.5]),
        ("--", "C0", [1, 2], [2.5, 1.0]),
        ("-", "C1", [1], [2.0]),
    ]
    assert [line.get_ydata().tolist() for line in error.lines] == [[50, 25], [75, 50], [50]]
    assert [text.get_text() for text in error.get_legend().texts] == ["one: 2.50", "two: 3.50"]
    assert error.get_legend().get_title().get_text() == "run: test error (%); dashed: validation"


@pytest.mark.parametrize(
    "name, expected",
    [
        ("colorchecker", {"training error (degrees)": [4.0, 2.0]}),
        (
            "inpainting_small",
            {"reconstruction loss": [3.0, 1.0], "generator loss": [2.0, 0.5], "discriminator loss": [1.0, 0.25]},
        ),
    ],
)
def test_learning_curves_of_other_tasks(name, expected, tmp_path, drawn):
    assert cli.main(["report", made_up(tmp_path / "run", name, {}), "--output", str(tmp_path / "curves.png")]) == 0
    assert {axes.get_ylabel(): axes.lines[0].get_ydata().tolist() for axes in drawn[0].axes} == expected


def test_runs_that_cannot_share_a_picture(tmp_path, capsys):
    paths = [made_up(tmp_path / name, name, {}) for name in ("rotated_digits", "colorchecker")]
    assert cli.main(["report", *paths, "--output", str(tmp_path / "curves.png")]) == 2
    assert "must be of one task to share a picture. Received: classification, illum" in capsys.readouterr().err
    assert not (tmp_path / "curves.png").exists()


@pytest.mark.parametrize("history", ["epoch,loss\n0,1.5\n", "epoch,loss,accuracy\n"])
def test_a_history_without_the_curves_is_told(history, tmp_path, capsys):
    run = made_up(tmp_path / "run", "rotated_digits", {"test_error": 2.5}, history)
    assert cli.main(["report", run, "--output", str(tmp_path / "curves.png")]) == 2
    assert "run is damaged (it holds no loss and accuracy)" in capsys.readouterr().err
    assert not (tmp_path / "curves.png").exists()


def test_metrics_without_numbers_are_told(tmp_path, capsys):
    run = made_up(tmp_path / "run", "rotated_digits", {"test_error": [2.5]})
    assert cli.main(["report", run]) == 2
    assert "run are damaged (test_error is no number)" in capsys.readouterr().err
