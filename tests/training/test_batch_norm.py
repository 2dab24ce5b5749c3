import keras
import numpy as np
import pytest
from helpers import random_array
from keras_equivariant.training.model.batch_norm import reestimate_batch_norm

from keras_equivariant.layers import OffsetAdapter, OffsetBatchNormalization


def make_model():
    inputs = keras.Input((6, 6, 2))
    x = keras.layers.Conv2D(4, 3, name="first")(inputs)
    x = keras.layers.BatchNormalization(name="norm_1")(x)
    x = keras.layers.Dropout(0.5)(keras.layers.ReLU()(x))
    x = keras.layers.Conv2D(3, 3, name="second")(x)
    x = keras.layers.BatchNormalization(name="norm_2", scale=False)(x)
    return keras.Model(inputs, keras.layers.GlobalMaxPooling2D()(x))


def test_statistics_are_those_of_the_training_set():
    model = make_model()
    x = 3 + 2 * random_array(40, 6, 6, 2)
    before = model.get_layer("first").get_weights()
    reestimate_batch_norm(model, [(x, None)])
    first = model.get_layer("first")(x).numpy()
    norm = model.get_layer("norm_1")
    np.testing.assert_allclose(norm.moving_mean, first.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(norm.moving_variance, first.var((0, 1, 2)), rtol=1e-5)
    hidden = keras.Model(model.input, model.get_layer("second").output)(x, training=False).numpy()
    norm = model.get_layer("norm_2")
    np.testing.assert_allclose(norm.moving_mean, hidden.mean((0, 1, 2)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(norm.moving_variance, hidden.var((0, 1, 2)), rtol=1e-4)
    for old, new in zip(before, model.get_layer("first").get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_batches_of_unequal_size_count_by_their_size():
    model = make_model()
    x = random_array(30, 6, 6, 2) + np.arange(30).reshape(30, 1, 1, 1)
    reestimate_batch_norm(model, [(x[:24], None), (x[24:], None)])
    first = model.get_layer("first")(x).numpy()
    norm = model.get_layer("norm_1")
    np.testing.assert_allclose(norm.moving_mean, first.mean((0, 1, 2)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(norm.moving_variance, first.var((0, 1, 2)), rtol=1e-4)


def nested(norm):
    inner = keras.Sequential([keras.Input((6, 6, 3)), norm])
    return keras.Sequential([keras.Input((6, 6, 3)), inner, keras.layers.Flatten()])


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.Sequential([keras.Input((6, 6, 3)), OffsetBatchNormalization(name="norm")]),
        lambda: nested(keras.layers.BatchNormalization(name="norm")),
        lambda: nested(OffsetAdapter(keras.layers.BatchNormalization(name="norm"))),
    ],
)
def test_what_cannot_be_reestimated_is_told(make):
    model = make()
    before = model.get_weights()
    with pytest.raises(ValueError, match="plain batch normalisations only.*Received: the layer 'norm'"):
        reestimate_batch_norm(model, [(random_array(4, 6, 6, 3), None)])
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_without_batches_or_without_batch_norm():
    with pytest.raises(ValueError, match="must not be empty"):
        reestimate_batch_norm(make_model(), [])
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    weights = model.get_weights()
    reestimate_batch_norm(model, [])
    for old, new in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
