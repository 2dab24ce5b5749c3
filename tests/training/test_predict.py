"""Predictions for pictures of all kinds, by runs that have trained nothing."""

import csv
import dataclasses
import io
import json

import keras
import keras_equivariant.training.pictures.curves
import keras_equivariant.training.runs.finished
import numpy as np
import pytest
from keras_equivariant.training import cli
from keras_equivariant.training.recipes import get_recipe
from keras_equivariant.training.runs.predict import SHOWN, predict
from keras_equivariant.training.tasks import get_task
from keras_equivariant.training.tasks.task import Prediction
from matplotlib.image import imread
from PIL import Image
from runs import finished_run

SIDE = 12


@pytest.fixture(autouse=True)
def only_tensorflow(tensorflow_backend):
    pass


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    path = finished_run(tmp_path_factory.mktemp("runs") / "digits", "rotated_digits", model="z2cnn")
    (path / "labels.json").write_text(json.dumps([f"class {k}" for k in range(10)]))
    return path


@pytest.fixture(scope="module")
def estimator(tmp_path_factory):
    """A run that takes the mean colour for that of the light."""
    path = tmp_path_factory.mktemp("runs") / "light"
    path.mkdir()
    config = {"recipe": dataclasses.asdict(get_recipe("colorchecker")), "data_dir": None}
    (path / "config.json").write_text(json.dumps(config))
    (path / "metrics.json").write_text("{}")
    inputs = keras.Input((SIDE, SIDE, 3))
    keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(inputs)).save(path / "model.keras")
    return path


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    (folder / "below").mkdir(parents=True)
    return folder


def grey(shape=(20, 30), seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, "uint8")


def coloured(light, size=(20, 24)):
    """A grey scene under a light, proportional to light, in 16 bits."""
    scene = np.random.default_rng(0).uniform(0.2, 1, (*size, 1))
    return np.rint(65535 * 0.9 * scene * light / max(light)).astype("uint16")


def write_16_bits(path, image):
    import tensorflow as tf

    path.write_bytes(tf.io.encode_png(image).numpy())


def rows_of(folder):
    with (folder / "predictions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_pictures_of_every_mode_and_size(classifier, pictures, tmp_path, capsys):
    image = Image.fromarray(grey())
    alike = {
        "grey.png": image,
        "alpha.png": image.convert("LA"),
        "palette.png": image.convert("P"),
        "colour.PNG": image.convert("RGB"),
        "below/colour_alpha.png": image.convert("RGBA"),
        "below/bitmap.bmp": image.convert("RGB"),
        "below/frames.gif": image,
    }
    for name, picture in alike.items():
        picture.save(pictures / name)
    write_16_bits(pictures / "deep.png", (257 * grey().astype("uint16"))[..., None])
    others = {"one.png": image.resize((1, 1)), "wide.jpg": image.resize((300, 7)), "tall.jpeg": image.convert("CMYK")}
    others["black and white.png"] = image.convert("1")
    for name, picture in others.items():
        picture.save(pictures / name)
    (pictures / "notes.txt").write_text("no picture")
    assert cli.main(["predict", str(classifier), str(pictures), "--output", str(tmp_path / "out")]) == 0
    rows = {row["file"].removeprefix(f"{pictures}/"): row for row in rows_of(tmp_path / "out")}
    assert list(rows) == sorted([*alike, *others, "deep.png"], key=lambda name: pictures / name)
    first, *same = (rows[name] for name in [*alike, "deep.png"])
    labels = [f"class {k}" for k in range(10)]
    assert list(first) == ["file", "prediction", *labels]
    for row in same:
        for label in labels:
            assert float(row[label]) == pytest.approx(float(first[label]), rel=1e-3, abs=1e-6), row["file"]
    for row in rows.values():
        assert sum(float(row[label]) for label in labels) == pytest.approx(1, abs=1e-5)
        assert row["prediction"] == max(labels, key=lambda label, row=row: float(row[label]))
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-2:] == [str(tmp_path / "out" / f"predictions.{end}") for end in ("csv", "png")]
    assert f"{pictures}/grey.png: {first['prediction']} (" in printed.out
    assert printed.err.endswith("\r12 of 12 pictures\n")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"predictions.csv", "predictions.png"}


