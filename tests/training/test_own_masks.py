"""Folders of people's own pictures with masks or numbers, from `fit --data` to predictions."""

import csv
import json
import shutil

import numpy as np
import pytest
from keras_equivariant.training import cli
from keras_equivariant.training.data.own_split import read_split
from keras_equivariant.training.runs.finished import load_run
from keras_equivariant.training.runs.own import from_folder
from PIL import Image
from small_tasks import killed_after, quickly, without_files

pytestmark = pytest.mark.usefixtures("tensorflow_backend", "quick")
RED, BLACK = (255, 0, 0), (0, 0, 0)


@pytest.fixture
def quick():
    with quickly("segmentation"):
        yield


def squares(seed, size):
    """A picture with bright squares, and the number of the square at each pixel."""
    rng = np.random.default_rng(seed)
    image, mask = rng.uniform(0, 60, size), np.zeros(size, "uint16")
    for number in range(1, 2 + seed % 3):
        row, column = (number - 1) * 14 + 1, rng.integers(1, size[1] - 12)
        image[row : row + 10, column : column + 10] += 150
        mask[row : row + 10, column : column + 10] = number
    return image.astype("uint8"), mask


def write_masks(folder, count=10, draw=lambda mask: mask):
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for i in range(count):
        image, mask = squares(i, (44 + i, 40 + 2 * i))
        Image.fromarray(image).save(folder / "images" / f"ü {i}.{'jpg' if i % 2 else 'png'}", quality=95)
        Image.fromarray(draw(mask)).save(folder / "masks" / f"ü {i}.png")
    return folder


def read(path):
    """A copy of a picture, whose file is closed."""
    with Image.open(path) as file:
        return file.copy()


def in_red(mask):
    return np.where(mask[..., None] > 0, np.uint8(RED), np.uint8(BLACK))


