"""Damaged files of people's own, and of runs on them: an error that names the file, or something is read of it."""

import csv
import json

import numpy as np
import pytest
import tensorflow as tf
import tifffile
from damages import DAMAGES, retype
from fuzz import CASES, draw
from helpers import random_array
from keras_equivariant.training.data import arrays, colorchecker, nus
from keras_equivariant.training.data.folders import load_labelled_folder
from keras_equivariant.training.data.images import LabelledImages, Split, load_images, save_images
from keras_equivariant.training.data.masked_folder import find_pairs, load_masked_folder, read_pairs
from keras_equivariant.training.data.own_split import read_split
from keras_equivariant.training.data.pictures import look_at, read_picture
from keras_equivariant.training.files import read_json
from keras_equivariant.training.input.preprocessing import fit_preprocessing
from keras_equivariant.training.runs.finished import load_run
from keras_equivariant.training.runs.own import _palette, from_folder
from made_up_lights import write_colorchecker, write_nus
from own_pictures import write_classes, write_masks
from PIL import Image
from runs import finished_run

from keras_equivariant import zoo

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("tensorflow_backend")]
SIZE = (24, 24, 3)
PICTURES = ("a.png", "a.jpg", "a.gif", "a.tif", "a.webp", "a.bmp", "deep.png", "deep.tif", "clear.png", "grey.png")
MASKS = ("1.png", "2.png", "3.tif")


def write_pictures(folder):
    folder.mkdir()
    pixels = (255 * abs(random_array(*SIZE)).clip(0, 1)).astype("uint8")
    picture = Image.fromarray(pixels)
    for name in PICTURES[:6]:
        picture.save(folder / name)
    (folder / "deep.png").write_bytes(tf.io.encode_png(257 * pixels.astype("uint16")).numpy())
    tifffile.imwrite(folder / "deep.tif", 257 * pixels.astype("uint16"), compression="zlib")
    picture.quantize().save(folder / "clear.png", transparency=3)
    picture.convert("L").save(folder / "grey.png")


def write_tables(folder):
    for name, columns in (("labels", ("label", "split")), ("numbers", ("weight", "age"))):
        place = folder / name
        write_classes(place, (("images", 12),))
        with (place / "labels.csv").open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["file", *columns])
            for i in range(12):
                rows.writerow([f"{i}.png", *(("ä b" if i % 2 else "rings", "") if name == "labels" else (i / 2, -i))])


