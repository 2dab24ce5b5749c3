"""Runs side by side under coloured light, on made-up folders and models."""

import dataclasses
import json
import types

import keras
import numpy as np
import pytest
from keras_equivariant.training import cli
from keras_equivariant.training.data.images import LabelledImages, Split
from keras_equivariant.training.input.preprocessing import Standardise
from keras_equivariant.training.recipes import get_recipe
from keras_equivariant.training.runs import lights
from keras_equivariant.training.runs.finished import run_labels
from keras_equivariant.training.tasks.classification import pictures
from keras_equivariant.training.tasks.inpainting.pictures import draw_centres
from matplotlib.figure import Figure
from matplotlib.image import imread

NAMES = ("cat", "dog", "frog")
ERRORS = {"test_error_by_saturation": {"0.0": 8.0, "0.9": 29.0}}
ADAPTED = {"adapted_error_by_saturation": {"0.0": 10.0, "0.9": 11.0}}


@pytest.fixture(autouse=True)
def only_tensorflow(tensorflow_backend):
    pass


def made_up(path, recipe, metrics):
    path.mkdir()
    (path / "metrics.json").write_text(json.dumps(metrics))
    (path / "config.json").write_text(json.dumps({"recipe": dataclasses.asdict(get_recipe(recipe)), "data_dir": None}))
    return str(path)


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Two runs on red, green and blue images: one sees the colours, one does not."""
    rng = np.random.default_rng(0)
    images = (rng.uniform(0.3, 0.6, (6, 8, 8, 3)) + 0.4 * np.eye(3)[np.arange(6) % 3][:, None, None]).astype("float32")
    split = Split(images, np.arange(6) % 3)
    data = LabelledImages(split, split, 3, names=NAMES)
    loaded = {}
    for name, scale, metrics in (("seeing", 9.0, ERRORS | ADAPTED), ("blind", 0.0, ERRORS)):
        inputs = keras.Input((8, 8, 3))
        outputs = keras.layers.Rescaling(scale, [0.5, 0.0, 0.0])(keras.layers.GlobalAveragePooling2D()(inputs))
        loaded[made_up(tmp_path / name, "cifar10_light", metrics)] = types.SimpleNamespace(
            model=keras.Model(inputs, outputs), preprocess=Standardise(0.5, 0.5), load_data=lambda data_dir: data
        )
    monkeypatch.setattr(lights, "load_run", lambda path: loaded[str(path)])
    return list(loaded)


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are saved, by the names of their files."""
    figures = {}

    def save_figure(figure, path, **options):
        figures[str(path).rpartition("/")[2]] = figure

    monkeypatch.setattr(lights, "save_figure", save_figure)
    return figures


def test_the_command_draws_both_pictures(runs, tmp_path, capsys):
    assert cli.main(["lights", *runs, "--images", "2", "--output", str(tmp_path / "pictures")]) == 0
    printed = capsys.readouterr().out.split()
    assert printed == [str(tmp_path / "pictures" / name) for name in ("saturations.png", "pictures.png")]
    for path in printed:
        assert imread(path).shape[2] == 4
    assert cli.main(["lights", *runs, "--images", "0", "--output", str(tmp_path / "never")]) == 2
    assert not (tmp_path / "never").exists()


def lines_of(figure):
    (axes,) = figure.axes
    return axes, {line.get_label(): line.get_xydata().tolist() for line in axes.lines}


def test_errors_over_the_saturation(runs, drawn):
    lights.draw_lights(runs, "folder")
    axes, lines = lines_of(drawn["saturations.png"])
    assert lines == {
        "seeing": [[0.0, 8.0], [0.9, 29.0]],
        "seeing, in an adapter": [[0.0, 10.0], [0.9, 11.0]],
        "blind": [[0.0, 8.0], [0.9, 29.0]],
    }
    assert (axes.get_ylabel(), axes.get_yscale()) == ("test error (%)", "linear")


MEDIANS = {
    "errors": {
        "network": {"0.0": {"median": 2.0}, "0.5": {"median": 3.0}},
        "grey-world": {"0.0": {"median": 5.0}, "0.5": {"median": 6.0}},
    }
}
RATIOS = {
    "psnr_by_saturation": {"0.0": 12.0},
    "tinted_psnr_by_saturation": {"0.0": 11.0},
    "mean_psnr_by_saturation": {"0.0": 10.0},
}


