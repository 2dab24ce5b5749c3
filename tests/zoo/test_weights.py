import json
import os
import shutil

import keras
import numpy as np
import pytest
from helpers import predict, random_array
from keras_equivariant.zoo import pretrained

from keras_equivariant import zoo

PUBLISHED = [(name, weights) for name in zoo.list_models() for weights in zoo.list_weights(name)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A package whose weights are those of a network with random ones."""
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    model = zoo.p4cnn()
    model.set_weights([random_array(*weight.shape, seed=i) ** 2 for i, weight in enumerate(model.get_weights())])
    model.save_weights(tmp_path / "p4cnn-stars.weights.h5")
    write_card(tmp_path, "p4cnn-stars", model="p4cnn", arguments=pretrained.architecture(zoo.p4cnn, {}))
    return tmp_path


def write_card(folder, stem, **card):
    card = {"sha256": pretrained.checksum(folder / f"{stem}.weights.h5"), **card}
    (folder / f"{stem}.json").write_text(json.dumps(card))


def stars_in(model):
    return all(
        np.array_equal(weight, random_array(*weight.shape, seed=i) ** 2) for i, weight in enumerate(model.get_weights())
    )


def test_by_name(folder):
    assert zoo.list_weights("p4cnn") == ["stars"]
    assert zoo.list_weights("p4cnn_rotation_pooling") == []
    assert zoo.get_card("p4cnn", "stars")["model"] == "p4cnn"
    assert stars_in(zoo.p4cnn(weights="stars"))
    assert stars_in(zoo.create("p4cnn", weights="stars", classes=10, filters=10))
    assert not stars_in(zoo.p4cnn())
    assert not stars_in(zoo.p4cnn(weights=None))


def test_by_path(folder):
    path = folder / "p4cnn-stars.weights.h5"
    assert stars_in(zoo.p4cnn(weights=path))
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    alone = shutil.copy(path, elsewhere / "mine.weights.h5")
    assert stars_in(zoo.p4cnn(weights=str(alone)))
    model = zoo.p4cnn(filters=3, symmetry="p4m")
    model.save_weights(elsewhere / "narrow.weights.h5")
    loaded = zoo.p4cnn(filters=3, symmetry="p4m", weights=elsewhere / "narrow.weights.h5")
    x = random_array(2, 28, 28, 1)
    np.testing.assert_array_equal(predict(loaded, x), predict(model, x))


def test_what_training_alone_needs_may_change(folder):
    model = zoo.p4cnn(dropout=0.3, name="mine", weights="stars")
    assert stars_in(model)
    assert model.name == "mine"
    assert sum(isinstance(layer, keras.layers.Dropout) for layer in model.layers) == 5


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"symmetry": "pmm"}, "symmetry='p4' must stay as trained. Received: symmetry='pmm', weights='stars'"),
        ({"filters": 20}, "filters=10 must stay as trained. Received: filters=20"),
        ({"input_shape": (32, 32, 1)}, r"input_shape=\[28, 28, 1\] must stay as trained"),
        ({"classes": 3, "filters": 4}, "classes=10, filters=10 must stay as trained. Received: classes=3, filters=4"),
    ],
)
def test_another_architecture_by_name(folder, arguments, message):
    with pytest.raises(ValueError, match=message):
        zoo.p4cnn(**arguments, weights="stars")


def test_another_architecture_by_path(folder, tmp_path):
    (folder / "p4cnn-stars.json").rename(folder / "away.json")
    path = (folder / "p4cnn-stars.weights.h5").rename(folder / "mine.weights.h5")
    for builder, arguments in [(zoo.p4cnn, {"filters": 9}), (zoo.z2cnn, {}), (zoo.bouvrie_cnn, {})]:
        with pytest.raises(ValueError, match="those of the same architecture: the shapes differ. Received: .*mine"):
            builder(**arguments, weights=path)
    inputs = keras.Input((28, 28, 1))
    keras.Model(inputs, zoo.p4cnn()(inputs)).save_weights(folder / "nested.weights.h5")
    with pytest.raises(ValueError, match="those of the same architecture: .*Received: .*nested"):
        zoo.p4cnn(weights=folder / "nested.weights.h5")


@pytest.mark.parametrize("arguments", [{"colour": True}, [], 3])
def test_a_card_with_arguments_that_there_are_not(folder, arguments):
    write_card(folder, "p4cnn-stars", model="p4cnn", arguments=arguments)
    with pytest.raises(ValueError, match="p4cnn-stars.json must hold arguments of p4cnn .*Received: "):
        zoo.p4cnn(weights="stars")


def test_another_models_card(folder):
    write_card(folder, "p4cnn-stars", model="z2cnn", arguments={})
    with pytest.raises(ValueError, match="must be those of p4cnn, not of z2cnn"):
        zoo.p4cnn(weights="stars")


@pytest.mark.parametrize("damage", ["tampered", "truncated", "empty", "no card", "torn card", "card of nothing"])
def test_damaged_files(folder, damage):
    path, card = folder / "p4cnn-stars.weights.h5", folder / "p4cnn-stars.json"
    content = bytearray(path.read_bytes())
    if damage == "tampered":
        content[-100] ^= 1
        path.write_bytes(content)
    elif damage in ("truncated", "empty"):
        path.write_bytes(content[: len(content) // 2 if damage == "truncated" else 0])
    elif damage == "no card":
        card.unlink()
    else:
        card.write_text('{"model": "p4' if damage == "torn card" else "{}")
    with pytest.raises(ValueError, match="not a card of trained weights" if "card" in damage else "file is damaged"):
        zoo.p4cnn(weights="stars")
    if damage in ("truncated", "empty"):
        card.unlink()
        with pytest.raises(ValueError, match="cannot be read.*Received: .*mine.weights.h5"):
            zoo.p4cnn(weights=path.rename(folder / "mine.weights.h5"))


def test_what_there_is_not(folder, tmp_path):
    with pytest.raises(ValueError, match=r"of p4cnn must be None, one of \['stars'\], .*Received: weights='moons'"):
        zoo.p4cnn(weights="moons")
    for name in ("resnet20", "offset_resnet20"):
        with pytest.raises(ValueError, match=rf"of {name} must be None, one of \[\], .*Received: weights='cifar10'"):
            zoo.create(name, weights="cifar10")
    for missing in (tmp_path / "missing.weights.h5", "x" * 300 + ".weights.h5"):
        with pytest.raises(ValueError, match=r"the path of a .weights.h5 file"):
            zoo.p4cnn(weights=missing)
    with pytest.raises(ValueError, match=r"must be one of \['stars'\]. Received: weights='moons'"):
        zoo.get_card("p4cnn", "moons")


def test_the_published_weights_are_small():
    assert sum(path.stat().st_size for path in pretrained.FOLDER.glob("*")) < 3e6


@pytest.mark.parametrize("name, weights", PUBLISHED)
def test_published_weights(name, weights):
    card = zoo.get_card(name, weights)
    assert {"data", "recipe", "seed", "test_error", "preprocessing", "sha256", "epochs"} <= set(card)
    assert card["data"]["licence"]
    assert card["recipe"]["model"] == name
    assert card["recipe"]["seed"] == card["seed"]


@pytest.mark.skipif("KERAS_EQUIVARIANT_DATA" not in os.environ, reason="needs MNIST")
@pytest.mark.parametrize("name, weights", PUBLISHED)
def test_published_weights_on_real_digits(name, weights, tensorflow_backend):
    """The test images of MNIST, turned where the network is for that, give about the error of the card."""
    from keras_equivariant.training.data.transforms import rotate

    with np.load(os.path.join(os.environ["KERAS_EQUIVARIANT_DATA"], "mnist.npz"), allow_pickle=False) as arrays:
        images, labels = arrays["x_test"][:4000, ..., None].astype("float32") / 255, arrays["y_test"][:4000]
    if weights == "rotated_mnist":
        angles = np.random.default_rng(0).uniform(0, 2 * np.pi, len(images)).astype("float32")
        images = np.asarray(rotate(images, angles))
    card = zoo.get_card(name, weights)
    preprocessing = card["preprocessing"]
    images = (images - preprocessing["mean"]) / preprocessing["deviation"]
    scores = zoo.create(name, weights=weights).predict(images, batch_size=500, verbose=0)
    error = 100 * (scores.argmax(axis=1) != labels).mean()
    # The first half of MNIST's test images is the harder one: 1.5 times the error, and what 4,000 images leave open.
    assert error < 1.6 * card["test_error"] + 0.7
