"""What every task must do, from the recipe to the export; and a task of one's own, from registering it on."""

import dataclasses
import shutil

import keras
import numpy as np
import pytest
from keras_equivariant.training import tasks
from keras_equivariant.training.files import read_json
from keras_equivariant.training.recipes import Recipe
from keras_equivariant.training.runs import fit as fitting
from keras_equivariant.training.runs.export import export_run
from keras_equivariant.training.runs.finished import load_run
from keras_equivariant.training.runs.fit import fit
from keras_equivariant.training.tasks import get_task, list_tasks, register_task
from keras_equivariant.training.tasks.task import Curve, Figure, Part, Prediction, Task
from keras_equivariant.zoo import registry
from small_tasks import SMALL, killed_after, quickly, small_recipe, without_files

from keras_equivariant import zoo

pytest.importorskip("tensorflow_datasets")
pytestmark = pytest.mark.usefixtures("tensorflow_backend")
FIELDS = {"augmentation": ("flip",), "evaluation": "rotations", "validation": 3}


def close(found, expected):
    """Whether two sets of metrics agree, whatever they are made of."""
    if isinstance(expected, dict):
        return set(found) == set(expected) and all(close(found[key], expected[key]) for key in expected)
    if isinstance(expected, str):
        return found == expected
    return found == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_every_task_has_a_small_recipe():
    missing = [name for name in list_tasks() if name not in SMALL]
    assert not missing, f"add a small recipe to tests/small_tasks.py for {missing}"


@pytest.fixture(scope="module", params=list(SMALL))
def name(request):
    return request.param


@pytest.fixture(scope="module")
def data_dir(name, tmp_path_factory):
    path = tmp_path_factory.mktemp("data")
    SMALL[name].write(path)
    return str(path)


@pytest.fixture(scope="module")
def run(name, data_dir, tmp_path_factory):
    """A run of two epochs: its folder, its metrics and the figure of its report."""
    figures, save = [], fitting.save_figure
    with pytest.MonkeyPatch.context() as patch, quickly(name, saved_models=True):
        patch.setattr(fitting, "save_figure", lambda figure, path: figures.append(figure) or save(figure, path))
        folder, metrics = fit(small_recipe(name), tmp_path_factory.mktemp("runs") / "run", data_dir=data_dir)
        yield folder, metrics, figures


@pytest.fixture(scope="module")
def loaded(run):
    return load_run(run[0].path)


def test_the_folder_is_complete(name, run, loaded):
    folder, metrics, _ = run
    task, data = loaded.task, loaded.load_data()
    expected = {"config.json", "metrics.json", "history.csv", "report.png", "model.keras", "saved_model"}
    expected |= {"labels.json"} if task.labels(data) else set()
    expected |= {"preprocessing.npz"} if loaded.preprocess else set()
    trained = {"checkpoint.npz", "tensorboard", "history.csv"}
    for part in task.parts(data):
        expected |= {part.name} if part.name else trained
        assert trained <= {path.name for path in (folder.path / part.name).iterdir()}
    assert {path.name for path in folder.path.iterdir()} == expected
    assert read_json(folder.metrics) == metrics
    assert list(task.figures)[0] in metrics and metrics["epochs"] == 2
    assert max(metrics["keras_difference"], metrics["saved_model_difference"]) < 1e-4
    header, *rows = folder.history.read_text().splitlines()
    assert {"epoch", "loss", *(curve.column for curve in task.curves)} <= set(header.split(","))
    assert [row.split(",")[0] for row in rows] == ["0", "1"]
    assert loaded.labels == task.labels(data)


def test_the_report_shows_the_training(run, loaded):
    folder, metrics, (figure,) = run
    assert folder.report.read_bytes().startswith(b"\x89PNG")
    header, *rows = [line.split(",") for line in folder.history.read_text().splitlines()]
    curve = loaded.task.curves[0]
    expected = [curve.value(float(row[header.index(curve.column)])) for row in rows]
    lines = [line for axes in figure.axes for line in axes.get_lines()]
    assert any(list(line.get_xdata()) == [1, 2] and np.allclose(line.get_ydata(), expected) for line in lines)


