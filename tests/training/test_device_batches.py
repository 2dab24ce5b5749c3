"""Batches without TensorFlow: the same transforms, of the same distribution; whole runs where it is not installed."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import ROOT, random_array
from keras_equivariant.training.data import digits
from keras_equivariant.training.data.arrays import load, path_of
from keras_equivariant.training.data.images import Split
from keras_equivariant.training.input import augmentations, batches, device, device_augmentations
from keras_equivariant.training.input.device import TrainingBatches
from keras_equivariant.training.input.device_augmentations import get_device_augmentation, list_device_augmentations
from keras_equivariant.training.input.preprocessing import Standardise, Unchanged, fit_preprocessing

pytestmark = pytest.mark.usefixtures("tensorflow_backend")
PREPROCESS = Standardise(mean=0.4, deviation=0.5)
PREPROCESSINGS = ["standardise", "log_rgb", "contrast_zca", "grey_world", "shades_of_grey"]


def small_split(count=23, dtype="float32", size=8):
    """Each label is the number of its image."""
    images = np.random.default_rng(0).uniform(0, 255, (count, size, size, 3))
    images = images.astype("uint8") if dtype == "uint8" else (images / 255).astype("float32")
    return Split(images, np.arange(count, dtype="int32"))


def array(x):
    return keras.ops.convert_to_numpy(x)


def epoch(split, number=0, augmentation=("rotate",), batch_size=5, **options):
    """All batches of an epoch, put together."""
    data = TrainingBatches(split, PREPROCESS, augmentation, batch_size, 3, number, **options)
    steps = options.get("steps") or len(split) // batch_size
    images, labels = zip(*(data[i] for i in range(steps)), strict=True)
    return np.concatenate([array(x) for x in images]), np.concatenate(labels)


@pytest.mark.parametrize("size", [(8, 8), (9, 7)])
@pytest.mark.parametrize("name", list_device_augmentations())
def test_equal_parameters_make_equal_images(name, size):
    if name == "square_symmetries" and size[0] != size[1]:
        pytest.skip("only squares are transposed")
    images = np.random.default_rng(1).uniform(size=(40, *size, 3)).astype("float32")
    background = 0.0 if name == "colour_jitter" else np.array([-0.3, 0.1, 0.7], "float32")
    ours = get_device_augmentation(name)
    drawn = ours.draw(np.random.default_rng(2), 40)
    expected = augmentations.get_augmentation(name).apply(tf.constant(images), tf.constant(drawn), background)
    np.testing.assert_allclose(array(ours.apply(images, drawn, background)), expected, atol=2e-5)


def test_grey_and_black_pixels_survive_the_jitter():
    images = np.array([[[[0.0, 0, 0], [0.5, 0.5, 0.5], [1, 1, 1], [1, 0, 0]]]], "float32")
    neutral = np.array([[1, 1, 1, 0.0]], "float32")
    np.testing.assert_allclose(array(device_augmentations.jitter(images, neutral)), images, atol=1e-6)


@pytest.mark.parametrize("name", list_device_augmentations())
def test_drawn_as_in_tensorflow(name):
    """Means and deviations of each parameter over many images; that these decide the images is tested above."""
    count = 20_000
    ours = get_device_augmentation(name).draw(np.random.default_rng(0), count).reshape(count, -1)
    theirs = augmentations.get_augmentation(name).draw(tf.constant([1, 2], tf.int64), count)
    theirs = np.asarray(theirs).reshape(count, -1)
    assert ours.shape == theirs.shape
    deviation = theirs.std(axis=0)
    np.testing.assert_allclose(ours.mean(axis=0), theirs.mean(axis=0), atol=(0.05 * deviation).max())
    np.testing.assert_allclose(ours.std(axis=0), deviation, rtol=0.03)
    np.testing.assert_allclose([ours.min(), ours.max()], [theirs.min(), theirs.max()], atol=2e-3)


def test_an_epoch_shows_each_image_once_in_a_new_order():
    split = small_split(20)
    labels = [epoch(split, number)[1] for number in (0, 1)]
    for found in labels:
        assert sorted(found) == list(range(20))
    assert list(labels[0]) != list(labels[1])


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize("name", list_device_augmentations())
def test_what_an_image_looks_like_depends_on_seed_epoch_and_index_alone(name, dtype):
    split = small_split(20, dtype)
    images, labels = epoch(split, 1, (name,))
    later = TrainingBatches(split, PREPROCESS, (name,), 5, 3)
    np.testing.assert_array_equal(array(later[4][0]), images[:5], "the fifth batch begins the second epoch")
    of_two, in_twos = epoch(split, 1, (name,), 2)
    np.testing.assert_allclose(of_two[np.argsort(in_twos)], images[np.argsort(labels)], atol=1e-6)


def test_preprocessing_comes_after_colours_and_before_the_rest():
    split = small_split(10, "uint8")
    plain, labels = epoch(split, 0, ())
    np.testing.assert_allclose(plain, (split.images[labels] / 255 - 0.4) / 0.5, atol=1e-5)
    config = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0}
    same, again = epoch(split, 0, ({"class_name": "colour_jitter", "config": config},))
    np.testing.assert_allclose(same[np.argsort(again)], plain[np.argsort(labels)], atol=1e-5)
    shifted, _ = epoch(split, 0, ("shift_and_flip",))
    assert (shifted == 0).any(), "0 is the mean of preprocessed images"


def test_images_that_do_not_fit_on_the_device_stay_on_the_host(monkeypatch):
    split = small_split(20)
    expected = epoch(split)
    monkeypatch.setattr(device, "ON_DEVICE", 10)
    assert isinstance(TrainingBatches(split, PREPROCESS, (), 5, 0).images, np.ndarray)
    for found, wanted in zip(epoch(split), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_workers_share_the_batches():
    split = small_split(23)
    whole = TrainingBatches(split, PREPROCESS, ("rotate",), 6, 0)
    parts = [TrainingBatches(split, PREPROCESS, ("rotate",), 6, 0, workers=(2, i)) for i in (0, 1)]
    for i in range(5):
        for k in (0, 1):
            together = np.concatenate([array(part[i][k]) for part in parts])
            np.testing.assert_allclose(together, array(whole[i][k]), atol=1e-6)
    with pytest.raises(ValueError, match="multiple of the number of processes"):
        TrainingBatches(split, PREPROCESS, (), 5, 0, workers=(2, 0))


def test_shorter_epochs():
    split = small_split(20)
    labels = [epoch(split, number, steps=2)[1] for number in (0, 1)]
    assert len(labels[0]) == 10 and set(labels[0]) != set(labels[1])
    np.testing.assert_array_equal(TrainingBatches(split, PREPROCESS, (), 5, 3, steps=2)[2][1], labels[1][:5])


def test_test_batches_are_those_of_tensorflow(monkeypatch):
    split = small_split(23, "uint8")
    makers = {
        "plain": lambda: batches.test_batches(split, PREPROCESS, 10),
        "rotated": lambda: batches.rotated_batches(split, PREPROCESS, 10),
        "lit": lambda: batches.lit_batches(split, PREPROCESS, 10, 0.7),
    }
    expected = {name: list(make()) for name, make in makers.items()}
    monkeypatch.setattr(batches, "in_tf_data", lambda split=None: False)
    for name, make in makers.items():
        found = batches.once(split, make())
        for _ in range(2):
            assert len(expected[name]) == found.num_batches
            for (x, y), (images, labels) in zip(found, expected[name], strict=True):
                np.testing.assert_allclose(array(x), images, atol=2e-5)
                np.testing.assert_array_equal(y, labels)


def test_the_choice(monkeypatch):
    split = small_split()
    assert batches.in_tf_data(split)
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    assert not batches.in_tf_data(split)
    assert batches.in_tf_data(type("Streamed", (), {"in_memory": False})())
    with pytest.raises(ValueError, match="`augmentation` must be among .*Received: augmentation='melt'"):
        batches.check_augmentation("melt")
    batches.check_augmentation("random_crop")


def write_arrays(folder, count=40):
    rng = np.random.default_rng(0)
    images = {f"x_{part}": rng.integers(0, 256, (count, 32, 32, 3), dtype="uint8") for part in ("train", "test")}
    labels = {f"y_{part}": np.arange(count, dtype="uint8") % 10 for part in ("train", "test")}
    np.savez(folder / "cifar10.npz", **images, **labels)


def test_arrays_in_a_file(tmp_path):
    assert path_of("cifar10", None) is None and path_of("cifar10", str(tmp_path)) is None
    write_arrays(tmp_path)
    data = load("cifar10", path_of("cifar10", str(tmp_path)))
    assert data.train.images.shape == (40, 32, 32, 3) and data.classes == 10 and data.names[3] == "cat"
    assert data.test.labels.dtype == np.int32
    (tmp_path / "mnist.npz").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="must hold x_train.*Received: .*mnist.npz"):
        load("mnist", tmp_path / "mnist.npz")
    np.savez(tmp_path / "mnist.npz", x_train=np.zeros((3, 28, 28), "uint8"), y_train=np.zeros(2))
    with pytest.raises(ValueError, match=r"images uint8 \(3, 28, 28\), labels float64 \(2,\)"):
        load("mnist", tmp_path / "mnist.npz")


def test_enlarged_digits_are_those_of_tensorflow():
    images = np.random.default_rng(0).uniform(size=(3, 8, 8))
    weights = digits._bicubic(8, 20)
    expected = tf.image.resize(images[..., None], (20, 20), method="bicubic")[..., 0]
    np.testing.assert_allclose(np.einsum("ri,nij,cj->nrc", weights, images, weights), expected, atol=2e-6)


# Everything in a process in which TensorFlow cannot be imported: preprocessings of images, and a run.
PROGRAM = """
import sys
sys.modules.update({"tensorflow": None, "tensorflow_datasets": None})  # to import them raises an error
import keras, numpy as np
from keras_equivariant.training.tasks.classification import errors
from keras_equivariant.training.input.preprocessing import fit_preprocessing
from keras_equivariant.training.recipes import get_recipe
from keras_equivariant.training.runs.finished import load_run
from keras_equivariant.training.runs.fit import fit

