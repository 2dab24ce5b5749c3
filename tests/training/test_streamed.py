"""Photographs that stay in their files, in a folder of ImageNet's own form."""

import numpy as np
import pytest
import tensorflow as tf
from keras_equivariant.training import data as datasets
from keras_equivariant.training.data import streamed
from keras_equivariant.training.input.pipelines import test_batches, training_batches
from keras_equivariant.training.input.preprocessing import Standardise, fit_preprocessing
from made_up_data import photographs, prepare_imagenet

tfds = pytest.importorskip("tensorflow_datasets")
test_batches.__test__ = False

PREPROCESS = Standardise(mean=0.4, deviation=0.5)
TRAIN, TEST, SHARDS = 22, 9, 3


@pytest.fixture(autouse=True)
def only_tensorflow(tensorflow_backend):
    pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("tfds")
    prepare_imagenet(path, TRAIN, TEST, SHARDS)
    return path


@pytest.fixture
def data(folder):
    return datasets.load("imagenet2012", folder)


def test_the_data_set(data):
    assert data.classes == 1000
    assert (len(data.train), len(data.test)) == (TRAIN, TEST)
    assert len(data.train.files) == SHARDS
    first = data.test.first(4)
    assert first.images.shape == (4, 224, 224, 3) and first.images.dtype == "float32"
    labels = np.concatenate([y for _, y in test_batches(data.test, PREPROCESS, 4)])
    assert sorted(labels) == list(range(TEST))
    np.testing.assert_array_equal(first.labels, labels[:4])
    with pytest.raises(ValueError, match="`validation` must be below.* 22. Received: validation=22"):
        data.hold_out(TRAIN)


@pytest.mark.parametrize("count", [1, 7, 8, 13, TRAIN - 1])
def test_validation_images_are_held_out(data, count):
    parts = data.hold_out(count, seed=2)
    labels = [[int(label) for _, label in part.examples()] for part in (parts.train, parts.validation)]
    assert [len(of_part) for of_part in labels] == [len(parts.train), len(parts.validation)] == [TRAIN - count, count]
    assert sorted(labels[0] + labels[1]) == sorted(int(label) for _, label in data.train.examples())
    assert len(set(parts.train.files) & set(parts.validation.files)) <= 1, "whole files, and part of one"
    again = data.hold_out(count, seed=2)
    assert again.validation == parts.validation and again.train == parts.train
    assert any(data.hold_out(count, seed=seed).validation != parts.validation for seed in range(6))
    indices = [index for index, *_ in parts.train.encoded(tf.constant([1, 2], tf.int64)).as_numpy_iterator()]
    assert sorted(indices) == list(range(TRAIN - count))
    less = parts.train.hold_out(3, 0) if TRAIN - count > 3 else ()
    assert sorted(int(label) for part in less for _, label in part.examples()) in ([], sorted(labels[0]))


def test_images_for_testing_are_the_centres(data):
    """A gradient from 0 to 1 keeps its middle 7/8 of the shorter side."""
    images, labels = next(iter(test_batches(data.test, lambda images: images, TEST)))
    photos = {example["label"]: example["image"].getvalue() for example in photographs(TEST, seed=1)}
    for image, label in zip(images.numpy(), labels.numpy(), strict=True):
        height, width, _ = tf.io.decode_jpeg(photos[label]).shape
        side = 7 / 8 * min(height, width)
        for values, extent in ((image[:, 0, 0], height), (image[0, :, 1], width)):
            margin = (1 - side / extent) / 2
            np.testing.assert_allclose(values[[0, -1]], [margin, 1 - margin], atol=0.02)
        np.testing.assert_allclose(image[..., 2], (label + 1) / 40, atol=0.02)


def batches_of(data, count, augmentation=("random_crop", "flip"), seed=3, **arguments):
    batches = training_batches(data.train, PREPROCESS, augmentation, 4, seed, **arguments).take(count)
    return [(x.numpy(), y.numpy()) for x, y in batches]


def test_epochs_hold_every_image_at_most_once_in_a_new_order(data):
    batches = batches_of(data, 10)
    first, second = (np.concatenate([y for _, y in batches[i : i + 5]]) for i in (0, 5))
    assert len(set(first)) == len(set(second)) == 20
    assert first.tolist() != second.tolist()
    seen = {}
    for images, labels in batches:
        for image, label in zip(images, labels, strict=True):
            seen.setdefault(label, []).append(image)
    twice = [images for images in seen.values() if len(images) == 2]
    assert np.mean([np.abs(one - other).max() > 0.05 for one, other in twice]) > 0.9