def test_a_finished_run_is_tested_again(run, loaded):
    again = loaded.evaluate()
    assert again and close(again, {key: run[1][key] for key in again})


def test_a_killed_run_goes_on_to_the_same_end(name, run, loaded, data_dir, tmp_path):
    folder, expected, _ = run
    parts = len(loaded.task.parts(loaded.load_data()))
    with without_files():
        with killed_after(2 * parts - 1):  # in the middle of the last part
            fit(small_recipe(name), tmp_path / "run", data_dir=data_dir)
        assert not (tmp_path / "run" / "metrics.json").exists()
        with pytest.raises(ValueError, match="add --resume"):
            fit(small_recipe(name), tmp_path / "run", data_dir=data_dir)
        resumed, metrics = fit(small_recipe(name), tmp_path / "run", resume=True, data_dir=data_dir)
    assert resumed.history.read_text() == folder.history.read_text()
    timed = {"fit_seconds", "keras_difference", "saved_model_difference"}
    assert {k: v for k, v in metrics.items() if k not in timed} == {k: expected[k] for k in metrics if k not in timed}


def test_a_finished_run_goes_on_with_more_epochs(name, run, data_dir, tmp_path):
    shutil.copytree(run[0].path, tmp_path / "run")
    before = run[0].history.read_text()
    with without_files():
        longer, metrics = fit(small_recipe(name, epochs=3), tmp_path / "run", resume=True, data_dir=data_dir)
        assert longer.history.read_text().startswith(before) and metrics["epochs"] == 3
        with pytest.raises(ValueError, match="`epochs` must be above those of the finished run, 3"):
            fit(small_recipe(name), tmp_path / "run", resume=True, data_dir=data_dir)


@pytest.mark.parametrize(
    "file, arguments",
    [
        ("m.keras", {"file_format": "keras"}),
        ("m.keras", {"file_format": "keras", "planar": True}),
        ("m", {"file_format": "saved_model", "preprocessing": "inside"}),
    ],
)
def test_exports(run, file, arguments, tmp_path):
    assert export_run(run[0].path, tmp_path / file, **arguments)["difference"] < 1e-4
    assert (tmp_path / file).exists()


def test_a_prediction(loaded):
    image = np.random.default_rng(0).uniform(0.2, 1, (150, 140, 3)).astype("float32")
    prediction = loaded.task.predict(loaded.model, image, loaded.preprocess, loaded.labels)
    assert prediction.text and prediction.values and not {"file", "picture"} & set(prediction.values)
    if prediction.picture is not None:
        assert prediction.picture.shape[2] == 3
        largest = 255 if prediction.picture.dtype == np.uint8 else 1
        assert 0 <= prediction.picture.min() and prediction.picture.max() <= largest


