"""Numbers for pictures: from drawn ones and from a folder to a tested and exported model."""

import csv
import dataclasses
import json
import pathlib

import keras
import keras_equivariant.training.tasks.regression.pictures as pictures
import numpy as np
import pytest
import scipy.ndimage
from keras_equivariant.training import cli, recipes
from keras_equivariant.training.data import drawn_discs, reads_folder
from keras_equivariant.training.data.images import LabelledImages, Split
from keras_equivariant.training.input.preprocessing import Standardise
from keras_equivariant.training.model.network import computing_in
from keras_equivariant.training.recipes import get_recipe
from keras_equivariant.training.runs.finished import load_run
from keras_equivariant.training.tasks import get_task
from keras_equivariant.training.tasks.own import Wishes
from keras_equivariant.training.tasks.regression import own
from matplotlib.figure import Figure
from matplotlib.image import imread
from PIL import Image
from small_tasks import quickly

TASK = get_task("regression")
PREPROCESS = Standardise(mean=0.0, deviation=1.0)


@pytest.fixture(autouse=True)
def only_tensorflow(tensorflow_backend):
    with quickly():
        yield


@pytest.fixture(scope="module")
def few_discs():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawn_discs, "_SIZES", {"train": 40, "validation": 10, "test": 20})
        yield


@pytest.fixture(scope="module")
def run(few_discs, tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "discs"
    with quickly():
        assert cli.main(["fit", "drawn_discs", "--epochs", "2", "--batch-size", "20", "--output", str(path)]) == 0
    return path


def greys(values, labels=None):
    """Pictures of one grey each."""
    images = np.broadcast_to(np.reshape(values, (-1, 1, 1, 1)), (len(values), 28, 28, 1)).astype("float32")
    return Split(images, np.array(labels, "float32"))


def mean_model():
    """The mean grey, and ten times that plus one."""
    inputs = keras.Input((28, 28, 1))
    mean = keras.layers.GlobalAveragePooling2D()(inputs)
    outputs = keras.layers.Concatenate()([mean, keras.layers.Rescaling(10, 1)(mean)])
    return keras.Model(inputs, outputs)


def by_hand():
    """Predictions 0.2 and 3, 0.4 and 5, 0.6 and 7; errors 0.1, 0, 0.2 and 1, 2, 0."""
    train = greys([0.1, 0.5, 0.9, 0.3], [[0.1, 2], [0.2, 4], [0.3, 4], [0.4, 9]])
    test = greys([0.2, 0.4, 0.6], [[0.1, 2], [0.4, 7], [0.8, 7]])
    return LabelledImages(train, test, classes=2, names=("grey", "ten"))


def test_errors_by_hand():
    found = TASK.evaluate(get_recipe("drawn_discs"), mean_model(), by_hand(), PREPROCESS)
    assert found["mean_absolute_error_by_column"] == pytest.approx({"grey": 0.1, "ten": 1.0}, rel=1e-5)
    assert found["mean_absolute_error"] == pytest.approx((0.1 + 1.0) / 2, rel=1e-5)
    # The medians of the training set are 0.25 and 4.
    constant = {"grey": (0.15 + 0.15 + 0.55) / 3, "ten": (2 + 3 + 3) / 3}
    assert found["median_guess_error_by_column"] == pytest.approx(constant, rel=1e-5)
    assert found["invariance_error"] < 1e-6
    outputs, targets = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.5, 2.0], [3.0, 2.0]])
    assert TASK.error(outputs, targets) == pytest.approx((0.5 + 2) / 4)
    assert next(iter(TASK.figures)) == "mean_absolute_error"


def test_predictions_have_the_names_of_the_columns():
    image = np.full((50, 100, 3), 0.5, "float32")  # half of the square is black
    found = TASK.predict(mean_model(), image, PREPROCESS, ["grey", "ten"])
    assert found.text == "grey 0.25, ten 3.5" and found.picture is None
    assert found.values == pytest.approx({"grey": 0.25, "ten": 3.5}, abs=1e-3)
    assert list(TASK.predict(mean_model(), image, None, None).values) == ["0", "1"]


