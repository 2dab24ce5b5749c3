"""Photographs with the colour of their light, from files in their published forms."""

import os
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from keras_equivariant.training.data.files import read_image, scaled
from keras_equivariant.training.tasks.illuminants.images import fill, load, visible_pixels
from made_up_lights import CHART, COUNT, write_colorchecker, write_nus

pytest.importorskip("tensorflow_datasets")

REAL = os.environ.get("KERAS_EQUIVARIANT_DATA")
MANUAL = pathlib.Path("downloads") / "manual"


def write_png(path, image):
    path.write_bytes(tf.io.encode_png(image).numpy())


def test_colorchecker(tmp_path):
    arrays = write_colorchecker(tmp_path)
    data = load("colorchecker", tmp_path)
    assert len(data) == COUNT
    np.testing.assert_array_equal(np.sort(data.folds), np.sort(arrays["fold"]))
    np.testing.assert_allclose(np.linalg.norm(data.lights, axis=1), 1, rtol=1e-6)
    for image, light, fold in zip(data.images, data.lights, data.folds, strict=True):
        (i,) = (i for i in range(COUNT) if (arrays["x"][i] == image).all())
        assert arrays["fold"][i] == fold
        np.testing.assert_allclose(light * np.linalg.norm(arrays["illuminant"][i]), arrays["illuminant"][i], rtol=1e-5)


def test_nus(tmp_path):
    colours = write_nus(tmp_path)
    data = load("nus", tmp_path)
    assert len(data) == 6 and sorted(data.folds) == [0, 0, 1, 1, 2, 2]
    found = []
    for image, light in zip(data.images, data.lights, strict=True):
        # Means of visible pixels only: the white chart has left no trace, and what is under it is masked.
        seen = visible_pixels(image[None])[0]
        colour = image[seen].mean(axis=0)
        np.testing.assert_allclose(image[seen], np.broadcast_to(colour, image[seen].shape), atol=1e-4)
        np.testing.assert_allclose(light, colour / np.linalg.norm(colour), atol=1e-4)
        found.append(colour)
        top, bottom, left, right = CHART
        hidden = np.zeros((64, 64), bool)
        cells = [np.arange(64) * side // 64 for side in (96, 130)]
        ends = [np.append(cell[1:], side) for cell, side in zip(cells, (96, 130), strict=True)]
        inside = [
            (a >= first - 1) & (b <= last)
            for a, b, first, last in zip(cells, ends, (top, left), (bottom, right), strict=True)
        ]
        hidden = inside[0][:, None] & inside[1][None, :]
        np.testing.assert_array_equal(seen, ~hidden)
    np.testing.assert_allclose(sorted(map(tuple, found)), sorted(map(tuple, colours.values())), atol=1e-4)


def test_hidden_pixels_take_the_mean_of_the_visible_ones():
    images = np.random.default_rng(0).uniform(0.1, 1, (2, 8, 8, 3)).astype("float32")
    images[0, :2, :2] = 0
    images[1, 5, 5, 2] = 0
    seen = visible_pixels(images)
    assert (~seen).sum((1, 2)).tolist() == [4, 1]
    filled = fill(images, seen)
    np.testing.assert_array_equal(filled[seen], images[seen])
    np.testing.assert_allclose(filled[0, 0, 0], images[0][seen[0]].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(filled[1, 5, 5], images[1][seen[1]].mean(axis=0), rtol=1e-5)
    light = np.array([0.1, 0.9, 0.4], "float32")
    np.testing.assert_allclose(fill(images * light, visible_pixels(images * light)), filled * light, rtol=1e-5)
    assert visible_pixels(images, 0.5).sum() == (images >= 0.5).all(-1).sum()


def test_light_multiplies_images_and_their_lights():
    images = np.random.default_rng(0).uniform(0.1, 1, (5, 8, 8, 3)).astype("float32")
    from keras_equivariant.training.tasks.illuminants.images import LitImages

    data = LitImages(images, np.ones((5, 3), "float32"), np.arange(5))
    np.testing.assert_array_equal(data.under(0.0).images, images)
    half, strong = data.under(0.5), data.under(0.9)
    np.testing.assert_allclose(half.images, images * half.lights[:, None, None], rtol=1e-6)
    np.testing.assert_allclose(half.lights.min(axis=1), 0.5, rtol=1e-5)
    np.testing.assert_allclose(strong.lights.min(axis=1), 0.1, rtol=1e-4)
    np.testing.assert_allclose((1 - half.lights) / 0.5, (1 - strong.lights) / 0.9, atol=1e-5, err_msg="the same hues")
    assert len(np.unique(half.lights.argmin(axis=1))) > 1


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"illuminant": None}, "must hold the arrays x, illuminant"),
        ({"illuminant": np.zeros((COUNT, 3))}, "lights must be positive"),
        ({"illuminant": np.full((COUNT, 3), np.nan)}, "lights must be positive"),
        ({"x": np.zeros((COUNT, 64, 64, 3), "float32")}, "all black. Received: photo0"),
        ({"x": np.ones((COUNT, 32, 32, 3), "float32")}, "images of 64x64"),
        ({"fold": np.zeros(3, "uint8")}, "each with all else"),
        ({"fold": np.arange(COUNT) % 3 + 1}, "folds must be 0, 1, 2"),
        ({"fold": np.arange(COUNT) % 2}, "folds must be 0, 1, 2"),
    ],
)
def test_bad_archives(changes, message, tmp_path):
    write_colorchecker(tmp_path, **changes)
    with pytest.raises(ValueError, match=f"{message}.*colorchecker_rec568_64.npz"):
        load("colorchecker", tmp_path)