def test_the_light_is_taken_out_of_a_picture(estimator, pictures, tmp_path):
    light = np.array([0.4, 0.8, 0.6])
    write_16_bits(pictures / "raw.png", coloured(light))
    texts, unreadable = predict(estimator, [pictures], tmp_path / "out", raw=True)
    assert not unreadable
    (row,) = rows_of(tmp_path / "out")
    assert row["picture"] == "raw.png"
    np.testing.assert_allclose([float(row[c]) for c in ("red", "green", "blue")], light / light.mean(), rtol=2e-3)
    assert list(texts.values()) == ["light 0.667 1.333 1.000"]
    corrected = imread(tmp_path / "out" / "raw.png")
    assert corrected.shape == (20, 24, 3)
    assert np.ptp(corrected, axis=-1).max() <= 2 / 255, "grey again"
    assert np.ptp(corrected[..., 0]) > 0.2
    # As a JPEG in sRGB it says nearly the same, without --raw.
    linear = coloured(light) / 65535
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    Image.fromarray(np.rint(255 * srgb).astype("uint8")).save(tmp_path / "srgb.png")
    predict(estimator, [tmp_path / "srgb.png"], tmp_path / "other")
    (row,) = rows_of(tmp_path / "other")
    np.testing.assert_allclose([float(row[c]) for c in ("red", "green", "blue")], light / light.mean(), rtol=1e-2)


def test_no_picture_takes_the_place_of_another(estimator, pictures, tmp_path):
    image = Image.fromarray(grey((20, 20, 3)))
    names = ("predictions.png", "x-2.png", "x.jpg", "x.png", "below/X.png")
    for name in names:
        image.save(pictures / name)
    predict(estimator, [pictures / name for name in names], tmp_path / "out")
    rows = rows_of(tmp_path / "out")
    assert [row["picture"] for row in rows] == ["predictions-2.png", "x-2.png", "x.png", "x-3.png", "X-4.png"]
    assert all((tmp_path / "out" / row["picture"]).exists() for row in rows)
    # A file that is named twice, or also found in a folder, is one file.
    predict(estimator, [pictures / "x.png", pictures, pictures / "x.png"], tmp_path / "again")
    assert len(rows_of(tmp_path / "again")) == len(names)


