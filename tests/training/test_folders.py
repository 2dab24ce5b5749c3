"""Folders of users, with pictures and a table of numbers."""

import numpy as np
import pytest
from keras_equivariant.training import cli
from keras_equivariant.training.data.folders import load_labelled_folder
from keras_equivariant.training.data.transforms import fit_into
from PIL import Image

SHAPE = (16, 16, 3)


@pytest.fixture(autouse=True)
def only_tensorflow(tensorflow_backend):
    pass


def write_folder(folder, count=12, header="file,age,weight"):
    """Picture i is of the grey 10 i, twice as wide as high, and has the numbers i and -i / 2."""
    (folder / "images" / "below").mkdir(parents=True)
    names = [f"{'below/' if i % 2 else ''}{i}.png" for i in range(count)]
    for i, name in enumerate(names):
        Image.new("L", (40, 20), 10 * i).save(folder / "images" / name)
    rows = [f"{name},{i},{-i / 2}" for i, name in enumerate(names)]
    (folder / "labels.csv").write_text("\n".join([header, *rows]) + "\n")
    return folder


def change(old, new):
    """Changes the table."""

    def apply(folder):
        table = folder / "labels.csv"
        assert old in table.read_text()
        table.write_text(table.read_text().replace(old, new))

    return apply


def test_pictures_and_numbers(tmp_path):
    data = load_labelled_folder(write_folder(tmp_path, 20), SHAPE)
    assert data.names == ("age", "weight") and data.classes == 2
    assert [len(split) for split in (data.train, data.validation, data.test)] == [14, 2, 4]
    ages = []
    for split in (data.train, data.validation, data.test):
        assert split.images.dtype == "uint8" and split.images.shape[1:] == SHAPE
        for image, (age, weight) in zip(split.images, split.labels, strict=True):
            np.testing.assert_array_equal(image[4:12], np.full((8, 16, 3), 10 * age))
            assert image[:4].max() == image[12:].max() == 0, "black above and below"
            assert weight == -age / 2
            ages.append(age)
    assert sorted(ages) == list(range(20))
    again, other = load_labelled_folder(tmp_path, SHAPE), load_labelled_folder(tmp_path, SHAPE, seed=1)
    np.testing.assert_array_equal(again.test.labels, data.test.labels)
    assert sorted(other.test.labels[:, 0]) != sorted(data.test.labels[:, 0])


def test_tables_as_spreadsheets_write_them(tmp_path):
    """With a byte order mark, quotes, spaces, empty lines, and the columns in any order."""
    write_folder(tmp_path)
    rows = [f'{i},"{"below/" if i % 2 else ""}{i}.png", 1e{i} ' for i in range(12)]
    lines = ["\ufeffweight,file,age", "", *rows, ",,", ""]
    (tmp_path / "labels.csv").write_bytes("\r\n".join(lines).encode())
    data = load_labelled_folder(tmp_path, (16, 16, 1))
    assert data.names == ("weight", "age") and data.train.images.shape[1:] == (16, 16, 1)
    np.testing.assert_allclose(data.train.labels[:, 1], 10.0 ** data.train.labels[:, 0], rtol=1e-6)
    np.testing.assert_array_equal(data.train.images.max((1, 2, 3)), 10 * data.train.labels[:, 0])


@pytest.mark.parametrize("size", [(40, 20), (20, 40), (7, 500), (16, 16), (1, 1)])
def test_pictures_fit_whole_and_with_their_aspect_ratio(size):
    height, width = size
    fitted = fit_into(np.ones((height, width, 3), "float32"), (16, 24, 1))
    assert fitted.shape == (16, 24, 1)
    scale = min(16 / height, 24 / width)
    rows, columns = (int((fitted[..., 0] > 0.5).any(axis).sum()) for axis in (1, 0))
    # Even, as 16 and 24, so that as much is left over on either side.
    assert (rows, columns) == tuple(max(2, 2 * round(scale * side / 2)) for side in size)


def test_fine_stripes_become_grey():
    """What is made smaller is averaged first; every fourth column alone would be black or white."""
    stripes = np.zeros((64, 64, 3), "float32")
    stripes[:, ::4] = 1
    np.testing.assert_allclose(fit_into(stripes, (16, 16, 3))[:, 2:-2], 0.25, atol=0.03)