def test_missing_and_broken_files(tmp_path):
    with pytest.raises(ValueError, match="must hold downloads/manual/colorchecker_rec568_64.npz"):
        load("colorchecker", tmp_path)
    with pytest.raises(ValueError, match="must hold downloads/manual/nus"):
        load("nus", tmp_path)
    write_colorchecker(tmp_path)
    path = tmp_path / MANUAL / "colorchecker_rec568_64.npz"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="Received: .*colorchecker_rec568_64.npz"):
        load("colorchecker", tmp_path)
    with pytest.raises(ValueError, match=r"`dataset` must be one of .* Received: dataset='faces'"):
        load("faces")


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"groundtruth_illuminants": None}, "must have groundtruth_illuminants.*Canon_gt.mat"),
        ({"groundtruth_illuminants": np.ones((2, 3))}, "Canon_gt.mat with 3 names, 2 lights"),
        ({"groundtruth_illuminants": -np.ones((3, 3))}, "lights must be positive.*Canon_gt.mat"),
        ({"CC_coords": np.ones((3, 2))}, r"Canon_gt.mat with 3 names, 3 lights, charts \(3, 2\)"),
        ({"CC_coords": np.array([[1, 500, 1, 5]] * 3)}, "chart must be inside of the image.*Canon_000.*500"),
        ({"saturation_level": 10}, "black below white.*Canon_gt.mat"),
        ({"all_image_names": np.array([["a"], ["b"], ["c"]], dtype=object)}, "all photographs.*Canon without a.PNG"),
    ],
)
def test_bad_ground_truth(changes, message, tmp_path):
    write_nus(tmp_path, ("Canon",), **changes)
    with pytest.raises(ValueError, match=message):
        load("nus", tmp_path)
    assert not [path for path in (tmp_path / "nus").rglob("*.tfrecord*")], "nothing half-written stays"


def broken(path):
    path.write_bytes(path.read_bytes()[:200])


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda path: write_png(path, np.full((96, 130, 3), 5, "uint8")), "of 16 bits.*Canon_0001.PNG.*has 8 bits"),
        (lambda path: path.write_bytes(b"no image"), "of 16 bits.*Canon_0001.PNG"),
        (broken, "of 16 bits.*Canon_0001.PNG"),
        (lambda path: path.unlink(), "all photographs.*without Canon_0001.PNG"),
        (lambda path: write_png(path, np.full((60, 130, 3), 5000, "uint16")), "at least 64 pixels.*Canon_0001.PNG"),
        (lambda path: write_png(path, np.zeros((96, 130, 3), "uint16")), "all black.*Canon_0001.PNG"),
        (lambda path: (path.parent / "Canon_gt.mat").unlink(), "one file .*_gt.mat. Received: .*Canon"),
        (lambda path: (path.parent / "Canon_gt.mat").write_bytes(b"no matrix"), "must have .*Canon_gt.mat"),
    ],
)
def test_bad_photographs(spoil, message, tmp_path):
    write_nus(tmp_path, ("Canon",))
    spoil(tmp_path / MANUAL / "nus" / "Canon" / "Canon_0001.PNG")
    with pytest.raises(ValueError, match=message):
        load("nus", tmp_path)


def test_files_of_images(tmp_path):
    image = np.random.default_rng(0).integers(0, 65536, (4, 5, 3)).astype("uint16")
    write_png(tmp_path / "a.png", image)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), image)
    np.testing.assert_allclose(scaled(image), image / 65535, rtol=1e-6)
    (tmp_path / "b.jpg").write_bytes(tf.io.encode_jpeg(np.full((8, 8, 3), 77, "uint8")).numpy())
    np.testing.assert_allclose(read_image(tmp_path / "b.jpg", bits=8), 77, atol=2)
    with pytest.raises(ValueError, match="of 8 bits.*a.png.*has 16 bits"):
        read_image(tmp_path / "a.png", bits=8)
    with pytest.raises(ValueError, match="must be an image. Received: .*none.png"):
        read_image(tmp_path / "none.png")


@pytest.mark.skipif(not REAL, reason="needs KERAS_EQUIVARIANT_DATA")
def test_the_real_colorchecker(tmp_path):
    folder = tmp_path / MANUAL
    folder.mkdir(parents=True)
    path = pathlib.Path(REAL) / "colour_constancy" / "colorchecker_rec568_64.npz"
    (folder / path.name).symlink_to(path)
    data = load("colorchecker", tmp_path)
    assert np.bincount(data.folds).tolist() == [189, 191, 188]
    assert 0.04 < 1 - visible_pixels(data.images).mean() < 0.1
