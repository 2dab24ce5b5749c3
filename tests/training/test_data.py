import json
import os
import pathlib
import shutil

import numpy as np
import pytest
from keras_equivariant.training import data as datasets
from keras_equivariant.training.data import from_tfds
from keras_equivariant.training.data.images import LabelledImages, Split
from made_up_data import prepare, small_images

tfds = pytest.importorskip("tensorflow_datasets")
requests = pytest.importorskip("requests")


def test_digits():
    digits = datasets.load("digits")
    assert [len(split) for split in (digits.train, digits.validation, digits.test)] == [1100, 200, 497]
    for split in (digits.train, digits.validation, digits.test):
        assert split.images.shape[1:] == (28, 28, 1)
        assert split.images.dtype == "float32"
        assert 0 <= split.images.min() < split.images.max() <= 1
        assert set(split.labels) == set(range(10))
    together = np.concatenate([digits.train.images, digits.validation.images, digits.test.images])
    assert len(np.unique(together.reshape(1797, -1), axis=0)) > 1790
    again = datasets.load("digits")
    np.testing.assert_array_equal(again.test.images, digits.test.images)


@pytest.mark.parametrize("name, size, channels", [("mnist", 28, 1), ("cifar10", 32, 3)])
def test_data_sets_of_tfds(name, size, channels, tmp_path):
    train, test = small_images(30, size, channels), small_images(7, size, channels, seed=1)
    extra = {"id": "x"} if name == "cifar10" else {}
    parts = {part: [{**e, **extra} for e in examples] for part, examples in (("train", train), ("test", test))}
    prepare(tfds.builder(name, data_dir=tmp_path), **parts)
    data = datasets.load(name, tmp_path)
    assert data.classes == 10
    assert len(data.train) == 30
    for split, examples in ((data.train, train), (data.test, test)):
        assert split.images.dtype == "uint8"
        assert split.labels.dtype == "int32"
        # TFDS shuffles what it writes, always in the same way.
        found = {(image.tobytes(), label) for image, label in zip(split.images, split.labels, strict=True)}
        assert found == {(example["image"].tobytes(), example["label"]) for example in examples}


def test_rotated_mnist_is_made_from_mnist(tmp_path, monkeypatch):
    from keras_equivariant.training.data import rotated_mnist

    monkeypatch.setattr(rotated_mnist, "_TRAIN", 20)
    monkeypatch.setattr(rotated_mnist, "_TEST", 30)
    upright = small_images(40, 28, 1) + small_images(15, 28, 1, seed=1)
    prepare(tfds.builder("mnist", data_dir=tmp_path), train=upright[:40], test=upright[40:])
    data = datasets.load("rotated_mnist", tmp_path)
    assert (len(data.train), len(data.test)) == (20, 30)
    labels = np.concatenate([data.train.labels, data.test.labels])
    assert set(labels) <= {example["label"] for example in upright}
    middle = np.concatenate([data.train.images, data.test.images])[:, 8:20, 8:20].std()
    assert 10 < middle < np.std([example["image"] for example in upright])  # interpolated, not blank
    assert (data.train.images[:, 0, 0] == 0).mean() > 0.5  # corners come in from outside

    datasets.load("rotated_mnist", tmp_path)
    write_published_files(tmp_path)
    with pytest.raises(ValueError, match="was made from MNIST, before .* remove its folder.*Received: .*rotated_mnist"):
        datasets.load("rotated_mnist", tmp_path)
    shutil.rmtree(tmp_path / "rotated_mnist")
    assert len(datasets.load("rotated_mnist", tmp_path).train) == 4


def write_published_files(data_dir):
    manual = data_dir / "downloads" / "manual"
    manual.mkdir(parents=True, exist_ok=True)
    examples = small_images(9, 28, 1)
    for part, name in ((examples[:4], "train_valid"), (examples[4:], "test")):
        lines = [" ".join(map(str, [*(e["image"].ravel() / 255), float(e["label"])])) for e in part]
        (manual / f"mnist_all_rotation_normalized_float_{name}.amat").write_text("\n".join(lines))
    return examples


def test_one_published_file_of_rotated_mnist_is_not_enough(tmp_path):
    write_published_files(tmp_path)
    next((tmp_path / "downloads" / "manual").glob("*train_valid.amat")).unlink()
    with pytest.raises(ValueError, match=r"must hold both published files or none. Received: .*\['test'\] only"):
        datasets.load("rotated_mnist", tmp_path)


def test_a_damaged_published_file_of_rotated_mnist_is_named_with_its_line(tmp_path):
    write_published_files(tmp_path)
    path = next((tmp_path / "downloads" / "manual").glob("*train_valid.amat"))
    whole = path.read_text()
    for line in (whole.splitlines()[2][:500], whole.splitlines()[2].replace(" 0.", " x.")):
        lines = whole.splitlines()
        path.write_text("\n".join([*lines[:2], line, *lines[3:]]))
        with pytest.raises(ValueError, match=r"train_valid.amat must hold 784 numbers .* Received: line 3 \("):
            datasets.load("rotated_mnist", tmp_path)


