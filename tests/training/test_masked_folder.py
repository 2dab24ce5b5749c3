import numpy as np
import pytest
import scipy.ndimage
from keras_equivariant.training.data import drawn_cells
from keras_equivariant.training.data.masked_folder import load_masked_folder, parse_palette
from PIL import Image

PALETTE = "background=#000000,cell=#ff0000,wall=#00ff80"


def write(folder, masks, images=None, ending=".png"):
    """A folder with a picture for each mask."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for i, mask in enumerate(masks):
        image = rng.integers(0, 256, (*mask.shape[:2], 3), "uint8") if images is None else images[i]
        Image.fromarray(image).save(folder / "images" / f"{i}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{i}{ending}")
    return str(folder)


def everything(data):
    parts = [part for part in (data.train, data.validation, data.test) if part is not None]
    names = [name for part in parts for name in part.names]
    masks = [mask for part in parts for mask in part.masks]
    return [masks[i] for i in np.argsort(names)]


def blobs(*values, size=(12, 14)):
    """A mask with a square of each value."""
    mask = np.zeros(size, "uint16")
    for i, value in enumerate(values):
        mask[1 + 4 * (i // 3) : 4 + 4 * (i // 3), 1 + 4 * (i % 3) : 4 + 4 * (i % 3)] = value
    return mask


def scattered(*values, seed=0):
    return np.random.default_rng(seed).choice(np.array([0, *values], "uint8"), (12, 14))


@pytest.mark.parametrize("value", [1, 255])
def test_two_values_are_the_background_and_the_foreground(tmp_path, value):
    masks = [blobs(*[value] * i).astype("uint8") for i in (1, 2, 3)]
    data = load_masked_folder(write(tmp_path, masks))
    assert data.classes == ("background", "foreground") and not data.instances
    for found, mask in zip(everything(data), masks, strict=True):
        np.testing.assert_array_equal(found, mask > 0)


def test_numbers_in_one_piece_each_are_objects(tmp_path):
    masks = [blobs(*range(1, n + 1)) for n in (2, 5, 3, 4)]
    folder = write(tmp_path, masks)
    data = load_masked_folder(folder)
    assert data.classes == ("background", "object") and data.instances
    for found, mask in zip(everything(data), masks, strict=True):
        np.testing.assert_array_equal(found, mask)
    assert not load_masked_folder(folder, "classes").instances
    assert (len(data.train), len(data.test), data.validation) == (3, 1, None)
    again = load_masked_folder(folder)
    assert again.train.names == data.train.names


def test_scattered_numbers_are_classes(tmp_path):
    data = load_masked_folder(write(tmp_path, [scattered(3, 7, seed=i) for i in range(3)]))
    assert data.classes == ("background", "3", "7") and not data.instances
    for i, found in enumerate(everything(data)):
        np.testing.assert_array_equal(found, np.searchsorted([0, 3, 7], scattered(3, 7, seed=i)))


def test_255_beside_classes_counts_for_nothing(tmp_path):
    masks = [scattered(1, 2, 255, seed=i) for i in range(2)]
    data = load_masked_folder(write(tmp_path, masks))
    assert data.classes == ("background", "1", "2")
    for found, mask in zip(everything(data), masks, strict=True):
        np.testing.assert_array_equal(found, np.where(mask == 255, -1, mask.astype(int)))


def coloured(seed):
    classes = np.random.default_rng(seed).integers(0, 3, (12, 14))
    return classes, np.array([[0, 0, 0], [255, 0, 0], [0, 255, 128]], "uint8")[classes]


def test_a_palette(tmp_path):
    folder = write(tmp_path, [coloured(i)[1] for i in range(3)])
    data = load_masked_folder(folder, palette=parse_palette(PALETTE))
    assert data.classes == ("background", "cell", "wall")
    for i, found in enumerate(everything(data)):
        np.testing.assert_array_equal(found, coloured(i)[0])
    with pytest.raises(ValueError, match=r"A mask must be grey; .*--palette background=.*Received: .*masks/0.png"):
        load_masked_folder(folder)
    with pytest.raises(ValueError, match="must be in the palette. Received: .*0.png with #00ff80 in row"):
        load_masked_folder(folder, palette=parse_palette("background=#000000,cell=#ff0000"))


def test_indices_of_a_colour_table_are_classes(tmp_path):
    write(tmp_path, [scattered(1, 2, seed=i) for i in range(2)])
    for path in (tmp_path / "masks").iterdir():
        indexed = Image.fromarray(np.array(Image.open(path)), mode=None).convert("P")
        indexed = Image.fromarray(np.array(Image.open(path))).quantize(4) if indexed.mode != "P" else indexed
        indexed.putpalette([9, 9, 9, 200, 0, 0, 0, 200, 0])
        indexed.save(path)
    for i, found in enumerate(everything(load_masked_folder(str(tmp_path)))):
        np.testing.assert_array_equal(found, scattered(1, 2, seed=i))


def test_grey_pictures_have_one_channel(tmp_path):
    masks = [blobs(1), blobs(1, 1)]
    grey = [np.full((12, 14), 7, "uint8") + mask.astype("uint8") for mask in masks]
    assert load_masked_folder(write(tmp_path / "grey", masks, grey)).train.images[0].shape == (12, 14, 1)
    assert load_masked_folder(write(tmp_path / "colour", masks)).train.images[0].shape == (12, 14, 3)


def spoil(folder, how):
    images, masks = folder / "images", folder / "masks"
    if how == "a mask is missing":
        (masks / "1.png").unlink()
    elif how == "a picture is missing":
        (images / "1.png").unlink()
    elif how == "another size":
        Image.fromarray(blobs(1, size=(12, 13))).save(masks / "1.png")
    elif how == "smeared":
        (masks / "1.png").unlink()
        Image.fromarray(blobs(1).astype("uint8")).save(masks / "1.jpg")
    elif how == "smeared, by another name":
        Image.fromarray(blobs(1).astype("uint8")).save(masks / "1.png", format="JPEG")
    elif how == "empty":
        for path in masks.iterdir():
            Image.fromarray(blobs(0)).save(path)
    elif how == "alone":
        for i in (0, 2):
            (images / f"{i}.png").unlink()
            (masks / f"{i}.png").unlink()
    elif how == "no folder":
        masks.rename(folder / "labels")
    elif how == "no image":
        (masks / "1.png").write_text("a mask")
    elif how == "twice":
        Image.fromarray(blobs(1)).save(masks / "1.tif")


@pytest.mark.parametrize(
    "how, message",
    [
        ("a mask is missing", "Each picture must have a mask of its name in masks/. Received: .*images/1.png without"),
        ("a picture is missing", "Each mask must have a picture of its name in images/. Received: .*masks/1.png"),
        ("another size", "must have the size of its picture, 12x14. Received: .*masks/1.png, 12x13"),
        ("smeared", "must not be a JPEG file: its compression smears the values; .*Received: .*masks/1.jpg"),
        ("smeared, by another name", "must not be a JPEG file: .*Received: .*masks/1.png"),
        ("empty", "One mask or more must show something. Received: .* with empty masks only"),
        ("alone", "at least 2 pictures, one to train on and one to test. Received: .* with 1"),
        ("no folder", "must hold images/ and masks/. Received: no such folder as .*masks"),
        ("no image", "The file must be an image. Received: .*masks/1.png"),
        ("twice", "Names must differ in more than the ending. Received: .*1.tif and .*1.png"),
    ],
)
def test_bad_folders(tmp_path, how, message):
    write(tmp_path, [blobs(1), blobs(1, 1), blobs(1, 1, 1)])
    spoil(tmp_path, how)
    with pytest.raises(ValueError, match=message):
        load_masked_folder(str(tmp_path))


def test_a_picture_smaller_than_a_crop(tmp_path):
    data = load_masked_folder(write(tmp_path, [blobs(1), blobs(1, size=(20, 20))]))
    with pytest.raises(
        ValueError, match="at least as large as a crop, 16x16 pixels. Received: .*images/0.png of 12x14"
    ):
        data.with_crops((16, 16))


@pytest.mark.parametrize("text", ["", "a=#000000", "a=#000000,b=#000000", "a=#000000,b=red", "a=#000000,=#ff0000"])
def test_bad_palettes(text):
    with pytest.raises(ValueError, match="`palette` must be two classes or more as NAME=#rrggbb.*Received: palette="):
        parse_palette(text)


def test_other_bad_arguments(tmp_path):
    with pytest.raises(ValueError, match="`masks` must be one of .*Received: masks='boxes'"):
        load_masked_folder(str(tmp_path), "boxes")
    with pytest.raises(
        ValueError, match="`data_dir` must be a folder with images/ and masks/. Received: data_dir=None"
    ):
        load_masked_folder(None)


def test_drawn_cells():
    data, again = drawn_cells.load(), drawn_cells.load()
    assert data.instances and (len(data.train), len(data.validation), len(data.test)) == (24, 8, 16)
    for image, mask, other in zip(data.test.images, data.test.masks, again.test.images, strict=True):
        np.testing.assert_array_equal(image, other)
        assert image.shape == (*mask.shape, 1) and image.dtype == np.uint8
        np.testing.assert_array_equal(np.unique(mask), np.arange(mask.max() + 1))
        assert image[..., 0][mask > 0].mean() > image[..., 0][mask == 0].mean() + 30
    assert len({image.shape for image in data.train.images}) > 10
    rng = np.random.default_rng(0)
    for inside, shade in (drawn_cells._cell(rng, 60, 60) for _ in range(20)):
        middle = scipy.ndimage.binary_erosion(inside, iterations=2)
        if middle.any():
            assert shade[inside & ~middle].mean() > shade[middle].mean(), "the rim is the brighter part"