def test_batches_depend_on_seed_and_epoch_alone(data):
    def same(one, other):
        for (x, y), (other_x, other_y) in zip(one, other, strict=True):
            np.testing.assert_array_equal(x, other_x)
            np.testing.assert_array_equal(y, other_y)

    batches = batches_of(data, 10)
    for parallel_calls in (1, 5):
        same(batches, batches_of(data, 10, parallel_calls=parallel_calls))
    same(batches[5:], batches_of(data, 5, initial_epoch=1))
    assert any(y.tolist() != z.tolist() for (_, y), (_, z) in zip(batches, batches_of(data, 10, seed=4), strict=True))


def test_an_image_is_cut_alike_wherever_it_comes(data, monkeypatch):
    """Its transform follows from the seed, the epoch and its own number, not from its place in the order."""

    def by_label():
        return {label: image for batch in batches_of(data, 5) for image, label in zip(*batch, strict=True)}

    shuffled = by_label()
    monkeypatch.setattr(streamed, "_SHUFFLED", 1)
    monkeypatch.setattr(streamed, "_FILES_AT_ONCE", 1)
    in_files = by_label()
    assert list(shuffled) != list(in_files)
    both = set(shuffled) & set(in_files)
    assert len(both) >= 18
    for label in both:
        np.testing.assert_array_equal(shuffled[label], in_files[label])


def test_workers_share_each_batch(data):
    whole = batches_of(data, 5)
    halves = [batches_of(data, 5, workers=(2, worker)) for worker in range(2)]
    for (images, labels), *parts in zip(whole, *halves, strict=True):
        np.testing.assert_array_equal(np.concatenate([part[1] for part in parts]), labels)
        np.testing.assert_allclose(np.concatenate([part[0] for part in parts]), images, atol=1e-6)


def test_random_crops_are_parts_of_the_image():
    """The red gradient runs downwards, the green one to the right: together they tell what was cut out."""
    (photograph,) = photographs(1, seed=5)
    encoded = photograph["image"].getvalue()
    height, width, _ = tf.io.decode_jpeg(encoded).shape
    areas, ratios = [], []
    for i in range(60):
        image = streamed.random_crop(encoded, tf.constant([7, i]), 32).numpy()
        assert image.shape == (32, 32, 3)
        rows = height * np.ptp(image[:, :, 0].mean(1)) * 32 / 31
        columns = width * np.ptp(image[:, :, 1].mean(0)) * 32 / 31
        areas.append(rows * columns / (height * width))
        ratios.append(columns / rows)
    assert 0.06 < min(areas) < 0.3 and 0.7 < max(areas) <= 1.05
    assert 0.7 < min(ratios) < 0.85 and 1.15 < max(ratios) < 1.42


def test_preprocessing_is_fitted_on_a_sample(data, monkeypatch):
    monkeypatch.setattr(streamed, "_SAMPLE", 6)
    sample = data.train.first()
    assert len(sample) == 6
    monkeypatch.setattr(streamed, "_PART", 4)
    assert [len(part) for part in data.train.parts()] == [4, 2]
    for name in ("log_rgb", "standardise"):
        preprocess = fit_preprocessing(name, data.train.parts())
        np.testing.assert_allclose(np.asarray(preprocess(sample.images)).mean((0, 1, 2)), 0, atol=1e-3)
        more = fit_preprocessing(name, data.train.parts(13))
        images = np.asarray(more(data.train.first(13).images))
        np.testing.assert_allclose(images.mean((0, 1, 2)), 0, atol=1e-3)
        np.testing.assert_allclose(images.std((0, 1, 2)), 1, atol=1e-3)
        assert more.mean != preprocess.mean


def test_other_file_formats_are_refused(folder, monkeypatch):
    monkeypatch.setattr(
        tfds.core.DatasetInfo, "file_format", tfds.core.file_adapters.FileFormat.ARRAY_RECORD, raising=False
    )
    with pytest.raises(ValueError, match="could not be loaded.*must be prepared as TFRecord"):
        datasets.load("imagenet2012", folder)
