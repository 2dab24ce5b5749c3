"""SavedModels that take the bytes of picture files: they see what `predict` sees."""

import io

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import random_array
from keras_equivariant.training.data.pictures import read_picture
from keras_equivariant.training.data.transforms import fit_into
from keras_equivariant.training.export import picture_bytes
from keras_equivariant.training.export.picture_bytes import NAME, add_bytes
from PIL import Image

pytestmark = pytest.mark.usefixtures("tensorflow_backend")

SHAPES = [(16, 16, 3), (17, 11, 3), (12, 12, 1)]


@pytest.fixture(scope="module", params=SHAPES)
def served(request, tmp_path_factory):
    """A function from the bytes of files to the pictures that the model sees, and their shape."""
    shape = request.param
    inputs = keras.Input(shape)
    path = tmp_path_factory.mktemp("served") / "model"
    keras.Model(inputs, keras.layers.Flatten()(inputs)).export(path, verbose=False)
    add_bytes(path, shape, None, random_array(2, *shape).clip(0, 1))
    loaded = tf.saved_model.load(str(path))
    assert {"serve", "serving_default", NAME} <= set(loaded.signatures)
    return lambda files: loaded.serve_bytes(tf.constant(files))["scores"].numpy().reshape(-1, *shape), shape


def seen(path, shape):
    """What `predict` gives to the model."""
    image = read_picture(path)
    image = image / np.float32(255) if image.dtype == np.uint8 else image
    return fit_into(np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image, shape)


def picture(mode="RGB", size=(37, 23)):
    values = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 4), dtype="uint8")
    values[:5, :7] = 0, 0, 0, 255
    smooth = Image.fromarray(values).resize(size, Image.Resampling.BILINEAR, (0, 0, size[0] // 2, size[1] // 2))
    return smooth.convert(mode)


def oriented(value, order):
    exif = Image.Exif()
    exif.endian = order
    exif[0x010F], exif[0x0112], exif[0x011A] = "a maker", value, 72.0
    return exif.tobytes()


KINDS = {
    "png": lambda path: picture().save(path, "PNG"),
    "png with alpha": lambda path: picture("RGBA").save(path, "PNG"),
    "png with a colour table": lambda path: picture("P").save(path, "PNG"),
    "png with a transparent colour": lambda path: picture("P").save(path, "PNG", transparency=3),
    "grey png": lambda path: picture("L").save(path, "PNG"),
    "png of one bit": lambda path: picture("1").save(path, "PNG"),
    "png of two bits": lambda path: picture("L").quantize(4).save(path, "PNG", bits=2),
    "png of two bits with a transparent colour": lambda path: (
        picture("L").quantize(4).save(path, "PNG", bits=2, transparency=1)
    ),
    "png of 16 bits": lambda path: Image.fromarray(np.arange(0, 65000, 65, "uint16").reshape(20, 50)).save(path, "PNG"),
    "jpeg": lambda path: picture().save(path, "JPEG", quality=95),
    "jpeg with half the colours": lambda path: picture().save(path, "JPEG", quality=80, subsampling=2),
    "grey jpeg": lambda path: picture("L").save(path, "JPEG"),
    "bmp": lambda path: picture().save(path, "BMP"),
    "gif": lambda path: picture("P").save(path, "GIF"),
    "webp": lambda path: picture().save(path, "WEBP", lossless=True),
    "wide": lambda path: picture(size=(90, 2)).save(path, "PNG"),
    "high": lambda path: picture(size=(2, 90)).save(path, "PNG"),
    "small": lambda path: picture(size=(5, 4)).save(path, "PNG"),
}
KINDS |= {
    f"jpeg of orientation {value}, {order}": lambda path, value=value, order=order: picture().save(
        path, "JPEG", exif=oriented(value, order)
    )
    for value, order in [*((value, "<") for value in range(1, 9)), (6, ">"), (3, ">"), (77, "<")]
}


def test_the_model_sees_what_predict_sees(served, tmp_path):
    serve, shape = served
    files, expected = [], []
    for kind, save in KINDS.items():
        save(tmp_path / kind)
        files.append((tmp_path / kind).read_bytes())
        expected.append(seen(tmp_path / kind, shape))
    found = serve(files)
    wrong = {kind: error for kind, error in zip(KINDS, abs(found - expected).max((1, 2, 3)), strict=True)}
    assert {kind: error for kind, error in wrong.items() if error > 1e-5} == {}


def test_what_is_no_picture_is_refused(served):
    for content in (b"", b"text", picture().tobytes()[:50]):
        with pytest.raises(tf.errors.InvalidArgumentError):
            served[0]([content])


def test_a_signature_that_says_something_else_is_refused(tmp_path, monkeypatch):
    inputs = keras.Input((8, 8, 1))
    keras.Model(inputs, keras.layers.Flatten()(inputs)).export(tmp_path / "model", verbose=False)
    monkeypatch.setattr(picture_bytes, "_fit_into", lambda image, shape: tf.reshape(1 - image, shape))
    with pytest.raises(ValueError, match="`serve_bytes` must say of files what `serve` says of images. Received: "):
        add_bytes(tmp_path / "model", (8, 8, 1), None, np.full((1, 8, 8, 1), 0.2, "float32"))


def test_names_stand_beside_the_scores(tmp_path):
    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(inputs))
    model = keras.Model(inputs, outputs)
    model.export(tmp_path / "model", verbose=False)
    add_bytes(tmp_path / "model", (8, 8, 3), ["first", "ä 'b'"], np.ones((1, 8, 8, 3), "float32"))
    buffer = io.BytesIO()
    picture(size=(8, 8)).save(buffer, "PNG")
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    said = loaded.signatures[NAME](files=tf.constant([buffer.getvalue()] * 3))
    expected = model(np.asarray(picture(size=(8, 8)), "float32")[None] / 255)
    np.testing.assert_allclose(said["scores"], np.repeat(expected, 3, axis=0), atol=1e-5)
    assert [[name.decode() for name in row] for row in said["names"].numpy()] == [["first", "ä 'b'"]] * 3
    np.testing.assert_allclose(
        loaded.serve(np.zeros((2, 8, 8, 3), "float32")), model(np.zeros((2, 8, 8, 3))), atol=1e-6
    )
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
