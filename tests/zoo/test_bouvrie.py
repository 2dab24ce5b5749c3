import os
import pathlib

import keras
import numpy as np
import pytest
from helpers import COMPILES, random_array, to_numpy

from keras_equivariant import zoo
from keras_equivariant.activations import ScaledTanh
from keras_equivariant.layers import CombinationConv2D, Subsampling2D, TableConv2D, all_triplets, lenet5_table
from keras_equivariant.losses import SparseHalvedSquaredError
from keras_equivariant.optimizers import LayerwiseSGD
from keras_equivariant.regularizers import EntropyRegularizer

# Weights and biases, layer by layer: LeNet-5's are printed in section II of LeCun et al. (1998).
PARAMETERS = {
    "bouvrie_cnn": [156, 12, 36 * 25 + 16, 32, 256 * 120 + 120, 120 * 10 + 10],
    "lenet5": [156, 12, 1516, 32, 48_120, 10_164, 84 * 10 + 10],
}
SIZES = {"bouvrie_cnn": (28, [24, 12, 8, 4]), "lenet5": (32, [28, 14, 10, 5])}


@pytest.mark.parametrize("name", PARAMETERS)
def test_layers(name):
    assert getattr(zoo, name) is zoo.get_builder(name)
    model = zoo.create(name)
    weighted = [layer for layer in model.layers if layer.weights]
    assert [layer.count_params() for layer in weighted] == PARAMETERS[name]
    assert all(isinstance(layer.activation, ScaledTanh) for layer in weighted)
    size, heights = SIZES[name]
    assert model.input_shape == (None, size, size, 1)
    assert [layer.output.shape[1] for layer in weighted[:4]] == heights
    assert [type(layer) for layer in weighted[:4]] == [keras.layers.Conv2D, Subsampling2D, TableConv2D, Subsampling2D]
    assert [layer.output.shape[-1] for layer in weighted[:4]] == [6, 6, 16, 16]
    assert model.name == name


def test_arguments():
    model = zoo.bouvrie_cnn((20, 24, 3), classes=7, units=9, connection_table=all_triplets(6), name="other")
    assert model.input_shape == (None, 20, 24, 3)
    assert model.output_shape == (None, 7)
    assert model.name == "other"
    assert model.get_layer("convolution_2").connection_table == all_triplets(6)
    assert model.get_layer("dense_1").units == 9
    assert zoo.lenet5((28, 28, 3), classes=7, name="other").output_shape == (None, 7)
    assert zoo.lenet5().get_layer("c3").connection_table == lenet5_table()
    for name in PARAMETERS:
        logits = zoo.create(name, output_activation=None)
        assert logits.layers[-1].activation is keras.activations.linear
    learned = zoo.bouvrie_cnn(mixing="sparsemax", mixing_regularizer=EntropyRegularizer(0.1))
    layer = learned.get_layer("convolution_2")
    assert isinstance(layer, CombinationConv2D)
    assert (layer.mixing, layer.mixing_regularizer.entropy) == ("sparsemax", 0.1)
    assert learned.count_params() == zoo.bouvrie_cnn().count_params() - 36 * 25 + 6 * 25 + 6 * 16


def test_signals_keep_their_size_at_the_start():
    """From images of variance 1, neither vanishing nor saturating units in any layer."""
    for name, (size, _) in SIZES.items():
        model = zoo.create(name)
        x = keras.ops.convert_to_tensor(random_array(8, size, size, 1))
        for layer in model.layers[1:]:
            x = layer(x)
            assert 0.1 < to_numpy(x).std() < 1.2, layer.name


@pytest.mark.parametrize("name", PARAMETERS)
def test_training(name):
    model = zoo.create(name, input_shape=(16, 16, 1))
    model.compile(LayerwiseSGD(0.01, momentum=0.9), SparseHalvedSquaredError(), jit_compile=COMPILES)
    x, labels = random_array(8, 16, 16, 1), np.arange(8)
    losses = [float(model.train_on_batch(x, labels)) for _ in range(8)]
    assert losses[-1] < 0.9 * losses[0]


def test_mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        models = [zoo.bouvrie_cnn(), zoo.bouvrie_cnn(mixing="sparsemax"), zoo.lenet5(input_shape=(28, 28, 1))]
    finally:
        keras.config.set_dtype_policy("float32")
    for model in models:
        assert "bfloat16" in str(model(random_array(2, 28, 28, 1)).dtype)


def test_bad_arguments():
    with pytest.raises(ValueError, match="Only one of.*Received"):
        zoo.bouvrie_cnn(connection_table=lenet5_table(), mixing="softmax")
    with pytest.raises(ValueError, match="must be 'scaled_tanh' or None. Received: output_activation='relu'"):
        zoo.lenet5(output_activation="relu")
    with pytest.raises(ValueError, match="Received"):
        zoo.bouvrie_cnn((12, 12, 1))


@pytest.mark.skipif("KERAS_EQUIVARIANT_DATA" not in os.environ, reason="needs the folder of mnist.npz")
def test_learned_combinations_become_sparse_on_real_digits(tensorflow_backend):
    """A short training; `benchmarks/combinations.py` is the long one."""
    with np.load(pathlib.Path(os.environ["KERAS_EQUIVARIANT_DATA"]) / "mnist.npz") as data:
        images, labels = data["x_train"][:10000, ..., None] / 255.0, data["y_train"][:10000].astype("int32")
    images = ((images - images.mean()) / images.std()).astype("float32")
    shares = {}
    for mixing, regularizer in (("sparsemax", EntropyRegularizer(0.03)), ("softmax", keras.regularizers.L1(0.1))):
        model = zoo.bouvrie_cnn(mixing=mixing, mixing_regularizer=regularizer)
        model.compile(
            LayerwiseSGD(0.01, momentum=0.9), SparseHalvedSquaredError(), metrics=["accuracy"], jit_compile=False
        )
        model.fit(images, labels, batch_size=32, epochs=4, verbose=0)
        shares[mixing] = (to_numpy(model.get_layer("convolution_2").mixing_weights) == 0).mean()
        assert model.evaluate(images, labels, verbose=0)[1] > 0.9, shares
    assert shares["softmax"] == 0
    assert shares["sparsemax"] >= 0.5