def test_published_files_of_rotated_mnist_are_used(tmp_path):
    examples = write_published_files(tmp_path)
    data = datasets.load("rotated_mnist", tmp_path)
    assert (len(data.train), len(data.test)) == (4, 5)
    found = {(image.tobytes(), label) for image, label in zip(data.test.images, data.test.labels, strict=True)}
    assert found == {(example["image"].tobytes(), example["label"]) for example in examples[4:]}


def no_network(*args, **kwargs):
    raise requests.ConnectionError("no network")


def files_below(folder):
    return {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}


@pytest.mark.parametrize("name, server", [("mnist", "mnist"), ("cifar10", "cifar-10"), ("rotated_mnist", "mnist")])
@pytest.mark.parametrize("folder", [".", "new/folder"])
def test_without_data_and_network_loading_fails_at_once_and_leaves_nothing(name, server, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(requests, "head", no_network)
    monkeypatch.setattr(requests.Session, "get", lambda *args, **kwargs: pytest.fail("it tries to download"))
    (tmp_path / "downloads" / "manual").mkdir(parents=True)
    (tmp_path / "downloads" / "manual" / "mine.txt").write_text("mine")
    (tmp_path / "cifar10").mkdir()
    before = files_below(tmp_path)
    message = (
        rf"{name!r} could not be loaded \(ConnectionError: no connection to http.*{server}.*\).*Received: data_dir="
    )
    with pytest.raises(ValueError, match=message):
        datasets.load(name, tmp_path / folder)
    assert files_below(tmp_path) == before


def test_a_download_that_breaks_off_leaves_nothing(tmp_path, monkeypatch):
    """And what was there before stays, even what an earlier download has left."""

    def break_off(self, url, *args, **kwargs):
        raise requests.ConnectionError("it broke off")

    monkeypatch.setattr(requests, "head", lambda url, timeout: requests.Response())  # any answer
    monkeypatch.setattr(requests.Session, "get", break_off)
    (tmp_path / "downloads" / "mnist").mkdir(parents=True)
    (tmp_path / "downloads" / "mnist" / "older.gz").write_text("mine")
    before = files_below(tmp_path)
    with pytest.raises(ValueError, match=r"'mnist' could not be loaded \(ConnectionError: it broke off\)"):
        datasets.load("mnist", tmp_path)
    assert files_below(tmp_path) == before


def test_files_that_were_downloaded_before_need_no_network(tmp_path, monkeypatch):
    monkeypatch.setattr(requests, "head", no_network)
    builder = tfds.builder("mnist", data_dir=tmp_path)
    (tmp_path / "downloads" / "mnist").mkdir(parents=True)
    (tmp_path / "downloads" / "mnist" / "a.gz.INFO").write_text(json.dumps({"urls": list(builder.url_infos)}))
    examples = {"train": small_images(30, 28, 1), "test": small_images(7, 28, 1)}
    monkeypatch.setattr(type(builder), "_split_generators", lambda *_: {k: enumerate(v) for k, v in examples.items()})
    assert len(datasets.load("mnist", tmp_path).train) == 30
    assert len(datasets.load("mnist", tmp_path).test) == 7


def test_examples_that_cannot_be_read_one_after_the_other_are_told(tmp_path):
    prepare(tfds.builder("mnist", data_dir=tmp_path), train=small_images(30, 28, 1), test=small_images(7, 28, 1))
    assert [len(split) for split in from_tfds.load_arrays("mnist", ["train", "test"], tmp_path, None)] == [30, 7]
    (path,) = tmp_path.rglob("*train*tfrecord*")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="'mnist' could not be loaded"):
        from_tfds.load_arrays("mnist", ["train"], tmp_path, None)


def test_unknown_data_sets():
    with pytest.raises(ValueError, match=r"\['digits', 'mnist'.*Received: dataset='mnist2'"):
        datasets.load("mnist2")


def test_held_out_images_are_not_trained_on():
    split = Split(np.arange(20.0).reshape(20, 1, 1, 1), np.arange(20))
    data = LabelledImages(split, split, classes=20).hold_out(6)
    assert (len(data.train), len(data.validation), len(data.test)) == (14, 6, 20)
    assert sorted([*data.train.labels, *data.validation.labels]) == list(range(20))
    assert data.train.labels.tolist() == data.train.images.ravel().tolist()
    assert LabelledImages(split, split, classes=20).hold_out(0).validation is None
    for count in (20, -1):
        with pytest.raises(ValueError, match=f"Received: validation={count}"):
            data.hold_out(count)


@pytest.mark.skipif("KERAS_EQUIVARIANT_TFDS" not in os.environ, reason="needs a folder of prepared TFDS data sets")
@pytest.mark.parametrize("name, train, test", [("mnist", 60_000, 10_000), ("cifar10", 50_000, 10_000)])
def test_real_data(name, train, test):
    data = datasets.load(name, pathlib.Path(os.environ["KERAS_EQUIVARIANT_TFDS"]))
    assert (len(data.train), len(data.test)) == (train, test)
    assert np.bincount(data.test.labels).min() > 800
