"""The entropies in the logs: what they measure, of which layer, and that other callbacks see them."""

import csv
import warnings

import keras
import numpy as np
import pytest
from helpers import COMPILES, ON_TENSORFLOW, random_array, to_numpy

from keras_equivariant.callbacks import DiffusionSpectralEntropy
from keras_equivariant.entropy import (
    cluster_reference,
    diffusion_spectral_entropy,
    diffusion_spectral_mutual_information,
)
from keras_equivariant.layers import CosetPooling, GroupConv2D

X = random_array(40, 6)
LABELS = np.arange(40) % 3


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.first = keras.layers.Dense(5, activation="tanh", name="first")
        self.head = keras.layers.Dense(3, name="head")

    def call(self, x):
        return self.head(self.first(x))


def sequential():
    layers = [keras.layers.Dense(5, activation="tanh", name="first"), keras.layers.Dense(3, name="head")]
    return keras.Sequential([keras.Input((6,)), *layers])


def functional():
    inputs = keras.Input((6,))
    x = keras.layers.Dense(5, activation="tanh", name="first")(inputs)
    x = keras.layers.BatchNormalization()(x)
    return keras.Model(inputs, keras.layers.ReLU()(keras.layers.Dense(3, name="head")(x)))


def nested():
    inner = keras.Sequential([keras.Input((6,)), keras.layers.Dense(5, activation="tanh", name="first")])
    inputs = keras.Input((6,))
    return keras.Model(inputs, keras.layers.Dense(3, name="head")(inner(inputs)))


