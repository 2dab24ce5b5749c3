import warnings

import keras
import numpy as np
import pytest
from helpers import COMPILES, ON_TENSORFLOW, infer, predict, random_array, relative_error, to_numpy
from keras import layers

from keras_equivariant.convert import exact_sizes, to_group_equivariant
from keras_equivariant.equivariance import equivariance_error, equivariance_report, transform_image
from keras_equivariant.layers import GridCentring2D, GroupConv2D
from keras_equivariant.sampling import EquivarianceWarning
from keras_equivariant.symmetry import get_symmetry

# Keras' own layers compute in 32 bits on the other backends, whatever they are asked for.
PRECISE = {"float64": 1e-12} if keras.config.backend() == "tensorflow" else {"float32": 1e-5}


@pytest.fixture(params=PRECISE)
def precision(request):
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy("float32")


def scrambled(model):
    """Random weights of the size that layers start with, and random statistics."""
    rng = np.random.default_rng(1)
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            scrambled(layer)
        elif isinstance(layer, layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
        else:
            for weight in layer.trainable_variables:
                weight.assign(rng.normal(scale=1 / np.sqrt(max(np.prod(weight.shape[:-1]), 1)), size=weight.shape))
    return model


def over_turned_inputs(model, x, symmetry, reduction, others=()):
    """The mean or the maximum of an ordinary model over all turned pictures, its maps turned back."""
    group, found = get_symmetry(symmetry), []
    for element in range(group.order):
        turned = transform_image(x, symmetry, element)
        outputs = keras.tree.flatten(infer(model, [turned, *others] if others else turned))
        back = int(group.inverse[element])
        found.append([transform_image(y, symmetry, back) if len(y.shape) == 4 else to_numpy(y) for y in outputs])
    return [getattr(np, reduction)(np.stack(outputs), axis=0) for outputs in zip(*found, strict=True)]


def every_layer(head, blocks=2, size=13):
    """All layers that are converted."""
    inputs = keras.Input((size, size, 3))
    x = layers.RandomFlip(seed=0)(layers.Rescaling(0.5, 0.1)(inputs))
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(layers.ZeroPadding2D(2)(x))
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    y = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, activation="swish")(x)
    y = layers.SpatialDropout2D(0.1)(layers.SeparableConv2D(8, 3, padding="same", dilation_rate=2)(y))
    y = layers.PReLU("normal", shared_axes=(1, 2))(layers.LayerNormalization()(y))
    gate = layers.Dense(4, activation="relu")(layers.GlobalAveragePooling2D()(y))
    gate = layers.Dense(8, activation="sigmoid")(gate)
    y = layers.Multiply()([y, layers.Reshape((1, 1, 8))(gate)])
    gate = layers.Conv2D(8, 1, activation="sigmoid")(layers.GlobalMaxPooling2D(keepdims=True)(y))
    y = layers.Dropout(0.1, noise_shape=(None, 1, 1, 1))(y * gate)
    x = layers.Add()([x, layers.Conv2D(8, 3, padding="same", groups=blocks)(y)])
    x = layers.Concatenate()([x, layers.AveragePooling2D(3, 1, "same")(x), layers.Maximum()([x, y])])
    x = layers.Activation("tanh")(layers.UnitNormalization()(layers.Dense(8)(x)) * 3.0 + 0.5)
    x = layers.LeakyReLU()(layers.Conv2DTranspose(8, 3)(layers.MaxPooling2D(3, 2)(x)))
    x = layers.UpSampling2D()(layers.Cropping2D(1)(x))
    if head == "map":
        outputs = layers.Conv2D(5, 1, activation="softmax", name="mask")(x)
    elif head == "map of any kernel":
        outputs = layers.Activation("sigmoid", name="mask")(layers.Conv2D(5, 3)(x))
    elif head == "1x1":
        x = layers.GlobalAveragePooling2D(keepdims=True)(x)
        outputs = layers.Flatten()(layers.Conv2D(5, 1)(x))
    else:
        outputs = layers.Dense(5, activation="softmax", name="scores")(layers.Dense(7)(layers.GlobalMaxPooling2D()(x)))
    return scrambled(keras.Model(inputs, outputs, name="ordinary"))


