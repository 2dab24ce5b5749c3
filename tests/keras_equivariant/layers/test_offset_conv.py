import contextlib

import keras
import numpy as np
import pytest
from helpers import COMPILES, TOLERANCES, cases, check_layer, random_array, randomise, relative_error, to_numpy
from offsets import assignment, offset_error, spread, train

from keras_equivariant.constraints import ConstraintWarning, OffsetProjection, project_constraints
from keras_equivariant.equivariance import equivariance_error
from keras_equivariant.layers import OffsetConv1D, OffsetConv2D, OffsetConv2DTranspose, OffsetConv3D, OffsetGroupConv2D
from keras_equivariant.layers.offset_dense import OffsetDense

# Constructor of each layer from the number of groups, and the shape of its input without the channels.
LAYERS = {
    "valid": (lambda g, **kw: OffsetConv2D(2 * g, 3, feature_groups=g, **kw), (2, 7, 6)),
    "same": (lambda g, **kw: OffsetConv2D(2 * g, 3, padding="same", feature_groups=g, **kw), (2, 7, 6)),
    "same even": (lambda g, **kw: OffsetConv2D(2 * g, 4, padding="same", feature_groups=g, **kw), (2, 7, 6)),
    "strided": (lambda g, **kw: OffsetConv2D(2 * g, 3, 2, padding="same", feature_groups=g, **kw), (2, 7, 6)),
    "1-D": (lambda g, **kw: OffsetConv1D(2 * g, 3, padding="same", activation="tanh", feature_groups=g, **kw), (2, 7)),
    "1-D edge": (lambda g, **kw: OffsetConv1D(2 * g, 4, 2, padding="edge", feature_groups=g, **kw), (2, 7)),
    "3-D": (lambda g, **kw: OffsetConv3D(2 * g, 2, padding="same", feature_groups=g, **kw), (2, 4, 3, 3)),
    "3-D edge": (lambda g, **kw: OffsetConv3D(2 * g, 3, padding="edge", feature_groups=g, **kw), (2, 4, 3, 3)),
    "edge": (lambda g, **kw: OffsetConv2D(2 * g, 4, padding="edge", feature_groups=g, **kw), (2, 7, 6)),
    "edge strided": (lambda g, **kw: OffsetConv2D(2 * g, 3, 2, padding="edge", feature_groups=g, **kw), (2, 7, 6)),
    "edge dilated": (
        lambda g, **kw: OffsetConv2D(2 * g, 3, padding="edge", dilation_rate=2, feature_groups=g, **kw),
        (2, 7, 6),
    ),
    "edge group": (
        lambda g, **kw: OffsetGroupConv2D(2 * g, 3, "p4m", padding="edge", activation="relu", feature_groups=g, **kw),
        (1, 5, 5, 8),
    ),
    "edge transposed": (
        lambda g, **kw: OffsetConv2DTranspose(2 * g, 4, strides=2, padding="edge", feature_groups=g, **kw),
        (2, 4, 5),
    ),
    "pointwise strided": (
        lambda g, **kw: OffsetConv2D(2 * g, 1, 2, padding="same", feature_groups=g, **kw),
        (2, 7, 6),
    ),
    "pointwise": (lambda g, **kw: OffsetConv2D(2 * g, 1, padding="same", feature_groups=g, **kw), (2, 7, 6)),
    "dilated": (
        lambda g, **kw: OffsetConv2D(2 * g, 3, padding="same", dilation_rate=2, feature_groups=g, **kw),
        (2, 7, 6),
    ),
    "activated": (
        lambda g, **kw: OffsetConv2D(2 * g, 3, padding="same", activation="tanh", feature_groups=g, **kw),
        (2, 7, 6),
    ),
    "lifting": (lambda g, **kw: OffsetGroupConv2D(2 * g, 3, padding="same", feature_groups=g, **kw), (2, 7, 6)),
    "group": (lambda g, **kw: OffsetGroupConv2D(2 * g, 3, "p4m", feature_groups=g, **kw), (1, 5, 5, 8)),
    "hexagonal": (lambda g, **kw: OffsetGroupConv2D(2 * g, 3, "p6", feature_groups=g, **kw), (1, 5, 5, 6)),
    "transposed": (
        lambda g, **kw: OffsetConv2DTranspose(2 * g, 4, strides=2, padding="same", feature_groups=g, **kw),
        (2, 4, 5),
    ),
    "transposed valid": (lambda g, **kw: OffsetConv2DTranspose(2 * g, 3, strides=2, feature_groups=g, **kw), (2, 4, 5)),
    "transposed activated": (
        lambda g, **kw: OffsetConv2DTranspose(2 * g, 3, activation="tanh", feature_groups=g, **kw),
        (2, 4, 5),
    ),
    "transposed apart": (lambda g, **kw: OffsetConv2DTranspose(2 * g, 2, strides=2, feature_groups=g, **kw), (2, 4, 5)),
    "transposed gaps": (lambda g, **kw: OffsetConv2DTranspose(2 * g, 2, strides=3, feature_groups=g, **kw), (2, 4, 5)),
    "1x1 to 4x4": (lambda g, **kw: OffsetConv2DTranspose(2 * g, 4, feature_groups=g, **kw), (2, 1, 1)),
    "1x1 to 4x4 strided": (
        lambda g, **kw: OffsetConv2DTranspose(2 * g, 4, strides=4, feature_groups=g, **kw),
        (2, 1, 1),
    ),
    "dense": (lambda g, **kw: OffsetDense(2 * g, feature_groups=g, **kw), (2,)),
    "dense activated": (lambda g, **kw: OffsetDense(2 * g, activation="tanh", feature_groups=g, **kw), (2,)),
    "dense map": (lambda g, **kw: OffsetDense(2 * g, feature_groups=g, **kw), (2, 4, 3)),
}


