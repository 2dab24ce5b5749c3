"""Runs made in Python on arrays of one's own: what they need is in their folder."""

import json

import numpy as np
import pytest
from keras_equivariant.training import cli, fit, get_recipe
from keras_equivariant.training.data.images import LabelledImages, Split, load_images, save_images
from PIL import Image
from small_tasks import quickly

pytestmark = pytest.mark.usefixtures("tensorflow_backend")


def split(count, seed, dtype="uint8"):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count)
    images = rng.integers(0, 80, (count, 8, 8, 1)) + 80 * labels[:, None, None, None]
    return Split(images.astype("uint8") if dtype == "uint8" else (images / 255).astype(dtype), labels)


DATA = LabelledImages(split(40, 0), split(12, 1), 3, split(9, 2), ("dark", "grey", "ü"))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("arrays") / "run"
    recipe = get_recipe(
        "rotated_digits",
        dataset="mine",
        model="small",
        model_arguments={"input_shape": (8, 8, 1), "classes": 3, "filters": (4,), "features": 4},
        epochs=1,
        batch_size=10,
        augmentation=(),
        validation=0,
        evaluation="plain",
    )
    with quickly():
        fit(recipe, str(path), data=DATA)
    return path


def test_the_commands_find_the_images_in_the_run(run, tmp_path, capsys):
    expected = json.loads((run / "metrics.json").read_text())["test_error"]
    assert cli.main(["evaluate", str(run)]) == 0
    assert f"{expected:.2f}" in capsys.readouterr().out
    how = ["--format", "keras", "--preprocessing", "inside", "--output", str(tmp_path / "model.keras")]
    assert cli.main(["export", str(run), *how]) == 0
    assert json.loads((tmp_path / "labels.json").read_text()) == ["dark", "grey", "ü"]
    Image.fromarray(DATA.test.images[0, ..., 0]).save(tmp_path / "a.png")
    assert cli.main(["predict", str(run), str(tmp_path / "a.png"), "--output", str(tmp_path / "said")]) == 0
    assert cli.main(["evaluate", str(run), "--data-dir", str(tmp_path)]) == 2
    assert "`data_dir` must not be given for a run with its images in images.npz" in capsys.readouterr().err


@pytest.mark.parametrize("validation", [None, split(5, 3, "float32")])
def test_images_come_back_as_they_were(tmp_path, validation):
    data = LabelledImages(split(7, 4, "float32"), split(3, 5, "float32"), 3, validation, ())
    save_images(tmp_path / "images.npz", data)
    found = load_images(tmp_path / "images.npz")
    assert (found.classes, found.names) == (3, ()) and (found.validation is None) == (validation is None)
    for name in ("train", "test", *(["validation"] if validation else [])):
        for key in ("images", "labels"):
            one, other = (getattr(getattr(x, name), key) for x in (data, found))
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)


def test_damaged_images_are_told(tmp_path):
    save_images(tmp_path / "images.npz", DATA)
    content = (tmp_path / "images.npz").read_bytes()
    (tmp_path / "images.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"images.npz is damaged \("):
        load_images(tmp_path / "images.npz")
