import numpy as np
import pytest
import tensorflow as tf
from helpers import random_array
from keras_equivariant.training.data.images import Split
from keras_equivariant.training.data.transforms import rotate, shift_and_flip
from keras_equivariant.training.input import augmentations
from keras_equivariant.training.input.augmentations import Augmentation, get_augmentation, list_augmentations
from keras_equivariant.training.input.pipelines import rotated_batches, test_batches, training_batches
from keras_equivariant.training.input.preprocessing import Standardise, fit_preprocessing

from keras_equivariant.equivariance import transform_image

test_batches.__test__ = False  # a function of the library, whatever its name


def small_split(count=23, dtype="float32"):
    """Each label is the number of its image."""
    images = np.random.default_rng(0).uniform(0, 255, (count, 8, 8, 3))
    images = images.astype("uint8") if dtype == "uint8" else (images / 255).astype("float32")
    return Split(images, np.arange(count, dtype="int32"))


PREPROCESS = Standardise(mean=0.4, deviation=0.5)


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


def batches_of(split, count, **arguments):
    arguments = {"augmentation": ["rotate"], "seed": 0, **arguments}
    batches = training_batches(split, PREPROCESS, batch_size=5, **arguments)
    return [(x.numpy(), y.numpy()) for x, y in batches.take(count)]


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


SIZE = 33
MOVING = ["flip", "rotate", "square_symmetries", "quarter_turns", "shift_and_flip"]


def draw_arrows(count, size=SIZE):
    """Pictures of an arrow from the middle: red along it, green at its head; its direction, x right and y up."""
    angles = np.random.default_rng(3).uniform(0, 2 * np.pi, count)
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype("float32")
    rows, columns = np.mgrid[:size, :size] - (size - 1) / 2
    x, y = columns, -rows
    along = np.einsum("nd,dhw->nhw", directions, np.stack([x, y]))
    across = np.einsum("nd,dhw->nhw", directions[:, ::-1] * [1, -1], np.stack([x, y]))
    red = (np.abs(across) < 1.5) & (along > 0) & (along < 10)
    green = (along - 8) ** 2 + across**2 < 9
    return np.stack([red, green], axis=-1).astype("float32"), directions


class Plain:
    """No preprocessing: black stays black."""

    background = 0.0

    def __call__(self, images):
        return images


@pytest.mark.parametrize("augmentation", [*MOVING, ["rotate", "colour_jitter", "flip", "square_symmetries"], []])
def test_vectors_move_with_their_images(augmentation):
    """The middles of the two ends of the arrow in the picture tell where it points, whatever moved it."""
    images, directions = draw_arrows(20)
    images = np.concatenate([images, images[..., :1]], axis=-1)
    names = [augmentation] if isinstance(augmentation, str) else augmentation
    batches = training_batches(Split(images, 3 * directions), Plain(), names, 5, 0, targets="vector").take(8)
    images, vectors = (np.concatenate(part) for part in zip(*batches.as_numpy_iterator(), strict=True))
    assert len(images) == 40
    rows, columns = np.mgrid[:SIZE, :SIZE]

    def middle(weights):
        total = weights.sum((1, 2))
        return np.stack([(weights * columns).sum((1, 2)), -(weights * rows).sum((1, 2))], axis=1) / total[:, None]

    green = images[..., 1] - images[..., 1].min((1, 2), keepdims=True)
    red = images[..., 0] - images[..., 0].min((1, 2), keepdims=True)
    found = middle(green) - middle(red)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 3, rtol=1e-5)
    assert (np.sum(found * vectors / 3, axis=1) > np.cos(np.radians(6))).all()


def blobs(count, size=SIZE):
    """Masks of random ellipses beside the middle, of the classes 1 to 3, and pictures of them."""
    rng = np.random.default_rng(4)
    rows, columns = np.mgrid[:size, :size]
    masks = np.zeros((count, size, size), "uint8")
    for mask in masks:
        for label in (1, 2, 3):
            y, x = rng.uniform(8, size - 9, 2)
            a, b = rng.uniform(3, 8, 2)
            mask[((rows - y) / a) ** 2 + ((columns - x) / b) ** 2 < 1] = label
    return masks, np.stack([masks == label for label in (1, 2, 3)], axis=-1).astype("float32")