# Elsewhere every other layer in one of the two precisions; on TensorFlow so with one group and with eight.
IN_BOTH = [(name, 3, dtype) for name in LAYERS for dtype in ("float32", "float64")]
IN_ONE = [IN_BOTH[2 * i + i % 2] for i in range(len(LAYERS))]
MOST = [*IN_BOTH, *((name, groups, dtype) for name, _, dtype in IN_ONE for groups in (1, 8))]
ALL = [(name, groups, dtype) for name, _, dtype in IN_BOTH for groups in (1, 3, 8)]


@pytest.mark.parametrize("name, groups, dtype", cases(ALL, IN_ONE, MOST))
def test_offset_equivariant(name, groups, dtype):
    make, shape = LAYERS[name]
    layer = make(groups, dtype=dtype)
    x = random_array(*shape, 3 * groups, dtype=dtype)
    layer.build(x.shape)
    assert offset_error(layer, x, groups) < TOLERANCES[dtype]  # as initialised
    layer.bias.assign(random_array(*layer.bias.shape, seed=3))
    assert offset_error(layer, x, groups) < TOLERANCES[dtype]
    assert to_numpy(layer(x)).dtype == dtype
    randomise(layer)
    project_constraints(layer)
    assert offset_error(layer, x, groups) < TOLERANCES[dtype]


@pytest.mark.parametrize("name", ["valid", "pointwise", "group", "transposed apart", "dense"])
def test_not_offset_equivariant_without_the_projection(name):
    make, shape = LAYERS[name]
    layer = make(3)
    layer.build((*shape, 9))
    randomise(layer)
    assert offset_error(layer, random_array(*shape, 9), 3) > 0.1


OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.05, momentum=0.9),
    "adam": lambda: keras.optimizers.Adam(0.01),
    "adamw": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1),
    "weight averaging": lambda: keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.9),
}
TRAINED = [(name, kind) for name in ("valid", "group", "transposed apart", "dense") for kind in OPTIMIZERS]


# On TensorFlow each layer by two of the optimizers, each optimizer with two of the layers; elsewhere each with one.
@pytest.mark.parametrize(
    "name, kind",
    cases(TRAINED, [TRAINED[i] for i in (0, 9, 2, 11)], TRAINED[::5] + TRAINED[3:15:3]),
)
def test_offset_equivariant_after_training(name, kind):
    make, shape = LAYERS[name]
    layer, optimizer = make(3), OPTIMIZERS[kind]()
    averages = pytest.warns(ConstraintWarning) if optimizer.use_ema else contextlib.nullcontext()
    with averages:
        model = train(layer, random_array(*shape, 9), optimizer)
    if optimizer.use_ema:
        optimizer.finalize_variable_values(model.trainable_variables)
        project_constraints(model)
    assert offset_error(layer, random_array(*shape, 9, seed=7), 3) < 1e-5
    projection = layer.kernel_constraint
    assert relative_error(projection(layer.kernel), layer.kernel) < 1e-6