def test_what_a_task_does_not_read_must_stay_as_it_is(name, tmp_path):
    for field in sorted(FIELDS.keys() - get_task(name).reads):
        message = f"`{field}` must be .* for the task '{name}', which does not read it. Received: {field}="
        with pytest.raises(ValueError, match=message):
            fit(small_recipe(name, **{field: FIELDS[field]}), tmp_path / "run", data_dir=tmp_path)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"model": "no_such_model"}, "Received: name='no_such_model'"),
        ({"preprocessing": "melt"}, "`preprocessing` must be one of .*Received: preprocessing='melt'"),
        ({"augmentation": ("paint",)}, "`augmentation` must be .*paint"),
        ({"distribution": "jax"}, "`distribution` must .*Received: distribution='jax'"),
        ({"batch_size": 10_000}, "`batch_size` must be at most the number of training images.*batch_size=10000"),
    ],
)
def test_bad_recipes_leave_no_folder(name, data_dir, changes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        fit(small_recipe(name, **changes), tmp_path / "run", data_dir=data_dir)
    assert not (tmp_path / "run").exists()


def pixelwise(filters=4):
    inputs = keras.Input((16, 16, 1))
    x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(inputs)
    return keras.Model(inputs, keras.layers.Conv2D(1, 1, activation="sigmoid")(x))


class BrightParts(Task):
    """Where an image is brighter than a half: the task of someone else, with all that it has to say."""

    name = "bright_parts"
    preprocessings = ("in_the_network",)
    figures = {"mask_error": Figure("wrong pixels (%)")}
    curves = (Curve("loss", "cross-entropy"),)

    def load(self, recipe, data_dir):
        images = np.random.default_rng(0).uniform(size=(24, 16, 16, 1)).astype("float32")
        return images, (images > 0.5).astype("float32")

    def parts(self, data):
        return [Part("", data[0])]

    def network(self, recipe, data, name):
        return zoo.create(recipe.model, **recipe.model_arguments)

    def batches(self, recipe, part, preprocess, epoch, workers=(1, 0)):
        import tensorflow as tf

        batches = tf.data.Dataset.from_tensor_slices((part.train, (part.train > 0.5).astype("float32")))
        return batches.batch(recipe.batch_size, drop_remainder=True).repeat()

    def examples(self, data, count, split="test"):
        return data[0][:count], data[1][:count]

    def evaluate(self, recipe, model, data, preprocess):
        return {"mask_error": self.error(model.predict(data[0], verbose=0), data[1])}

    def draw(self, figure, model, data, preprocess, history, metrics):
        figure.subplots().imshow(model.predict(data[0][:1], verbose=0)[0, ..., 0])

    def predict(self, model, image, preprocess, labels):
        mask = np.asarray(model(image[None, :16, :16, :1]))[0]
        share = float((mask > 0.5).mean())
        return Prediction(f"{share:.0%} bright", {"prediction": share}, np.repeat(mask, 3, axis=-1))

    def error(self, outputs, targets):
        return float(100 * np.mean((outputs > 0.5) != (targets > 0.5)))


def test_a_task_of_one_s_own(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "_BUILDERS", {**registry._BUILDERS, "pixelwise": pixelwise})
    monkeypatch.setattr(tasks, "_OWN", {})
    task = BrightParts()
    register_task(task)
    register_task(task)
    assert list_tasks()[-1] == "bright_parts" and get_task("bright_parts") is task
    with pytest.raises(ValueError, match="must not take the name of another one. Received: 'bright_parts'"):
        register_task(BrightParts())
    recipe = Recipe(
        name="bright",
        description="Finds the bright parts",
        model="pixelwise",
        dataset="made_up",
        epochs=3,
        batch_size=8,
        optimizer={"class_name": "Adam", "config": {"learning_rate": 0.02}},
        loss={"class_name": "BinaryCrossentropy", "config": {}},
        preprocessing="in_the_network",
        task="bright_parts",
    )
    with quickly():
        run, metrics = fit(recipe, tmp_path / "run")
    found = load_run(run.path)
    assert found.evaluate()["mask_error"] == metrics["mask_error"] < 60
    assert export_run(run.path, tmp_path / "m.keras", "keras")["difference"] < 1e-5
    image = np.random.default_rng(1).uniform(size=(20, 20, 3)).astype("float32")
    assert found.task.predict(found.model, image, found.preprocess, found.labels).text.endswith("bright")
    with pytest.raises(ValueError, match="`augmentation` must be .*'bright_parts', which does not read it"):
        fit(dataclasses.replace(recipe, augmentation=("flip",)), tmp_path / "never")
    monkeypatch.setattr(BrightParts, "preprocessings", ("standardise",))
    with pytest.raises(ValueError, match="exactly where the task fits one.*Received: preprocessing='standardise'"):
        fit(dataclasses.replace(recipe, preprocessing="standardise"), tmp_path / "never")
    assert not (tmp_path / "never").exists()