@pytest.mark.parametrize(
    "head, symmetry, reduction",
    [
        ("map", "p4", "mean"),
        ("map of any kernel", "pm", "mean"),
        ("1x1", "p4m", "max"),
        ("scores", "p4m", "mean"),
        ("scores", "p1", "max"),
    ],
)
def test_copied_weights_give_the_mean_over_turned_inputs(precision, head, symmetry, reduction):
    model = every_layer(head)
    before = model.get_weights()
    converted = to_group_equivariant(model, symmetry, weights="copy", reduction=reduction)
    x = random_array(2, 13, 13, 3, dtype=precision)
    (expected,) = over_turned_inputs(model, x, symmetry, reduction)
    assert relative_error(predict(converted, x), expected) < PRECISE[precision]
    assert equivariance_error(converted, x, symmetry) < PRECISE[precision]
    assert converted.output_names == model.output_names and converted.name == "ordinary"
    assert all((mine == other).all() for mine, other in zip(model.get_weights(), before, strict=True))


@pytest.mark.parametrize(
    "head, symmetry, widths",
    [
        ("map", "p4", "same"),
        ("map of any kernel", "p4m", "parameters"),
        ("1x1", "p2", "same"),
        ("scores", "p4m", "parameters"),
    ],
)
def test_new_weights_are_equivariant(precision, head, symmetry, widths):
    model = every_layer(head, blocks=8)
    converted = scrambled(to_group_equivariant(model, symmetry, widths=widths))
    assert converted.output_shape == model.output_shape and converted.output_names == model.output_names
    assert equivariance_error(converted, random_array(2, 13, 13, 3, dtype=precision), symmetry) < PRECISE[precision]


def residual_network(size=31, width=16):
    inputs = keras.Input((size, size, 1))
    x = layers.Conv2D(width, 3, padding="same")(inputs)
    for block in range(3):
        y = layers.Conv2D(width, 3, padding="same", activation="relu")(x)
        x = layers.Add()([x, layers.Conv2D(width, 3, padding="same")(y)])
        x = layers.MaxPooling2D(3, 2)(layers.BatchNormalization()(x)) if block < 2 else x
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10)(x))


@pytest.mark.parametrize("symmetry", ["p4", "p4m"])
def test_widths_keep_the_number_of_parameters_and_the_head_its_channels(symmetry):
    model = residual_network(width=32)
    converted = to_group_equivariant(model, symmetry, widths="parameters")
    assert abs(converted.count_params() / model.count_params() - 1) < 0.08
    assert converted.layers[-1].input.shape[-1] == 32
    assert converted.get_layer("widening").kernel_size == (1, 1)
    narrow = to_group_equivariant(model, symmetry, widths="parameters", keep_head=False)
    assert narrow.layers[-1].input.shape[-1] < 20
    assert abs(narrow.count_params() / model.count_params() - 1) < 0.08


def test_a_converted_classifier_trains_and_loads(tmp_path):
    converted = to_group_equivariant(residual_network(width=4), "p4m", weights="copy")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # A few steps take less time one operation at a time than to compile one.
    jit = COMPILES and not ON_TENSORFLOW
    converted.compile(keras.optimizers.Adam(0.01), loss, jit_compile=jit, run_eagerly=ON_TENSORFLOW)
    x, labels = random_array(8, 31, 31, 1), np.arange(8) % 4
    losses = [float(converted.train_on_batch(x, labels)) for _ in range(8)]
    assert losses[-1] < losses[0]
    kernel = to_numpy(converted.get_layer(index=2).kernel)
    assert np.abs(kernel[:, :, 1:]).max() > 0  # the orientations are mixed once it has trained
    assert equivariance_error(converted, x, "p4m") < 1e-5
    converted.save(tmp_path / "model.keras")
    assert relative_error(predict(keras.models.load_model(tmp_path / "model.keras"), x), predict(converted, x)) < 1e-6


