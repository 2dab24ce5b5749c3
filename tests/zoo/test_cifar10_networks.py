import inspect

import keras
import numpy as np
import pytest
from helpers import ON_TENSORFLOW, cases, random_array

from keras_equivariant import zoo
from keras_equivariant.equivariance import equivariance_error
from keras_equivariant.layers import GridCentring2D, GroupConv2D

# (arguments, trainable parameters)
PARAMETERS = {
    "resnet44": [({}, 2_639_434), ({"downsampling": "centred"}, 2_639_434)],
    "p4m_resnet44": [({}, 2_619_728), ({"head": "oriented"}, 2_622_878)],
    "resnet26": [({}, 7_236_046)],
    "p4m_resnet26": [({}, 7_166_110), ({"head": "oriented"}, 7_173_110)],
    "all_cnn_c": [({"batch_normalization": False}, 1_369_738)],
    "p4_all_cnn_c": [
        ({"batch_normalization": False}, 1_369_738),
        ({"batch_normalization": False, "head": "oriented"}, 1_369_738),
    ],
    "p4m_all_cnn_c": [({"batch_normalization": False}, 1_218_826)],
}
GROUP_NETWORKS = ["p4m_resnet44", "p4m_resnet26", "p4_all_cnn_c", "p4m_all_cnn_c"]


def small(network, **arguments):
    """A network of the same architecture, small, with random weights and statistics."""
    sizes = {"filters": (2, 3, 4), "blocks": 1} if "resnet" in network else {"filters": (3, 4)}
    model = zoo.create(network, **{**sizes, **arguments})
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
    return model


@pytest.mark.parametrize("name", cases(PARAMETERS, list(PARAMETERS)[:1]))
def test_parameter_counts(name):
    for arguments, count in PARAMETERS[name]:
        model = zoo.create(name, **arguments)
        assert sum(np.prod(variable.shape) for variable in model.trainable_variables) == count
        assert model.name == name
        assert model.output_shape == (None, 10)
        if "resnet" in name:
            convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
            on_main_path = [layer for layer in convolutions if layer.kernel_size == (3, 3)]
            assert len(on_main_path) + 1 == int(name[-2:])
            assert {layer.output.shape[1] for layer in convolutions} == {32, 16, 8}


@pytest.mark.parametrize("size", cases([32, 33], [33]))
@pytest.mark.parametrize("name", GROUP_NETWORKS)
def test_exactly_invariant(name, size):
    model = small(name, input_shape=(size, size, 3))
    symmetry = "p4" if name == "p4_all_cnn_c" else "p4m"
    assert equivariance_error(model, random_array(2, size, size, 3), symmetry) < 1e-5


@pytest.mark.parametrize("name", GROUP_NETWORKS)
def test_only_approximately_as_published(name):
    assert equivariance_error(small(name, downsampling="strided"), random_array(2, 32, 32, 3)) > 1e-3
    assert equivariance_error(small(name, head="oriented"), random_array(2, 32, 32, 3)) > 1e-3
    on_odd_sizes = small(name, input_shape=(33, 33, 3), downsampling="strided")
    assert equivariance_error(on_odd_sizes, random_array(2, 33, 33, 3)) < 1e-5


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_argument_of_a_builder_is_used(name, once):
    arguments = set(inspect.signature(zoo.get_builder(name)).parameters)
    expected = {"input_shape", "classes", "filters", "downsampling", "name"}
    expected |= {"blocks"} if "resnet" in name else {"dropout", "input_dropout", "batch_normalization"}
    assert arguments == expected | ({"symmetry", "head"} if name in GROUP_NETWORKS else set())
    model = small(name, input_shape=(16, 20, 1), classes=7, name="other", downsampling="centred")
    assert (model.input_shape, model.output_shape, model.name) == ((None, 16, 20, 1), (None, 7), "other")
    assert any(isinstance(layer, GridCentring2D) for layer in model.layers)
    if name in GROUP_NETWORKS:
        model = small(name, symmetry="p2")
        assert {layer.symmetry for layer in model.layers if isinstance(layer, GroupConv2D)} == {"p2"}
    if "resnet" in name:
        added = [layer for layer in small(name, blocks=2).layers if isinstance(layer, keras.layers.Add)]
        assert len(added) == 6
    else:
        dropped = [layer for layer in small(name).layers if isinstance(layer, keras.layers.Dropout)]
        assert [layer.rate for layer in dropped] == [0.2, 0.5, 0.5]
        assert not any(
            isinstance(layer, keras.layers.Dropout) for layer in small(name, dropout=0, input_dropout=0).layers
        )


def test_training():
    model = small("p4m_resnet26", input_shape=(16, 16, 3), downsampling="centred")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, jit_compile=False, run_eagerly=ON_TENSORFLOW)
    x, labels = random_array(4, 16, 16, 3), np.arange(4)
    losses = [float(model.train_on_batch(x, labels)) for _ in range(6)]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    "name, arguments, message",
    [
        ("resnet44", {"downsampling": "pooled"}, "'centred'.*Received: downsampling='pooled'"),
        ("p4m_resnet44", {"head": "none"}, "'invariant'.*Received: head='none'"),
        ("resnet26", {"blocks": 0}, "Received: blocks=0"),
        ("resnet26", {"filters": (1, 2)}, "Received: filters="),
        ("p4_all_cnn_c", {"head": "none"}, "Received: head='none'"),
        ("all_cnn_c", {"downsampling": None}, "Received: downsampling=None"),
        ("all_cnn_c", {"filters": (1, 2, 3)}, "Received: filters="),
        ("p4m_resnet44", {"symmetry": "p5"}, "Received: symmetry='p5'"),
        ("all_cnn_c", {"input_shape": (8, 8, 3)}, "Received: input_shape|negative"),
    ],
)
def test_bad_arguments(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        zoo.create(name, **arguments)
