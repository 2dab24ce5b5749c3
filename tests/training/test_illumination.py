"""Estimation of the light from end to end, on made-up photographs."""

import dataclasses
import json
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import training_eagerly
from made_up_lights import COUNT, write_colorchecker

from keras_equivariant.metrics import reproduction_angular_error
from training import cli
from training.recipes import get_recipe, list_recipes
from training.tasks.illuminants import evaluation
from training.tasks.illuminants import fit as fitting
from training.tasks.illuminants.baselines import BASELINES, summarise
from training.tasks.illuminants.correct import correct
from training.tasks.illuminants.evaluation import cross_validated_errors, deviation_from_equivariance
from training.tasks.illuminants.fit import fit
from training.tasks.illuminants.images import LitImages
from training.tasks.illuminants.pictures import developed

pytest.importorskip("tensorflow_datasets")
SMALL = {"filters": (3, 3, 3), "bottleneck": 3, "units": 6}


@pytest.fixture(autouse=True)
def only_tensorflow(tensorflow_backend):
    pass


def recipe(name="colorchecker", **changes):
    return get_recipe(name, epochs=2, batch_size=4, model_arguments=SMALL, **changes)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    path = tmp_path_factory.mktemp("data")
    write_colorchecker(path)
    return path


@pytest.fixture(scope="module")
def eager_training():
    with training_eagerly(fitting, "build_estimator"):
        yield


