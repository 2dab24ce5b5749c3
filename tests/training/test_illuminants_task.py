"""Estimation of the light: what is its own; what all tasks must do is in `test_tasks.py`."""

import dataclasses

import keras
import numpy as np
import pytest
from keras_equivariant.training.runs.fit import build, fit
from keras_equivariant.training.tasks import get_task
from keras_equivariant.training.tasks.illuminants import evaluation
from keras_equivariant.training.tasks.illuminants.baselines import BASELINES, summarise
from keras_equivariant.training.tasks.illuminants.evaluation import cross_validated_errors, deviation_from_equivariance
from keras_equivariant.training.tasks.illuminants.images import LitImages
from keras_equivariant.training.tasks.illuminants.pictures import developed, draw_report
from made_up_lights import COUNT, write_colorchecker
from matplotlib.figure import Figure
from small_tasks import quickly, small_recipe, without_files

from keras_equivariant.layers import ApplyGamma
from keras_equivariant.metrics import reproduction_angular_error

pytest.importorskip("tensorflow_datasets")
pytestmark = pytest.mark.usefixtures("tensorflow_backend")
FOLDS = 2  # of three: so many are trained


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
    with quickly():
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
    with quickly():
        assert deviation_from_equivariance([network(Mean())] * 2, data) < 1e-5
        assert deviation_from_equivariance([network(Constant())] * 2, data) > 0.05


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    path = tmp_path_factory.mktemp("data")
    write_colorchecker(path)
    return path


def test_a_network_for_each_fold(data_dir, tmp_path):
    with quickly("illuminants"), without_files() as exported:
        run, metrics = fit(small_recipe("illuminants", "colorchecker", epochs=1), tmp_path / "light", data_dir=data_dir)
    assert metrics["images"] == COUNT * FOLDS // 3
    assert metrics["median_error"] == metrics["errors"]["network"]["0.0"]["median"]
    assert metrics["equivariance_error"] < 1e-4
    by_saturation = [row["median"] for row in metrics["errors"]["network"].values()]
    np.testing.assert_allclose(by_saturation, by_saturation[0], atol=0.05, err_msg="nothing clips in these images")
    assert metrics["errors"]["grey-world"]["0.0"]["mean"] < 0.01, "the images are grey but for their light"
    histories = [(run.path / f"fold_{i}" / "history.csv").read_text().splitlines() for i in range(FOLDS)]
    assert len({tuple(history) for history in histories}) == FOLDS, "each fold has a training of its own"
    losses = [float(history[1].split(",")[1]) for history in histories]
    assert float(run.history.read_text().splitlines()[1].split(",")[1]) == pytest.approx(np.mean(losses))
    model = exported[0]
    images = np.random.default_rng(0).uniform(0.1, 1, (3, *model.input_shape[1:])).astype("float32")
    estimates = [np.asarray(model.get_layer(f"fold_{i}")(images)) for i in range(FOLDS)]
    np.testing.assert_allclose(model(images), np.mean(estimates, axis=0), rtol=1e-5)


@pytest.mark.parametrize("name", ["keras_equivariant>ReproductionAngularErrorLoss", "MeanSquaredError"])
def test_the_loss_of_the_recipe_is_compiled(name, data_dir):
    recipe = small_recipe("illuminants", "colorchecker", loss={"class_name": name, "config": {}})
    task = get_task("illuminants")
    data = task.load(recipe, data_dir)
    network, model = build(task, recipe, data, task.parts(data)[0])
    images, lights = task.examples(data, 4)
    estimates = np.asarray(network(images))
    expected = np.mean(reproduction_angular_error(lights.astype("float32"), estimates))
    expected = expected if "Angular" in name else np.mean((lights - estimates) ** 2)
    found = model.test_on_batch(images, lights)
    assert float(np.ravel(found)[0]) == pytest.approx(expected, rel=1e-3)


def test_the_ordinary_network_does_not_bear_other_lights(data_dir, tmp_path):
    """In mixed precision here, in which networks only learn."""
    original = small_recipe("illuminants", "colorchecker_original", precision="mixed_bfloat16", epochs=1)
    with quickly("illuminants"), without_files() as exported:
        _, metrics = fit(original, tmp_path / "light", data_dir=data_dir)
    networks = [exported[0].get_layer(f"fold_{i}") for i in range(FOLDS)]
    assert {layer.dtype_policy.name for network in networks for layer in network.layers} == {"float32"}
    by_saturation = [row["median"] for row in metrics["errors"]["network"].values()]
    assert by_saturation[-1] > by_saturation[0] + 5
    assert metrics["equivariance_error"] > 0.01