def write_of_runs(folder):
    (folder / "split.csv").write_text("file,split,label\na/0.png,train,a\nb/0.png,test,b\n")
    (folder / "palette.txt").write_text("background=#000000\ncell=#ff0000\n")
    split = Split(np.arange(24, dtype="uint8").reshape(2, 2, 2, 3), np.array([0, 1]))
    save_images(folder / "images.npz", LabelledImages(split, split, 2, names=("a", "b")))
    images, labels = np.zeros((3, 4, 4), "uint8"), np.array([0, 1, 2])
    np.savez(folder / "mine.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    zoo.create("z2cnn", filters=2).save_weights(folder / "z.weights.h5")
    run = finished_run(folder / "run", "rotated_digits", model="z2cnn", model_arguments={"filters": 2})
    (run / "labels.json").write_text(json.dumps([str(i) for i in range(10)]))
    small = {"filters": (3, 3), "bottleneck": 3, "units": 6}
    finished_run(folder / "estimator", "colorchecker_original", model_arguments=small)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """One of each kind of file."""
    folder = tmp_path_factory.mktemp("files")
    write_pictures(folder / "pictures")
    write_masks(folder / "masked")
    write_tables(folder)
    write_of_runs(folder)
    write_colorchecker(folder)
    write_nus(folder)
    return folder


def masks_of(folder):
    read_pairs(find_pairs(folder), None, None, folder)
    unread = []
    read_pairs(find_pairs(folder), None, None, folder, unread=unread)
    from_folder(folder)


def estimate(folder):
    fit_preprocessing("estimated_light", [abs(random_array(1, 64, 64, 3))], str(folder))


def photographs(folder):
    for photograph in nus._read_ground_truth(folder / "downloads/manual/nus/Canon"):
        nus._read_photograph(*photograph)


_CHECKED = ("x", "illuminant", "name", "camera", "fold")
_CHARTS = "downloads/manual/colorchecker_rec568_64.npz"
# The file, inside of the folder, and how it is read.
READERS = {
    **{f"pictures/{name}": lambda folder, name=name: read_picture(folder / "pictures" / name) for name in PICTURES},
    **{f"masked/masks/{name}": lambda folder: masks_of(folder / "masked") for name in MASKS},
    "masked/images/2.png": lambda folder: load_masked_folder(str(folder / "masked")),
    "labels/labels.csv": lambda folder: from_folder(folder / "labels"),
    "labels/images/3.png": lambda folder: from_folder(folder / "labels"),
    "numbers/labels.csv": lambda folder: (
        load_labelled_folder(str(folder / "numbers"), SIZE),
        from_folder(folder / "numbers"),
    ),
    "split.csv": lambda folder: read_split(folder / "split.csv"),
    "palette.txt": lambda folder: _palette(str(folder / "palette.txt")),
    "images.npz": lambda folder: load_images(folder / "images.npz"),
    "mine.npz": lambda folder: arrays.load("mine", folder / "mine.npz"),
    "z.weights.h5": lambda folder: zoo.create("z2cnn", filters=2, weights=folder / "z.weights.h5"),
    "run/labels.json": lambda folder: load_run(folder / "run"),
    "run/config.json": lambda folder: zoo.create("z2cnn", weights=folder / "run"),
    "run/metrics.json": lambda folder: read_json(folder / "run" / "metrics.json"),
    "estimator/model.keras": lambda folder: estimate(folder / "estimator"),
    _CHARTS: lambda folder: colorchecker._read_npz(folder / _CHARTS, _CHECKED),
    "downloads/manual/nus/Canon/Canon_gt.mat": photographs,
    "downloads/manual/nus/Canon/Canon_0001.PNG": photographs,
}


@pytest.mark.parametrize("name", READERS)
def test_damage_is_an_error_that_names_the_file_or_does_not_matter(name, place):
    path, read = place / name, READERS[name]
    content, faults, refused = path.read_bytes(), [], 0
    read(place)
    for case in range(max(CASES // 30, 2)):
        rng = np.random.default_rng([6, len(name), case])
        damage = draw(rng, (*DAMAGES, *(retype,) * 6) if name.endswith(".json") else DAMAGES)
        path.write_bytes(damage(rng, content))
        try:
            read(place)
        except ValueError as error:
            refused += 1
            if path.name not in str(error) and path.parent.name not in str(error):
                faults.append((case, damage.__name__, f"does not name the file: {error}"[:300]))
        except Exception as error:
            faults.append((case, damage.__name__, f"{type(error).__name__}: {error}"[:300]))
        finally:
            path.write_bytes(content)
    print(f"{name}: {case + 1} cases, {refused} refused")
    assert not faults, "\n".join(map(str, faults))


@pytest.mark.parametrize("name", PICTURES)
def test_what_the_beginning_tells(name, place):
    path = place / "pictures" / name
    assert look_at(path)[0] == SIZE[:2]


def test_a_mask_with_a_broken_header(place, tmp_path):
    content = bytearray((place / "masked" / "masks" / "1.png").read_bytes())
    content[11] ^= 1  # the length of the first chunk
    write_masks(tmp_path / "masked")
    (tmp_path / "masked" / "masks" / "1.png").write_bytes(content)
    with pytest.raises(ValueError, match="must be an image. Received: .*1.png .Truncated IHDR chunk"):
        load_masked_folder(str(tmp_path / "masked"))
    lines = from_folder(tmp_path / "masked").lines
    assert any("left out, cannot be read: 1 file" in line and "1.png" in line for line in lines)


def test_the_file_of_a_palette_is_named(tmp_path):
    path = tmp_path / "palette.txt"
    for content, rule in ((b"background=#000000\n\xe4=#ff0000", "utf-8"), (b"cell=red", "palette='cell=red'")):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"{rule}.*, in the file .*palette.txt"):
            _palette(str(path))


def test_weights_that_hdf5_stumbles_over(place, monkeypatch):
    def stumble(path):
        raise KeyError("wrong version number in dataspace message")

    monkeypatch.setattr(zoo.pretrained, "_shapes", stumble)
    with pytest.raises(ValueError, match="the file cannot be read .*wrong version number.* Received: .*z.weights.h5"):
        zoo.create("z2cnn", filters=2, weights=place / "z.weights.h5")
