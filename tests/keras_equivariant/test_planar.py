import json
import zipfile

import keras
import numpy as np
import pytest
from helpers import ALL_CASES, ROOT, random_array, randomise, relative_error, run_python, to_numpy
from networks import small_network

from keras_equivariant import zoo
from keras_equivariant.activations import Logistic, ScaledTanh
from keras_equivariant.layers import (
    ApplyGamma,
    CombinationConv2D,
    CosetPooling,
    GridCentring2D,
    GroupAveragePooling2D,
    GroupConv2D,
    GroupConv2DTranspose,
    GroupDepthwiseConv2D,
    GroupGlobalAveragePooling2D,
    GroupGlobalMaxPooling2D,
    GroupMaxPooling2D,
    GroupSeparableConv2D,
    GroupUpSampling2D,
    InverseLogRGB,
    LogRGB,
    OffsetAdapter,
    OffsetAdd,
    OffsetBatchNormalization,
    OffsetConcatenate,
    OffsetConv2D,
    OffsetConv2DTranspose,
    OffsetDense,
    OffsetGroupConv2D,
    OffsetReLU,
    RandomIlluminant,
    RemoveGamma,
    Subsampling2D,
    TableConv2D,
    all_pairs,
)
from keras_equivariant.planar import to_planar

layers = keras.layers
# `to_planar` compares both models on one picture: on as many again JAX has nothing to compile.
BATCH = 3 if ALL_CASES else 1


def with_random_weights(inputs, outputs):
    """A model whose weights and statistics are all different from those that layers start with."""
    model = keras.Model(inputs, outputs)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
        elif getattr(layer, "bias", None) is not None:
            layer.bias.assign(rng.normal(size=layer.bias.shape))
        if isinstance(layer, Subsampling2D):
            layer.beta.assign(rng.normal(size=layer.beta.shape))
    return model


def residual_network():
    inputs = keras.Input((12, 13, 3))
    x = GroupConv2D(4, 3, "p4m", padding="same")(inputs)
    y = layers.ReLU()(layers.BatchNormalization()(x))
    y = layers.Dropout(0.5)(GroupConv2D(4, 3, "p4m", padding="same")(y))
    y = layers.Activation("tanh")(layers.BatchNormalization()(y))
    x = layers.Add()([x, GroupConv2D(4, 1, "p4m", use_bias=False)(y)])
    x = layers.LeakyReLU()(layers.BatchNormalization(scale=False)(x))
    x = GroupConv2D(5, 3, "p4m", strides=2, padding="same", activation="relu")(GridCentring2D()(x))
    return with_random_weights(inputs, layers.Dense(7)(layers.GlobalAveragePooling3D()(x)))


def quotients():
    inputs = keras.Input((9, 9, 2))
    x = CosetPooling("p4m", "p4", "mean")(GroupConv2D(3, 3, "p4m")(inputs))
    x = GroupConv2D(4, 3, "p4m", input_subgroup="p4", activation="relu")(x)
    x = layers.BatchNormalization()(CosetPooling("p4m", "pm")(x))
    return with_random_weights(inputs, x)


def pooled_means():
    inputs = keras.Input((8, 10, 2))
    x = GroupAveragePooling2D(2)(GroupMaxPooling2D(3, 1, "same")(GroupConv2D(3, 3, padding="same")(inputs)))
    x = layers.LayerNormalization()(x)
    x = layers.Concatenate()([x, layers.ReLU()(x)])
    return with_random_weights(inputs, CosetPooling("p4", reduction="mean")(GroupConv2D(2, 3)(x)))


def feature_maps_in_and_out():
    inputs = keras.Input((8, 8, 4, 3))
    return with_random_weights(inputs, GroupConv2D(3, 3, dilation_rate=2)(layers.ReLU()(inputs)))


def ordinary():
    inputs = keras.Input((8, 8, 2))
    x = layers.BatchNormalization()(layers.Conv2D(4, 3, use_bias=False)(inputs))
    x = layers.Flatten()(layers.BatchNormalization()(layers.ReLU()(x)))
    return with_random_weights(inputs, layers.Softmax()(layers.Dense(3)(x)))


