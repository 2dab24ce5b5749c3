import os
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from keras_equivariant.training.runs.fit import fit
from keras_equivariant.training.tasks.inpainting.images import (
    Photographs,
    central_crops,
    centre,
    erase,
    load,
    training_batches,
)
from made_up_lights import PHOTOGRAPHS, SIZES, write_photographs
from small_tasks import small_recipe

from keras_equivariant.layers import RemoveGamma

pytestmark = pytest.mark.usefixtures("tensorflow_backend")


def test_photographs(tmp_path):
    images = write_photographs(tmp_path)
    for split, photographs in zip(("train", "test"), load("photograph_crops", tmp_path), strict=True):
        assert sorted(map(tuple, photographs.sizes)) == sorted(SIZES)
        for start, (height, width) in zip(photographs.starts, photographs.sizes, strict=True):
            found = photographs.values[start : start + 3 * height * width].reshape(height, width, 3)
            assert any(np.array_equal(found, image) for (s, _), image in images.items() if s == split)
    _, whole = load("photographs", tmp_path)
    assert set(map(tuple, whole.sizes)) == {(128, 128)}
    found = whole.values.reshape(-1, 128, 128, 3)
    for (split, _), image in images.items():
        if split == "test":
            small = np.clip(tf.image.resize(image, (128, 128), antialias=True), 0, 255)
            assert min(np.abs(found - small).max(axis=(1, 2, 3))) <= 0.5
    batches = training_batches(whole, 2, 0, linear=True).take(2)
    for inputs, targets in batches.as_numpy_iterator():
        for shown, target in zip(inputs, targets, strict=True):
            linear = np.asarray(RemoveGamma()(found.astype("float32") / 255))
            both = [*linear, *linear[:, :, ::-1]]
            errors = [
                np.abs(target - (2 * centre(one[None])[0] - 1)).max() + abs(one - shown)[:32].max() for one in both
            ]
            assert min(errors) < 1e-5, "the whole photograph, mirrored or not, in linear RGB"
    with pytest.raises(ValueError, match="`dataset` must be one of .*'photograph_crops'.*Received: dataset='photos'"):
        load("photos", tmp_path)


def test_erased_centres_take_the_mean_of_the_rest():
    images = np.random.default_rng(0).uniform(size=(2, 128, 128, 3)).astype("float32")
    erased = erase(images).numpy()
    outside = np.ones((128, 128), bool)
    outside[32:96, 32:96] = False
    np.testing.assert_array_equal(erased[:, outside], images[:, outside])
    means = np.broadcast_to(images[:, outside].mean(axis=1)[:, None, None], (2, 64, 64, 3))
    np.testing.assert_allclose(centre(erased), means, rtol=1e-4)
    np.testing.assert_array_equal(centre(images), images[:, ~outside].reshape(2, 64, 64, 3))
    light = np.array([0.1, 0.5, 1.0], "float32")
    np.testing.assert_allclose(erase(images * light), erased * light, rtol=1e-4)


def coordinates(size):
    """A photograph whose pixels tell where they are."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    return np.stack([rows, columns, np.full(size, size[0] % 256)], axis=-1).astype("uint8")


def test_training_crops():
    photographs = Photographs.join([coordinates(size) for size in ((140, 150), (160, 128), (200, 133))])

    def epochs(count, initial_epoch=0, **arguments):
        batches = training_batches(photographs, 2, 7, initial_epoch, **arguments).take(count)
        return [(x.numpy(), y.numpy()) for x, y in batches]

    batches = epochs(40)
    targets = np.rint((np.concatenate([y for _, y in batches]) + 1) * 127.5).astype(int)
    inputs = np.concatenate([x for x, _ in batches])
    assert targets.shape == (80, 64, 64, 3) and inputs.shape == (80, 128, 128, 3)
    steps = targets[:, 0, 1, 1] - targets[:, 0, 0, 1]
    assert set(steps) == {-1, 1}, "some are mirrored"
    tops = targets[:, 0, 0, 0] - 32
    heights = targets[:, 0, 0, 2]
    assert set(heights) == {140, 160, 200}
    assert tops.min() == 0 and all((tops <= heights - 128) & (tops >= 0)) and len(set(tops)) > 20
    whole = np.rint(255 * np.where(inputs > 0.0031308, 1.055 * np.maximum(inputs, 1e-9) ** (1 / 2.4) - 0.055, 0))
    np.testing.assert_array_equal(whole[:, 40, 10, 0], tops + 40)
    assert abs(whole[:, 64, 64, 0] - targets[:, 32, 32, 0]).max() > 1, "the centre is hidden"
    for other in (epochs(40, parallel_calls=1), epochs(37, initial_epoch=3)):
        for (x, y), (again_x, again_y) in zip(batches[40 - len(other) :], other, strict=True):
            np.testing.assert_array_equal(y, again_y)
            np.testing.assert_array_equal(x, again_x)


def test_central_crops():
    image = coordinates((140, 150))
    crop = central_crops(Photographs.join([image]))
    expected = RemoveGamma()(image[6:134, 11:139].astype("float32") / 255)
    np.testing.assert_allclose(crop[0], expected, rtol=1e-5)


def write(image):
    def spoil(path):
        path.write_bytes(tf.io.encode_png(image).numpy())

    return spoil


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda path: path.write_bytes(b"no image"), "of 8 bits.*1.png"),
        (write(np.ones((130, 130, 3), "uint16")), "of 8 bits.*1.png.*has 16 bits"),
        (write(np.ones((127, 300, 3), "uint8")), "at least 128 pixels.*1.png"),
        (write(np.zeros((130, 130, 3), "uint8")), "all black.*1.png"),
        (lambda path: [file.unlink() for file in path.parent.rglob("*.png")], "must hold photographs.*train"),
    ],
)
def test_bad_photographs(spoil, message, tmp_path):
    write_photographs(tmp_path)
    spoil(tmp_path / PHOTOGRAPHS / "train" / "1.png")
    with pytest.raises(ValueError, match=message):
        fit(small_recipe("inpainting"), tmp_path / "run", data_dir=tmp_path)
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif("KERAS_EQUIVARIANT_DATA" not in os.environ, reason="needs KERAS_EQUIVARIANT_DATA")
def test_real_photographs():
    folder = pathlib.Path(os.environ["KERAS_EQUIVARIANT_DATA"]) / "photos" / "bsds300" / "test"
    images = [tf.io.decode_jpeg(path.read_bytes()).numpy() for path in sorted(folder.glob("*.jpg"))[:4]]
    crops = central_crops(Photographs.join(images))
    assert crops.shape == (4, 128, 128, 3) and crops.std() > 0.05