def test_numbers_are_learned_standardised_and_predicted_in_their_units():
    recipe = get_recipe("drawn_discs")
    labels = np.array([[5000, 0.1, 7], [7000, 0.3, 7], [6000, 0.2, 7]], "float32")
    data = LabelledImages(greys([0.1, 0.5, 0.9], labels), greys([0.2], labels[:1]), 3, names=("a", "b", "c"))
    (part,) = TASK.parts(data)
    assert part.validation is None
    np.testing.assert_allclose(part.train.labels[:, 2], 0)  # a constant column has no deviation to divide by
    np.testing.assert_allclose(part.train.labels[:, :2].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(part.train.labels[:, :2].std(axis=0), 1, rtol=1e-5)
    network = TASK.network(recipe, data, "")
    standardised = TASK.trainable(recipe, network)(data.train.images).numpy()
    expected = standardised * labels.std(axis=0).clip(1e-9) + labels.mean(axis=0)
    expected[:, 2] = standardised[:, 2] + 7
    np.testing.assert_allclose(network(data.train.images), expected, rtol=1e-5)
    with computing_in("mixed_bfloat16"):
        network = TASK.network(recipe, data, "")
        assert network(data.train.images).dtype == TASK.trainable(recipe, network)(data.train.images).dtype == "float32"
        assert {layer.compute_dtype for layer in network.layers} == {"bfloat16", "float32"}


def test_numbers_below_the_mean_can_be_predicted_by_networks_that_end_in_a_relu():
    """All-CNN-C does: its own outputs, as standardised numbers, could not be below 0."""
    data = LabelledImages(greys([0.1, 0.9], [[1], [3]]), greys([0.2], [[1]]), 1, names=("a",))
    arguments = {"input_shape": (28, 28, 1), "filters": (4, 4), "dropout": 0.0, "input_dropout": 0.0}
    recipe = get_recipe("drawn_discs", model="all_cnn_c", model_arguments=arguments)
    found = []
    for seed in range(5):
        keras.utils.set_random_seed(seed)
        network = TASK.network(recipe, data, "")
        found.append(network(10 * np.random.default_rng(seed).normal(size=(5, 28, 28, 1))).numpy() - 2)
    assert np.min(found) < 0 < np.max(found)


def test_drawn_discs_are_counted_right(monkeypatch):
    monkeypatch.setattr(drawn_discs, "_NOISE", 0)
    monkeypatch.setattr(drawn_discs, "_SIZES", {"train": 150, "validation": 20, "test": 30})
    data = drawn_discs.load()
    assert (data.names, data.classes) == (("discs", "dark"), 2)
    assert [len(split) for split in (data.train, data.validation, data.test)] == [150, 20, 30]
    for image, (discs, dark) in zip(data.train.images[..., 0], data.train.labels, strict=True):
        assert scipy.ndimage.label(image < image.max() - 0.1)[1] == discs
        assert np.mean(image < 0.35) == pytest.approx(dark)
    assert set(data.train.labels[:, 0]) == set(range(7))
    assert data.train.labels[:, 1].std() > 0.01
    np.testing.assert_array_equal(drawn_discs.load().test.images, data.test.images)
    monkeypatch.setattr(drawn_discs, "_NOISE", 0.2)
    np.testing.assert_array_equal(drawn_discs.load().train.labels, data.train.labels, "numbers of what was drawn")
    assert not reads_folder("drawn_discs") and reads_folder("folder")


def test_what_a_run_leaves(run, few_discs):
    metrics = json.loads((run / "metrics.json").read_text())
    assert json.loads((run / "labels.json").read_text()) == ["discs", "dark"]
    assert metrics["invariance_error"] < 1e-4
    rows = list(csv.DictReader((run / "history.csv").read_text().splitlines()))
    assert len(rows) == 2 and {"loss", "mean_absolute_error", "val_loss", "val_mean_absolute_error"} <= set(rows[0])
    loaded, data = load_run(run), drawn_discs.load()
    errors = np.abs(loaded.model.predict(loaded.preprocess(data.test.images), verbose=0) - data.test.labels)
    by_column = dict(zip(data.names, errors.mean(axis=0), strict=True))
    assert metrics["mean_absolute_error_by_column"] == pytest.approx(by_column, rel=1e-4)
    assert metrics["mean_absolute_error"] == pytest.approx(errors.mean(), rel=1e-4)
    assert loaded.evaluate()["mean_absolute_error"] == pytest.approx(metrics["mean_absolute_error"], rel=1e-4)
    assert imread(run / "report.png").shape[1] > 1000


def test_the_commands_take_such_a_run(run, few_discs, tmp_path, capsys):
    path = str(run)
    assert cli.main(["evaluate", path]) == 0
    assert "mean absolute error" in capsys.readouterr().out
    assert cli.main(["report", path]) == 0
    assert "| mean absolute error |" in capsys.readouterr().out
    how = ["--planar", "--preprocessing", "inside", "--format", "keras", "--output", str(tmp_path / "model.keras")]
    assert cli.main(["export", path, *how]) == 0
    loaded, image = load_run(run), drawn_discs.load().test.images[:1]
    exported = keras.models.load_model(tmp_path / "model.keras")(image).numpy()
    np.testing.assert_allclose(exported, loaded.model(loaded.preprocess(image)), rtol=1e-4)

    Image.fromarray(np.rint(255 * image[0, ..., 0]).astype("uint8")).save(tmp_path / "picture.png")
    assert cli.main(["predict", path, str(tmp_path / "picture.png"), "--output", str(tmp_path / "out")]) == 0
    (row,) = csv.DictReader((tmp_path / "out" / "predictions.csv").read_text().splitlines())
    np.testing.assert_allclose([float(row[name]) for name in ("discs", "dark")], exported[0], rtol=0.05, atol=0.02)


def test_a_run_on_a_folder(tmp_path, capsys, monkeypatch):
    """Pictures of one grey each, which the number follows."""
    recipe = get_recipe("folder_regression")
    smaller = {**recipe.model_arguments, "input_shape": (17, 17, 3), "filters": (2, 3)}
    monkeypatch.setitem(recipes._RECIPES, recipe.name, dataclasses.replace(recipe, model_arguments=smaller))
    folder = tmp_path / "mine"
    (folder / "images").mkdir(parents=True)
    lines = ["file,grey"]
    for i in range(60):
        Image.new("L", (30, 30), 4 * i).save(folder / "images" / f"{i}.png")
        lines.append(f"{i}.png,{1000 + i}")
    (folder / "labels.csv").write_text("\n".join(lines))
    how = ["--model", "p4cnn", "--epochs", "1", "--data-dir", str(folder), "--output", str(tmp_path / "run")]
    assert cli.main(["fit", "folder_regression", *how]) == 2, "another model does not take these arguments"
    assert not (tmp_path / "run").exists()
    how = ["--epochs", "1", "--data-dir", str(folder), "--output", str(tmp_path / "run")]
    assert cli.main(["fit", "folder_regression", *how]) == 0, capsys.readouterr().err
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["mean_absolute_error"] < 100
    assert list(metrics["mean_absolute_error_by_column"]) == ["grey"]
    assert sorted(path.name for path in folder.iterdir()) == ["images", "labels.csv"]
    assert cli.main(["evaluate", str(tmp_path / "run")]) == 0, "it remembers the folder"


def test_numbers_of_pictures_too_many_for_the_memory(tmp_path, monkeypatch):
    """The same batches as of those in memory; what cannot be read is left out with its numbers."""
    (tmp_path / "images").mkdir()
    lines = ["file,grey"]
    for i in range(30):
        Image.new("L", (12, 12), 8 * i).save(tmp_path / "images" / f"{i}.png")
        lines.append(f"{i}.png,{1000 + i}")
    damaged = tmp_path / "images" / "7.png"
    damaged.write_bytes(damaged.read_bytes()[:45])
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    found = []
    for most in (own.IN_MEMORY, 1000):
        monkeypatch.setattr(own, "IN_MEMORY", most)
        mine = own.from_folder(tmp_path, Wishes(size=8, symmetry="p1"))
        (part,) = TASK.parts(mine.data)
        preprocess = TASK.fit_preprocessing(mine.recipe, mine.data)
        batches = TASK.batches(mine.recipe, part, preprocess, 0)
        shown = [*batches.take(3), *TASK.validation(mine.recipe, part, preprocess), TASK.examples(mine.data, 3)]
        found.append((mine.data.rows, mine.lines, shown))
        assert mine.data.train.in_memory is (most > 1000) and mine.recipe.fitted_images == (None, 1000)[most == 1000]
        again = own.load_own(mine.recipe, tmp_path, list(mine.data.rows))
        np.testing.assert_array_equal(again.test.images[:], mine.data.test.images[:])
    (rows, lines, held), (*others, kept) = found
    assert [rows, lines] == others and len(rows) == 29
    assert any("cannot be read: 1 file: " in line and "7.png" in line for line in lines)
    for one, other in zip(held, kept, strict=True):
        np.testing.assert_allclose(one[0], other[0], atol=1e-5)
        np.testing.assert_allclose(one[1], other[1], atol=1e-6)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"loss": {"class_name": "SparseCategoricalCrossentropy", "config": {}}}, "`loss` must be one of .*MeanSq"),
        ({"dataset": "digits"}, r"`dataset` must be one of \['drawn_discs', 'folder'\]. Received: dataset='digits'"),
        ({"evaluation": "rotations"}, "`evaluation` must be 'plain' for the task 'regression'"),
        ({"preprocessing": "linear"}, "`preprocessing` must be one of"),
    ],
)
def test_recipes_that_do_not_fit(changes, message):
    with pytest.raises(ValueError, match=message):
        TASK.check(get_recipe("drawn_discs", **changes))