def offset_network(symmetry=None):
    inputs = keras.Input((9, 11, 3))

    def convolve(x, filters, size, **arguments):
        if symmetry is None:
            return OffsetConv2D(filters, size, **arguments)(x)
        return OffsetGroupConv2D(filters, size, symmetry, **arguments)(x)

    x = OffsetBatchNormalization(activation="relu")(convolve(inputs, 6, 3, padding="same"))
    y = OffsetReLU()(OffsetBatchNormalization()(convolve(x, 9, 3, padding="same", strides=2)))
    y = layers.Dropout(0.5)(convolve(y, 9, 3, padding="edge", use_bias=False))
    x = convolve(OffsetAdd(strides=2)([y, x]), 6, 2)
    x = layers.GlobalAveragePooling2D()(x) if symmetry is None else layers.GlobalAveragePooling3D()(x)
    x = OffsetAdapter(layers.Identity(), invariant=True)(OffsetDense(12)(x))
    return with_random_weights(inputs, x)


def offset_group_network():
    return offset_network("p4")


def offset_generator():
    inputs = keras.Input((5, 6, 3))
    means = layers.UpSampling2D((5, 6))(layers.GlobalAveragePooling2D(keepdims=True)(inputs))
    x = OffsetConcatenate()([inputs, OffsetConv2D(6, 1)(means)])
    x = OffsetAdapter(layers.LeakyReLU(0.3))(OffsetConv2D(6, 3, padding="same")(x))
    x = OffsetAdapter(layers.Dropout(0.5))(OffsetConv2DTranspose(9, 4, strides=2, padding="same")(x))
    x = OffsetConv2DTranspose(9, 5, strides=2, padding="edge")(x)
    x = OffsetAdapter(layers.Activation("tanh"), invariant=True)(OffsetConv2DTranspose(6, 3, use_bias=False)(x))
    return with_random_weights(inputs, InverseLogRGB()(x))


def concatenated_orientations():
    inputs = keras.Input((5, 6, 3))
    x, y = OffsetGroupConv2D(3, 3)(inputs), OffsetGroupConv2D(6, 3)(inputs)
    return with_random_weights(inputs, InverseLogRGB()(OffsetConcatenate()([x, y])))


def classic_network():
    inputs = keras.Input((16, 17, 2))
    x = layers.Conv2D(4, 3, activation=ScaledTanh())(inputs)
    x = Subsampling2D(2, activation=ScaledTanh(1.5, 0.5))(x)
    x = TableConv2D(all_pairs(4), 3, activation="tanh")(x)
    x = Subsampling2D(2, reduction="decimate", use_bias=False)(x)
    x = CombinationConv2D(5, 2, activation=Logistic(2.0))(x)
    return with_random_weights(inputs, layers.Activation(Logistic(0.5))(layers.Dense(3)(layers.Flatten()(x))))


