import keras
import numpy as np
import pytest
from helpers import ALL_CASES, predict, random_array, randomise, relative_error, to_numpy
from keras import layers
from offsets import offset_error

from keras_equivariant.constraints import project_constraints
from keras_equivariant.convert import to_offset_equivariant
from keras_equivariant.layers import OffsetAdapter, OffsetMultiply


def scrambled(model):
    """Random weights on the constraint, and random statistics."""
    randomise(model)
    rng = np.random.default_rng(1)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
        elif isinstance(getattr(layer, "layer", None), layers.BatchNormalization):
            layer.layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.layer.get_weights()])
    return project_constraints(model)


def ordinary_model(channels, head):
    """Every layer that can be converted."""
    inputs = keras.Input((12, 12, channels))
    x = layers.ZeroPadding2D(1)(inputs)
    x = layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    y = layers.DepthwiseConv2D(3, padding="same")(layers.Activation("relu")(x))
    y = layers.Dropout(0.2)(layers.ReLU(max_value=6.0)(layers.LayerNormalization()(y)))
    y = layers.Conv2D(16, 1, activation="swish")(y)
    x = layers.Add()([x, layers.LeakyReLU()(y)])
    x = layers.Concatenate()([x, layers.MaxPooling2D(2, 1, "same")(x), layers.Maximum()([x, y])])
    x = layers.Conv2DTranspose(8, 4, strides=2, padding="same")(layers.AveragePooling2D(2)(x))
    if head == "map":
        outputs = layers.Conv2D(channels, 1)(x)
    elif head == "flat":
        outputs = layers.Dense(5, activation="softmax")(layers.Dense(7)(layers.Flatten()(x)))
    else:
        outputs = layers.Dense(channels)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, outputs, name="ordinary")


@pytest.mark.parametrize("groups", [1, 3, 8])
@pytest.mark.parametrize("head", ["map", "flat", "features"])
def test_every_layer(head, groups):
    original = ordinary_model(groups, head)
    model = scrambled(to_offset_equivariant(original, groups))
    assert model.output_shape == original.output_shape and model.name == original.name
    x = random_array(2, 12, 12, groups)
    if head == "flat" or (groups == 1 and head == "features"):
        moved = predict(model, x + random_array(2, 1, 1, groups, seed=1))
        if head == "flat":
            assert relative_error(moved, predict(model, x)) < 1e-4
            np.testing.assert_allclose(predict(model, x).sum(axis=1), 1, rtol=1e-5)
            return
    assert offset_error(model, x, groups) < 1e-5


def test_widths_move_to_the_closest_multiple():
    inputs = keras.Input((8, 8, 3))
    x = inputs
    for width in (1, 16, 17, 64, 256, 98, 100):
        x = layers.Conv2D(width, 1)(x)
    model = to_offset_equivariant(keras.Model(inputs, x))
    assert [layer.output.shape[-1] for layer in model.layers[1:]] == [3, 15, 18, 63, 255, 99, 99]


def test_an_addition_loses_the_mean_of_its_first_map():
    inputs = keras.Input((4, 4, 6))
    added = layers.Add()([layers.Conv2D(6, 1, name="first")(inputs), layers.Conv2D(6, 1, name="second")(inputs)])
    model = scrambled(to_offset_equivariant(keras.Model(inputs, added)))
    x = random_array(2, 4, 4, 6)
    first, second = (to_numpy(model.get_layer(name)(x)) for name in ("first", "second"))
    means = first.reshape(2, 16, 3, 2).mean(axis=(1, 3)).repeat(2, axis=1)[:, None, None]
    np.testing.assert_allclose(predict(model, x), first - means + second, atol=1e-5)


def test_rectifiers_with_settings_of_their_own_are_adapted():
    inputs = keras.Input((4, 4, 3))
    model = to_offset_equivariant(keras.Model(inputs, layers.ReLU()(layers.ReLU(max_value=6.0)(inputs))))
    assert [type(layer).__name__ for layer in model.layers[1:]] == ["OffsetAdapter", "OffsetReLU"]
    assert model.layers[1].layer.max_value == 6


def test_a_sequential_model_trains():
    model = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(6, 3), layers.Flatten(), layers.Dense(4)])
    converted = to_offset_equivariant(model)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    converted.compile("adam", loss, jit_compile=False)
    x, labels = random_array(8, 8, 8, 3), np.arange(8) % 4
    losses = [float(converted.train_on_batch(x, labels)) for _ in range(20)]
    assert losses[-1] < losses[0]
    assert relative_error(predict(converted, x + random_array(8, 1, 1, 3, seed=1)), predict(converted, x)) < 1e-4


