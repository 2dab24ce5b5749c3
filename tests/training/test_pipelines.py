import numpy as np
import pytest
import tensorflow as tf
from helpers import random_array
from keras_equivariant.training.data.images import Split
from keras_equivariant.training.data.transforms import rotate, shift_and_flip
from keras_equivariant.training.input import augmentations
from keras_equivariant.training.input.augmentations import Augmentation, get_augmentation, list_augmentations
from keras_equivariant.training.input.pipelines import rotated_batches, test_batches, training_batches
from keras_equivariant.training.input.preprocessing import fit_preprocessing
from small_images import PREPROCESS, batches_of, small_split

from keras_equivariant.equivariance import transform_image

test_batches.__test__ = False  # a function of the library, whatever its name


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


@pytest.mark.parametrize("shift", [(0, 0), (2, 0), (0, 3), (-1, 2)])
@pytest.mark.parametrize("flip", [0, 1])
def test_shifts_and_flips(shift, flip):
    images = random_array(1, 6, 7, 2)
    background = np.array([5.0, 6.0], "float32")
    moved = shift_and_flip(tf.constant(images), tf.constant([[*shift, flip]]), background)[0].numpy()
    image = images[0, :, ::-1] if flip else images[0]
    right, down = shift
    for row in range(6):
        for column in range(7):
            inside = 0 <= row - down < 6 and 0 <= column - right < 7
            expected = image[row - down, column - right] if inside else background
            np.testing.assert_allclose(moved[row, column], expected, atol=1e-5)


def test_an_epoch_holds_every_image_at_most_once_in_a_new_order():
    batches = batches_of(small_split(), 8)
    first, second = (np.concatenate([y for _, y in batches[i : i + 4]]) for i in (0, 4))
    assert len(set(first)) == len(set(second)) == 20
    assert first.tolist() != second.tolist()


@pytest.mark.parametrize("augmentation", [name for name in list_augmentations() if name != "random_crop"])
def test_transforms_are_new_in_each_epoch(augmentation):
    seen = {}
    for images, labels in batches_of(small_split(), 8, augmentation=[augmentation]):
        for image, label in zip(images, labels, strict=True):
            seen.setdefault(label, []).append(image)
    twice = [images for images in seen.values() if len(images) == 2]
    assert len(twice) > 10
    changed = np.mean([np.abs(first - second).max() > 0.01 for first, second in twice])
    # Of two draws among few transforms, some are the same.
    least, most = {"flip": (0.1, 0.9), "square_symmetries": (0.6, 1.0), "quarter_turns": (0.5, 0.95)}.get(
        augmentation, (0.9, 1.0)
    )
    assert least < changed <= most


@pytest.mark.parametrize("augmentation", [[], ["rotate"], ["shift_and_flip", "rotate"]])
def test_batches_depend_on_seed_and_epoch_alone(augmentation):
    split = small_split()

    def same(one, other):
        for (x, y), (other_x, other_y) in zip(one, other, strict=True):
            np.testing.assert_array_equal(x, other_x)
            np.testing.assert_array_equal(y, other_y)

    batches = batches_of(split, 8, augmentation=augmentation, seed=3)
    same(batches, batches_of(split, 8, augmentation=augmentation, seed=3))
    same(batches, batches_of(split, 8, augmentation=augmentation, seed=3, parallel_calls=1))
    same(batches, batches_of(split, 8, augmentation=augmentation, seed=3, parallel_calls=7))
    same(batches[4:], batches_of(split, 4, augmentation=augmentation, seed=3, initial_epoch=1))
    assert batches_of(split, 1, seed=3)[0][1].tolist() != batches_of(split, 1, seed=4)[0][1].tolist()


def test_training_images_are_the_preprocessed_ones():
    for dtype in ("float32", "uint8"):
        split = small_split(dtype=dtype)
        expected = (split.scaled_images() - 0.4) / 0.5
        for images, labels in batches_of(split, 4, augmentation=[]):
            np.testing.assert_allclose(images, expected[labels], atol=1e-6)


def test_raw_images_are_transformed_before_the_preprocessing(monkeypatch):
    def darken(images, factors, background):
        return images * tf.reshape(factors, (-1, 1, 1, 1))

    halve = Augmentation(lambda key, count: tf.fill([count], 0.5), darken, on_raw_images=True)
    monkeypatch.setitem(augmentations._AUGMENTATIONS, "halve", halve)
    split = small_split(dtype="uint8")
    expected = (split.scaled_images() / 2 - 0.4) / 0.5
    for images, labels in batches_of(split, 4, augmentation=["halve"]):
        np.testing.assert_allclose(images, expected[labels], atol=1e-6)


