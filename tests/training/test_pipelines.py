import numpy as np
import pytest
import tensorflow as tf
from helpers import random_array

from keras_equivariant.equivariance import transform_image
from training import data as datasets
from training.data.images import LabelledImages, Split
from training.pipelines import rotated_batches, training_batches
from training.transforms import rotate


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits")


def small_data(count=23):
    """Each label is the number of its image."""
    images = random_array(count, 8, 8, 1)
    split = Split(images, np.arange(count, dtype="int32"))
    return LabelledImages(split, split, split, classes=count)


def test_digits(digits):
    assert [len(split) for split in (digits.train, digits.validation, digits.test)] == [1100, 200, 497]
    for split in (digits.train, digits.validation, digits.test):
        assert split.images.shape[1:] == (28, 28, 1)
        assert split.images.dtype == "float32"
        assert 0 <= split.images.min() < split.images.max() <= 1
        assert set(split.labels) == set(range(10))
    together = np.concatenate([digits.train.images, digits.validation.images, digits.test.images])
    assert len(np.unique(together.reshape(1797, -1), axis=0)) > 1790
    standardised = digits.standardise(digits.train.images)
    assert abs(standardised.mean()) < 1e-4
    assert abs(standardised.std() - 1) < 1e-4


def test_the_split_is_always_the_same(digits):
    again = datasets.load("digits")
    np.testing.assert_array_equal(again.test.images, digits.test.images)
    assert digits.train.labels[:8].tolist() == again.train.labels[:8].tolist()


def test_unknown_data_sets():
    with pytest.raises(ValueError, match=r"\['digits'\]. Received: name='mnist2'"):
        datasets.load("mnist2")


@pytest.mark.parametrize("size", [8, 9])
def test_quarter_turns_are_those_of_p4(size):
    images = random_array(4, size, size, 2)
    for element in range(4):
        turned = rotate(tf.constant(images), tf.fill([4], element * np.float32(np.pi) / 2))
        np.testing.assert_allclose(turned, transform_image(images, "p4", element), atol=1e-5)


def test_each_image_has_its_own_angle():
    images = random_array(2, 9, 9, 1)
    together = rotate(tf.constant(images), tf.constant([0.3, 1.1]))
    for i, angle in enumerate([0.3, 1.1]):
        alone = rotate(tf.constant(images[i : i + 1]), tf.constant([angle]))
        np.testing.assert_array_equal(together[i], alone[0])


def test_interpolation_agrees_with_the_formula():
    image, angle = random_array(1, 7, 7, 1), 0.4
    turned = rotate(tf.constant(image), tf.constant([angle]))[0, :, :, 0].numpy()
    c, s = np.cos(angle), np.sin(angle)
    for row, column in [(3, 3), (2, 4), (4, 2), (3, 5)]:
        x, y = column - 3, 3 - row
        source_x, source_y = c * x + s * y, -s * x + c * y
        column_in, row_in = source_x + 3, 3 - source_y
        i, j = int(row_in), int(column_in)
        a, b = row_in - i, column_in - j
        corners = image[0, i : i + 2, j : j + 2, 0]
        expected = np.array([1 - a, a]) @ corners @ np.array([1 - b, b])
        assert abs(turned[row, column] - expected) < 1e-5


def batches_of(data, count, **arguments):
    return [(x.numpy(), y.numpy()) for x, y in training_batches(data, 5, **arguments).take(count)]


def test_an_epoch_holds_every_image_at_most_once_in_a_new_order():
    batches = batches_of(small_data(), 8, seed=0)
    first, second = (np.concatenate([y for _, y in batches[i : i + 4]]) for i in (0, 4))
    assert len(set(first)) == len(set(second)) == 20
    assert first.tolist() != second.tolist()


def test_rotations_are_new_in_each_epoch_and_for_each_image():
    data = small_data()
    seen = {}
    for images, labels in batches_of(data, 8, seed=0):
        for image, label in zip(images, labels, strict=True):
            seen.setdefault(label, []).append(image)
    twice = [images for images in seen.values() if len(images) == 2]
    assert len(twice) > 10
    assert all(np.abs(first - second).max() > 0.1 for first, second in twice)


def test_batches_depend_on_seed_and_epoch_alone():
    data = small_data()
    for (x, y), (again_x, again_y) in zip(batches_of(data, 8, seed=3), batches_of(data, 8, seed=3), strict=True):
        np.testing.assert_array_equal(x, again_x)
        np.testing.assert_array_equal(y, again_y)
    later = batches_of(data, 4, seed=3, initial_epoch=1)
    for (x, y), (later_x, later_y) in zip(batches_of(data, 8, seed=3)[4:], later, strict=True):
        np.testing.assert_array_equal(x, later_x)
        np.testing.assert_array_equal(y, later_y)
    assert batches_of(data, 1, seed=3)[0][1].tolist() != batches_of(data, 1, seed=4)[0][1].tolist()


def test_every_test_image_is_seen_in_eight_rotations():
    data = small_data(6)
    dataset = rotated_batches(data, "test", 7)
    assert dataset.cardinality() == 7
    images = np.concatenate([x for x, _ in dataset])
    labels = np.concatenate([y for _, y in dataset])
    assert labels.tolist() == list(range(6)) * 8
    for turn in range(4):
        expected = data.standardise(transform_image(data.test.images, "p4", turn))
        np.testing.assert_allclose(images[12 * turn : 12 * turn + 6], expected, atol=1e-5)