def test_kernels_satisfy_equation_16_from_the_first_value_on():
    for name in ("same", "lifting", "dense"):
        make, shape = LAYERS[name]
        layer = make(3)
        layer.build((*shape, 9))
        kernel = to_numpy(layer.kernel).reshape(-1, 9, 6).sum(axis=0)
        np.testing.assert_allclose(kernel.T @ assignment(9, 3), assignment(6, 3), atol=1e-5)
    single = LAYERS["1x1 to 4x4 strided"][0](3)
    single.build((1, 1, 1, 9))
    for tap in to_numpy(single.kernel).reshape(-1, 6, 9):
        np.testing.assert_allclose(tap @ assignment(9, 3), assignment(6, 3), atol=1e-5)


def test_deferred_builds_and_clones():
    model = keras.Sequential([OffsetConv2D(6, 3, padding="same"), OffsetConv2D(3, 3)])
    x = random_array(2, 6, 6, 3)
    assert offset_error(model, x, 3) < 1e-5
    clone = keras.models.clone_model(model)
    clone.build(x.shape)
    assert offset_error(clone, x, 3) < 1e-5
    assert relative_error(clone.layers[1].kernel_constraint(clone.layers[1].kernel), clone.layers[1].kernel) < 1e-6


def test_compiled_with_xla():
    if not COMPILES:
        pytest.skip("PyTorch has no XLA here")
    layers = [OffsetConv2D(6, 3, padding="same"), OffsetConv2DTranspose(3, 4, strides=2, padding="same")]
    model = keras.Sequential([keras.Input((6, 6, 3)), *layers])
    model.compile("sgd", "mse", jit_compile=True)
    x = random_array(4, 6, 6, 3)
    for _ in range(5):
        model.train_on_batch(x, random_array(4, 12, 12, 3, seed=1))
    assert offset_error(lambda images: model.predict(images, verbose=0), x, 3) < 1e-5


# One of each of the functions that differ in the ways that 16 bits take.
IN_16_BITS = [
    "same",
    "3-D",
    "1-D edge",
    "edge strided",
    "lifting",
    "group",
    "transposed",
    "edge transposed",
    "dense map",
]


@pytest.mark.parametrize("name", cases(LAYERS, IN_16_BITS))
def test_mixed_precision(name):
    """Numbers of 8 significant bits: errors of some 2^-8, of the kernel and of each addition."""
    make, shape = LAYERS[name]
    x = random_array(*shape, 9)
    layer = make(3, dtype="mixed_bfloat16")
    y = layer(x)
    assert "bfloat16" in str(y.dtype)
    offsets = random_array(len(x), 3, seed=1)
    y, moved = (keras.ops.convert_to_numpy(keras.ops.cast(layer(v), "float32")) for v in (x, x + spread(offsets, x)))
    assert np.abs(moved - y - spread(offsets, y)).max() / np.abs(y).max() < 0.05


def test_one_network_equivariant_to_rotation_and_offset():
    model = keras.Sequential(
        [OffsetGroupConv2D(6, 3, "p4m", padding="same"), OffsetGroupConv2D(3, 3, "p4m", activation="relu")]
    )
    x = random_array(2, 7, 7, 3)
    assert offset_error(model, x, 3) < 1e-5
    assert equivariance_error(model, x, "p4m") < 1e-5


def test_layer_conventions(once):
    check_layer(OffsetConv2D, {"filters": 3, "kernel_size": 3, "dilation_rate": (2, 2)}, (2, 6, 5, 3))
    arguments = {"filters": 3, "kernel_size": 3, "strides": 2, "output_padding": (1, 1), "use_bias": False}
    check_layer(OffsetConv2DTranspose, arguments, (2, 6, 5, 3))