@pytest.mark.parametrize(
    "draw, wishes, names",
    [
        (lambda mask: mask, {}, ("background", "object")),
        (lambda mask: mask, {"masks": "classes"}, ("background", "1", "2", "3")),
        (lambda mask: (255 * (mask > 0)).astype("uint8"), {}, ("background", "foreground")),
        (in_red, {"palette": {"nothing": "#000000", "cell": "#ff0000"}}, ("nothing", "cell")),
    ],
)
def test_masks_of_all_kinds_are_read_again_as_they_were(tmp_path, draw, wishes, names):
    own = from_folder(write_masks(tmp_path, draw=draw), **wishes)
    assert own.data.classes == names and own.recipe.task == "segmentation"
    assert [len(part) for part in (own.data.train, own.data.validation, own.data.test)] == [6, 2, 2]
    assert own.recipe.model_arguments["input_shape"] == (32, 32, 1)
    rows = list(own.data.rows)
    again = json.loads(json.dumps(own.recipe.data_arguments))
    recipe = type(own.recipe)(**{**vars(own.recipe), "data_arguments": again})
    from keras_equivariant.training.tasks import get_task

    loaded = get_task("segmentation").load_own(recipe, tmp_path, rows, list(names))
    assert (loaded.classes, loaded.instances, loaded.crop) == (own.data.classes, own.data.instances, own.data.crop)
    for found, expected in zip(loaded.test.masks, own.data.test.masks, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_pictures_that_cannot_be_read_are_left_out(tmp_path):
    folder = write_masks(tmp_path)
    (folder / "images" / "ü 0.png").write_text("text")
    (folder / "masks" / "ü 2.png").write_bytes((folder / "masks" / "ü 2.png").read_bytes()[:60])
    (folder / "images" / "notes.txt").write_text("neither a picture nor without a mask")
    own = from_folder(folder)
    assert len(own.data.rows) == 8
    assert [line[:42] for line in own.lines[-2:]] == ["warning: left out, cannot be read: 1 file:"] * 2


def other_size(folder):
    read(folder / "masks" / "ü 3.png").resize((9, 9)).save(folder / "masks" / "ü 3.png")


def as_jpeg(folder):
    (folder / "masks" / "ü 3.png").unlink()
    Image.new("L", (46, 47)).save(folder / "masks" / "ü 3.jpg")


def renamed_jpeg(folder):
    Image.new("L", (46, 47)).save(folder / "masks" / "ü 3.png", format="JPEG")


def all_empty(folder):
    for path in (folder / "masks").iterdir():
        Image.new("L", read(path).size).save(path)


def in_colours(folder):
    path = folder / "masks" / "ü 3.png"
    Image.fromarray(in_red(np.asarray(read(path)))).save(path)


def alone(folder):
    for name in ("images", "masks"):
        for path in (folder / name).iterdir():
            if path.stem != "ü 3":
                path.unlink()


BAD = {
    "a missing mask": (lambda f: (f / "masks" / "ü 3.png").unlink(), [], "must have a mask .*images/ü 3.jpg without"),
    "a missing picture": (lambda f: (f / "images" / "ü 3.jpg").unlink(), [], "must have a picture .*masks/ü 3.png"),
    "another size": (other_size, [], "size of its picture, 47x46. Received: .*masks/ü 3.png, 9x9"),
    "a JPEG mask": (as_jpeg, [], "must not be a JPEG file: its compression smears .*masks/ü 3.jpg"),
    "a renamed JPEG mask": (renamed_jpeg, [], "must not be a JPEG file: .*masks/ü 3.png"),
    "empty masks": (all_empty, [], "must show something. Received: .*mine with empty masks only"),
    "colours": (in_colours, [], "must be grey; in colours, .*--palette .*masks/ü 3.png"),
    "a colour that is not in the palette": (
        in_colours,
        ["--palette", "nothing=#000000,cell=#00ff00"],
        "must be in the palette. Received: .*masks/ü .*png with #",
    ),
    "a palette of another form": (in_colours, ["--palette", "red"], "must be a file, or NAME=#rrggbb"),
    "one picture": (alone, [], "at least 2 pictures, .*mine with 1"),
    "a crop that is too large": (lambda f: None, ["--size", "48"], "as large as a crop, 48x48.*ü .*g of 4.x4."),
    "a kind of mask": (lambda f: None, ["--masks", "boxes"], "`masks` must be one of .*masks='boxes'"),
    "a classifier": (lambda f: None, ["--model", "p4m_small"], "`model` must be one of .*for masks"),
    "a symmetry": (lambda f: None, ["--symmetry", "p6"], "`symmetry` must be one of .*p6"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_masks_are_told_in_one_line_before_anything_is_written(case, tmp_path, capsys):
    spoil, options, message = BAD[case]
    folder = write_masks(tmp_path / "mine")
    spoil(folder)
    status = cli.main(["fit", "--data", str(folder), *options, "--output", str(tmp_path / "run")])
    (line,) = capsys.readouterr().err.splitlines()
    assert status == 2 and line.startswith("keras-equivariant: error: ")
    with pytest.raises(ValueError, match=message):
        raise ValueError(line)
    assert not (tmp_path / "run").exists()


def write_numbers(folder, count=20, header="file,squares,height"):
    (folder / "images").mkdir(parents=True)
    lines = [header]
    for i in range(count):
        image, mask = squares(i, (40 + i % 4, 40))
        Image.fromarray(image).save(folder / "images" / f"{i}.png")
        lines.append(f"{i}.png,{mask.max()},{40 + i % 4}")
    (folder / "labels.csv").write_text("\n".join(lines))
    return folder


@pytest.mark.parametrize(
    "change, message",
    [
        (("2.png,3", "2.png,many"), "finite number. Received: .*labels.csv: images/2.png, column 'squares': 'many'"),
        (("2.png,3", "22.png,3"), "must be there. Received: .*line 4: no such file as .*images/22.png"),
        (("2.png,3", "1.png,3"), "named once. Received: .*line 4: .*images/1.png again"),
        (("file,squares", "name,squares"), "a column 'file' and others .*with 'name', 'squares', 'height'"),
    ],
)
def test_bad_tables(tmp_path, change, message):
    folder = write_numbers(tmp_path)
    table = folder / "labels.csv"
    table.write_text(table.read_text().replace(*change))
    with pytest.raises(ValueError, match=message):
        from_folder(folder)


# Networks that take little time, and a few steps.
SMALL = {
    "write_masks": ["--size", "16", "--symmetry", "p1", "--model", "unet", "--batch-size", "20"],
    "write_numbers": ["--size", "16", "--symmetry", "p1", "--batch-size", "6"],
}


@pytest.mark.parametrize("write", [write_masks, write_numbers])
def test_a_killed_run_goes_on_to_the_same_end(write, tmp_path, capsys):
    folder = write(tmp_path / "mine")
    command = ["fit", "--data", str(folder), "--epochs", "2", *SMALL[write.__name__], "--output"]
    with quickly("segmentation"), without_files():
        assert cli.main([*command, str(tmp_path / "whole")]) == 0
        with killed_after(1):
            cli.main([*command, str(tmp_path / "run")])
        assert cli.main([*command, str(tmp_path / "run"), "--resume"]) == 0, capsys.readouterr().err
    for name in ("history.csv", "split.csv"):
        assert (tmp_path / "run" / name).read_text() == (tmp_path / "whole" / name).read_text()


def test_numbers_called_label_are_classes_unless_the_task_is_given(tmp_path):
    folder = write_numbers(tmp_path, header="file,label,height")
    own = from_folder(folder)
    assert own.recipe.task == "classification" and own.data.names == ("1", "2", "3")
    own = from_folder(folder, "regression")
    assert own.recipe.task == "regression" and own.data.names == ("label", "height")


@pytest.fixture(scope="module", params=[write_masks, write_numbers])
def run(request, tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("own")
    folder = request.param(tmp_path / "mine")
    arguments = ["fit", "--data", str(folder), "--epochs", "1", *SMALL[request.param.__name__]]
    with quickly("segmentation"):
        assert cli.main([*arguments, "--output", str(tmp_path / "run")]) == 0
    return folder, tmp_path / "run"


def test_a_run_is_tested_again_on_the_same_pictures(run, tmp_path):
    folder, path = run
    rows = read_split(path / "split.csv")
    assert len(rows) == len(list((folder / "images").iterdir()))
    expected = json.loads((path / "metrics.json").read_text())
    shutil.copytree(folder, tmp_path / "moved")
    for place in (None, str(tmp_path / "moved")):
        loaded = load_run(path)
        found = loaded.evaluate(place)
        first = next(iter(loaded.task.figures))
        assert found[first] == pytest.approx(expected[first], rel=1e-3)


def test_all_of_another_folder_is_tested(run, tmp_path):
    folder, path = run
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    for file in [*(other / "images").iterdir(), *(other / "masks").glob("*")]:
        file.rename(file.with_name(f"x{file.name}"))
    if (other / "labels.csv").exists():
        lines = (other / "labels.csv").read_text().splitlines()
        (other / "labels.csv").write_text("\n".join([lines[0], *(f"x{line}" for line in lines[1:])]))
    loaded = load_run(path)
    data = loaded.load_data(str(other))
    assert len(data.test) == len(list((folder / "images").iterdir())) and not len(data.train)
    assert loaded.evaluate(str(other))


def test_predictions_and_exports(run, tmp_path):
    folder, path = run
    picture = next(iter(sorted((folder / "images").iterdir())))
    status = cli.main(["predict", str(path), str(picture), "--output", str(tmp_path / "said")])
    assert status == 0 and (tmp_path / "said" / "predictions.png").exists()
    with (tmp_path / "said" / "predictions.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["file"] == str(picture)
    if "mask" in row:
        mask = read(tmp_path / "said" / row["mask"])
        assert mask.mode.startswith("I;16") and mask.size == read(picture).size
    else:
        assert np.isfinite([float(row["squares"]), float(row["height"])]).all()
    out = str(tmp_path / "model")
    assert cli.main(["export", str(path), "--preprocessing", "inside", "--output", out]) == 0
    assert json.loads((tmp_path / "model" / "labels.json").read_text()) == json.loads(
        (path / "labels.json").read_text()
    )