@pytest.mark.parametrize("model", ["color_cerberus", "context_encoder"])
def test_models_without_a_number_of_classes_are_refused(model, few_discs, tmp_path, capsys):
    how = ["--model", model, "--batch-size", "20", "--output", str(tmp_path / "run")]
    assert cli.main(["fit", "drawn_discs", *how]) == 2
    assert "`model` must be one" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("model", ["z2cnn", "bouvrie_cnn"])
def test_models_with_a_number_of_classes_have_an_output_for_each_column(model, few_discs):
    recipe = get_recipe("drawn_discs", model=model)
    assert TASK.network(recipe, drawn_discs.load(), "").output_shape == (None, 2)


def test_models_of_unknown_size_take_no_folder(tmp_path):
    recipe = get_recipe("folder_regression", model="context_encoder", model_arguments={})
    with pytest.raises(
        ValueError, match="an `input_shape` of a height, a width .*'context_encoder' with input_shape=None"
    ):
        TASK.load(recipe, tmp_path)


def test_no_folder_is_read_for_drawn_pictures(tmp_path, capsys):
    assert cli.main(["fit", "drawn_discs", "--data-dir", str(tmp_path), "--output", str(tmp_path / "run")]) == 2
    assert "`data_dir` must not be given for the data set 'drawn_discs'" in capsys.readouterr().err


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_report_has_a_panel_for_each_column(count):
    names = tuple("$abcde"[:count])
    split = greys([0.1, 0.5], np.arange(2.0 * count).reshape(2, count))
    metrics = {"model": "m", "recipe": "r", "parameters": 3, "mean_absolute_error": 0.5}
    metrics["mean_absolute_error_by_column"] = dict.fromkeys(names, 0.5)
    history = [{"epoch": 0.0, "loss": 1.0, "mean_absolute_error": 0.5}]
    figure = Figure(layout="constrained")
    data = LabelledImages(split, split, count, names=names)
    pictures.draw_report(figure, split.labels + 1, data, TASK.curves, history, metrics)
    figure.canvas.draw()
    titles = [axes.get_title() for sub in figure.subfigs for axes in sub.axes if axes.get_title()]
    assert [title.split(":")[0] for title in titles] == list(names)
    shown = [axes.collections[0].get_offsets() for sub in figure.subfigs for axes in sub.axes if axes.get_title()]
    for column, points in enumerate(shown):
        np.testing.assert_allclose(points, np.stack([split.labels[:, column], split.labels[:, column] + 1], axis=1))
    assert pathlib.Path(pictures.__file__).parent.name == "regression"