@pytest.mark.parametrize("augmentation", [*MOVING, ["shift_and_flip", "square_symmetries", "flip"], ["rotate", "flip"]])
@pytest.mark.parametrize("channels", [False, True])
def test_masks_move_with_their_images(augmentation, channels):
    masks, pictures = blobs(20)
    names = [augmentation] if isinstance(augmentation, str) else augmentation
    labels = np.stack([masks, 7 - masks.astype("int32")], axis=-1) if channels else masks
    batches = training_batches(Split(pictures, labels), Plain(), names, 5, 0, targets="mask", outside=0).take(8)
    images, moved = (np.concatenate(part) for part in zip(*batches.as_numpy_iterator(), strict=True))
    assert moved.dtype == labels.dtype and moved.shape == (40, *labels.shape[1:])
    if channels:
        inside = moved[..., 1] != 0
        np.testing.assert_array_equal(moved[..., 1][inside], 7 - moved[..., 0][inside])
        moved = moved[..., 0]
    expected = np.stack([moved == label for label in (1, 2, 3)], axis=-1)
    if "rotate" not in names:
        np.testing.assert_array_equal(images, expected)
    else:  # bilinear beside nearest: a pixel agrees unless it is about half in
        assert np.abs(images - expected).max() <= 0.75 + 1e-4
        assert (np.abs(images - expected) > 0.5).mean() < 0.01


def test_a_turned_mask_is_the_formula_of_the_turned_shape():
    """A half disc turned by any angle: right but for pixels at its edge."""
    rows, columns = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    angles = np.linspace(0, 6, 13).astype("float32")

    def half_disc(angle):
        """How far a pixel is inside of the half to the right, turned counter-clockwise."""
        return np.minimum(12 - np.hypot(columns, rows), columns * np.cos(angle) - rows * np.sin(angle))

    mask = (half_disc(0) > 0).astype("int32")
    turned = get_augmentation("rotate").masks(tf.constant(np.stack([mask] * 13)[..., None]), tf.constant(angles), 0)
    for found, angle in zip(turned.numpy()[..., 0], angles, strict=True):
        distance = half_disc(angle)
        sure = np.abs(distance) > 1
        np.testing.assert_array_equal(found[sure], (distance > 0)[sure])


@pytest.mark.parametrize("augmentation", ["rotate", "shift_and_flip"])
def test_mask_pixels_from_outside_have_their_own_value(augmentation):
    split = Split(np.ones((5, 8, 8, 1), "float32"), np.ones((5, 8, 8), "uint8"))
    batches = training_batches(split, PREPROCESS, [augmentation], 5, 0, targets="mask", outside=255).take(4)
    images, masks = (np.concatenate(part) for part in zip(*batches.as_numpy_iterator(), strict=True))
    assert set(masks.ravel()) == {1, 255}
    black = images[..., 0] < PREPROCESS.background + 1e-3
    assert (masks[black] == 255).all() and (masks[images[..., 0] > 1.19] == 1).all()


def test_targets_that_cannot_be_moved_are_refused_before_any_batch():
    arrows = Split(*draw_arrows(6))
    masks, pictures = blobs(6)
    for targets, split in (("vector", arrows), ("mask", Split(pictures, masks))):
        with pytest.raises(ValueError, match=f"must move a {targets} with its image. Received: augm.*'random_crop'"):
            training_batches(split, PREPROCESS, ["random_crop"], 5, 0, targets=targets)
    with pytest.raises(ValueError, match="`targets` must be one of .*'mask'.*Received: targets='angle'"):
        training_batches(arrows, PREPROCESS, [], 5, 0, targets="angle")
    for labels in (masks[:, :8], masks.astype("float32"), masks[:, 0, 0]):
        with pytest.raises(ValueError, match=r"Masks must be integers \(n, height, width\).*Received: (uint8|float32)"):
            training_batches(Split(pictures, labels), PREPROCESS, [], 5, 0, targets="mask")
    for labels in (arrows.labels[:, :1], arrows.labels[:, 0], arrows.labels.astype("int32")):
        with pytest.raises(ValueError, match=r"Vectors must be floats \(n, 2\). Received: (float|int)32"):
            training_batches(Split(arrows.images, labels), PREPROCESS, [], 5, 0, targets="vector")


@pytest.mark.parametrize("augmentation", [[], ["rotate"], ["shift_and_flip", "square_symmetries"]])
def test_numbers_stay(augmentation):
    split = Split(small_split().images, np.random.default_rng(0).normal(size=(23, 2)).astype("float32"))
    rows = {tuple(row) for row in split.labels}
    for _, labels in batches_of(split, 4, augmentation=augmentation):
        assert {tuple(row) for row in labels} <= rows
