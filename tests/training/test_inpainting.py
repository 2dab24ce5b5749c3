"""Drawing of missing centres from end to end, on made-up photographs."""

import json
import os
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import random_array, training_eagerly

from keras_equivariant.layers import RemoveGamma
from training.recipes import get_recipe, list_recipes
from training.tasks.inpainting import evaluation
from training.tasks.inpainting import fit as fitting
from training.tasks.inpainting.adversary import Adversarial
from training.tasks.inpainting.evaluation import measure, signal_to_noise
from training.tasks.inpainting.fit import build_adversarial, fit
from training.tasks.inpainting.images import Photographs, central_crops, centre, erase, load, training_batches

pytest.importorskip("tensorflow_datasets")
SIZES = [(128, 150), (160, 128), (140, 141), (128, 128)]
MANUAL = pathlib.Path("downloads") / "manual" / "photographs"


@pytest.fixture(autouse=True)
def only_tensorflow(tensorflow_backend):
    pass


def write_photographs(data_dir, splits=("train", "test"), low=60):
    """Noise of 8 bits, different in each file, nothing near black."""
    rng = np.random.default_rng(0)
    images = {}
    for split in splits:
        folder = data_dir / MANUAL / split
        (folder / "below").mkdir(parents=True)
        for i, size in enumerate(SIZES):
            images[split, i] = rng.integers(low, 256, (*size, 3), dtype="uint8")
            path = folder / ("below" if i == 0 else ".") / f"{i}.png"
            path.write_bytes(tf.io.encode_png(images[split, i]).numpy())
    return images


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    path = tmp_path_factory.mktemp("data")
    write_photographs(path)
    return path


def recipe(name="inpainting", filters=3, bottleneck=3, **changes):
    arguments = {"filters": filters, "bottleneck": bottleneck}
    loss = {"class_name": "adversarial", "config": {"adversarial_weight": 0.001, "discriminator_filters": 2}}
    return get_recipe(name, epochs=2, batch_size=2, model_arguments=arguments, loss=loss, **changes)


@pytest.fixture(scope="module")
def eager_training():
    with training_eagerly(fitting, "build_adversarial"):
        yield


