import keras
import numpy as np
import pytest
from helpers import COMPILES, DTYPES, TOLERANCES, cases, check_layer, random_array, relative_error, to_numpy
from offsets import offset_error, pooled, spread, train

from keras_equivariant.layers.feature_group_pooling import FeatureGroupPooling
from keras_equivariant.layers.offset_adapter import OffsetAdapter, OffsetReLU
from keras_equivariant.layers.offset_batch_normalization import OffsetBatchNormalization

GROUPS = cases([1, 3, 8], [3])
SHAPES = cases([(2, 5, 6), (2, 3, 4, 4), (2,)], [(2, 3, 4, 4), (2,)])
REDUCTIONS = {"mean": np.mean, "max": np.max, "min": np.min}
STOCK = 1e-5 if keras.config.backend() != "tensorflow" else 1e-12  # stock layers leave float64 elsewhere


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("groups", GROUPS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("reduction", ["mean", "max", "min", "linear"])
def test_pooling(reduction, shape, groups, dtype):
    x = random_array(*shape, 4 * groups, dtype=dtype)
    layer = FeatureGroupPooling(groups, reduction, dtype=dtype)
    assert relative_error(layer(x), pooled(x, groups, REDUCTIONS.get(reduction, np.mean))) < TOLERANCES[dtype]
    local = FeatureGroupPooling(groups, reduction, "local", dtype=dtype)
    rows = x.reshape(-1, 4 * groups)
    expected = pooled(rows, groups, REDUCTIONS.get(reduction, np.mean)).reshape(*x.shape[:-1], groups)
    assert relative_error(local(x), expected) < TOLERANCES[dtype]
    for pooling in (layer, local):
        assert offset_error(pooling, x, groups) < TOLERANCES[dtype]
        if reduction == "linear":
            before = to_numpy(pooling.kernel)
            train(pooling, x, "sgd", steps=5)
            assert (to_numpy(pooling.kernel) != before).any()
            assert offset_error(pooling, x, groups) < TOLERANCES[dtype]


@pytest.mark.parametrize("groups", [2, (0, 1, 1, 0)])
@pytest.mark.parametrize("scope", ["global", "local"])
@pytest.mark.parametrize("reduction", ["mean", "max", "min", "linear"])
def test_a_batch_of_nothing(reduction, scope, groups):
    x = np.zeros((0, 3, 5, 4), "float32")
    layer = FeatureGroupPooling(groups, reduction, scope)
    assert to_numpy(layer(x)).shape == layer.compute_output_shape(x.shape)
    assert to_numpy(OffsetReLU(groups, reduction, scope)(x)).shape == x.shape


def test_sums_of_16_bits_do_not_overflow():
    x = np.full((1, 64, 64, 3), 100, "float16")  # 4,096 of them are more than float16 has
    np.testing.assert_allclose(to_numpy(FeatureGroupPooling(dtype="float16")(x)), 100)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("groups", GROUPS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "reduction, scope", [("mean", "global"), ("max", "global"), ("mean", "local"), ("linear", "local")]
)
def test_relu(reduction, scope, shape, groups, dtype):
    x = random_array(*shape, 3 * groups, dtype=dtype)
    layer = OffsetReLU(groups, reduction, scope, dtype=dtype)
    phi = to_numpy(FeatureGroupPooling(groups, reduction, scope, dtype=dtype)(x))
    phi = np.repeat(phi, 3, axis=-1).reshape(*(x.shape if scope == "local" else (2, *[1] * (x.ndim - 2), 3 * groups)))
    assert relative_error(layer(x), np.maximum(x, phi)) < TOLERANCES[dtype]
    assert offset_error(layer, x, groups) < TOLERANCES[dtype]


def wrapped_layers(groups):
    """Layers and models that are not offset-equivariant by themselves."""
    channels = 3 * groups
    return [
        keras.layers.Activation("gelu"),
        keras.layers.LayerNormalization(),
        keras.layers.BatchNormalization(),
        keras.layers.Conv2D(2 * groups, 3, padding="same", activation="relu"),
        keras.layers.DepthwiseConv2D(3, padding="same"),
        keras.layers.ZeroPadding2D(1),
        keras.Sequential([keras.layers.Conv2D(4, 3), keras.layers.GlobalMaxPooling2D(), keras.layers.Dense(channels)]),
    ]


@pytest.mark.parametrize("invariant", [False, True])
@pytest.mark.parametrize(
    "reduction, scope",
    cases(
        [("mean", "global"), ("max", "global"), ("mean", "local"), ("linear", "local")],
        [("mean", "global"), ("linear", "local")],
    ),
)
@pytest.mark.parametrize("groups", GROUPS)
def test_adapter_around_any_layer(groups, reduction, scope, invariant):
    x = random_array(2, 6, 5, 3 * groups)
    for layer in wrapped_layers(groups):
        keeps_positions = len(layer.compute_output_shape(x.shape)) == 4 and layer.compute_output_shape(x.shape)[
            1:3
        ] == (6, 5)
        if scope == "local" and not invariant and not keeps_positions:
            with pytest.raises(ValueError, match="must keep the positions"):
                OffsetAdapter(layer, groups, invariant, reduction, scope)(x)
            continue
        adapted = OffsetAdapter(layer, groups, invariant, reduction, scope)
        phi = FeatureGroupPooling(groups, reduction, scope)(x)
        phi = np.repeat(to_numpy(phi), 3, axis=-1).reshape(*((2, 6, 5) if scope == "local" else (2, 1, 1)), -1)
        y = to_numpy(adapted(x))
        expected = to_numpy(layer(x - phi))
        if not invariant:
            phi = phi[..., ::3]
            expected = expected + np.repeat(phi, expected.shape[-1] // groups, axis=-1).reshape(
                *phi.shape[: expected.ndim - 1] if expected.ndim == 4 else (2,), -1
            )
        assert relative_error(y, expected) < 1e-5
        moved = to_numpy(adapted(x + spread(random_array(2, groups, seed=3), x)))
        shift = 0 if invariant else spread(random_array(2, groups, seed=3), expected)
        assert np.abs(moved - y - shift).max() / np.abs(y).max() < 1e-5


def test_adapter_in_float64():
    x = random_array(2, 6, 5, 9, dtype="float64")
    keras.config.set_dtype_policy("float64")
    try:
        for layer in wrapped_layers(3):
            assert offset_error(OffsetAdapter(layer), x, 3) < STOCK
    finally:
        keras.config.set_dtype_policy("float32")


def test_adapter_around_dropout():
    x = random_array(2, 6, 6, 6)

    def drop(x):
        keras.utils.set_random_seed(1)
        return OffsetAdapter(keras.layers.Dropout(0.5, seed=4))(x, training=True)

    y = to_numpy(drop(x))
    means = np.broadcast_to(spread(pooled(x, 3), x), x.shape)
    assert 0.3 < np.isclose(y, means).mean() < 0.7, "dropped features take the mean of their group"
    assert offset_error(drop, x, 3) < 1e-5
    np.testing.assert_allclose(to_numpy(OffsetAdapter(keras.layers.Dropout(0.5))(x)), x, atol=1e-6)


@keras.saving.register_keras_serializable(package="test_offset_adapter")
class Doubled(keras.layers.Layer):
    """As a user writes a layer: without `compute_output_shape`."""

    def build(self, input_shape):
        self.gain = self.add_weight(shape=(input_shape[-1],), initializer="ones")

    def call(self, inputs):
        return keras.ops.concatenate([inputs * self.gain, inputs], axis=-1)[:, 1:]


def test_adapter_around_a_layer_that_does_not_tell_its_output_shape():
    x = random_array(2, 5, 4, 3)
    adapter = OffsetAdapter(Doubled(), invariant=True)
    assert adapter(x).shape == adapter.compute_output_shape(x.shape) == (2, 4, 4, 6)
    assert OffsetAdapter(Doubled(), 1)(keras.Input((5, 4, 3))).shape == (None, 4, 4, 6)
    assert offset_error(OffsetAdapter(Doubled(), 1), x, 1) < 1e-5
    with pytest.raises(ValueError, match="must keep the positions"):
        OffsetAdapter(Doubled(), scope="local")(x)


def test_maxout_needs_no_adapter():
    """The maximum of neighbouring features of one group."""
    maxout = keras.Sequential([keras.layers.Reshape((12, 1)), keras.layers.MaxPooling1D(2), keras.layers.Reshape((6,))])
    x = random_array(5, 12)
    assert offset_error(maxout, x, 3) < 1e-6
    np.testing.assert_array_equal(to_numpy(maxout(x)), x.reshape(5, 6, 2).max(axis=2))


@pytest.mark.parametrize("layer", [OffsetReLU, OffsetBatchNormalization])
def test_trains_in_mixed_precision(layer):
    x = random_array(2, 6, 6, 6)
    made = layer(dtype="mixed_bfloat16")
    y = keras.ops.cast(made(x, training=True) if layer is OffsetBatchNormalization else made(x), "float32")
    expected = layer()(x, training=True) if layer is OffsetBatchNormalization else layer()(x)
    assert relative_error(y, expected) < 0.02


IN_A_NETWORK = [(True, False), (False, True)]


@pytest.mark.parametrize(
    "jit, invariant", cases([*IN_A_NETWORK, (True, True), (False, False)], IN_A_NETWORK, IN_A_NETWORK)
)
def test_a_whole_network(jit, invariant):
    x = random_array(4, 8, 8, 3)
    pretrained = keras.Sequential([keras.layers.Conv2D(4, 3, activation="relu"), keras.layers.GlobalMaxPooling2D()])
    layers = [OffsetBatchNormalization(activation="relu"), OffsetAdapter(keras.layers.Dropout(0.3))]
    head = keras.Sequential([pretrained, keras.layers.Dense(6)])
    model = keras.Sequential([keras.Input((8, 8, 3)), *layers, OffsetAdapter(head, invariant=invariant)])
    model.compile("adam", "mse", jit_compile=jit and COMPILES)
    for _ in range(5):
        model.train_on_batch(x, random_array(4, 6))
    y = to_numpy(model(x))
    shift = random_array(4, 3, seed=1)
    moved = to_numpy(model(x + spread(shift, x)))
    assert relative_error(moved, y + (0 if invariant else spread(shift, y))) < 1e-5


@pytest.mark.parametrize("shape", [(3, 3, 1, 1), (3, 3, 1), (3, 1, 3, 1)])
def test_as_many_images_as_positions_of_one_channel(shape):
    """One value for each image must not be taken for one for each row or channel."""
    for layer in (OffsetReLU(1), OffsetAdapter(keras.layers.ReLU(), 1), OffsetBatchNormalization(feature_groups=1)):
        x = random_array(*shape)
        alone = [to_numpy(layer(image[None]))[0] for image in x]
        np.testing.assert_allclose(to_numpy(layer(x)), alone, atol=1e-6)


@pytest.mark.parametrize("first", [("mean", "global"), ("max", "local")])
@pytest.mark.parametrize("second", [("min", "global"), ("max", "local"), ("linear", "local"), (None, "local")])
def test_two_poolings(first, second):
    """Equation 19: h(x) = f(x - G phi_1(x)) + G phi_2(x)."""
    x = random_array(2, 5, 6, 6)
    layer = OffsetAdapter(keras.layers.Dense(6, activation="tanh"), 3, False, *first, *second)
    assert offset_error(layer, x, 3) < 1e-5
    phi_1 = to_numpy(FeatureGroupPooling(3, *first)(x))
    pooling = FeatureGroupPooling(3, second[0] or first[0], second[1] or first[1])
    phi_2 = to_numpy(pooling(x))

    def over(phi):
        phi = np.repeat(phi, 2, axis=-1)
        return phi if phi.ndim == 4 else phi[:, None, None]

    assert relative_error(layer(x), to_numpy(layer.layer(x - over(phi_1))) + over(phi_2)) < 1e-5


def test_a_second_pooling_may_be_global_where_the_layer_moves_positions():
    x = random_array(2, 6, 6, 6)
    layer = OffsetAdapter(keras.layers.Conv2D(9, 3), reduction="max", scope="local", output_scope="global")
    assert offset_error(layer, x, 3) < 1e-5
    with pytest.raises(ValueError, match="`layer` must keep the positions"):
        OffsetAdapter(keras.layers.Conv2D(9, 3), scope="local")(x)


def test_one_pooling_with_weights_is_one():
    layer = OffsetAdapter(keras.layers.ReLU(), reduction="linear")
    layer(random_array(2, 6))
    assert len(layer.weights) == 1
    assert [weight.path for weight in layer.weights] == [f"{layer.name}/pooling/kernel"]
    two = OffsetAdapter(keras.layers.ReLU(), reduction="linear", output_reduction="linear", output_scope="local")
    two(random_array(2, 6))
    assert len(two.weights) == 2


def test_layer_conventions(once):
    check_layer(FeatureGroupPooling, {"reduction": "max"}, (2, 5, 5, 6))
    check_layer(OffsetAdapter, {"layer": keras.layers.ReLU(), "feature_groups": 2}, (2, 5, 5, 4))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: FeatureGroupPooling(reduction="sum"), r"must be one of \['mean', .*Received: reduction='sum'"),
        (lambda: FeatureGroupPooling(scope="here"), "Received: scope='here'"),
        (lambda: FeatureGroupPooling(0), "Received: feature_groups=0"),
        (lambda: FeatureGroupPooling()(np.ones((1, 4))), "Received: channels=4, feature_groups=3"),
        (lambda: OffsetReLU(reduction="sum"), "Received: reduction='sum'"),
        (lambda: OffsetReLU()(np.ones((1, 4))), "Received: channels=4, feature_groups=3"),
        (lambda: OffsetAdapter(keras.layers.ReLU(), 0), "Received: feature_groups=0"),
        (lambda: OffsetAdapter(keras.layers.ReLU())(np.ones((1, 4))), "Received: channels=4"),
        (lambda: OffsetAdapter(keras.layers.Dense(4))(np.ones((1, 3))), "Received: output channels=4"),
        (lambda: OffsetAdapter("relu"), "relu"),
        (lambda: OffsetAdapter(keras.layers.ReLU(), output_reduction="sum"), "`output_reduction` must be one"),
        (lambda: OffsetAdapter(keras.layers.ReLU(), output_scope="here"), "Received: output_scope='here'"),
        (
            lambda: OffsetAdapter(keras.layers.ReLU(), invariant=True, output_scope="local"),
            "must be None if invariant=True.*Received: output_reduction=None, output_scope='local'",
        ),
        (
            lambda: OffsetAdapter(keras.layers.Conv2D(3, 3), output_scope="local")(np.ones((1, 5, 5, 3))),
            "`layer` must keep the positions",
        ),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
