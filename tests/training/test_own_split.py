import os
import shutil

import numpy as np
import pytest
from keras_equivariant.training.data.own import list_classes, list_table, pictures_below
from keras_equivariant.training.runs.own import from_folder
from own_pictures import draw, parts, split, write_classes
from PIL import Image

pytestmark = pytest.mark.usefixtures("tensorflow_backend")


def test_a_split_is_stratified_and_alike_for_a_seed(tmp_path):
    write_classes(tmp_path, (("a", 20), ("b", 40), ("c", 3), ("d", 2), ("e", 1)))
    found, lines = split(tmp_path)
    assert not found.notes and not lines and not found.grey
    expected = {"a": (13, 3, 4), "b": (26, 6, 8), "c": (1, 1, 1), "d": (1, 0, 1), "e": (1, 0, 0)}
    assert parts(found.rows) == expected
    assert split(tmp_path)[0].rows == found.rows != split(tmp_path, seed=1)[0].rows
    assert parts(split(tmp_path, validation=0)[0].rows)["a"] == (16, 0, 4)


@pytest.mark.parametrize("names", [("train", "validation", "test"), ("Training", "val", "testing")])
def test_a_split_that_is_given(tmp_path, names):
    for name, count in zip(names, (6, 2, 3), strict=True):
        write_classes(tmp_path / name, (("a", count), ("b", count)))
    found, lines = split(tmp_path)
    assert parts(found.rows) == {"a": (6, 2, 3), "b": (6, 2, 3)}
    assert " across the split, such as" in lines[0] and "none" not in lines[0], "the pictures are drawn alike"


def test_what_a_given_split_lacks_is_taken_from_the_training(tmp_path):
    write_classes(tmp_path / "train", (("a", 20), ("b", 10)))
    write_classes(tmp_path / "test", (("a", 2), ("b", 3)))
    assert parts(split(tmp_path)[0].rows) == {"a": (17, 3, 2), "b": (8, 2, 3)}


def test_pictures_to_test_on_without_classes_are_left_out(tmp_path):
    write_classes(tmp_path / "train", (("a", 20), ("b", 10)))
    draw(tmp_path / "test" / "0.png", 0, 99)
    found, _ = split(tmp_path)
    assert parts(found.rows) == {"a": (13, 3, 4), "b": (6, 2, 2)}
    assert found.notes == ["warning: left out, without class subfolders: test"]


def test_classes_with_names_of_parts_are_classes(tmp_path):
    write_classes(tmp_path, (("test", 5), ("train", 5)))
    assert set(parts(split(tmp_path)[0].rows)) == {"test", "train"}


def test_copies_stay_together(tmp_path):
    write_classes(tmp_path, (("a", 20), ("b", 20)))
    for i in range(8):
        shutil.copy(tmp_path / "a" / f"{i}.png", tmp_path / "a" / f"copy {i}.png")
    for seed in range(5):
        found, (line,) = split(tmp_path, seed=seed)
        where = {row["file"]: row["split"] for row in found.rows}
        assert all(where[f"a/{i}.png"] == where[f"a/copy {i}.png"] for i in range(8))
        assert line.startswith("warning: there more than once: 8 pictures, none of them across the split, such as a/")
    shutil.copy(tmp_path / "a" / "0.png", tmp_path / "b" / "of a.png")
    assert split(tmp_path)[1][-1].startswith("warning: there with more than one label: 1 picture, such as a/0.png")


def test_links_are_followed_but_in_no_circle(tmp_path):
    write_classes(tmp_path / "elsewhere", (("more", 3),))
    folder = write_classes(tmp_path / "mine", (("a", 4), ("b", 4)))
    os.symlink(folder, folder / "a" / "up")
    os.symlink(folder / "b", folder / "b" / "again")
    os.symlink(tmp_path / "elsewhere" / "more", folder / "b" / "more")
    rows, notes = list_classes(folder)
    assert parts(rows) == {"a": (0, 0, 0), "b": (0, 0, 0)} and len(rows) == 11
    assert notes == ["warning: not followed, back to where they are: 2 links"]
    assert pictures_below(folder / "a", folder)[0] == [f"a/{i}.png" for i in range(4)]


def test_what_cannot_be_read_is_left_out_and_counted(tmp_path):
    folder = write_classes(tmp_path / "mine")
    (folder / "bars" / "a 'text'.png").write_text("text")
    (folder / "rings" / "empty ü.jpg").touch()
    (folder / "rings" / "notes.txt").write_text("no picture, and not taken for one")
    (folder / ".hidden").mkdir()
    whole = (folder / "bars" / "3.png").read_bytes()
    (folder / "bars" / "3.png").write_bytes(whole[: len(whole) // 2])
    (folder / "loose.png").write_bytes(whole)
    (folder / "nothing").mkdir()
    own = from_folder(folder)
    assert len(own.data.rows) == 23 and own.data.names == ("bars", "rings")
    left = [line for line in own.lines if line.startswith("warning")]
    assert left[0] == "warning: no picture in nothing, which is left out"
    assert left[1] == "warning: left out, outside of the class subfolders: 1 picture"
    assert left[2].startswith("warning: left out, cannot be read: 2 files: ") and "and 1 more" in left[2]
    assert left[3].startswith("warning: left out, cannot be read: 1 file: ") and "3.png (" in left[3]


def test_pictures_of_all_kinds_in_one_folder(tmp_path):
    folder = write_classes(tmp_path, (("a", 8), ("b", 8)))
    for i, (mode, ending) in enumerate([("L", "jpg"), ("RGBA", "webp"), ("P", "gif"), ("1", "bmp"), ("LA", "png")]):
        with Image.open(folder / "a" / f"{i}.png") as picture:
            picture.convert(mode).save(folder / "b" / f"m{i}.{ending}")
    Image.fromarray(np.full((30, 40), 65535, "uint16")).save(folder / "b" / "deep.tif")
    own = from_folder(folder)
    assert len(own.data.rows) == 22 and own.data.train.images.shape[1:] == (32, 32, 3)
    splits = (own.data.train, own.data.validation, own.data.test)
    values = np.concatenate([s.images.ravel() for s in splits])
    assert values.dtype == "float32" and 0 == values.min() and values.max() == 1, "one of them has 16 bits"


def test_grey_pictures_are_recognised_however_they_are_stored(tmp_path):
    folder = write_classes(tmp_path)
    for i, path in enumerate(folder.rglob("*.png")):
        with Image.open(path) as picture:
            grey = picture.convert("L")
        (grey.convert("RGB") if i % 2 else grey).save(path)
    own = from_folder(folder)
    assert own.data.train.images.shape[1:] == (32, 32, 1) == tuple(own.recipe.model_arguments["input_shape"])
    assert "grey" in own.lines[2]


def test_a_table_of_labels(tmp_path):
    for i in range(20):
        draw(tmp_path / "images" / f"{i}.png", i % 2, i)
    rows = "\n".join(f"{i}.png,{'even' if i % 2 else 'odd, really'!r},x".replace("'", '"') for i in range(20))
    (tmp_path / "labels.csv").write_text(f"file,label,note\n{rows}\n")
    own = from_folder(tmp_path)
    assert own.recipe.task == "classification" and own.data.names == ("even", "odd, really")
    assert list_table(tmp_path)[1] == ["label", "note"]
    assert sorted(row["file"] for row in own.data.rows) == sorted(f"images/{i}.png" for i in range(20))