def test_a_residual_network_of_keras_applications(once):
    original = keras.applications.ResNet50(weights=None, input_shape=(32, 32, 3), classes=10)
    model = to_offset_equivariant(original)
    assert model.output_shape == (None, 10)
    x = random_array(2, 32, 32, 3)
    shift = random_array(2, 1, 1, 3, seed=1)
    assert relative_error(predict(model, x + shift), predict(model, x)) < 1e-4
    assert relative_error(predict(original, x + shift), predict(original, x)) > 1e-3
    kinds = {type(layer).__name__ for layer in model.layers}
    assert not kinds & {"Conv2D", "Dense", "BatchNormalization", "Activation", "Add", "ZeroPadding2D"} - {"Activation"}


def test_layers_that_cannot_be_converted_are_named():
    inputs = keras.Input((8, 8, 3))
    x = layers.Multiply(name="square")([inputs, inputs])
    x = layers.Subtract(name="difference")([x, layers.ReLU()(x)])
    x = layers.Reshape((16, 12), name="tokens")(x)
    x = layers.MultiHeadAttention(2, 4, name="attention")(x, x)
    with pytest.raises(ValueError, match="square.*difference.*tokens.*attention") as error:
        to_offset_equivariant(keras.Model(inputs, x))
    assert "re_lu" not in str(error.value)
    assert "products of two maps" in str(error.value) and "OffsetAffineCombination" in str(error.value)
    assert "mixes positions and channels" in str(error.value)


def test_attention_in_an_adapter_obeys_equation_19():
    """What the refusal advises."""
    tokens = keras.Input((5, 6))
    attention = keras.Model(tokens, layers.MultiHeadAttention(2, 4)(tokens, tokens))
    x = random_array(2, 5, 6)
    assert offset_error(OffsetAdapter(attention), x, 3) < 1e-5
    assert offset_error(attention, x, 3) > 0.01


def gate_model(make_gate):
    inputs = keras.Input((6, 6, 3))
    x = layers.Conv2D(6, 3, activation="swish", name="map")(inputs)
    gate = make_gate(layers.GlobalAveragePooling2D(keepdims=True)(x))
    return keras.Model(inputs, layers.Conv2D(6, 1)(layers.Multiply(name="gated")([x, gate])))


GATES = {
    "sigmoid": lambda x: layers.Activation("sigmoid")(layers.Conv2D(6, 1)(x)),
    "inside": lambda x: layers.Conv2D(6, 1, activation="sigmoid")(layers.Conv2D(3, 1, activation="relu")(x)),
    "vector": lambda x: layers.Reshape((1, 1, 6))(layers.Dense(6, activation="hard_sigmoid")(layers.Flatten()(x))),
    "arithmetic": lambda x: layers.ReLU(6.0)(layers.Conv2D(6, 1)(x) + 3.0) * (1 / 6),
}


@pytest.mark.parametrize("name", GATES)
def test_gates_do_not_see_offsets_and_lie_between_0_and_1(name):
    original = gate_model(GATES[name])
    model = scrambled(to_offset_equivariant(original))
    x = random_array(3, 6, 6, 3)
    assert offset_error(model, x, 3) < 1e-5
    multiply = next(layer for layer in model.layers if isinstance(layer, OffsetMultiply))
    gate = keras.Model(model.inputs[0], multiply.input[1])
    values = to_numpy(gate(x))
    assert relative_error(gate(x + random_array(3, 1, 1, 3, seed=1)), values) < 1e-5
    assert 0 <= values.min() < values.max() <= 1


def test_a_gate_that_joins_a_map_otherwise_is_refused():
    inputs = keras.Input((6, 6, 3))
    gate = layers.Activation("sigmoid")(layers.Conv2D(3, 1)(inputs))
    x = layers.Add(name="sum")([gate, layers.Multiply()([inputs, gate])])
    with pytest.raises(ValueError, match="Received: sum .Add: it joins a gate with a map"):
        to_offset_equivariant(keras.Model(inputs, x))


def test_convolutions_in_blocks_and_separable_ones():
    inputs = keras.Input((8, 8, 3))
    x = layers.SeparableConv2D(14, 3, strides=2, depth_multiplier=2, activation="swish", name="separable")(inputs)
    x = layers.Conv2D(28, 3, groups=14, padding="same", name="depthwise")(x)
    x = layers.Conv2D(12, 3, groups=2, padding="same", name="blocks")(x)
    model = scrambled(to_offset_equivariant(keras.Model(inputs, x)))
    assert [layer.output.shape[-1] for layer in model.layers[1:]] == [15, 30, 12]
    assert model.get_layer("offset_depthwise").layer.groups == 15
    assert offset_error(model, random_array(2, 8, 8, 3), 3) < 1e-5
    with pytest.raises(ValueError, match="halves .Conv2D: its 2 blocks do not divide 15 channels and 15 filters"):
        to_offset_equivariant(
            keras.Model(inputs, layers.Conv2D(14, 3, groups=2, name="halves")(layers.Conv2D(14, 1)(inputs)))
        )