def remove(name):
    def apply(folder):
        path = folder / name
        path.rename(folder.parent / "away")

    return apply


def damage(folder):
    (folder / "images" / "4.png").write_bytes(b"no picture")


def empty(folder):
    remove("images")(folder)
    (folder / "labels.csv").unlink()


BAD = {
    "empty folder": (empty, r"must hold images/ and labels.csv. Received: no such path as .*labels.csv"),
    "no table": (remove("labels.csv"), r"must hold images/ and labels.csv. Received: no such path as .*labels.csv"),
    "no pictures": (remove("images"), r"must hold images/ and labels.csv. Received: no such path as .*images"),
    "no header": (
        change("file,age", "0.png,0"),
        r"must have a column 'file' .*Received: .*labels.csv with '0.png', '0'",
    ),
    "no column of files": (change("file", "name"), r"must have a column 'file' .*Received: .*with 'name', 'age', 'wei"),
    "no column of numbers": (change("file,age,weight", "file"), r"one or more columns of numbers.*with 'file'$"),
    "a name twice": (change("weight", "age"), r"with a name of its own.*with 'file', 'age', 'age'"),
    "a column without a name": (change("weight", ""), r"with a name of its own.*with 'file', 'age', ''"),
    "a missing picture": (change("\n4.png", "\n44.png"), r"must be there. Received: .*csv, line 6: .*images.44.png"),
    "a folder as picture": (change("\n4.png", "\nbelow"), r"must be there. Received: .*csv, line 6: .*images.below"),
    "a word": (change("4.png,4", "4.png,old"), r"finite number. Received: .*csv, line 6, column 'age': 'old'"),
    "an empty cell": (change("4.png,4", "4.png,"), r"finite number. Received: .*csv, line 6, column 'age': ''"),
    "not a number": (change("4.png,4", "4.png,nan"), r"finite number. Received: .*csv, line 6, column 'age': 'nan'"),
    "infinity": (change("4.png,4,-2.0", "4.png,4,-inf"), r"finite number. Received: .*line 6, column 'weight': '-inf'"),
    "a cell too few": (change("4.png,4,", "4.png,"), r"Each row must have 3 cells. Received: .*csv, line 6 with 2"),
    "a decimal comma": (change("4.png,4,", "4.png,4,1,"), r"Each row must have 3 cells. Received: .*line 6 with 4"),
    "a picture twice": (change("\n4.png", "\n2.png"), r"named once. Received: .*csv, line 6: .*2.png again"),
    "no picture": (damage, r"The file must be an image. Received: .*4.png .*named in .*csv, line 6"),
    "bytes that are no text": (
        lambda folder: (folder / "labels.csv").write_bytes(b"\xff\xfe\x00file"),
        r"must be a table with a header, as CSV in UTF-8. Received: .*labels.csv",
    ),
    "an empty table": (
        lambda folder: (folder / "labels.csv").write_text("\n"),
        r"must be a table with a header, as CSV in UTF-8. Received: .*labels.csv",
    ),
    "few rows": (
        lambda folder: (folder / "labels.csv").write_text("file,age\n0.png,3\n"),
        r"must name at least 10 pictures. Received: .*labels.csv with 1$",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_folders_are_told_in_one_line_before_anything_is_written(case, tmp_path, capsys):
    spoil, message = BAD[case]
    folder = write_folder(tmp_path / "mine")
    spoil(folder)
    before = sorted(path for path in tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=message):
        load_labelled_folder(folder, SHAPE)
    status = cli.main(["fit", "folder_regression", "--data-dir", str(folder), "--output", str(tmp_path / "run")])
    (line,) = capsys.readouterr().err.splitlines()
    assert status == 2 and line.startswith("keras-equivariant: error: ")
    assert sorted(path for path in tmp_path.rglob("*")) == before


def test_the_folder_must_be_given(tmp_path, capsys):
    assert cli.main(["fit", "folder_regression", "--output", str(tmp_path / "run")]) == 2
    assert "`data_dir` must be a folder with images/ and labels.csv. Received: data_dir=None" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
