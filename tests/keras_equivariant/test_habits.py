"""What people do with every Keras model, and what works with ours: one test a habit."""

import copy
import pickle
import warnings

import keras
import numpy as np
import pytest
from helpers import ON_TENSORFLOW, predict, random_array, relative_error, to_numpy

from keras_equivariant import zoo
from keras_equivariant.equivariance import equivariance_error
from keras_equivariant.layers import CosetPooling, GroupConv2D, OffsetBatchNormalization, OffsetConv2D
from keras_equivariant.planar import to_planar


def network():
    inputs = keras.Input((9, 9, 3), name="picture")
    x = OffsetBatchNormalization(name="light")(OffsetConv2D(6, 1, name="offset")(inputs))
    x = CosetPooling("p4", name="orientations")(GroupConv2D(4, 3, activation="relu", name="turns")(x))
    outputs = keras.layers.Dense(3, name="scores")(keras.layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, outputs, name="habits")


@pytest.fixture(scope="module")
def model():
    made = network()
    made.compile("adam", "mse")
    made.fit(random_array(8, 9, 9, 3), random_array(8, 3, seed=1), batch_size=4, verbose=0)
    return made


X = random_array(2, 9, 9, 3, seed=5)


def same(one, other):
    return relative_error(predict(one, X), predict(other, X)) < 1e-6


def test_summary(model):
    lines = []
    model.summary(print_fn=lambda line, **_: lines.append(line))
    text = "\n".join(lines)
    for words in ("turns (GroupConv2D)", "(None, 7, 7, 4, 4)", "orientations", "Total params"):
        assert words in text


def test_clone_model(model):
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    assert same(clone, model) and clone.get_layer("turns") is not model.get_layer("turns")


def test_deep_copy(model):
    again = copy.deepcopy(model)
    assert same(again, model)
    again.get_layer("turns").kernel.assign(0 * to_numpy(again.get_layer("turns").kernel))
    assert not same(again, model)


def test_pickle(model):
    assert same(pickle.loads(pickle.dumps(model)), model)


def test_json(model):
    again = keras.models.model_from_json(model.to_json())
    again.set_weights(model.get_weights())
    assert same(again, model)


@pytest.mark.filterwarnings("ignore")  # Keras calls the format old
@pytest.mark.parametrize("name", ["model.h5", "model.keras"])
def test_files(model, name, tmp_path):
    model.save(tmp_path / name)
    again = keras.models.load_model(tmp_path / name, compile=False)  # h5 forgets what "mse" is
    assert same(again, model)
    again.compile("adam", "mse", run_eagerly=ON_TENSORFLOW)  # for one step quicker than a graph
    again.fit(X, np.zeros((2, 3)), verbose=0)


def test_weights_by_name_of_the_layer(model, tmp_path):
    model.save_weights(tmp_path / "w.weights.h5")
    again = network()
    again.load_weights(tmp_path / "w.weights.h5")
    assert same(again, model)


def test_frozen_layers_stay(model):
    again = keras.models.clone_model(model)
    again.get_layer("turns").trainable = False
    again.compile("sgd", "mse")
    before = to_numpy(again.get_layer("turns").kernel).copy()
    again.fit(X, np.zeros((2, 3)), verbose=0)
    np.testing.assert_array_equal(to_numpy(again.get_layer("turns").kernel), before)


def test_a_part_of_a_model(model):
    features = keras.Model(model.input, model.get_layer("turns").output)
    assert features(X).shape == (2, 7, 7, 4, 4)


def test_quantisation_of_what_can_be(model):
    """Dense layers take 8 bits; ours stay as they are, and the model equivariant."""
    again = keras.models.clone_model(model)
    again.set_weights(model.get_weights())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again.quantize("int8")
    assert "int8" in str(again.get_layer("scores").kernel.dtype)
    assert relative_error(again(X), model(X)) < 0.1
    assert equivariance_error(again, X, "p4") < 1e-5


def test_plot_model(model, tmp_path):
    pytest.importorskip("pydot")
    keras.utils.plot_model(model, tmp_path / "model.png", show_shapes=True)
    assert (tmp_path / "model.png").stat().st_size > 1000


def test_early_stopping_and_checkpoints(tmp_path):
    made = network()
    made.compile(keras.optimizers.AdamW(1e-2, clipnorm=1.0, weight_decay=0.01), "mse")
    callbacks = [
        keras.callbacks.EarlyStopping("loss", patience=1, restore_best_weights=True),
        keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", "loss", save_best_only=True),
        keras.callbacks.ReduceLROnPlateau("loss"),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
    ]
    made.fit(X, np.zeros((2, 3)), epochs=3, verbose=0, callbacks=callbacks)
    assert equivariance_error(keras.models.load_model(tmp_path / "best.keras"), X, "p4") < 1e-5


@pytest.fixture
def channels_first():
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format(before)


def test_a_setting_of_channels_first(model, channels_first):
    """Our layers read channels last whatever the setting; the zoo and its planar forms too."""
    with pytest.raises(ValueError, match="must be 'channels_last'"):
        GroupConv2D(2, 3)
    made = zoo.create("p4cnn")
    x = random_array(2, 28, 28, 1)
    assert equivariance_error(made, x) < 1e-4
    assert relative_error(predict(to_planar(made), x), predict(made, x)) < 1e-4
    assert same(to_planar(model), model)


def test_a_search_over_networks():
    tuner = pytest.importorskip("optuna")

    def loss(trial):
        made = keras.Sequential([GroupConv2D(trial.suggest_int("filters", 1, 2), 3), CosetPooling("p4")])
        return float(to_numpy(made(X)).std())

    study = tuner.create_study()
    study.optimize(loss, n_trials=2)
    assert study.best_params["filters"] in (1, 2)