def test_the_report_draws_medians():
    images = np.random.default_rng(0).uniform(0.1, 1, (6, 8, 8, 3))
    data = lit(images, np.ones(3))
    rows = {"0.0": {"median": 2.0, "mean": 20.0}, "0.9": {"median": 3.0, "mean": 30.0}}
    other = {"0.0": {"median": 5.0, "mean": 50.0}, "0.9": {"median": 6.0, "mean": 60.0}}
    metrics = {"model": "m", "recipe": "r", "median_error": 2.0, "parameters": 1}
    metrics["errors"] = {"network": rows, "network_without_dark_pixels": other, "grey-world": other}
    history = [{"epoch": 0, "loss": 9.0}, {"epoch": 1, "loss": 4.0}]
    figure = Figure()
    draw_report(figure, [network(Mean())], data, history, metrics)
    (errors,) = [axes for axes in figure.axes if "median error" in axes.get_ylabel()]
    lines = {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in errors.get_lines()}
    assert lines == {
        "network": ([0.0, 0.9], [2.0, 3.0]),
        "network without dark pixels": ([0.0, 0.9], [5.0, 6.0]),
        "grey-world": ([0.0, 0.9], [5.0, 6.0]),
    }
    side_by_side = get_task("illuminants").by_saturation("mine", metrics)
    assert side_by_side == {
        "mine": {"0.0": 2.0, "0.9": 3.0},
        "mine, without dark pixels": {"0.0": 5.0, "0.9": 6.0},
        "grey-world": {"0.0": 5.0, "0.9": 6.0},
    }


def photograph(light, size=(90, 120)):
    """A grey photograph under a light, in linear RGB and in sRGB; nothing in it is clipped when the light goes."""
    grey = np.random.default_rng(0).uniform(0.1, 0.5, (*size, 1))
    linear = (grey * light).astype("float32")
    return linear, np.asarray(ApplyGamma()(linear))


@pytest.mark.parametrize("light", [(0.4, 0.8, 0.6), (1.0, 0.7, 0.2), (0.5, 0.5, 0.5)])
def test_a_corrected_photograph(light):
    linear, image = photograph(light)
    model = network(keras.layers.GlobalAveragePooling2D())
    prediction = get_task("illuminants").predict(model, image, None, None)
    found = np.array([prediction.values[colour] for colour in ("red", "green", "blue")])
    np.testing.assert_allclose(found, np.array(light) / np.mean(light), rtol=2e-3, err_msg="the light, its mean one")
    assert prediction.values["prediction"] == " ".join(f"{value:.3f}" for value in found)
    expected = np.asarray(ApplyGamma()((linear / found).astype("float32")))
    np.testing.assert_allclose(prediction.picture, expected, atol=1 / 255)
    assert np.ptp(prediction.picture, axis=-1).max() < 1 / 255, "grey again"
    assert np.ptp(image, axis=-1).max() > 0.1 or np.ptp(light) == 0


def test_the_estimate_follows_the_light():
    model = network(Mean())
    found = []
    for light in ((0.4, 0.8, 0.6), (0.8, 0.4, 0.3)):
        values = get_task("illuminants").predict(model, photograph(light)[1], None, None).values
        found.append(np.array([values[colour] for colour in ("red", "green", "blue")]) / light)
    ratio = found[0] / found[1]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-3)


@pytest.mark.parametrize(
    "image, message",
    [(np.zeros((90, 120, 3), "float32"), "all black"), (np.ones((7, 200, 3), "float32"), "at least 8 pixels")],
)
def test_photographs_without_an_answer(image, message):
    with pytest.raises(ValueError, match=message):
        get_task("illuminants").predict(network(Mean()), image, None, None)
    dark = network(keras.layers.Lambda(lambda x: 0 * x[:, 0, 0]))
    with pytest.raises(ValueError, match="must be positive"):
        get_task("illuminants").predict(dark, np.ones((9, 9, 3), "float32"), None, None)


def test_developed():
    image = np.full((4, 4, 3), 0.25) * np.array([0.2, 1.0, 0.6])
    np.testing.assert_allclose(developed(image, np.array([0.2, 1.0, 0.6])), 1, atol=1e-5)
    seen = developed(image, np.ones(3), as_seen=True)
    assert seen[0, 0, 1] == pytest.approx(1, abs=1e-5) and seen[0, 0, 0] < 0.6
