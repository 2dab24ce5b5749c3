import csv
import tracemalloc

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import random_array
from keras_equivariant.training import cli
from keras_equivariant.training.recipes import get_recipe
from keras_equivariant.training.tasks.segmentation import TASK, pictures
from keras_equivariant.training.tasks.segmentation.evaluation import predict_masks
from networks import perfect
from PIL import Image
from runs import finished_run

from keras_equivariant import zoo

pytestmark = pytest.mark.usefixtures("tensorflow_backend")
SMALL = {"filters": 2, "depth": 2, "classes": 3}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    finished_run(folder, "drawn_cells", model_arguments={"input_shape": (64, 64, 1), **SMALL})
    fixed = keras.models.load_model(folder / "model.keras")
    free = zoo.create("p4m_unet", input_shape=(None, None, 1), **SMALL)
    free.set_weights([weight * (-1) ** i for i, weight in enumerate(fixed.get_weights())])
    for layer in free.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([abs(weight) + 0.1 for weight in layer.get_weights()])
    free.save(folder / "model.keras")
    (folder / "labels.json").write_text('["background", "cell"]')
    return folder


def test_predictions_as_files(run, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    rng = np.random.default_rng(0)
    for name, size in (("a.png", (70, 90)), ("b.jpg", (41, 67))):
        Image.fromarray(rng.integers(0, 256, (*size, 3), "uint8")).save(tmp_path / "in" / name)
    out = tmp_path / "out"
    assert cli.main(["predict", str(run), str(tmp_path / "in"), "--output", str(out)]) == 0, capsys.readouterr().err
    rows = list(csv.DictReader((out / "predictions.csv").read_text().splitlines()))
    table = list(csv.DictReader((out / "objects.csv").read_text().splitlines()))
    for row, size in zip(rows, [(70, 90), (41, 67)], strict=True):
        mask = tf.io.decode_png((out / row["mask"]).read_bytes(), dtype=tf.uint16).numpy()[..., 0]
        with Image.open(out / row["mask"]) as file, Image.open(out / row["picture"]) as shown:
            assert file.mode.startswith("I") and shown.mode == "RGB"  # 16 bits, and 8 bits of each colour
            assert mask.shape == size == shown.size[::-1]
        assert mask.max() == int(row["objects"])
        assert float(row["cell"]) == pytest.approx(1 - float(row["background"]))
        mine = [found for found in table if found["file"] == row["file"]]
        assert [int(found["label"]) for found in mine] == list(range(1, mask.max() + 1))
        for found in mine:
            ys, xs = np.nonzero(mask == int(found["label"]))
            assert len(ys) == int(found["area"]) >= 5
            assert (float(found["x"]), float(found["y"])) == pytest.approx((xs.mean(), ys.mean()), abs=0.01)


def test_pictures_in_bytes_are_those_between_0_and_1(run):
    from keras_equivariant.training.runs.finished import load_run

    loaded = load_run(run)
    image = np.random.default_rng(0).integers(0, 256, (40, 52, 1), "uint8")
    image = np.broadcast_to(image, (40, 52, 3))
    said, expected = (
        loaded.task.predict(loaded.model, pixels, loaded.preprocess, loaded.labels)
        for pixels in (image, image / np.float32(255))
    )
    assert said.text == expected.text and said.mask.max() > 0
    for name in ("mask", "picture"):
        np.testing.assert_array_equal(getattr(said, name), getattr(expected, name))


@pytest.mark.parametrize("classes, most", [(3, 12), (2, 9)])
def test_memory_for_a_large_picture(classes, most, monkeypatch):
    """Bytes for each pixel beside the picture: as floats it would be 12 more, counted in integers of 64 bits 8."""
    monkeypatch.setattr(pictures, "_PIXELS", 2**15)
    side = 2400
    image = np.zeros((side, side, 1), "uint8")
    image.reshape(20, 120, 20, 120)[:, :80, :, :60] = 200
    image = np.broadcast_to(image, (side, side, 3))
    tracemalloc.start()
    try:
        said = TASK.predict(perfect(classes), image, None, ["background", "cell"])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert said.mask.max() == (20**2 if classes == 3 else 1)
    assert peak < most * side * side


def test_progress_is_shown_for_large_pictures(run, monkeypatch, capsys):
    from keras_equivariant.training.runs.finished import load_run
    from keras_equivariant.training.tasks import segmentation

    monkeypatch.setattr(segmentation, "_LARGE", 100)
    loaded = load_run(run)
    image = np.random.default_rng(0).uniform(size=(20, 20, 3)).astype("float32")
    loaded.task.predict(loaded.model, image, loaded.preprocess, loaded.labels)
    assert "100% of the picture" in capsys.readouterr().err


def test_classes_instead_of_objects():
    classes, found = predict_masks(perfect(2), random_array(10, 12, 1), None, False)
    assert found is None and classes.dtype == np.uint8
    model = perfect(2)
    said = TASK.predict(model, np.full((9, 7, 3), 0.9, "float32"), None, ["background", "bright"])
    assert said.text == "bright 100%" and said.values["bright"] == 1 and not said.objects
    np.testing.assert_array_equal(said.mask, np.ones((9, 7)))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"dataset": "digits"}, "`dataset` must be one of .*Received: dataset='digits'"),
        ({"model_arguments": {}}, "`model_arguments` must name `input_shape`, the height and width of a crop"),
        ({"distribution": "mirrored"}, "`distribution` must be one of"),
    ],
)
def test_recipes_that_do_not_fit(changes, message):
    with pytest.raises(ValueError, match=message):
        TASK.check(get_recipe("drawn_cells", **changes))