@pytest.mark.parametrize(
    "recipe, metrics, title, scale, expected",
    [
        ("colorchecker", MEDIANS, "median error (degrees)", "log", ["a", "grey-world", "b"]),
        (
            "inpainting_small",
            RATIOS,
            "PSNR of the centre (dB)",
            "linear",
            [
                "a, light taken out",
                "a, under the light",
                "mean colour, light taken out",
                "b, light taken out",
                "b, under the light",
            ],
        ),
    ],
)
def test_what_runs_share_is_drawn_once(recipe, metrics, title, scale, expected, tmp_path, monkeypatch, drawn):
    """And each task draws its own pictures."""
    received = []
    other = json.loads(json.dumps(metrics).replace("5.0", "7.0").replace("10.0", "13.0"))
    paths = [made_up(tmp_path / "a", recipe, metrics), made_up(tmp_path / "b", recipe, other)]
    task = lights.get_task(get_recipe(recipe).task)
    monkeypatch.setattr(type(task), "draw_under_light", lambda self, *arguments: received.append(arguments))
    run = types.SimpleNamespace(model="model", preprocess=None, load_data=lambda data_dir: f"data in {data_dir}")
    monkeypatch.setattr(lights, "load_run", lambda path: run)
    lights.draw_lights(paths, "folder", 5, "somewhere")
    axes, lines = lines_of(drawn["saturations.png"])
    assert list(lines) == expected
    shared = lines.get("grey-world") or lines["mean colour, light taken out"]
    assert shared[0][1] in (5.0, 10.0), "that of the first run"
    if metrics is RATIOS:
        assert [lines[f"a, {how}"][0][1] for how in ("light taken out", "under the light")] == [12.0, 11.0]
    assert (axes.get_ylabel(), axes.get_yscale()) == (title, scale)
    models = {"a": ("model", None), "b": ("model", None)}
    assert received == [(drawn["pictures.png"], models, "data in somewhere", 5)]


def test_each_run_s_probabilities_stand_under_each_image(runs, monkeypatch, drawn):
    charts = []
    draw = pictures._draw_classes

    def record(axes, *arguments):
        draw(axes, *arguments)
        widths = [bar.get_width() for bar in axes.patches]
        colours = [bar.get_facecolor()[:3] for bar in axes.patches]
        charts.append(([text.get_text() for text in axes.texts], widths, colours))

    monkeypatch.setattr(pictures, "_draw_classes", record)
    lights.draw_lights(runs, "folder", 2)
    assert len(charts) == 2 * 5 * 2, "images, saturations, runs"
    seeing, blind = charts[0::2], charts[1::2]
    for image, column in np.ndindex(2, 5):
        texts, widths, colours = blind[5 * image + column]
        assert texts == ["cat", "dog", "frog"]
        assert widths[0] == pytest.approx(np.exp(0.5) / (2 + np.exp(0.5)), rel=1e-5)
        assert [len({*colours[:k], *colours[k + 1 :]}) for k in range(3)].index(1) == image, "the true class stands out"
    assert [seeing[5 * image][0][0] for image in range(2)] == ["cat", "dog"]
    first, last = (dict(zip(*seeing[column][:2], strict=True)) for column in (0, 4))
    assert max(abs(first[name] - last[name]) for name in NAMES) > 0.05, "the light has changed the prediction"


def test_a_run_beside_itself(runs, drawn):
    lights.draw_lights([runs[1], runs[1]], "folder", 1)
    assert list(lines_of(drawn["saturations.png"])[1]) == ["blind", "blind (2)"]
    assert len(drawn["pictures.png"].axes) == 5 * 3, "five saturations of an image above two charts"


def test_labels_tell_runs_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_labels(["a", "b/c/"]) == ["a", "c"]
    assert run_labels([".", "light"]) == [tmp_path.name, "light"]
    assert run_labels(["x/light", "y/light", "z"]) == ["x/light", "y/light", f"{tmp_path.name}/z"]
    assert run_labels(["x/one/light", "y/one/light", "x/one/light"]) == [
        "x/one/light",
        "y/one/light",
        "x/one/light (2)",
    ]


def test_more_paintings_than_photographs():
    images = np.random.default_rng(0).uniform(0.1, 1, (2, 128, 128, 3)).astype("float32")
    inputs = keras.Input((128, 128, 3))
    painter = keras.Model(inputs, keras.layers.Cropping2D(32)(inputs))
    figure = Figure()
    draw_centres(figure, {"painter": painter}, images, 3)
    drawn = [len(axes.images) for axes in figure.axes]
    assert drawn and set(drawn) == {1}


def test_runs_that_cannot_be_drawn(runs, tmp_path, capsys):
    def refused(*paths):
        assert cli.main(["lights", *paths, "--output", str(tmp_path / "never")]) == 2
        assert not (tmp_path / "never").exists()
        return capsys.readouterr().err

    light = made_up(tmp_path / "light", "colorchecker", {})
    mnist = made_up(tmp_path / "mnist", "rotated_mnist", ERRORS)
    assert "must be of one task. Received: classification, illuminants" in refused(*runs, light)
    assert "must be on one data set. Received: cifar10, rotated_mnist" in refused(*runs, mnist)
    assert "under coloured light. Received: " in refused(light)
    (tmp_path / "seeing" / "metrics.json").write_text("{}")
    assert "under coloured light. Received: seeing" in refused(*runs)