def test_unreadable_files_are_told_at_the_end(estimator, pictures, tmp_path, capsys):
    Image.fromarray(grey((20, 20, 3))).save(pictures / "good.png")
    made = io.BytesIO()
    Image.fromarray(grey((90, 90, 3))).save(made, "png")
    (pictures / "cut off.png").write_bytes(made.getvalue()[: len(made.getvalue()) // 2])
    (pictures / "empty.jpg").write_bytes(b"")
    Image.new("RGB", (20, 20)).save(pictures / "black.png")
    Image.fromarray(grey((5, 90, 3))).save(pictures / "a small.png")
    assert cli.main(["predict", str(estimator), str(pictures), "--output", str(tmp_path / "out")]) == 2
    (row,) = rows_of(tmp_path / "out")
    assert row["file"] == str(pictures / "good.png")
    progress, *lines = capsys.readouterr().err.splitlines()[-5:]
    assert progress.endswith("5 of 5 pictures")
    names = ("a small.png", "black.png", "cut off.png", "empty.jpg")
    for name, line in zip(names, lines, strict=True):
        assert line.startswith("keras-equivariant: error: ") and line.count(str(pictures / name)) == 1


def test_if_nothing_can_be_read_nothing_is_written(estimator, pictures, tmp_path, capsys):
    (pictures / "broken.png").write_bytes(b"\x89PNG")
    assert cli.main(["predict", str(estimator), str(pictures), "--output", str(tmp_path / "new" / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("keras-equivariant: error: One picture or more must be readable. Received: 1, such as ")
    assert not (tmp_path / "new").exists()


def test_a_failure_leaves_nothing(estimator, pictures, tmp_path, monkeypatch):
    def fail(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    Image.fromarray(grey((20, 20, 3))).save(pictures / "good.png")
    monkeypatch.setattr(keras_equivariant.training.pictures.curves, "save_figure", fail)
    with pytest.raises(OSError, match="No space"):
        predict(estimator, [pictures], tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]


@pytest.mark.parametrize(
    "run, paths, output, message",
    [
        ("{run}", ["{tmp}/none.png"], "{tmp}/out", "Each path must exist.* Received: .*none.png"),
        ("{run}", ["{tmp}/empty"], "{tmp}/out", "a folder must hold pictures .*.png, .* Received: .*empty"),
        ("{run}", ["{tmp}/full", "{tmp}/empty"], "{tmp}/out", "Received: .*empty"),
        ("{run}", ["{tmp}/full"], "{tmp}/full", "`output` must be an empty or a new folder. Received: output=.*full"),
        ("{run}", ["{tmp}/full"], "{tmp}/full/x.png", "`output` must be an empty or a new folder"),
        ("{tmp}/full", ["{tmp}/full"], "{tmp}/out", "`run` must be the folder of a finished run"),
    ],
)
def test_bad_arguments_are_told_before_the_model_is_loaded(
    run, paths, output, message, classifier, tmp_path, monkeypatch
):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x.png").write_bytes(b"\x89PNG")
    monkeypatch.setattr(keras_equivariant.training.runs.finished, "load_run", None)
    run, output, *paths = (word.format(run=classifier, tmp=tmp_path) for word in (run, output, *paths))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=message):
        predict(run, paths, output)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_empty_folder_is_taken(classifier, pictures, tmp_path):
    Image.fromarray(grey()).save(pictures / "x.png")
    (tmp_path / "out").mkdir()
    predict(classifier, [pictures], tmp_path / "out")
    assert len(rows_of(tmp_path / "out")) == 1


@pytest.mark.parametrize("count, with_pictures, columns", [(1, False, 1), (7, False, 6), (30, True, 6), (2, True, 4)])
def test_the_contact_sheet(count, with_pictures, columns, classifier, pictures, tmp_path, monkeypatch):
    """The names, what is said, and the pictures beside their originals."""

    def said(self, model, image, preprocess, labels):
        return Prediction(f"mean {image.mean():.3f}", {"prediction": "x"}, 1 - image if with_pictures else None)

    figures = []
    monkeypatch.setattr(type(get_task("classification")), "predict", said)
    monkeypatch.setattr(
        keras_equivariant.training.pictures.curves, "save_figure", lambda figure, path: figures.append(figure)
    )
    for i in range(count):
        Image.fromarray(grey((600, 300), i)).save(pictures / f"{i:02} $_$ of all.png")
    predict(classifier, [pictures], tmp_path / "out")
    axes, wide = figures[0].axes, 1 + with_pictures
    assert axes[0].get_subplotspec().get_gridspec().ncols == columns
    shown = [ax for ax in axes if ax.images]
    assert len(shown) == wide * min(count, SHOWN)
    for i, ax in enumerate(shown[::wide]):
        assert ax.get_title() == f"{i:02} $_$ of all.png\nmean {grey((600, 300), i).mean() / 255:.3f}"
        drawn = ax.images[0].get_array()
        assert max(drawn.shape) <= 300
        np.testing.assert_allclose(drawn[..., 0], grey((600, 300), i)[::2, ::2] / 255, atol=1e-6)
        if with_pictures:
            np.testing.assert_allclose(shown[2 * i + 1].images[0].get_array(), 1 - drawn, atol=1e-6)
    if count < SHOWN:  # more of them take long
        figures[0].savefig(tmp_path / "sheet.png")  # dollars in names are no formulas