def test_statistics_of_pictures_are_kept():
    inputs = keras.Input((4, 4, 3))
    normalise = layers.Normalization(name="normalise")
    normalise.adapt(5 + 2 * random_array(20, 4, 4, 3))
    model = to_offset_equivariant(keras.Model(inputs, layers.Rescaling(0.5, -1.0)(normalise(inputs))))
    x = random_array(2, 4, 4, 3)
    means = x.mean((1, 2), keepdims=True)
    expected = 0.5 * to_numpy(normalise(x - means)) - 1
    found = to_numpy(model.get_layer("offset_normalise")(x)) - means
    np.testing.assert_allclose(found, to_numpy(normalise(x - means)), atol=1e-5)
    # The means of what is normalised are not zero any more, and are taken away in turn.
    inner = to_numpy(normalise(x - means)).mean((1, 2), keepdims=True)
    np.testing.assert_allclose(predict(model, x), expected - 0.5 * inner + inner + means, atol=1e-4)


def test_models_inside_with_layers_of_one_name():
    inputs = keras.Input((8, 8, 3))
    x = inputs
    for i in range(2):
        block = keras.Sequential(
            [keras.Input((8, 8, 3)), layers.Conv2D(3, 3, padding="same", name="same")], name=f"b{i}"
        )
        x = block(x)
    model = to_offset_equivariant(keras.Model(inputs, x))
    assert [layer.name for layer in model.layers[1:]] == ["same", "same_1"]
    assert offset_error(model, random_array(2, 8, 8, 3), 3) < 1e-5


CUT = {  # where blocks of the same layers, ever wider, have begun
    "ConvNeXtTiny": "convnext_tiny_stage_0_block_1_depthwise_conv",
    "EfficientNetB0": "block3b_add",
    "Xception": "block4_pool",
}


def of_applications(name, size):
    """A network of Keras; its first blocks, but for nightly runs."""
    arguments = {"weights": None, "input_shape": (size, size, 3), "classes": 5, "classifier_activation": None}
    model = getattr(keras.applications, name)(**arguments)
    if name not in CUT or ALL_CASES:
        return model
    x = layers.GlobalAveragePooling2D()(model.get_layer(CUT[name]).output)
    x = layers.LayerNormalization(epsilon=1e-6)(x) if name == "ConvNeXtTiny" else x
    return keras.Model(model.input, layers.Dense(5)(x))


@pytest.mark.parametrize(
    "name, size",
    [("MobileNet", 32), ("MobileNetV3Small", 32), ("EfficientNetB0", 32), ("ConvNeXtTiny", 32), ("Xception", 71)],
)
def test_networks_of_keras_applications(name, size, tensorflow_backend):
    """In float64, and with the statistics of the pictures, so that the logits differ from picture to picture."""
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        model = to_offset_equivariant(of_applications(name, size))
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.0
    x = random_array(4, size, size, 3, dtype="float64")
    model(x, training=True)
    logits = predict(model, x)
    assert logits.shape == (4, 5)
    changed = np.abs(predict(model, x + random_array(4, 1, 1, 3, seed=1)) - logits).max()
    assert changed < 1e-6 * np.abs(logits[:2] - logits[2:]).max()


class DenseOfMyOwn(layers.Dense):
    """May compute anything."""


@pytest.mark.parametrize(
    "apply",
    [
        lambda x: DenseOfMyOwn(6, name="refused")(x),
        lambda x: layers.MaxPooling2D(2, data_format="channels_first", name="refused")(x),
        lambda x: layers.Add(name="refused")([x, layers.AveragePooling2D(8)(x)]),
        lambda x: layers.Add(name="refused")([x, x, x]),
        lambda x: layers.BatchNormalization(axis=1, name="refused")(x),
    ],
)
def test_what_only_looks_like_a_known_layer_is_refused(apply):
    inputs = keras.Input((8, 8, 3))
    with pytest.raises(ValueError, match=r"Received: refused \("):
        to_offset_equivariant(keras.Model(inputs, apply(inputs)))


@pytest.mark.parametrize(
    "make, message",
    [
        (
            lambda: to_offset_equivariant("resnet"),
            "functional or a built sequential Keras model. Received: model='resnet'",
        ),
        (lambda: to_offset_equivariant(ordinary_model(3, "map"), 0), "Received: feature_groups=0"),
        (lambda: to_offset_equivariant(ordinary_model(4, "map"), 3), "Received: channels=4"),
        (lambda: to_offset_equivariant(keras.Sequential([layers.Dense(2)])), "a built sequential"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_shared_head_stays_one():
    inputs = [keras.Input((8, 8, 3)) for _ in range(2)]
    convolution, mean, head = layers.Conv2D(6, 3), layers.GlobalAveragePooling2D(), layers.Dense(10, "softmax")
    outputs = [head(mean(convolution(x))) for x in inputs]
    model = to_offset_equivariant(keras.Model(inputs, [*outputs, layers.Softmax()(outputs[0])]))
    x = random_array(2, 8, 8, 3)
    first, second, _ = model([x, x])
    assert first.shape == (2, 10)
    assert relative_error(second, first) == 0
    assert len(model.weights) == 4
    shift = random_array(2, 1, 1, 3, seed=1)
    assert relative_error(model([x + shift, x])[0], first) < 1e-4