@pytest.fixture(scope="module")
def few_saturations():
    """Tests of trained networks take longer than these trainings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "SATURATIONS", (0.0, 0.5, 0.9))
        yield


@pytest.fixture(scope="module")
def run(data_dir, tmp_path_factory, eager_training, few_saturations):
    return fit(recipe(), tmp_path_factory.mktemp("runs") / "centres", data_dir=data_dir)


def test_photographs(tmp_path):
    images = write_photographs(tmp_path)
    for split, photographs in zip(("train", "test"), load(tmp_path), strict=True):
        assert sorted(map(tuple, photographs.sizes)) == sorted(SIZES)
        for start, (height, width) in zip(photographs.starts, photographs.sizes, strict=True):
            found = photographs.values[start : start + 3 * height * width].reshape(height, width, 3)
            assert any(np.array_equal(found, image) for (s, _), image in images.items() if s == split)


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


def gradients(model, x, y):
    with tf.GradientTape() as tape:
        loss = model.compute_loss(x, y, model(x, training=True), training=True)
    variables = [*model.painter.trainable_variables, *model.discriminator.trainable_variables]
    found = tape.gradient(loss, [v.value for v in variables])
    count = len(model.painter.trainable_variables)
    return found[:count], found[count:]


def small_adversarial(weight):
    painter = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(3, 3, padding="same")])
    layers = [keras.layers.Conv2D(4, 3), keras.layers.BatchNormalization(), keras.layers.LeakyReLU()]
    discriminator = keras.Sequential([keras.Input((8, 8, 3)), *layers, keras.layers.Flatten(), keras.layers.Dense(1)])
    return Adversarial(painter, discriminator, weight)


def test_each_network_follows_its_own_loss():
    """The gradients are those of two losses written down apart."""
    weight = 0.3
    model = small_adversarial(weight)
    x, y = random_array(4, 8, 8, 3), tf.constant(random_array(4, 8, 8, 3, seed=1))
    of_painter, of_discriminator = gradients(model, x, y)

    def cross_entropy(real, logits):
        return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(tf.fill(logits.shape, real), logits))

    painter, judge = model.painter, model.discriminator
    with tf.GradientTape() as tape:
        drawn = painter(x)
        loss = (1 - weight) * tf.reduce_mean((drawn - y) ** 2) + weight * cross_entropy(
            1.0, judge(drawn, training=True)
        )
    expected = tape.gradient(loss, [v.value for v in painter.trainable_variables])
    for found, wanted in zip(of_painter, expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-6)
    with tf.GradientTape() as tape:
        verdicts = judge(y, training=True), judge(drawn, training=True)
        loss = (cross_entropy(1.0, verdicts[0]) + cross_entropy(0.0, verdicts[1])) / 2
    expected = tape.gradient(loss, [v.value for v in judge.trainable_variables])
    for found, wanted in zip(of_discriminator, expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-6)


def test_both_networks_learn_by_an_ordinary_fit():
    model = small_adversarial(0.001)
    model.compile(keras.optimizers.Adam(0.01), jit_compile=False)
    x, y = random_array(16, 8, 8, 3), 0.1 * random_array(16, 8, 8, 3, seed=1)
    before = [v.numpy() for v in model.variables]
    history = model.fit(x, y, batch_size=8, epochs=20, verbose=0).history
    assert set(history) == {"loss", "reconstruction", "deceit", "judgement"}
    assert history["reconstruction"][-1] < history["reconstruction"][0] / 2
    assert history["judgement"][-1] < history["judgement"][0]
    total = 0.999 * history["reconstruction"][0] + 0.001 * history["deceit"][0] + history["judgement"][0]
    assert history["loss"][0] == pytest.approx(total, rel=1e-3)
    moving = [v for v in model.variables if "moving" in v.path]
    assert moving and all((v.numpy() != old).any() for v, old in zip(model.variables, before, strict=True))
    loss = model.evaluate(x, y, verbose=0, return_dict=True)["loss"]
    assert loss == pytest.approx(np.mean((model.predict(x, verbose=0) - y) ** 2), rel=1e-3)


def test_signal_to_noise():
    real = np.full((2, 4, 4, 3), 0.5)
    linear = np.asarray(RemoveGamma()(real.astype("float32")))
    other = np.asarray(RemoveGamma()((real + np.array([0.1, 0.01]).reshape(2, 1, 1, 1)).astype("float32")))
    assert signal_to_noise(other, linear) == pytest.approx((20 + 40) / 2, rel=1e-3)
    assert signal_to_noise(linear, linear) == pytest.approx(100)


class LogCentre(keras.layers.Layer):
    """A painter that repeats the mean colour, which follows the light, or a grey, which does not."""

    def __init__(self, grey, **kwargs):
        super().__init__(**kwargs)
        self.grey = grey

    def call(self, inputs):
        from keras_equivariant.layers import ApplyGamma

        means = keras.ops.mean(inputs, axis=(1, 2), keepdims=True)
        means = 0 * means + 0.2 if self.grey else means
        return 2 * ApplyGamma()(means + keras.ops.zeros_like(inputs[:, :64, :64])) - 1


def test_ratios_by_saturation():
    images = np.random.default_rng(0).uniform(0.1, 1, (5, 128, 128, 3)).astype("float32")
    inputs = keras.Input((128, 128, 3))
    follows, does_not = (measure(keras.Model(inputs, LogCentre(grey)(inputs)), images) for grey in (False, True))
    assert set(follows) == {
        f"{name}_by_saturation" for name in ("psnr", "tinted_psnr", "mean_psnr", "mean_tinted_psnr")
    }
    for rows in (follows, does_not):
        assert [float(s) for s in rows["psnr_by_saturation"]] == list(evaluation.SATURATIONS)
        assert rows["psnr_by_saturation"]["0.0"] == pytest.approx(rows["tinted_psnr_by_saturation"]["0.0"])
        assert np.ptp(list(rows["mean_psnr_by_saturation"].values())) < 1e-2
    assert np.ptp(list(follows["psnr_by_saturation"].values())) < 1e-2
    assert np.ptp(list(does_not["psnr_by_saturation"].values())) > 0.3
    tinted = follows["tinted_psnr_by_saturation"]
    assert tinted["0.9"] > tinted["0.0"] + 0.5, "darker images have smaller errors, as in the paper"
    assert np.ptp(evaluation.random_lights(5, 0.9), axis=-1).max() == pytest.approx(0.9, abs=1e-3)


def test_a_run(run, data_dir):
    run, metrics = run
    assert {path.name for path in run.path.iterdir()} == {
        "config.json", "metrics.json", "history.csv", "report.png", "model.keras", "saved_model", "tensorboard",
        "checkpoint.npz",
    }  # fmt: skip
    assert json.loads(run.metrics.read_text()) == metrics
    assert np.ptp(list(metrics["psnr_by_saturation"].values())) < 0.1, "constant for the offset network"
    assert metrics["psnr"] == metrics["psnr_by_saturation"]["0.0"]
    assert max(metrics["keras_difference"], metrics["saved_model_difference"]) < 1e-4
    assert run.history.read_text().splitlines()[0].split(",")[0] == "epoch"
    painter = keras.models.load_model(run.model)
    images = central_crops(load(data_dir)[1])
    again = measure(painter, images)
    assert again["psnr_by_saturation"] == pytest.approx(metrics["psnr_by_saturation"], abs=1e-3)


def test_an_interrupted_run_goes_on_to_the_same_end(run, data_dir, tmp_path, monkeypatch):
    from training.runs.checkpoint import Checkpoint

    # Models and pictures take longer than these trainings.
    monkeypatch.setattr(fitting, "export", lambda *arguments: 0.0)
    monkeypatch.setattr(fitting, "draw_report", lambda *arguments: None)

    class Killed(Exception):
        pass

    save = Checkpoint.on_epoch_end

    def killed(self, epoch, logs=None):
        save(self, epoch, logs)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "on_epoch_end", killed)
        with pytest.raises(Killed):
            fit(recipe(), tmp_path / "centres", data_dir=data_dir)
    resumed, metrics = fit(recipe(), tmp_path / "centres", resume=True, data_dir=data_dir)
    whole, expected = run
    assert resumed.history.read_text() == whole.history.read_text()
    assert metrics["psnr_by_saturation"] == expected["psnr_by_saturation"]


def test_the_ordinary_painter_does_not_follow_the_light():
    model = build_adversarial(recipe("inpainting_original", filters=4, bottleneck=8), 2)
    x = np.random.default_rng(0).uniform(0.1, 1, (2, 128, 128, 3)).astype("float32")
    assert model.painter(x).shape == (2, 64, 64, 3)
    assert np.abs(model.painter(x).numpy()).max() <= 1
    assert np.isfinite(model.train_on_batch(x, random_array(2, 64, 64, 3))).all()


def test_the_recipes():
    names = [name for name in list_recipes() if get_recipe(name).task == "inpainting"]
    assert names == ["inpainting", "inpainting_original", "inpainting_small", "inpainting_small_original"]


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
    spoil(tmp_path / MANUAL / "train" / "1.png")
    with pytest.raises(ValueError, match=message):
        fit(recipe(), tmp_path / "run", data_dir=tmp_path)
    assert not (tmp_path / "run").exists()


def test_bad_recipes(data_dir, tmp_path):
    for changes, message in (
        ({"model": "nothing"}, "Received: name='nothing'"),
        ({"preprocessing": "standardise"}, "`preprocessing` must be one of .*'srgb'"),
        ({"distribution": "jax"}, "`distribution` must be None or 'mirrored'.*Received: distribution='jax'"),
        ({"batch_size": 5}, "`batch_size` must be at most .* 4. Received: batch_size=5"),
    ):
        import dataclasses

        with pytest.raises(ValueError, match=message):
            fit(dataclasses.replace(recipe(), **changes), tmp_path / "run", data_dir=data_dir)
    with pytest.raises(ValueError, match="must hold downloads/manual/photographs/train"):
        fit(recipe(), tmp_path / "run", data_dir=tmp_path)
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif("KERAS_EQUIVARIANT_DATA" not in os.environ, reason="needs KERAS_EQUIVARIANT_DATA")
def test_real_photographs():
    folder = pathlib.Path(os.environ["KERAS_EQUIVARIANT_DATA"]) / "photos" / "bsds300" / "test"
    images = [tf.io.decode_jpeg(path.read_bytes()).numpy() for path in sorted(folder.glob("*.jpg"))[:4]]
    crops = central_crops(Photographs.join(images))
    assert crops.shape == (4, 128, 128, 3) and crops.std() > 0.05