folder, recipe, names = sys.argv[1:4]
images = np.load(folder + "/images.npy")
found = {name: fit_preprocessing(name, images)(images) for name in names.split(",")}
assert all(isinstance(value, np.ndarray) for value in found.values())
np.savez(folder + "/preprocessed.npz", **found)
errors.SATURATIONS = (0.0, 0.9)
small = {"filters": (3,), "features": 4}
recipe = get_recipe(recipe, model="small", model_arguments=small, batch_size=20, steps_per_epoch=2, epochs=2)
run, metrics = fit(recipe, folder + "/run", data_dir=folder)
assert load_run(run.path).model.count_params() > 0
assert sys.modules["tensorflow"] is None
"""


@pytest.mark.parametrize("backend, recipe", [("jax", "cifar10_light"), ("torch", "rotated_digits")])
def test_runs_without_tensorflow(backend, recipe, tmp_path):
    pytest.importorskip(backend, exc_type=ImportError)
    write_arrays(tmp_path)
    images = np.random.default_rng(0).uniform(size=(20, 8, 8, 3)).astype("float32")
    np.save(tmp_path / "images.npy", images)
    subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), recipe, ",".join(PREPROCESSINGS)],
        env={**os.environ, "KERAS_BACKEND": backend, "JAX_ENABLE_X64": "0"},
        cwd=ROOT,
        check=True,
        timeout=900,
    )
    with np.load(tmp_path / "preprocessed.npz") as found:
        for name in PREPROCESSINGS:
            expected = array(fit_preprocessing(name, images)(images))
            np.testing.assert_allclose(found[name], expected, atol=2e-4 * np.abs(expected).max(), err_msg=name)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["epochs"] == 2 and 0 <= metrics["test_error"] <= 100
    assert metrics["keras_difference"] < 1e-4 and "saved_model_difference" not in metrics
    assert (tmp_path / "run" / "report.png").exists() and not (tmp_path / "run" / "saved_model").exists()


def test_nothing_is_done_to_images_without_a_preprocessing():
    images = random_array(2, 8, 8, 3)
    np.testing.assert_array_equal(device.preprocessed(Split(images, np.arange(2)), Unchanged()), images)
