import inspect

import keras
import numpy as np
import pytest
from helpers import COMPILES, ON_TENSORFLOW, cases, random_array
from networks import create_with_random_statistics

from keras_equivariant import zoo
from keras_equivariant.equivariance import equivariance_error
from keras_equivariant.layers import CosetPooling, GroupConv2D

TRAINABLE_PARAMETERS = {"z2cnn": 21_750, "p4cnn": 24_680, "p4cnn_rotation_pooling": 21_750}
INVARIANT = ["p4cnn", "p4cnn_rotation_pooling"]


def test_every_model_is_listed_and_an_attribute():
    functions = {"create", "default_model", "get_builder", "get_card", "list_models", "list_weights"}
    assert zoo.list_models() == sorted(set(zoo.__all__) - functions)
    assert set(TRAINABLE_PARAMETERS) <= set(zoo.list_models())
    assert zoo.list_models("p4cnn*") == INVARIANT
    for name in zoo.list_models():
        assert getattr(zoo, name) is zoo.get_builder(name)
        assert name in zoo.__all__


@pytest.mark.parametrize("name", TRAINABLE_PARAMETERS)
def test_parameter_counts(name, once):
    model = zoo.create(name)
    assert sum(np.prod(variable.shape) for variable in model.trainable_variables) == TRAINABLE_PARAMETERS[name]
    assert model.name == name


@pytest.mark.parametrize("name", TRAINABLE_PARAMETERS)
def test_every_argument_of_a_builder_is_used(name, once):
    arguments = inspect.signature(zoo.get_builder(name)).parameters
    model = zoo.create(name, input_shape=(32, 32, 3), classes=7, filters=4, dropout=0.5, name="other")
    assert {"input_shape", "classes", "filters", "dropout", "name"} <= set(arguments)
    assert model.input_shape == (None, 32, 32, 3)
    assert model.output_shape == (None, 7)
    assert model.name == "other"
    assert len([layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]) == 5
    if "symmetry" in arguments:
        assert equivariance_error(zoo.create(name, symmetry="p4m"), random_array(2, 28, 28, 1)) < 1e-5


@pytest.mark.parametrize("name", INVARIANT)
def test_invariant_under_quarter_turns(name):
    assert equivariance_error(create_with_random_statistics(name), random_array(2, 28, 28, 1)) < 1e-5


def test_the_ordinary_network_is_not_invariant():
    assert equivariance_error(create_with_random_statistics("z2cnn"), random_array(2, 28, 28, 1), "p4") > 0.01


def test_layers_of_the_networks(once):
    def kinds(name):
        return [type(layer) for layer in zoo.create(name).layers]

    assert kinds("p4cnn").count(GroupConv2D) == 7
    assert kinds("p4cnn").count(CosetPooling) == 1
    assert kinds("p4cnn_rotation_pooling").count(CosetPooling) == 7
    assert kinds("z2cnn").count(keras.layers.Conv2D) == 7
    assert kinds("z2cnn").count(keras.layers.Dropout) == 5
    for name in TRAINABLE_PARAMETERS:
        assert kinds(name).count(keras.layers.BatchNormalization) == 6


@pytest.mark.parametrize("name", TRAINABLE_PARAMETERS)
def test_the_maps_shrink_as_in_the_paper(name, once):
    model = zoo.create(name)
    heights = [layer.output.shape[1] for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert heights == [26, 24, 10, 8, 6, 4, 1]


@pytest.mark.parametrize("name", cases(TRAINABLE_PARAMETERS, ["p4cnn"]))
def test_mixed_precision_and_compilation(name):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = zoo.create(name)
    finally:
        keras.config.set_dtype_policy("float32")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    compiled = name == "p4cnn"  # once; for a few steps TensorFlow is quicker without a graph
    model.compile("adam", loss, jit_compile=COMPILES and compiled, run_eagerly=ON_TENSORFLOW and not compiled)
    x, labels = random_array(4, 28, 28, 1), np.arange(4)
    losses = [float(model.train_on_batch(x, labels)) for _ in range(20)]
    assert losses[-1] < losses[0]
    assert "bfloat16" in str(model(x).dtype)


def test_unknown_models():
    with pytest.raises(ValueError, match="must be one of.*'p4cnn'.*Received: name='p5cnn'"):
        zoo.create("p5cnn")
    with pytest.raises(ValueError, match="Received"):
        zoo.create("p4cnn", input_shape=(16, 16, 1))
    with pytest.raises(ValueError, match="must not take the name of another one. Received: 'p4cnn'"):
        from keras_equivariant.zoo.registry import register

        def p4cnn():
            """Another."""

        register(p4cnn)