def test_spatial_sizes_may_be_unknown():
    inputs = keras.Input((None, None, 3))
    x = OffsetConv2D(6, 3, padding="same")(inputs)
    model = keras.Model(inputs, OffsetConv2DTranspose(3, 4, strides=2, padding="same")(x))
    assert model.output_shape == (None, None, None, 3)
    assert offset_error(model, random_array(2, 5, 7, 3), 3) < 1e-5


def test_spatial_sizes_may_be_unknown_in_a_graph(tensorflow_backend):
    import tensorflow as tf

    model = keras.Sequential([keras.Input((None, None, 3)), OffsetConv2D(6, 3, padding="same", activation="tanh")])
    traced = tf.function(model, input_signature=[tf.TensorSpec((None, None, None, 3))])
    x = random_array(2, 5, 7, 3)
    assert relative_error(traced(x), model(x)) < 1e-6


def test_a_saved_configuration_keeps_the_projection():
    layer = OffsetConv2DTranspose.from_config(OffsetConv2DTranspose(4, 3, strides=2, feature_groups=2).get_config())
    assert layer.kernel_constraint.get_config() == OffsetProjection(2, transposed=True, strides=(2, 2)).get_config()
    assert OffsetConv2D(4, 3, feature_groups=2, kernel_constraint=OffsetProjection(2)).kernel_constraint


@pytest.mark.parametrize(
    "layer, arguments, channels, message",
    [
        (OffsetConv2D, {"filters": 4}, 3, "`filters` must be known and a multiple of `feature_groups`. Received: filt"),
        (OffsetConv2D, {}, 4, "Received: channels=4, feature_groups=3"),
        (OffsetConv2D, {"feature_groups": 0}, 3, "a positive integer; .*Received: feature_groups=0"),
        (OffsetConv2D, {"feature_groups": "3"}, 3, "a positive integer; .*Received: feature_groups='3'"),
        (OffsetConv2D, {"groups": 3}, 3, "`groups` must be 1. Received: groups=3"),
        (OffsetConv2D, {"data_format": "channels_first"}, 3, "must be 'channels_last'. Received: data_format='chann"),
        (OffsetConv2D, {"kernel_constraint": "non_neg"}, 3, "`kernel_constraint` must be None"),
        (OffsetConv2D, {"kernel_constraint": OffsetProjection(1)}, 3, "`kernel_constraint` must be None"),
        (OffsetGroupConv2D, {"filters": 4}, 3, "Received: filters=4"),
        (OffsetGroupConv2D, {"groups": 3}, 3, "`groups` must be 1"),
        (OffsetConv2DTranspose, {"filters": 4}, 3, "Received: filters=4"),
        (OffsetConv2DTranspose, {}, 4, "Received: channels=4"),
        (OffsetConv2D, {"padding": "zeros"}, 3, "one of .'valid', 'same', 'edge'.. Received: padding='zeros'"),
        (OffsetConv2DTranspose, {"padding": "wrap"}, 3, "Received: padding='wrap'"),
        (
            OffsetConv2DTranspose,
            {"padding": "edge", "strides": 2, "output_padding": 1},
            3,
            "`output_padding` must be None for padding='edge'. Received: output_padding=1",
        ),
    ],
)
def test_bad_arguments(layer, arguments, channels, message):
    with pytest.raises(ValueError, match=message):
        layer(**{"filters": 6, "kernel_size": 3, **arguments})(random_array(1, 6, 6, channels))


def test_a_causal_padding_is_refused():
    with pytest.raises(ValueError, match="Received: padding='causal'"):
        OffsetConv1D(3, 3, padding="causal")


def test_the_fourth_argument_is_not_the_feature_groups():
    """It is the strides of other convolutions."""
    with pytest.raises(TypeError, match="positional arguments"):
        OffsetGroupConv2D(6, 3, "p4", 2)


def test_dense_refuses_what_would_break_the_constraint():
    with pytest.raises(ValueError, match="Received: units=4, feature_groups=3"):
        OffsetDense(4)
    with pytest.raises(ValueError, match="Received: channels=4"):
        OffsetDense(6)(random_array(1, 4))
    with pytest.raises(ValueError, match="must not be quantised"):
        OffsetDense(6, dtype="int8_from_float32")
