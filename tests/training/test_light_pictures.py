import dataclasses
import json
import types

import keras
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from training import cli, light_pictures
from training.data import LabelledImages, Split
from training.input.preprocessing import Standardise
from training.recipes import get_recipe
from training.runs.finished import run_labels
from training.tasks.inpainting.pictures import draw_paintings

NAMES = ("cat", "dog", "frog")


@pytest.fixture
def runs(tmp_path, monkeypatch, tensorflow_backend):
    """Two runs on red, green and blue images: one sees the colours, one does not."""
    rng = np.random.default_rng(0)
    images = (rng.uniform(0.3, 0.6, (6, 8, 8, 3)) + 0.4 * np.eye(3)[np.arange(6) % 3][:, None, None]).astype("float32")
    split = Split(images, np.arange(6) % 3)
    data = LabelledImages(split, split, 3, names=NAMES)
    loaded = {}
    for name, scale in (("seeing", 9.0), ("blind", 0.0)):
        path = tmp_path / name
        path.mkdir()
        metrics = {"test_error_by_saturation": {"0.0": 8.0, "0.9": 29.0}}
        if name == "seeing":
            metrics["adapted_error_by_saturation"] = {"0.0": 10.0, "0.9": 11.0}
        (path / "metrics.json").write_text(json.dumps(metrics))
        config = {"recipe": dataclasses.asdict(get_recipe("cifar10_light")), "data_dir": None}
        (path / "config.json").write_text(json.dumps(config))
        inputs = keras.Input((8, 8, 3))
        outputs = keras.layers.Rescaling(scale, [0.5, 0.0, 0.0])(keras.layers.GlobalAveragePooling2D()(inputs))
        loaded[str(path)] = (get_recipe("cifar10_light"), keras.Model(inputs, outputs), data, Standardise(0.5, 0.5))
    monkeypatch.setattr(light_pictures, "load_run", lambda path, data_dir: loaded[str(path)])
    return loaded


def test_the_command_draws_both_pictures(runs, tmp_path, capsys):
    assert cli.main(["lights", *runs, "--images", "2", "--output", str(tmp_path / "pictures")]) == 0
    printed = capsys.readouterr().out.split()
    assert printed == [str(tmp_path / "pictures" / name) for name in ("saturations.png", "predictions.png")]
    for path in printed:
        assert imread(path).shape[2] == 4
    assert cli.main(["lights", *runs, "--images", "0", "--output", str(tmp_path / "never")]) == 2
    assert not (tmp_path / "never").exists()


def texts_and_bars(runs, monkeypatch, count):
    """What `draw_predictions` puts in its picture, by run and column."""
    drawn = []
    draw = light_pictures._draw_classes

    def record(axes, *arguments):
        draw(axes, *arguments)
        widths = [bar.get_width() for bar in axes.patches]
        colours = [bar.get_facecolor()[:3] for bar in axes.patches]
        drawn.append(([text.get_text() for text in axes.texts], widths, colours))

    monkeypatch.setattr(light_pictures, "_draw_classes", record)
    return drawn


def test_each_run_s_probabilities_stand_under_each_image(runs, tmp_path, monkeypatch):
    drawn = texts_and_bars(runs, monkeypatch, 2)
    light_pictures.draw_predictions(list(runs), tmp_path / "predictions.png", 2)
    assert len(drawn) == 2 * 5 * 2, "images, saturations, runs"
    seeing, blind = drawn[0::2], drawn[1::2]
    for image, column in np.ndindex(2, 5):
        texts, widths, colours = blind[5 * image + column]
        assert texts == ["cat", "dog", "frog"]
        assert widths[0] == pytest.approx(np.exp(0.5) / (2 + np.exp(0.5)), rel=1e-5)
        assert [len({*colours[:k], *colours[k + 1 :]}) for k in range(3)].index(1) == image, "the true class stands out"
    assert [seeing[5 * image][0][0] for image in range(2)] == ["cat", "dog"]
    first, last = (dict(zip(*seeing[column][:2], strict=True)) for column in (0, 4))
    assert max(abs(first[name] - last[name]) for name in NAMES) > 0.05, "the light has changed the prediction"


def test_a_run_beside_itself(runs, tmp_path):
    path = next(iter(runs))
    light_pictures.draw_predictions([path, path], tmp_path / "predictions.png", 1)
    light_pictures.draw_saturations([path, path], tmp_path / "saturations.png")
    assert imread(tmp_path / "predictions.png").shape[2] == 4


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


def test_more_paintings_than_photographs(tmp_path, tensorflow_backend):
    images = np.random.default_rng(0).uniform(0.1, 1, (2, 128, 128, 3)).astype("float32")
    inputs = keras.Input((128, 128, 3))
    painter = keras.Model(inputs, keras.layers.Cropping2D(32)(inputs))
    figure = Figure()
    draw_paintings(figure, {"painter": painter}, images, 3)
    drawn = [len(axes.images) for axes in figure.axes]
    assert drawn and set(drawn) == {1}


def test_runs_that_cannot_be_drawn(runs, tmp_path):
    first = next(iter(runs))
    runs[first] = (types.SimpleNamespace(dataset="mnist"), *runs[first][1:])
    with pytest.raises(ValueError, match="must be on one data set. Received: cifar10, mnist"):
        light_pictures.draw_predictions(list(runs), tmp_path / "picture.png")
    (tmp_path / "seeing" / "metrics.json").write_text("{}")
    with pytest.raises(ValueError, match='evaluation "saturations". Received: .*seeing'):
        light_pictures.draw_saturations(list(runs), tmp_path / "picture.png")
    assert not (tmp_path / "picture.png").exists()
