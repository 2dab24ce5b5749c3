import numpy as np
import pytest
import tensorflow as tf
from keras_equivariant.training.data.images import Split
from keras_equivariant.training.input.augmentations import get_augmentation
from keras_equivariant.training.input.pipelines import training_batches
from small_images import PREPROCESS, batches_of, small_split

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


SEVERAL = [["shift_and_flip", "square_symmetries", "flip"], ["rotate", "flip"]]


@pytest.mark.parametrize(
    "augmentation, channels", [*((name, True) for name in (*MOVING, *SEVERAL)), *((names, False) for names in SEVERAL)]
)
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