def fit(model, *callbacks, epochs=2, x=X, compiled=False, **arguments):
    """Compiled where asked for: for a few steps TensorFlow is quicker without a graph."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    eagerly = ON_TENSORFLOW and not compiled
    model.compile("sgd", loss, jit_compile=COMPILES and not eagerly, run_eagerly=eagerly)
    return model.fit(x, LABELS[: len(x)], epochs=epochs, verbose=0, callbacks=list(callbacks), **arguments).history


@pytest.mark.parametrize("make", [Subclassed, sequential, functional, nested])
def test_measures_the_embedding_after_the_epoch(make):
    model = make()
    callback = DiffusionSpectralEntropy(X, LABELS, layer="first", sigma=1.0, t=2, clusters=4, batch_size=7)
    history = fit(model, callback, compiled=make in (Subclassed, functional))
    first = next(layer for layer in model._flatten_layers() if layer.name == "first")
    embedding = to_numpy(first(X))
    arguments = {"sigma": 1.0, "t": 2}
    assert abs(history["dse"][-1] - diffusion_spectral_entropy(embedding, **arguments)) < 1e-4
    for name, reference in (("dsmi_y", LABELS), ("dsmi_x", cluster_reference(X, 4))):
        expected = diffusion_spectral_mutual_information(embedding, reference, **arguments)
        assert abs(history[name][-1] - expected) < 1e-4
    assert history["dse"][0] != history["dse"][1]


@pytest.mark.parametrize("make", [Subclassed, sequential, nested])
def test_the_default_is_what_the_head_sees(make):
    default, named = DiffusionSpectralEntropy(X, sigma=1.0), DiffusionSpectralEntropy(X, sigma=1.0, layer="first")
    for callback in (default, named):
        keras.utils.set_random_seed(0)
        callback.history_ = fit(make(), callback)
    assert default.history_["dse"] == named.history_["dse"]
    assert "dsmi_y" not in default.history_


def test_a_frozen_head_is_a_head():
    histories = []
    for layer in (None, "first"):
        keras.utils.set_random_seed(0)
        model = sequential()
        model.get_layer("head").trainable = False
        histories.append(fit(model, DiffusionSpectralEntropy(X, layer=layer, sigma=1.0, clusters=None))["dse"])
    assert histories[0] == histories[1]


def test_a_model_inside_is_a_layer():
    inputs = keras.Input((6,))
    inner = keras.Sequential([keras.Input((6,)), keras.layers.Dense(5, name="first"), keras.layers.ReLU()], name="body")
    model = keras.Model(inputs, keras.layers.Dense(3)(inner(inputs)))
    history = fit(model, DiffusionSpectralEntropy(X, layer=["body", "first"], sigma=1.0, clusters=None))
    assert abs(history["dse_body"][-1] - diffusion_spectral_entropy(to_numpy(inner(X)), 1.0)) < 1e-4
    assert history["dse_body"] != history["dse_first"]


def test_inference_mode_is_used():
    layers = [keras.layers.Dense(5, name="first"), keras.layers.Dropout(0.9), keras.layers.Dense(3)]
    model = keras.Sequential([keras.Input((6,)), *layers])
    history = fit(model, DiffusionSpectralEntropy(X, sigma=1.0, clusters=None))
    expected = diffusion_spectral_entropy(to_numpy(model.get_layer("first")(X)), 1.0)
    assert abs(history["dse"][-1] - expected) < 1e-4


def test_the_model_is_left_as_it_was():
    model = functional()
    model(X)
    before = dict(vars(model.get_layer("first")))
    fit(model, DiffusionSpectralEntropy(X, layer=["first", "head"], clusters=None))
    assert set(vars(model.get_layer("first"))) - set(before) <= {"_initial_weights"}
    assert "call" not in vars(model.get_layer("first"))


def test_several_layers_have_their_names_in_the_logs():
    history = fit(sequential(), DiffusionSpectralEntropy(X, LABELS, layer=["first", "head"], clusters=None))
    assert {"dse_first", "dse_head", "dsmi_y_first", "dsmi_y_head"} <= set(history)


def test_feature_maps_on_a_group():
    images = random_array(12, 6, 6, 1)
    inputs = keras.Input((6, 6, 1))
    x = GroupConv2D(4, 3, "p4", activation="relu")(inputs)
    x = GroupConv2D(3, 4, "p4", name="last")(x)
    model = keras.Model(inputs, keras.layers.GlobalMaxPooling2D()(CosetPooling("p4")(x)))
    history = fit(model, DiffusionSpectralEntropy(images, LABELS[:12], clusters=3), x=images)
    assert np.isfinite(history["dse"] + history["dsmi_x"]).all()


def test_dictionaries_of_inputs():
    first, second = keras.Input((6,), name="first"), keras.Input((2,), name="second")
    model = keras.Model(
        {"first": first, "second": second}, keras.layers.Dense(3)(keras.layers.Concatenate()([first, second]))
    )
    x = {"first": X, "second": X[:, :2]}
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=COMPILES)
    history = model.fit(x, LABELS, verbose=0, callbacks=[DiffusionSpectralEntropy(x, sigma=10.0, clusters=3)]).history
    both = np.concatenate([X, X[:, :2]], axis=1)
    assert abs(history["dse"][0] - diffusion_spectral_entropy(both)) < 1e-6


def test_callbacks_after_it_see_the_entries(tmp_path):
    log = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    stop = keras.callbacks.EarlyStopping("dsmi_y", mode="max", min_delta=100, patience=1)
    save = keras.callbacks.ModelCheckpoint(tmp_path / "{dse:.3f}.keras", monitor="dse", mode="max", save_best_only=True)
    history = fit(sequential(), DiffusionSpectralEntropy(X, LABELS, sigma=1.0), log, stop, save, epochs=9)
    assert len(history["dse"]) == 2
    with open(tmp_path / "log.csv") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["dsmi_x"]) for row in rows] == history["dsmi_x"]
    assert (tmp_path / f"{history['dse'][0]:.3f}.keras").exists()


def test_every():
    history = fit(sequential(), DiffusionSpectralEntropy(X, every=3, clusters=None), epochs=5)
    assert np.isnan(history["dse"]).tolist() == [False, True, True, False, True]


def test_a_degenerate_embedding_is_nan_with_one_warning():
    model = sequential()
    for weight in model.get_layer("first").weights:
        weight.assign(np.zeros(weight.shape))
    model.get_layer("first").trainable = False
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = fit(model, DiffusionSpectralEntropy(X, LABELS, layer="first"), epochs=3)
    assert np.isnan(history["dse"] + history["dsmi_y"] + history["dsmi_x"]).all()
    assert [str(one.message)[:38] for one in caught if "degenerate" in str(one.message)] == [
        "The embedding of epoch 1 is degenerate"
    ]
    assert np.isfinite(history["loss"]).all()


@pytest.mark.parametrize(
    "message, arguments",
    [
        ("`inputs` must hold at least two points", {"inputs": X[:1]}),
        ("`inputs` must be finite", {"inputs": np.where(X > 1, np.nan, X)}),
        ("`inputs` must hold two different points", {"inputs": np.ones((4, 2))}),
        ("`labels` must have as many entries", {"labels": LABELS[:-1]}),
        ("`labels` must be one integer", {"labels": LABELS / 2}),
        ("`inputs` must be arrays of one length", {"inputs": {"first": X, "second": X[:9]}}),
        ("`clusters` must have as many entries", {"clusters": LABELS[:-1]}),
        ("`clusters` must be an integer from 2", {"clusters": 1}),
        ("`clusters` must be an integer from 2", {"clusters": 41}),
        ("`layer` must be the name", {"layer": 5}),
        ("`layer` must be the name", {"layer": []}),
        ("`layer` must be the name", {"layer": ["first", None]}),
        ("`layer` must be the name", {"layer": ["first", "first"]}),
        ("`sigma` must be", {"sigma": 0}),
        ("`t` must be", {"t": 0}),
        ("`every` must be", {"every": 0}),
        ("`method` must be", {"method": "fast"}),
        ("`batch_size` must be", {"batch_size": 0}),
    ],
)
def test_bad_arguments(message, arguments):
    with pytest.raises(ValueError, match=message):
        DiffusionSpectralEntropy(**{"inputs": X, **arguments})


def test_an_unknown_layer_is_refused_with_the_names_of_those_there_are():
    with pytest.raises(ValueError, match="one of .'first', 'head'.. Received: layer='second'"):
        fit(sequential(), DiffusionSpectralEntropy(X, layer="second"))


def test_a_model_without_a_kernel_needs_a_name():
    model = keras.Sequential([keras.Input((6,)), keras.layers.BatchNormalization()])
    with pytest.raises(ValueError, match="`layer` must be given"):
        fit(model, DiffusionSpectralEntropy(X))
