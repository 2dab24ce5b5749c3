"""Drawing of missing centres: what is its own; what all tasks must do is in `test_tasks.py`."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import random_array
from keras_equivariant.training.runs.fit import build, fit
from keras_equivariant.training.tasks import get_task
from keras_equivariant.training.tasks.inpainting import evaluation
from keras_equivariant.training.tasks.inpainting.adversary import Adversarial
from keras_equivariant.training.tasks.inpainting.evaluation import measure, signal_to_noise
from keras_equivariant.training.tasks.inpainting.pictures import draw_report
from keras_equivariant.training.tasks.task import Part
from made_up_lights import SIZES, write_photographs
from matplotlib.figure import Figure
from small_tasks import quickly, small_recipe, without_files

from keras_equivariant.layers import ApplyGamma, RemoveGamma

pytest.importorskip("tensorflow_datasets")


pytestmark = pytest.mark.usefixtures("tensorflow_backend")


def gradients(model, x, y):
    with tf.GradientTape() as tape:
        loss = model.compute_loss(x, y, model(x, training=True), training=True)
    variables = [*model.generator.trainable_variables, *model.discriminator.trainable_variables]
    found = tape.gradient(loss, [v.value for v in variables])
    count = len(model.generator.trainable_variables)
    return found[:count], found[count:]


def small_adversarial(weight):
    generator = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(3, 3, padding="same")])
    layers = [keras.layers.Conv2D(4, 3), keras.layers.BatchNormalization(), keras.layers.LeakyReLU()]
    discriminator = keras.Sequential([keras.Input((8, 8, 3)), *layers, keras.layers.Flatten(), keras.layers.Dense(1)])
    return Adversarial(generator, discriminator, weight)


def test_each_network_follows_its_own_loss():
    """The gradients are those of two losses written down apart."""
    weight = 0.3
    model = small_adversarial(weight)
    x, y = random_array(4, 8, 8, 3), tf.constant(random_array(4, 8, 8, 3, seed=1))
    of_generator, of_discriminator = gradients(model, x, y)

    def cross_entropy(real, logits):
        return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(tf.fill(logits.shape, real), logits))

    generator, judge = model.generator, model.discriminator
    with tf.GradientTape() as tape:
        drawn = generator(x)
        loss = (1 - weight) * tf.reduce_mean((drawn - y) ** 2) + weight * cross_entropy(
            1.0, judge(drawn, training=True)
        )
    expected = tape.gradient(loss, [v.value for v in generator.trainable_variables])
    for found, wanted in zip(of_generator, expected, strict=True):
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
    names = ("reconstruction", "generator", "discriminator")
    assert set(history) == {"loss", *(f"{name}_loss" for name in names)}
    assert history["reconstruction_loss"][-1] < history["reconstruction_loss"][0] / 2
    assert history["discriminator_loss"][-1] < history["discriminator_loss"][0]
    reconstruction, generator, discriminator = (history[f"{name}_loss"][0] for name in names)
    total = 0.999 * reconstruction + 0.001 * generator + discriminator
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
    """A generator that repeats the mean colour, which follows the light, or a grey, which does not."""

    def __init__(self, grey, **kwargs):
        super().__init__(**kwargs)
        self.grey = grey

    def call(self, inputs):
        means = keras.ops.mean(inputs, axis=(1, 2), keepdims=True)
        means = 0 * means + 0.2 if self.grey else means
        return 2 * ApplyGamma()(means + keras.ops.zeros_like(inputs[:, :64, :64])) - 1


def test_ratios_by_saturation():
    images = np.random.default_rng(0).uniform(0.1, 1, (5, 128, 128, 3)).astype("float32")
    inputs = keras.Input((128, 128, 3))
    with quickly():
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


def test_a_run_of_the_offset_network(tmp_path):
    write_photographs(tmp_path)
    with quickly("inpainting"), without_files():
        run, metrics = fit(small_recipe("inpainting", "inpainting", epochs=1), tmp_path / "run", data_dir=tmp_path)
    assert np.ptp(list(metrics["psnr_by_saturation"].values())) < 0.1, "constant under any light"
    assert metrics["psnr"] == metrics["psnr_by_saturation"]["0.0"]
    assert metrics["images"] == len(SIZES)


def test_the_ordinary_generator_does_not_follow_the_light():
    task = get_task("inpainting")
    recipe = small_recipe("inpainting", "inpainting_original", model_arguments={"filters": 4, "bottleneck": 8})
    with quickly():
        network, model = build(task, recipe, None, Part("", range(4)))
    assert model.generator is network
    x = np.random.default_rng(0).uniform(0.1, 1, (2, 128, 128, 3)).astype("float32")
    assert network(x).shape == (2, 64, 64, 3)
    assert np.abs(network(x).numpy()).max() <= 1
    assert np.isfinite(model.train_on_batch(x, random_array(2, 64, 64, 3))).all()


def test_the_offset_generator_is_trained_in_linear_rgb():
    recipe = small_recipe("inpainting", "inpainting", model_arguments={"filters": 6, "bottleneck": 9})
    network, model = build(get_task("inpainting"), recipe, None, Part("", range(4)))
    x = np.random.default_rng(0).uniform(0.1, 1, (2, 128, 128, 3)).astype("float32")
    linear, srgb = (np.clip((np.asarray(m(x)) + 1) / 2, 0, 1) for m in (model.generator, network))
    np.testing.assert_allclose(RemoveGamma()(srgb), linear, atol=1e-5)
    assert np.abs(linear - srgb).max() > 0.05
    assert {id(v) for v in model.generator.variables} == {id(v) for v in network.variables}


def test_what_the_pictures_show():
    names = ("psnr", "tinted_psnr", "mean_psnr", "mean_tinted_psnr")
    ratios = {f"{name}_by_saturation": {"0.0": 10.0 + k, "0.9": 20.0 + k} for k, name in enumerate(names)}
    metrics = {"model": "m", "recipe": "r", "psnr": 10.0, "parameters": 1, **ratios}
    assert get_task("inpainting").by_saturation("mine", metrics) == {
        "mine, light taken out": {"0.0": 10.0, "0.9": 20.0},
        "mine, under the light": {"0.0": 11.0, "0.9": 21.0},
        "mean colour, light taken out": {"0.0": 12.0, "0.9": 22.0},
    }
    inputs = keras.Input((128, 128, 3))
    losses = ("reconstruction_loss", "generator_loss", "discriminator_loss")
    history = [{"epoch": e, **{name: 1.0 + k + 10 * e for k, name in enumerate(losses)}} for e in range(2)]
    images = np.random.default_rng(0).uniform(0.1, 1, (4, 128, 128, 3)).astype("float32")
    figure = Figure()
    draw_report(figure, keras.Model(inputs, LogCentre(True)(inputs)), images, history, metrics)
    lines = {line.get_label(): list(line.get_ydata()) for axes in figure.axes for line in axes.get_lines()}
    assert lines == {
        "reconstruction loss": [1.0, 11.0],
        "generator loss": [2.0, 12.0],
        "discriminator loss": [3.0, 13.0],
        "painted": [10.0, 20.0],
        "mean colour": [12.0, 22.0],
    }


def test_a_painted_centre():
    """The mean colour is painted into the centre of the square in the middle; around it the picture stays."""
    image = np.full((140, 200, 3), 0.3, "float32")
    image[:, 30:170] = np.random.default_rng(0).uniform(0.4, 0.6, (140, 140, 3))
    inputs = keras.Input((128, 128, 3))
    model = keras.Model(inputs, LogCentre(False)(inputs))
    prediction = get_task("inpainting").predict(model, image, None, None)
    small = np.clip(tf.image.resize(image[:, 30:170], (128, 128), antialias=True), 0, 1)
    outside = np.ones((128, 128), bool)
    outside[32:96, 32:96] = False
    np.testing.assert_allclose(prediction.picture[outside], small[outside], atol=1e-5)
    linear = np.asarray(RemoveGamma()(small.astype("float32")))
    mean = np.asarray(ApplyGamma()(linear[outside].mean(axis=0)))
    np.testing.assert_allclose(prediction.picture[~outside], np.broadcast_to(mean, (4096, 3)), atol=1 / 255)
    expected = -10 * np.log10(((prediction.picture[~outside] - small[~outside]) ** 2).mean())
    assert prediction.values["psnr"] == pytest.approx(expected, abs=0.01)
    for bad, message in ((image[:127], "at least 128 pixels"), (0 * image, "all black")):
        with pytest.raises(ValueError, match=message):
            get_task("inpainting").predict(model, bad, None, None)