def test_what_comes_in_from_outside_is_black():
    split = Split(np.ones((5, 8, 8, 2), "float32"), np.arange(5))
    images = np.concatenate([x for x, _ in batches_of(split, 4, augmentation=["rotate"])])
    np.testing.assert_allclose([images.min(), images.max()], [-0.8, 1.2], atol=1e-4)
    assert (images[:, 0, 0] < 1).any()


def test_every_test_image_is_seen_in_eight_rotations():
    split = small_split(6)
    dataset = rotated_batches(split, PREPROCESS, 7)
    assert dataset.cardinality() == 7
    images = np.concatenate([x for x, _ in dataset])
    labels = np.concatenate([y for _, y in dataset])
    assert labels.tolist() == list(range(6)) * 8
    for turn in range(4):
        expected = PREPROCESS(transform_image(split.images, "p4", turn))
        np.testing.assert_allclose(images[12 * turn : 12 * turn + 6], expected, atol=1e-5)


def test_test_images_come_in_their_order():
    split = small_split(11, dtype="uint8")
    images, labels = (np.concatenate(parts) for parts in zip(*test_batches(split, PREPROCESS, 4), strict=True))
    np.testing.assert_allclose(images, (split.scaled_images() - 0.4) / 0.5, atol=1e-6)
    assert labels.tolist() == list(range(11))


def test_workers_share_each_batch():
    parts = [
        training_batches(small_split(), PREPROCESS, ["rotate"], 6, 0, workers=(3, worker)).take(6)
        for worker in range(3)
    ]
    whole = training_batches(small_split(), PREPROCESS, ["rotate"], 6, 0).take(6)
    for (images, labels), *shares in zip(whole, *parts, strict=True):
        for worker, (own_images, own_labels) in enumerate(shares):
            own = slice(2 * worker, 2 * worker + 2)
            np.testing.assert_array_equal(own_labels, labels[own])
            np.testing.assert_allclose(own_images, images[own], atol=1e-6)
    with pytest.raises(
        ValueError, match=r"multiple of the number of processes. Received: batch_size=5, workers=\(2, 0\)"
    ):
        training_batches(small_split(), PREPROCESS, [], 5, 0, workers=(2, 0))


def test_flips():
    images = random_array(3, 4, 5, 2)
    flipped = get_augmentation("flip").apply(tf.constant(images), tf.constant([0, 1, 0]), 0.0)
    np.testing.assert_array_equal(flipped, np.stack([images[0], images[1][:, ::-1], images[2]]))


def test_unknown_names():
    with pytest.raises(ValueError, match="must be among.*'rotate'.*Received: augmentation='melt'"):
        training_batches(small_split(), PREPROCESS, ["melt"], 5, 0)
    with pytest.raises(ValueError, match="must not hold 'random_crop'"):
        training_batches(small_split(), PREPROCESS, ["random_crop"], 5, 0)
    with pytest.raises(ValueError, match="must be one of.*'standardise'.*Received: preprocessing='melt'"):
        fit_preprocessing("melt", small_split().images)


def test_standardisation():
    images = small_split().images
    preprocess = fit_preprocessing("standardise", images)
    assert abs(preprocess(images).mean()) < 1e-5
    assert abs(preprocess(images).std() - 1) < 1e-5
    np.testing.assert_allclose(preprocess(np.zeros(1)), preprocess.background)


def test_each_colour_is_standardised_by_itself():
    images = np.random.default_rng(0).uniform(size=(50, 6, 6, 3)).astype("float32") * [0.9, 0.5, 0.1]
    parts = [images[:20], images[20:]]
    for preprocess in (fit_preprocessing("standardise", images), fit_preprocessing("standardise", iter(parts))):
        np.testing.assert_allclose(preprocess.mean, images.mean((0, 1, 2)), rtol=1e-6)
        np.testing.assert_allclose(preprocess(images).std((0, 1, 2)), 1, rtol=1e-6)


@pytest.mark.parametrize("name", ["standardise", "log_rgb", "contrast_zca"])
def test_shifted_images_get_a_border_of_the_mean(name):
    """A black one, which no test image has, would mark the images of the training."""
    images = np.random.default_rng(0).uniform(0.6, 1, size=(40, 12, 12, 3)).astype("float32")
    preprocess = fit_preprocessing(name, images)
    batches = training_batches(Split(images, np.arange(40)), preprocess, ["shift_and_flip"], 40, seed=1)
    seen, labels = next(iter(batches))
    whole = np.asarray(preprocess(images))[labels.numpy()]
    moved = seen.numpy()
    borders = (moved == 0).all(axis=-1)
    assert 0.1 < borders.mean() < 0.7
    for image, source, border in zip(moved, whole, borders, strict=True):
        rest = {tuple(pixel.tolist()) for pixel in image[~border]}
        assert rest <= {tuple(pixel.tolist()) for pixel in source.astype("float32").reshape(-1, 3)}