def group_u_net(size=(12, 12), depthwise=True):
    inputs = keras.Input((*size, 2))

    def block(x, filters):
        x = GroupConv2D(filters, 3, "p4", padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = GroupSeparableConv2D(filters, 3, "p4", padding="same")(x)
        return layers.ReLU()(layers.BatchNormalization()(x))

    skip = block(GroupDepthwiseConv2D(3, "p4", padding="same", depth_multiplier=2)(inputs), 4)
    x = block(GroupMaxPooling2D(2)(skip), 6)
    gate = GroupConv2D(6, 1, "p4", activation="sigmoid")(GroupGlobalAveragePooling2D(keepdims=True)(x))
    x = layers.Multiply()([x, gate])
    up = GroupConv2DTranspose(4, 2, "p4", strides=2, activation="relu")(x)
    also = GroupUpSampling2D(2, interpolation="bilinear")(GroupDepthwiseConv2D(3, "p4", padding="same")(x))
    x = layers.Concatenate()([skip, up, layers.SpatialDropout3D(0.2)(also)])
    x = layers.Cropping3D(((1, 1), (1, 1), (0, 0)))(layers.ZeroPadding3D(((2, 1), (1, 2), (0, 0)))(x))
    x = CosetPooling("p4")(block(x, 4))
    return with_random_weights(inputs, layers.Conv2D(3, 1, activation="softmax")(x))


def free_group_u_net():
    return group_u_net((None, None))


def pooled_globally():
    inputs = keras.Input((7, 7, 3))
    x = GroupSeparableConv2D(4, 3, "p4m", strides=2)(GroupDepthwiseConv2D(3, "p4m")(inputs))
    means = layers.GlobalAveragePooling1D()(layers.Dense(5)(GroupGlobalAveragePooling2D()(x)))
    largest = GroupGlobalMaxPooling2D()(GroupConv2DTranspose(2, 3, "p4m", output_subgroup="p4")(x))
    return with_random_weights(inputs, layers.Concatenate()([means, layers.Flatten()(largest)]))


def blocks_of_channels():
    inputs = keras.Input((7, 8, 4))
    x = GroupConv2D(6, 3, "p4m", groups=2, padding="same", activation="relu")(inputs)
    x = GroupConv2D(12, 3, "p4m", groups=6)(layers.BatchNormalization()(x))
    return with_random_weights(inputs, CosetPooling("p4m")(layers.BatchNormalization()(x)))


MODELS = [
    blocks_of_channels,
    group_u_net,
    free_group_u_net,
    pooled_globally,
    offset_network,
    offset_group_network,
    offset_generator,
    concatenated_orientations,
    classic_network,
    residual_network,
    quotients,
    pooled_means,
    feature_maps_in_and_out,
    ordinary,
]


LOWERED = [
    "CombinationConv2D",
    "CosetPooling",
    "GridCentring2D",
    "GroupAveragePooling2D",
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


@pytest.mark.parametrize("build", MODELS)
def test_computes_the_same_without_our_classes(build):
    model = build()
    planar = to_planar(model)
    x = example_for(model, BATCH)
    assert relative_error(planar(x), model(x)) < 1e-5
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
    kinds = [type(layer) for layer in to_planar(residual_network()).layers]
    assert kinds.count(layers.Conv2D) == 4
    assert kinds.count(layers.BatchNormalization) == 2  # one reads what the shortcut reads, one follows the sum
    assert layers.Dropout not in kinds
    kinds = [type(layer) for layer in to_planar(ordinary()).layers]
    assert kinds.count(layers.BatchNormalization) == 1


def test_the_models_hold_every_layer_that_can_be_lowered():
    kinds = {type(layer) for build in MODELS for layer in build().layers}
    assert {kind.__name__ for kind in kinds if kind.__module__.startswith("keras_equivariant")} == set(LOWERED)


def test_loads_where_the_package_is_not_installed(tmp_path):
    for build in MODELS:
        model = build()
        x = example_for(model, min(BATCH, 2))
        np.savez(tmp_path / f"{build.__name__}.npz", x=x, y=to_numpy(model(x)))
        to_planar(model).save(tmp_path / f"{build.__name__}.keras")
    code = """
import pathlib, sys
sys.modules["keras_equivariant"] = None  # makes their import fail
import keras, numpy as np
for path in pathlib.Path(sys.argv[1]).glob("*.keras"):
    with np.load(path.with_suffix(".npz")) as arrays:
        y = keras.ops.convert_to_numpy(keras.models.load_model(path)(arrays["x"]))
        print(path.stem, abs(y - arrays["y"]).max() / abs(arrays["y"]).max())
"""
    differences = dict(line.split() for line in run_python(code, tmp_path).splitlines())
    assert set(differences) == {build.__name__ for build in MODELS}
    assert max(map(float, differences.values())) < 1e-5


@pytest.mark.parametrize("build", MODELS)
def test_files_name_nothing_of_ours_nor_what_is_private_to_keras(build, tmp_path):
    to_planar(build()).save(tmp_path / "planar.keras")
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
    assert relative_error(planar(x), model(x)) < 1e-7
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
    assert relative_error(planar(x), to_numpy(keras.ops.cast(model(x), "float32"))) < 0.05


def test_sequential_models():
    model = keras.Sequential([keras.Input((8, 8, 3)), GroupConv2D(2, 3), layers.ReLU(), CosetPooling("p4")])
    randomise(model)
    x = random_array(2, 8, 8, 3)
    assert relative_error(to_planar(model)(x), model(x)) < 1e-5


def test_one_size_may_be_unknown():
    inputs = keras.Input((None, 8, 3))
    model = keras.Model(inputs, CosetPooling("p4")(GroupConv2D(2, 3)(inputs)))
    x = random_array(2, 11, 8, 3)
    assert relative_error(to_planar(model)(x), model(x)) < 1e-5


class GatedGroupConv2D(GroupConv2D):
    """Of our class, but computing something else."""

    def call(self, inputs):
        return 2 * super().call(inputs)


class LouderPooling(CosetPooling):
    def call(self, inputs):
        return super().call(inputs) + 1


class KeptDropout(layers.Dropout):
    """Acts in prediction too."""

    def call(self, inputs, training=False):
        return 2 * inputs


@pytest.mark.parametrize(
    "apply, message",
    [
        (lambda x: GatedGroupConv2D(2, 3, name="mine")(x), "'mine', a GatedGroupConv2D"),
        (lambda x: LouderPooling("p4", name="mine")(GroupConv2D(2, 3)(x)), "'mine', a LouderPooling"),
        (lambda x: KeptDropout(0.5, name="mine")(x), "'mine', a KeptDropout"),
        (lambda x: layers.Dropout(0.5, name="mine")(x, training=True), "'mine', a Dropout: .*training=True"),
        (lambda x: layers.BatchNormalization(name="mine")(x, training=True), "'mine', a Batch.*training=True"),
        (
            lambda x: layers.ZeroPadding3D(((1, 1), (1, 1), (0, 1)), name="mine")(GroupConv2D(2, 3)(x)),
            "'mine', a ZeroPadding3D: it changes the number",
        ),
    ],
)
def test_what_computes_something_else_is_refused(apply, message):
    inputs = keras.Input((8, 8, 3))
    with pytest.raises(ValueError, match=f"cannot be lowered: {message}"):
        to_planar(keras.Model(inputs, apply(inputs)))


def test_adapted_normalisation_keeps_its_statistics():
    inputs = keras.Input((8, 8, 3))
    norm = layers.Normalization()
    norm.adapt(5 + 3 * random_array(8, 8, 8, 3))
    model = keras.Model(inputs, CosetPooling("p4")(GroupConv2D(2, 3)(norm(inputs))))
    x = 5 + 3 * random_array(2, 8, 8, 3)
    assert relative_error(to_planar(model)(x), model(x)) < 1e-5


def test_the_result_is_compared_with_the_model(monkeypatch):
    from keras_equivariant import planar

    inputs = keras.Input((None, None, 3))
    model = with_random_weights(inputs, CosetPooling("p4")(GroupConv2D(2, 3)(inputs)))
    monkeypatch.setattr(planar, "expanded_bias", lambda layer, width: np.zeros(width))
    with pytest.raises(ValueError, match="computes something else. Received: outputs of up to"):
        to_planar(model)


class Custom(layers.Layer):
    def call(self, x):
        return 2 * x


@pytest.mark.parametrize(
    "layer, shape, message",
    [
        (Custom(name="mine"), (8, 8, 3), "'mine', a Custom"),
        (GroupConv2D(2, 3, padding="reflect", name="conv"), (8, 8, 3), "'conv', a GroupConv2D: padding="),
        (OffsetReLU(reduction="max", name="relu"), (8, 8, 3), "'relu', a OffsetReLU: only the mean"),
        (OffsetConv2D(3, 3, activation="relu", name="conv"), (8, 8, 3), "'conv', a OffsetConv2D: its activation must"),
        (OffsetAdapter(layers.Dense(3), name="around"), (8, 8, 3), "'around', a OffsetAdapter: only an elementwise"),
        (
            GroupConv2D(2, 3, activation="softmax", name="conv"),
            (8, 8, 3),
            "'conv', a GroupConv2D: its activation is not",
        ),
    ],
)
def test_layers_that_cannot_be_lowered(layer, shape, message):
    inputs = keras.Input(shape)
    with pytest.raises(ValueError, match=f"cannot be lowered: {message}"):
        to_planar(keras.Model(inputs, layer(inputs)))


@pytest.mark.parametrize("model", [None, keras.Sequential([layers.Dense(2)]), layers.Dense(2)])
def test_what_is_no_functional_model(model):
    with pytest.raises(ValueError, match="must be a functional or a built sequential"):
        to_planar(model)


def colour_values(*shape):
    """Random pixels, and those where a formula changes: black, epsilon, the thresholds of gamma, white."""
    x = np.random.default_rng(0).uniform(size=shape).astype("float32")
    x.reshape(-1)[:8] = [0, 1e-4, 2e-4, 3e-4, 0.0031308, 0.04045, 0.0405, 1]
    return x


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "layer_class, tolerance",
    # Keras' operation rounds the factor of the gamma to 32 bits.
    [(LogRGB, 1e-14), (InverseLogRGB, 1e-14), (RemoveGamma, 1e-14), (ApplyGamma, 1e-7)],
)
def test_colours(layer_class, tolerance, dtype, tensorflow_backend):
    inputs = keras.Input((4, 5, 3), dtype=dtype)
    # The precision of a model is that of its weights.
    model = keras.Model(inputs, layers.Dense(3, dtype=dtype)(layer_class(dtype=dtype)(inputs)))
    x = colour_values(2, 4, 5, 3).astype(dtype)
    assert relative_error(to_planar(model)(x), model(x)) < {"float32": 1e-6, "float64": tolerance}[dtype]


def estimator():
    """As the networks that estimate the light are trained: logarithms inside, one network for each fold."""
    networks = []
    for i in range(2):
        inputs = keras.Input((64, 64, 3))
        network = zoo.offset_color_cerberus(filters=(3, 3, 3), bottleneck=3, units=6, input_shape=(64, 64, 3))
        networks.append(keras.Model(inputs, network(LogRGB()(inputs)), name=f"fold_{i}"))
    inputs = keras.Input((64, 64, 3))
    return keras.Model(inputs, keras.layers.Average()([network(inputs) for network in networks]))


def generator():
    """As the networks that paint a centre are trained."""
    inputs = keras.Input((128, 128, 3))
    x = zoo.offset_context_encoder(filters=3, bottleneck=3)(LogRGB()(inputs))
    outputs = keras.layers.Rescaling(2.0, -1.0)(ApplyGamma()(keras.layers.Rescaling(0.5, 0.5)(x)))
    return keras.Model(inputs, outputs)


def test_networks_with_colours_inside_load_without_the_package(tmp_path, tensorflow_backend):
    for build in (estimator, generator):
        model = build()
        x = colour_values(2, *model.input_shape[1:])
        planar = to_planar(model)
        assert relative_error(planar(x), model(x)) < 1e-3, "dark pixels differ by the rounding of a logarithm"
        planar.save(tmp_path / f"{build.__name__}.keras")
        np.savez(tmp_path / f"{build.__name__}.npz", x=x, y=to_numpy(planar(x)))
    code = """
import pathlib, sys
sys.modules["keras_equivariant"] = None  # makes its import fail
import keras, numpy as np
for path in pathlib.Path(sys.argv[1]).glob("*.keras"):
    with np.load(path.with_suffix(".npz")) as arrays:
        y = keras.ops.convert_to_numpy(keras.models.load_model(path)(arrays["x"]))
        print(abs(y - arrays["y"]).max() / abs(arrays["y"]).max())
"""
    differences = run_python(code, tmp_path).split()
    assert len(differences) == 2 and max(map(float, differences)) < 1e-5


def test_lights_that_are_drawn_in_training_only_are_left_out():
    inputs = keras.Input((4, 4, 3))
    model = keras.Model(inputs, keras.layers.ReLU()(RandomIlluminant(0.5)(inputs)))
    assert [type(layer).__name__ for layer in to_planar(model).layers] == ["InputLayer", "ReLU"]
    model = keras.Model(inputs, RandomIlluminant(0.5, in_prediction=True)(inputs))
    with pytest.raises(ValueError, match="a RandomIlluminant: it draws random lights in prediction too"):
        to_planar(model)
