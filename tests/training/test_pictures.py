"""Pictures in all the forms that people have them in."""

import io
import struct
import zlib

import numpy as np
import pytest
from keras_equivariant.training.data.pictures import is_grey, look_at, read_picture
from keras_equivariant.training.data.transforms import fit_into
from PIL import Image

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (12, 9, 3), dtype="uint8")
SMOOTH = np.stack(np.broadcast_arrays(*np.mgrid[40:200:12j, 60:220:9j], 128), axis=-1).astype("uint8")


@pytest.mark.parametrize(
    "ending, tolerance", [("png", 0), ("bmp", 0), ("tif", 0), ("tiff", 0), ("webp", 5), ("jpg", 5)]
)
def test_formats(tmp_path, ending, tolerance):
    path = tmp_path / f'Ä \' "{ending}" x.{ending}'
    Image.fromarray(SMOOTH).save(path, quality=95)
    found = read_picture(path)
    assert found.dtype == np.uint8
    assert abs(found.astype(int) - SMOOTH).mean() <= tolerance
    assert look_at(path) == ((12, 9), "RGB")


@pytest.mark.parametrize("ending", ["png", "gif"])
def test_colour_tables(tmp_path, ending):
    picture = Image.fromarray(COLOURS).quantize(16)
    picture.save(tmp_path / f"a.{ending}")
    np.testing.assert_array_equal(read_picture(tmp_path / f"a.{ending}"), np.asarray(picture.convert("RGB")))


@pytest.mark.parametrize("mode", ["1", "L"])
def test_grey(tmp_path, mode):
    picture = Image.fromarray(COLOURS).convert(mode)
    picture.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png")[..., 0], np.asarray(picture.convert("L")))
    assert is_grey(look_at(tmp_path / "a.png")[1])


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_is_white(tmp_path, mode):
    picture = Image.fromarray(COLOURS).convert(mode)
    alpha = np.zeros((12, 9), "uint8")
    alpha[:6] = 255
    picture.putalpha(Image.fromarray(alpha))
    picture.save(tmp_path / "a.png")
    found = read_picture(tmp_path / "a.png")
    np.testing.assert_array_equal(found[:6], np.asarray(picture.convert("RGB"))[:6])
    assert (found[6:] == 255).all()


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_grey_of_16_bits(tmp_path, ending):
    values = RNG.integers(0, 65536, (7, 5)).astype("uint16")
    Image.fromarray(values).save(tmp_path / f"a.{ending}")
    found = read_picture(tmp_path / f"a.{ending}")
    np.testing.assert_allclose(found[..., 0], values / 65535, atol=1e-6)


def deep_png(values):
    """A PNG of 16 bits in colours, which Pillow does not write."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width, _ = values.shape
    lines = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    begin = b"\x89PNG\r\n\x1a\n"
    return begin + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def test_colours_of_16_bits(tmp_path, tensorflow_backend):
    values = RNG.integers(0, 65536, (7, 5, 3)).astype("uint16")
    (tmp_path / "a.png").write_bytes(deep_png(values))
    np.testing.assert_allclose(read_picture(tmp_path / "a.png"), values / 65535, atol=1e-6)
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb")
    np.testing.assert_allclose(read_picture(tmp_path / "a.tif"), values / 65535, atol=1e-6)
    assert look_at(tmp_path / "a.tif")[0] == (7, 5)


def test_floats_must_be_between_0_and_1(tmp_path):
    values = RNG.uniform(0, 1, (7, 5)).astype("float32")
    Image.fromarray(values).save(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif")[..., 0], values)
    Image.fromarray(2 * values).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match=r"must be an image. Received: .*a.tif \(its numbers are neither"):
        read_picture(tmp_path / "a.tif")


def test_the_exif_orientation_counts(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees, clockwise
    Image.fromarray(SMOOTH).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), np.rot90(SMOOTH, -1))


def bomb():
    image = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(image, "PNG")
    return image.getvalue()


def truncated(ending):
    image = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (60, 60, 3), dtype="uint8")).save(image, ending)
    return image.getvalue()[:-2000]


BAD = {
    "empty.png": (lambda: b"", "it is empty"),
    "text.png": (lambda: b"this is a text", "it is no picture"),
    "truncated.png": (lambda: truncated("PNG"), "truncated"),
    "truncated.jpg": (lambda: truncated("JPEG"), "truncated"),
    "bomb.png": (bomb, "it has more than 178 million pixels"),
    "text.tif": (lambda: b"this is a text", "it is no picture"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_read(tmp_path, name):
    content, reason = BAD[name]
    (tmp_path / name).write_bytes(content())
    with pytest.raises(ValueError, match=f"^The file must be an image. Received: .*{name} \\(.*{reason}"):
        read_picture(tmp_path / name)


@pytest.mark.parametrize("size", [(20, 20), (40, 23), (17, 31), (5, 40), (90, 33)])
@pytest.mark.parametrize("side", [16, 17])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_a_picture_fits_into_a_square_in_a_way_that_turns_with_it(size, side, dtype):
    image = RNG.integers(0, 256, (*size, 3), dtype="uint8")
    image = image if dtype == "uint8" else (image / 255).astype("float32")
    fitted = fit_into(image, (side, side, 3)).astype("float32")
    # Pillow rounds bytes after each of the two axes.
    tolerance = 1 if dtype == "uint8" else 1e-5
    for mirrored in (False, True):
        for turns in range(4):
            seen, expected = (np.rot90(x[:, ::-1] if mirrored else x, turns) for x in (image, fitted))
            found = fit_into(seen, (side, side, 3))
            assert found.dtype == dtype
            np.testing.assert_allclose(found, expected, atol=tolerance)


def test_grey_pictures_keep_their_values():
    grey = RNG.integers(0, 256, (16, 16, 1), dtype="uint8")
    for channels in (1, 3):
        fitted = fit_into(np.repeat(grey, 3, axis=-1), (16, 16, channels))
        np.testing.assert_array_equal(fitted, np.repeat(grey, channels, axis=-1))