@pytest.fixture(scope="module")
def few_saturations():
    """Tests of trained networks take longer than these trainings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "SATURATIONS", (0.0, 0.5, 0.9))
        yield


@pytest.fixture(scope="module")
def run(data_dir, tmp_path_factory, eager_training, few_saturations):
    run, metrics = fit(recipe(), tmp_path_factory.mktemp("runs") / "light", data_dir=data_dir)
    return run, metrics


@pytest.fixture
def without_files(monkeypatch, few_saturations):
    """Runs without models and pictures, which take longer than these trainings; the models that were to be saved."""
    exported = []
    monkeypatch.setattr(fitting, "export", lambda model, *arguments: exported.append(model) or 0.0)
    monkeypatch.setattr(fitting, "draw_report", lambda *arguments: None)
    return exported


def lit(images, light):
    """Data whose only light is this one."""
    return LitImages((images * light).astype("float32"), np.tile(light, (len(images), 1)), np.zeros(len(images), int))


def test_baselines():
    rng = np.random.default_rng(0)
    grey = rng.uniform(0.2, 0.9, (3, 9, 8, 1)) * np.ones(3)
    grey[:, 4, 4] = 1
    grey[:, :3] = 0
    light = np.array([0.3, 0.8, 0.5])
    data = lit(grey, light)
    seen = (data.images > 0).all(-1)
    expected = {
        "grey-world": grey[:, 3:].mean((1, 2)) * light,
        "max-RGB": np.ones((3, 1)) * light,
        "shades-of-grey": (grey[:, 3:] ** 6).mean((1, 2)) ** (1 / 6) * light,
    }
    assert set(BASELINES) == set(expected)
    for name, estimate in BASELINES.items():
        np.testing.assert_allclose(estimate(data.images, seen), expected[name], rtol=1e-5)


def test_summary():
    errors = np.random.default_rng(0).permutation(np.arange(1.0, 101.0))
    assert summarise(errors) == {
        "median": 50.5,
        "mean": 50.5,
        "trimean": 50.5,
        "best_quarter": 13.0,
        "worst_quarter": 88.0,
    }
    assert summarise(np.array([4.0, 1.0, 10.0, 2.0, 100.0]))["trimean"] == 5.0
    assert summarise(np.array([5.0]))["worst_quarter"] == 5.0


class Constant(keras.layers.Layer):
    """A network that sees one light, whatever the image."""

    def call(self, inputs):
        return keras.ops.ones_like(inputs[:, 0, 0])


class Mean(keras.layers.Layer):
    """A network that follows the light."""

    def call(self, inputs):
        return keras.ops.mean(inputs, axis=(1, 2)) * keras.ops.convert_to_tensor([1.0, 2.0, 1.0])


def network(layer):
    inputs = keras.Input((8, 8, 3))
    return keras.Model(inputs, layer(inputs))


def test_errors_by_saturation():
    images = np.random.default_rng(0).uniform(0.1, 1, (6, 8, 8, 3))
    data = lit(images, np.ones(3))
    data = dataclasses.replace(data, folds=np.array([0, 1, 0, 1, 0, 1]))
    errors = cross_validated_errors([network(Constant()), network(Mean())], data)
    assert list(errors) == ["network", "network_without_dark_pixels", *BASELINES]
    for rows in errors.values():
        assert [float(s) for s in rows] == list(evaluation.SATURATIONS)
    # Of light (1, b, c) with a hue on the hexagon, white is as far off as the error of the estimate `white`.
    lights = data.under(0.9).lights
    white = np.asarray(reproduction_angular_error(lights, np.ones_like(lights)))
    mean = np.asarray(reproduction_angular_error(np.ones((6, 3)), images.mean((1, 2)) * [1, 2, 1]))
    expected = np.where(data.folds == 0, white, mean)
    assert errors["network"]["0.9"]["mean"] == pytest.approx(expected.mean(), rel=1e-4)
    assert errors["network"]["0.9"]["median"] == pytest.approx(np.median(expected), rel=1e-4)
    for name in BASELINES:
        medians = [row["median"] for row in errors[name].values()]
        np.testing.assert_allclose(medians, medians[0], rtol=1e-3, err_msg="follows the light")
    assert deviation_from_equivariance([network(Mean())] * 2, data) < 1e-5
    assert deviation_from_equivariance([network(Constant())] * 2, data) > 0.05


def test_a_run(run, data_dir):
    run, metrics = run
    names = {path.name for path in run.path.iterdir()}
    assert names == {
        "config.json", "metrics.json", "history.csv", "report.png", "model.keras", "saved_model",
        "fold_0", "fold_1", "fold_2",
    }  # fmt: skip
    assert json.loads(run.metrics.read_text()) == metrics
    assert metrics["images"] == COUNT
    assert metrics["median_error"] == metrics["errors"]["network"]["0.0"]["median"]
    assert metrics["equivariance_error"] < 1e-4
    assert max(metrics["keras_difference"], metrics["saved_model_difference"]) < 1e-4
    by_saturation = [row["median"] for row in metrics["errors"]["network"].values()]
    np.testing.assert_allclose(by_saturation, by_saturation[0], atol=0.05, err_msg="nothing clips in these images")
    assert metrics["errors"]["grey-world"]["0.0"]["mean"] < 0.01, "the images are grey but for their light"
    assert run.report.read_bytes().startswith(b"\x89PNG")
    histories = [(run.path / f"fold_{i}" / "history.csv").read_text().splitlines() for i in range(3)]
    assert len({tuple(history) for history in histories}) == 3, "each fold has a training of its own"
    losses = [float(history[1].split(",")[1]) for history in histories]
    assert float(run.history.read_text().splitlines()[1].split(",")[1]) == pytest.approx(np.mean(losses))


def test_the_ordinary_network_does_not_bear_other_lights(data_dir, tmp_path, without_files):
    """In mixed precision here, in which networks only learn."""
    original = recipe("colorchecker_original", precision="mixed_bfloat16")
    _, metrics = fit(original, tmp_path / "light", data_dir=data_dir)
    networks = [without_files[0].get_layer(f"fold_{i}") for i in range(3)]
    assert {layer.dtype_policy.name for network in networks for layer in network.layers} == {"float32"}
    by_saturation = [row["median"] for row in metrics["errors"]["network"].values()]
    assert by_saturation[-1] > by_saturation[0] + 5
    assert metrics["equivariance_error"] > 0.01


def test_an_interrupted_run_goes_on_to_the_same_end(run, data_dir, tmp_path, monkeypatch, without_files):
    whole, metrics = run

    class Killed(Exception):
        pass

    from training.runs.checkpoint import Checkpoint

    save = Checkpoint.on_epoch_end
    calls = []

    def killed(self, epoch, logs=None):
        save(self, epoch, logs)
        calls.append(epoch)
        if len(calls) == 3:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "on_epoch_end", killed)
        with pytest.raises(Killed):
            fit(recipe(), tmp_path / "light", data_dir=data_dir)
    with pytest.raises(ValueError, match="add --resume"):
        fit(recipe(), tmp_path / "light", data_dir=data_dir)
    resumed, again = fit(recipe(), tmp_path / "light", resume=True, data_dir=data_dir)
    assert resumed.history.read_text() == whole.history.read_text()
    assert again["errors"] == metrics["errors"]


@pytest.mark.parametrize("changes, message", [
    ({"model": "no_such_model"}, "Received: name='no_such_model'"),
    ({"preprocessing": "standardise"}, "`preprocessing` must be one of .*'linear'"),
    ({"augmentation": ("paint",)}, "Received: augmentation='paint'"),
])  # fmt: skip
def test_bad_recipes(changes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        fit(recipe(**changes), tmp_path / "light", data_dir=tmp_path)
    assert not (tmp_path / "light").exists()


def test_a_batch_larger_than_the_training_set(data_dir, tmp_path):
    with pytest.raises(ValueError, match="`batch_size` must be at most .* 8. Received: batch_size=9"):
        fit(dataclasses.replace(recipe(), batch_size=9), tmp_path / "light", data_dir=data_dir)


def test_the_recipes():
    names = [name for name in list_recipes() if get_recipe(name).task == "illuminants"]
    assert names == ["colorchecker", "colorchecker_original", "nus", "nus_original"]
    with pytest.raises(ValueError, match="`task` must be one of"):
        recipe(task="painting")


def photograph(path, light=(0.4, 0.8, 0.6), size=(90, 120), encode=tf.io.encode_png, dtype="uint8"):
    grey = np.random.default_rng(0).uniform(0.1, 1, (*size, 1))
    path.write_bytes(encode((np.iinfo(dtype).max * grey * light).astype(dtype)).numpy())
    return path


def test_a_corrected_photograph(run, tmp_path):
    run, _ = run
    path = photograph(tmp_path / "photo.png", dtype="uint16")
    light = correct(run.path, path, tmp_path / "both.png", raw=True)
    other = correct(run.path, photograph(path, (0.8, 0.4, 0.3), dtype="uint16"), tmp_path / "both.png", raw=True)
    ratio = other / light / np.array([0.8 / 0.4, 0.4 / 0.8, 0.3 / 0.6])
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-3, err_msg="the estimate follows the light")
    both = tf.io.decode_png((tmp_path / "both.png").read_bytes()).numpy()
    assert both.shape == (90, 240, 3)
    before, after = both[:, :120].mean((0, 1)), both[:, 120:].mean((0, 1))
    assert before[0] > 1.2 * before[2]
    linear = (0.8, 0.4, 0.3) / other
    assert np.ptp(linear) / linear.mean() < 0.5 or math.isclose(after[0], after[2], rel_tol=0.5)


def test_the_command(run, tmp_path, capsys):
    run, _ = run
    path = photograph(tmp_path / "photo.jpg", encode=tf.io.encode_jpeg)
    assert cli.main(["correct", str(run.path), str(path)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("light ")
    assert sum(map(float, printed[0].split()[1:])) == pytest.approx(3, abs=0.01)
    assert printed[1] == str(tmp_path / "photo-corrected.png")
    assert (tmp_path / "photo-corrected.png").exists()


@pytest.mark.parametrize(
    "write, message",
    [
        (lambda path: path.write_bytes(b"no image"), "must be an image"),
        (lambda path: photograph(path, (0, 0, 0)), "all black"),
        (lambda path: photograph(path, size=(40, 200)), "at least 64 pixels"),
        (lambda path: None, "must be an image"),
    ],
)
def test_bad_photographs(write, message, run, tmp_path, capsys):
    run, _ = run
    write(tmp_path / "photo.png")
    assert cli.main(["correct", str(run.path), str(tmp_path / "photo.png")]) == 2
    error = capsys.readouterr().err
    assert message in error and "photo.png" in error
    assert not (tmp_path / "photo-corrected.png").exists()
    with pytest.raises(ValueError, match="finished run"):
        correct(tmp_path, tmp_path / "photo.png", tmp_path / "out.png")


def test_runs_side_by_side(run, tmp_path, capsys):
    run, _ = run
    assert cli.main(["lights", str(run.path), str(run.path), "--images", "1", "--output", str(tmp_path / "p")]) == 0
    names = ["saturations.png", "corrections.png"]
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / "p" / name) for name in names]
    for name in names:
        assert (tmp_path / "p" / name).read_bytes().startswith(b"\x89PNG")
    assert cli.main(["lights", str(run.path), str(tmp_path), "--output", str(tmp_path / "q")]) == 2
    assert "finished run" in capsys.readouterr().err
    assert not (tmp_path / "q").exists()


def test_the_table_of_runs(run, tmp_path, capsys):
    run, metrics = run
    assert cli.main(["report", str(run.path)]) == 0
    header, _, row = capsys.readouterr().out.splitlines()
    assert "median error (degrees)" in header and "test error" not in header
    assert f" {metrics['median_error']:.2f} |" in row
    assert cli.main(["report", str(run.path), "--output", str(tmp_path / "curves.png")]) == 2
    assert "must be of classifiers" in capsys.readouterr().err


def test_developed():
    image = np.full((4, 4, 3), 0.25) * np.array([0.2, 1.0, 0.6])
    np.testing.assert_allclose(developed(image, np.array([0.2, 1.0, 0.6])), 1, atol=1e-5)
    seen = developed(image, np.ones(3), as_seen=True)
    assert seen[0, 0, 1] == pytest.approx(1, abs=1e-5) and seen[0, 0, 0] < 0.6
