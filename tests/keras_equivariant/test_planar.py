import functools
import json
import zipfile

import keras
import numpy as np
import pytest
from helpers import ON_TENSORFLOW, ROOT, predict, random_array, randomise, relative_error, to_numpy
from networks import small_network
from planar_models import MODELS, layers, ordinary, quotients, residual_network

from keras_equivariant import zoo
from keras_equivariant.layers import (
    CosetPooling,
    GroupConv2D,
)
from keras_equivariant.planar import to_planar

# `to_planar` compares both models on one picture: on as many again JAX has nothing to compile.
BATCH = 3 if ON_TENSORFLOW else 1
LOWERED = [
    "CombinationConv2D",
    "CosetPooling",
    "GridCentring2D",
    "GroupAveragePooling2D",
    "GroupBatchNormalization",
    "GroupConv2D",
    "GroupConv2DTranspose",
    "GroupDepthwiseConv2D",
    "GroupGlobalAveragePooling2D",
    "GroupGlobalMaxPooling2D",
    "GroupMaxPooling2D",
    "GroupSeparableConv2D",
    "GroupUpSampling2D",
    "InverseLogRGB",
    "OffsetAdapter",
    "OffsetAdd",
    "OffsetBatchNormalization",
    "OffsetConcatenate",
    "OffsetConv2D",
    "OffsetConv2DTranspose",
    "OffsetDense",
    "OffsetGroupConv2D",
    "OffsetReLU",
    "Subsampling2D",
    "TableConv2D",
]


def example_for(model, batch):
    """Random pictures, rectangular ones if the model takes any."""
    height, width, *rest = model.input_shape[1:]
    return random_array(batch, height or 10, width or 14, *rest)


@functools.cache
def both(build):
    """A model and its plain form, for all tests that do not change them."""
    model = build()
    return model, to_planar(model)


@pytest.mark.parametrize("build", MODELS)
def test_computes_the_same_without_our_classes(build):
    model, planar = both(build)
    x = example_for(model, BATCH)
    assert relative_error(predict(planar, x), predict(model, x)) < 1e-5
    assert planar.input_shape == model.input_shape
    assert all(type(layer).__module__.startswith("keras.") for layer in planar.layers)


def test_weights_of_the_model_stay_as_they_are():
    model = residual_network()
    before = model.get_weights()
    planar = to_planar(model)
    for variable in planar.trainable_variables:
        variable.assign(variable + 1)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_norms_go_into_convolutions_where_nothing_else_reads_them():
    kinds = [type(layer) for layer in both(residual_network)[1].layers]
    assert kinds.count(layers.Conv2D) == 4
    assert kinds.count(layers.BatchNormalization) == 2  # one reads what the shortcut reads, one follows the sum
    assert layers.Dropout not in kinds
    kinds = [type(layer) for layer in both(ordinary)[1].layers]
    assert kinds.count(layers.BatchNormalization) == 1


def test_the_models_hold_every_layer_that_can_be_lowered():
    kinds = {type(layer) for build in MODELS for layer in both(build)[0].layers}
    assert {kind.__name__ for kind in kinds if kind.__module__.startswith("keras_equivariant")} == set(LOWERED)


@pytest.mark.parametrize("build", MODELS)
def test_files_name_nothing_of_ours_nor_what_is_private_to_keras(build, tmp_path):
    both(build)[1].save(tmp_path / "planar.keras")
    with zipfile.ZipFile(tmp_path / "planar.keras") as file:
        config = json.loads(file.read("config.json"))
    assert "keras_equivariant" not in json.dumps(config)
    assert config.pop("module") == "keras.src.models.functional"  # as Keras notes down every functional model
    assert "keras.src" not in json.dumps(config)


@pytest.mark.parametrize("name", zoo.list_models())
def test_networks_of_the_zoo(name, tensorflow_backend):
    """In 64 bits, where the rounding of many layers hides nothing; but `Rescaling` has its factor in 32."""
    model = small_network(name, "float64")
    planar = to_planar(model)
    x = random_array(2, *model.input_shape[1:], dtype="float64")
    assert relative_error(predict(planar, x), predict(model, x)) < 1e-7
    assert keras.config.dtype_policy().name == "float32"
    for layer in planar.layers:
        assert type(layer).__module__.startswith("keras.")
        assert layer.compute_dtype == "float64"


@pytest.mark.parametrize("name", ["p4cnn", "p4_all_cnn_c"])
def test_operations_are_those_of_a_network_written_by_hand(name, monkeypatch, tensorflow_backend):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    from lowering import NETWORKS, operations

    by_hand, _, arguments = NETWORKS[name]
    planar = to_planar(zoo.create(name, **arguments))
    kinds = [type(layer) for layer in planar.layers]
    assert kinds == [type(layer) for layer in by_hand().layers]
    assert [layer.output.shape for layer in planar.layers] == [layer.output.shape for layer in by_hand().layers]
    assert operations(planar) == operations(by_hand())
    assert operations(planar)["Conv2D"] == kinds.count(layers.Conv2D) > 6
    assert operations(zoo.create(name, **arguments)) != operations(by_hand())


def test_mixed_precision_is_left_behind():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = quotients()
    finally:
        keras.config.set_dtype_policy("float32")
    planar = to_planar(model)
    assert {layer.compute_dtype for layer in planar.layers} == {"float32"}
    x = random_array(2, 9, 9, 2)
    assert relative_error(predict(planar, x), to_numpy(keras.ops.cast(predict(model, x), "float32"))) < 0.05


def test_sequential_models():
    model = keras.Sequential([keras.Input((8, 8, 3)), GroupConv2D(2, 3), layers.ReLU(), CosetPooling("p4")])
    randomise(model)
    x = random_array(2, 8, 8, 3)
    assert relative_error(predict(to_planar(model), x), predict(model, x)) < 1e-5


def test_one_size_may_be_unknown():
    inputs = keras.Input((None, 8, 3))
    model = keras.Model(inputs, CosetPooling("p4")(GroupConv2D(2, 3)(inputs)))
    x = random_array(2, 11, 8, 3)
    assert relative_error(predict(to_planar(model), x), predict(model, x)) < 1e-5
