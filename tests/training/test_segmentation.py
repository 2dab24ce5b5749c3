"""The task of masks: crops, tiles, objects, predictions."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import random_array, relative_error
from keras_equivariant.training.data.masks import MaskedPictures
from keras_equivariant.training.input.preprocessing import Standardise, Unchanged
from keras_equivariant.training.tasks.segmentation import objects, pictures, tiles
from keras_equivariant.training.tasks.segmentation.crops import Crops, training_batches
from keras_equivariant.training.tasks.segmentation.evaluation import evaluate
from networks import create_with_random_statistics, perfect

from keras_equivariant import zoo
from keras_equivariant.equivariance import transform_image

pytestmark = pytest.mark.usefixtures("tensorflow_backend")
SMALL = {"filters": 2, "depth": 2, "classes": 3}


class Compiled:
    """A network whose graph is traced once, for any size: layer by layer, each tile would take as long as that."""

    def __init__(self, model):
        self.layers, self.outputs, self.get_weights = model.layers, model.outputs, model.get_weights
        signature = [tf.TensorSpec((None, None, None, 1))]
        self._call = tf.function(lambda images: model(images, training=False), signature)

    def __call__(self, images, training=False):
        return self._call(images)


@pytest.fixture(scope="module")
def model():
    return Compiled(create_with_random_statistics("p4m_unet", input_shape=(None, None, 1), **SMALL))


def touching():
    """Two squares side by side, a third apart, and a speck."""
    mask = np.zeros((14, 20), "uint16")
    mask[2:9, 2:9], mask[2:9, 9:16], mask[11:13, 4:8], mask[12, 18] = 1, 2, 3, 4
    return mask


def turned(array, element):
    return transform_image(array[None, ..., None], "p4m", element)[0, ..., 0]


def same_objects(a, b):
    """Whether two label images show the same objects, whatever their numbers."""
    pairs = np.unique(np.stack([a.ravel(), b.ravel()]), axis=1)
    return all(len(np.unique(side)) == pairs.shape[1] for side in pairs) and ((a > 0) == (b > 0)).all()


def test_rims():
    classes = objects.rims(touching())
    expected = np.zeros((14, 20), int)
    expected[2:9, 2:16], expected[3:8, 3:8], expected[3:8, 10:15] = 2, 1, 1
    expected[11:13, 4:8], expected[12, 18] = 2, 2
    np.testing.assert_array_equal(classes, expected)
    for element in range(8):
        np.testing.assert_array_equal(objects.rims(turned(touching(), element)), turned(classes, element))


def scores_of(mask, noise=0.05, seed=0):
    """Scores as a network would give for a mask, no two of them equal."""
    classes = objects.rims(mask)
    return 4 * np.eye(3)[classes] + np.random.default_rng(seed).normal(0, noise, (*classes.shape, 3))


def objects_of(scores):
    height = scores[..., 2] - scores[..., 1]
    return objects.number_objects(objects.parts(scores), height)


def test_from_scores_to_objects_and_back():
    mask = touching()
    mask[12, 18] = 0
    found = objects_of(scores_of(mask))
    assert same_objects(found[2:9, 2:9], mask[2:9, 2:9]) and same_objects(found[9:], mask[9:])
    assert sorted(np.unique(found)) == [0, 1, 2, 3]
    inner = (slice(3, 8), slice(3, 8)), (slice(3, 8), slice(10, 15))
    assert len({*found[inner[0]].ravel(), *found[inner[1]].ravel()}) == 2


def test_specks_are_left_out():
    assert objects_of(scores_of(touching()))[12, 18] == 0


@pytest.mark.parametrize("element", range(8))
def test_objects_turn(element):
    scores = scores_of(touching(), noise=1.0)
    moved = transform_image(scores[None], "p4m", element)[0]
    assert same_objects(objects_of(moved), turned(objects_of(scores), element))


def test_too_many_objects(monkeypatch):
    monkeypatch.setattr(objects, "MOST", 2)
    with pytest.raises(ValueError, match="A picture must show at most 2 objects. Received: more"):
        objects_of(scores_of(touching()))


def numbered_crops():
    """Two pictures whose pixels say where they are, with a rare class in a corner of the second."""
    images = [np.arange(h * w, dtype="uint8").reshape(h, w, 1) for h, w in ((12, 10), (10, 25))]
    classes = [np.zeros(image.shape[:2], "int32") for image in images]
    classes[1][0, 0] = 1
    classes[0][:] = images[0][..., 0] % 2 * 2
    return Crops(images, classes, (6, 8))


def first_batches(count, epoch=0, augmentation=(), seed=3):
    batches = training_batches(numbered_crops(), Unchanged(), augmentation, 4, seed, epoch)
    return [(np.asarray(x), np.asarray(y)) for x, y in batches.take(count)]


def test_crops_depend_on_the_seed_and_the_epoch_only():
    crops = numbered_crops()
    assert len(crops) == 2 * 2 + 2 * 4
    three_epochs = first_batches(
        9, augmentation=("square_symmetries",) if crops.size[0] == crops.size[1] else ("flip",)
    )
    resumed = first_batches(3, epoch=2, augmentation=("flip",))
    for (x, y), (again, classes) in zip(three_epochs[6:], resumed, strict=True):
        np.testing.assert_array_equal(x, again)
        np.testing.assert_array_equal(y, classes)
    assert any((x != other).any() for (x, _), (other, _) in zip(three_epochs[:3], resumed, strict=True))
    assert any((x != y).any() for (x, _), (y, _) in zip(first_batches(3), first_batches(3, seed=4), strict=True))


@pytest.mark.parametrize("augmentation", [(), ("flip",)])
def test_a_crop_and_its_classes_belong_together(augmentation):
    for images, classes in first_batches(12, augmentation=augmentation):
        assert images.shape == (4, 6, 8, 1) and classes.shape == (4, 6, 8)
        for image, shown in zip(np.rint(255 * images[..., 0]).astype(int), classes, strict=True):
            if (np.diff(image, axis=0) == 10).all():  # of the first picture
                np.testing.assert_array_equal(shown, image % 2 * 2)
            else:
                np.testing.assert_array_equal(shown, image == 0)


def test_rare_classes_occur():
    shown = [(classes == 1).any(axis=(1, 2)).mean() for _, classes in first_batches(60)]
    assert np.mean(shown) > 0.12  # a sixth of the crops are drawn around it; anywhere, it would be in few


def test_rare_classes_occur_anywhere_in_a_crop():
    classes = np.zeros((60, 60), "int32")
    classes[30, 30] = 1
    crops = Crops([np.zeros((60, 60, 1), "uint8")], [classes], (6, 8))
    batches = training_batches(crops, Unchanged(), (), 40, 0, steps=5)
    places = [tuple(place) for _, shown in batches.take(5) for one in np.asarray(shown) for place in np.argwhere(one)]
    assert len(places) > 30 and len(set(places)) > 20


@pytest.mark.parametrize("size", [(40, 52), (41, 52), (33, 47)])
@pytest.mark.parametrize("side, blended", [(16, 4), (11, 3), (20, 0)])
def test_the_tiling_changes_nothing(model, size, side, blended):
    image = random_array(*size, 1)
    whole = tiles.scores(model, image)
    assert whole.shape == (*size, 3)
    strips = list(tiles.scores_by_strips(model, image, None, side, blended))
    assert len(strips) > 1
    assert [row for rows, _ in strips for row in range(rows.start, rows.stop)] == list(range(size[0]))
    assert relative_error(np.concatenate([strip for _, strip in strips]), whole) < 1e-6


def test_tiles_are_what_the_network_of_that_size_says(model):
    for size in [(24, 20), (21, 18)]:
        image = random_array(*size, 1)
        fixed = zoo.create("p4m_unet", input_shape=(*size, 1), **SMALL)
        fixed.set_weights(model.get_weights())
        preprocess = Standardise(0.2, 0.7)
        expected = fixed(preprocess(image)[None])[0]
        assert relative_error(tiles.scores(model, image, preprocess), expected) < 1e-5


@pytest.mark.parametrize("element", [1, 4, 7])
def test_tiled_scores_turn(model, element):
    image = random_array(41, 50, 1)

    def scores(image):
        return np.concatenate([strip for _, strip in tiles.scores_by_strips(model, image, None, 16, 4)])

    moved = transform_image(image[None], "p4m", element)[0]
    expected = transform_image(scores(image)[None], "p4m", element)[0]
    assert relative_error(scores(moved), expected) < 1e-5


def test_the_reach_covers_what_scores_depend_on(model):
    image = random_array(1, 64, 64, 1)
    moved = image.copy()
    moved[0, 31, 31] += 10
    changed = np.argwhere((np.asarray(model(moved)) != np.asarray(model(image))).any(axis=(0, 3)))
    reach, multiple = tiles.reach(model)
    assert 15 < np.abs(changed - 31).max() <= reach < 32
    assert multiple == 4
    inputs = x = keras.Input((None, None, 1))
    x = keras.layers.Conv2D(1, 3, 2, "same")(x)
    x = keras.layers.Conv2D(1, 3, padding="same", dilation_rate=2)(x)
    upward = keras.Model(inputs, keras.layers.Conv2DTranspose(1, 2, 2)(x))
    assert tiles.reach(upward) == (8, 2)


def true_pictures(masks):
    images = [np.repeat((mask[..., None] > 0).astype("uint8") * 200, 1, axis=-1) for mask in masks]
    return MaskedPictures(images, masks, [str(i) for i in range(len(masks))])


def test_evaluation_of_a_perfect_network():
    mask = np.zeros((12, 16), "uint16")
    mask[2:6, 2:6], mask[8:11, 9:14] = 1, 2
    found = evaluate(perfect(3), true_pictures([mask, mask[:, ::-1]]), None, ("background", "cell"), True)
    for name in ("dice", "iou", "average_precision", "average_precision_50", "f1_50"):
        assert found[name] == pytest.approx(100)
    assert found["turn_change"] == 0
    found = evaluate(perfect(2), true_pictures([(mask > 0).astype("int32")]), None, ("background", "cell"), False)
    assert found["dice"] == pytest.approx(100) and "average_precision" not in found


def test_evaluation_counts_what_changes_under_turns():
    inputs = keras.Input((None, None, 1))
    layer = keras.layers.Conv2D(2, 3, padding="same")
    model = keras.Model(inputs, layer(inputs))
    kernel = np.zeros((3, 3, 1, 2))
    kernel[1, 0, 0, 1] = 1  # the left neighbour decides
    layer.set_weights([kernel, np.array([0.1, 0])])
    mask = np.zeros((8, 8), "int32")
    mask[3:5, 3:5] = 1
    found = evaluate(model, true_pictures([mask]), None, ("background", "cell"), False)
    # The mask is the square, moved to the right. It shares one of four cells with one that is moved up or down, none
    # with one that is moved to the left, and is itself when mirrored upside down.
    assert found["turn_change"] == pytest.approx(100 * np.mean([6, 8, 6, 8, 6, 0, 6]) / 64)


def test_an_overlay_in_strips():
    image, mask = np.random.default_rng(0).uniform(size=(30, 20, 3)), np.zeros((30, 20), int)
    mask[5:15, 3:10], mask[15:28, 3:10] = 1, 2
    whole = pictures.overlay(image, mask)
    assert whole.dtype == np.uint8
    np.testing.assert_array_equal(pictures.overlay(image, mask, rows=7), whole)
    np.testing.assert_array_equal(whole[0], np.rint(255 * image[0]))
    np.testing.assert_array_equal(whole[5, 4], pictures.colour(mask)[5, 4])
    assert (pictures.colour(mask)[0] == 0).all()