def test_several_inputs_outputs_and_shared_layers(precision):
    picture, number = keras.Input((9, 9, 2), name="picture"), keras.Input((3,), name="number")
    convolution = layers.Conv2D(4, 3, padding="same", activation="relu")
    x = convolution(layers.Conv2D(4, 3, padding="same")(picture))
    x = layers.Concatenate()([convolution(x), picture])  # a skip connection from the picture itself
    vector = layers.Concatenate()([layers.GlobalAveragePooling2D()(x), layers.Dense(2, "relu")(number)])
    head = layers.Dense(3, name="head")
    mask = layers.Conv2D(1, 3, padding="same", name="mask")(x)
    model = scrambled(keras.Model([picture, number], [head(vector), mask]))
    x, other = random_array(2, 9, 9, 2, dtype=precision), random_array(2, 3, dtype=precision)
    copied = to_group_equivariant(model, "p4m", weights="copy")
    expected = over_turned_inputs(model, x, "p4m", "mean", [other])
    for output, right in zip(copied([x, other]), expected, strict=True):
        assert relative_error(output, right) < PRECISE[precision]
    assert copied.output_names == ["head", "mask"] and len(copied.inputs) == 2
    new = scrambled(to_group_equivariant(model, "p4m"))
    assert sum(isinstance(layer, GroupConv2D) for layer in new.layers) == 3
    for i in range(2):
        assert equivariance_error(lambda x, i=i: new([x, other])[i], x, "p4m") < PRECISE[precision]


def test_models_inside_are_taken_apart(precision):
    inside = keras.Input((9, 9, 3))
    body = layers.BatchNormalization(name="norm")(layers.Conv2D(4, 3, name="conv")(inside))
    backbone = keras.Model(inside, layers.ReLU()(body), name="backbone")
    head = keras.Sequential([layers.GlobalAveragePooling2D(), layers.Dense(5, name="conv")])
    inputs = keras.Input((9, 9, 3))
    model = scrambled(keras.Model(inputs, head(backbone(inputs))))
    x = random_array(2, 9, 9, 3, dtype=precision)
    converted = to_group_equivariant(model, "p4", weights="copy")
    (expected,) = over_turned_inputs(model, x, "p4", "mean")
    assert relative_error(predict(converted, x), expected) < PRECISE[precision]
    assert "conv" in [layer.name for layer in converted.layers]


def test_the_precision_is_that_of_the_model_not_of_the_moment(precision):
    model = every_layer("scores")
    x = random_array(2, 13, 13, 3, dtype=precision)
    (expected,) = over_turned_inputs(model, x, "p4", "mean")
    keras.config.set_dtype_policy("mixed_bfloat16")
    converted = to_group_equivariant(model, "p4", weights="copy")
    assert {layer.compute_dtype for layer in converted.layers[1:]} == {precision}
    assert relative_error(predict(converted, x), expected) < PRECISE[precision]
    narrow = to_group_equivariant(model, "p4", widths="parameters", exact=True)
    assert {layer.compute_dtype for layer in narrow.layers[1:]} == {precision}


def test_normalisation_keeps_its_statistics():
    inputs = keras.Input((5, 5, 2))
    norm = layers.Normalization(axis=-1)
    x = random_array(6, 5, 5, 2) * 3 + 7
    norm.adapt(x)
    model = keras.Model(inputs, layers.GlobalMaxPooling2D()(layers.Conv2D(3, 3)(norm(inputs))))
    (expected,) = over_turned_inputs(model, x, "p4", "mean")
    assert relative_error(to_group_equivariant(model, "p4", weights="copy")(x), expected) < 1e-5
    new = to_group_equivariant(model, "p4")
    np.testing.assert_allclose(to_numpy(new.layers[1](x)), to_numpy(norm(x)), rtol=1e-5, atol=1e-5)


def strided(size, padding=((0, 1), (0, 1))):
    inputs = keras.Input((size, size, 2))
    x = layers.Conv2D(4, 3, strides=2, name="first")(layers.ZeroPadding2D(padding, name="uneven")(inputs))
    x = layers.Add()(
        [
            layers.Conv2D(4, 3, 2, padding="same", name="third")(x),
            layers.Conv2D(4, 1, 2, name="shortcut")(x),
        ]
    )
    return scrambled(keras.Model(inputs, x))


def test_what_is_uneven_is_named_once_at_the_callers_line_and_made_exact():
    model, x = strided(16), random_array(2, 16, 16, 2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        converted = to_group_equivariant(model, "p4m", weights="copy")
    (warning,) = [one for one in caught if issubclass(one.category, EquivarianceWarning)]
    assert warning.filename == __file__
    assert "uneven, third, shortcut treat" in str(warning.message)
    assert equivariance_error(converted, x, "p4m") > 1e-2
    exact = to_group_equivariant(model, "p4m", weights="copy", exact=True)
    assert exact.output_shape == model.output_shape
    assert sum(isinstance(layer, GridCentring2D) for layer in exact.layers) == 3
    assert equivariance_error(exact, x, "p4m") < 1e-5


def test_the_report_finds_where_a_converted_model_is_uneven():
    x = random_array(2, 15, 15, 2)
    inputs = keras.Input((15, 15, 2))
    y = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, strides=2, padding="same")(inputs))
    even = to_group_equivariant(keras.Model(inputs, layers.Dense(3)(y)), "p4", weights="copy")
    errors = equivariance_report(even, x)
    assert max(errors.values()) < 1e-6 and len(errors) == 5
    with pytest.warns(EquivarianceWarning, match="uneven, third"):
        uneven = to_group_equivariant(strided(16), "p4", weights="copy")
    errors = equivariance_report(uneven, random_array(2, 16, 16, 2))
    assert next(name for name, error in errors.items() if error > 1e-3) == "uneven"


def test_exact_sizes():
    assert exact_sizes(strided(16), range(10, 30)) == []
    assert exact_sizes(strided(16, padding=1), range(10, 30)) == [13, 17, 21, 25, 29]
    for size in (13, 17):
        with warnings.catch_warnings():
            warnings.simplefilter("error", EquivarianceWarning)
            converted = scrambled(to_group_equivariant(strided(size, padding=1), "p4m"))
        assert equivariance_error(converted, random_array(2, size, size, 2), "p4m") < 1e-5
    scaled = keras.applications.ConvNeXtTiny(weights=None, input_shape=(32, 32, 3), include_top=False, pooling="avg")
    assert exact_sizes(scaled, range(60, 70)) == [64]


def test_any_height_and_width():
    inputs = keras.Input((None, None, 1))
    x = layers.UpSampling2D()(layers.MaxPooling2D()(layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)))
    model = scrambled(to_group_equivariant(keras.Model(inputs, layers.Conv2D(2, 1)(x)), "p4"))
    for size in ((8, 8), (4, 6)):
        assert equivariance_error(model, random_array(1, *size, 1), "p4") < 1e-5


def test_a_network_of_keras_applications(precision, once):
    model = scrambled(keras.applications.MobileNetV2((33, 33, 3), alpha=0.35, weights=None, classes=5))
    x = random_array(1, 33, 33, 3, dtype=precision)
    converted = to_group_equivariant(model, "p4", weights="copy")
    (expected,) = over_turned_inputs(model, x, "p4", "mean")
    assert relative_error(predict(converted, x), expected) < PRECISE[precision]


def test_flattened_maps():
    inputs = keras.Input((8, 8, 3))
    x = layers.Flatten(name="flat")(layers.Conv2D(6, 3)(inputs))
    model = keras.Model(inputs, layers.Dense(4)(x))
    with pytest.raises(ValueError, match=r"Received: flat \(Flatten\): it gives each place .*flatten='pool'"):
        to_group_equivariant(model)
    pooled = to_group_equivariant(model, flatten="pool")
    assert type(pooled.get_layer("flat")) is layers.GlobalAveragePooling2D
    assert equivariance_error(pooled, random_array(2, 8, 8, 3), "p4") < 1e-5
