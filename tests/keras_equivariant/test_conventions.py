"""Every layer does what layers of Keras do, but for the differences that `conventions.TABLE` names."""

import inspect
import re
import warnings

import keras
import numpy as np
import pytest
from convention import arguments_of
from conventions import TABLE
from helpers import cases, check_layer, copy_of, example_of, inputs_of, random_array, randomise, to_numpy

from keras_equivariant import layers
from keras_equivariant.constraints import project_constraints
from keras_equivariant.equivariance import equivariance_error

# Strides at odd places are no defect here; test_sampling.py is about the warning.
pytestmark = pytest.mark.filterwarnings("ignore::keras_equivariant.sampling.EquivarianceWarning")
# In float64 only what Keras computes in it: on JAX and PyTorch some operations fall back to float32.
POLICIES = ["float32", "mixed_bfloat16", *(["float64"] if keras.config.backend() == "tensorflow" else [])]
ADAPTED = [entry for entry in TABLE if hasattr(entry.nearest, "enable_lora")]


def each_layer(entries=TABLE):
    return pytest.mark.parametrize("entry", entries, ids=lambda entry: entry.layer.__name__)


def one_number(value):
    """A number for a tuple of equal numbers: `strides=1` is `strides=(1, 1)`."""
    return value[0] if isinstance(value, tuple) and len(set(value)) == 1 else value


def test_every_public_layer_is_in_the_table():
    public = [value for name in layers.__all__ if isinstance(value := getattr(layers, name), type)]
    assert len(TABLE) == len(public) and {entry.layer for entry in TABLE} == set(public)
    for entry in TABLE:
        assert entry.why or not (entry.adds or entry.lacks or entry.defaults or entry.masks), entry.layer


@each_layer()
def test_arguments_are_those_of_the_nearest_layer(entry):
    theirs = arguments_of(entry.nearest)
    own = {name: value for name, value in arguments_of(entry.layer).items() if name not in entry.lacks}
    assert set(own) - set(theirs) == set(entry.adds)
    assert set(theirs) - set(own) == set(entry.lacks)
    common = [name for name in own if name in theirs and name not in entry.by_name]
    assert common == [name for name in theirs if name in own and name not in entry.by_name]
    differing = {name: own[name] for name in common if one_number(own[name]) != one_number(theirs[name])}
    assert differing == entry.defaults


@each_layer()
def test_every_argument_survives_the_configuration(entry):
    own = arguments_of(entry.layer)
    needed = [name for name, value in own.items() if value is inspect.Parameter.empty and name not in entry.lacks]
    required = {name: entry.arguments[name] for name in needed}
    default = entry.layer(**required, name="default").get_config()
    kept = set()
    for arguments in (entry.arguments, {**entry.arguments, **entry.others}):
        layer = entry.layer(**arguments)
        config = copy_of(layer).get_config()
        assert config == layer.get_config()
        for name in arguments:
            assert hasattr(layer, name)
            if name in required or config[name] != default.get(name):
                kept.add(name)
    inherited = {*arguments_of(keras.layers.Layer), "lora_rank", "lora_alpha"}
    assert set(own) - inherited - set(entry.fixed) - set(entry.lacks) <= kept


@each_layer()
def test_layer(entry):
    check_layer(entry.layer, entry.arguments, entry.shape)


@each_layer()
@pytest.mark.filterwarnings("ignore:invalid value encountered")  # activity regularisers divide by the batch
def test_an_empty_batch(entry):
    """As the last one of a filtered data set may be: nothing comes out, of the right shape."""
    if entry.layer is layers.OffsetAdapter and keras.config.backend() == "tensorflow":
        pytest.skip("TensorFlow's own convolution, inside of it, fails")
    several = isinstance(entry.shape, list)
    shapes = [(0, *shape[1:]) for shape in (entry.shape if several else [entry.shape])]
    empty = [np.zeros(shape, "float32") for shape in shapes]
    built = entry.layer(**entry.arguments)
    expected = (0, *built(example_of(entry.shape)).shape[1:])
    for layer in cases((built, entry.layer(**entry.arguments)), (built,)):
        y = layer(empty if several else empty[0])
        assert to_numpy(y).shape == expected
        assert layer.compute_output_shape(shapes if several else shapes[0]) == expected


@each_layer()
@pytest.mark.parametrize("policy", POLICIES)
def test_dtype_policies(entry, policy):
    layer = copy_of(entry.layer(**entry.arguments), policy)
    y = layer(example_of(entry.shape))
    assert keras.utils.standardize_dtype(y.dtype) == layer.compute_dtype == policy.removeprefix("mixed_")
    variable = policy if policy.startswith("float") else "float32"
    assert {weight.dtype for weight in layer.weights if "seed" not in weight.path} <= {variable}


@each_layer()
def test_in_a_model(entry, tmp_path):
    """Of a subclass with one more argument: the summary, a clone, a saved file."""

    @keras.saving.register_keras_serializable(package="conventions", name=f"My{entry.layer.__name__}")
    class Subclass(entry.layer):
        def __init__(self, *args, remark="none", **kwargs):
            super().__init__(*args, **kwargs)
            self.remark = remark

        def get_config(self):
            return {**super().get_config(), "remark": self.remark}

    layer = Subclass(**entry.arguments, remark="mine")
    inputs = inputs_of(entry.shape)
    model = keras.Model(inputs, layer(inputs))
    randomise(model)
    project_constraints(model)
    lines = []
    model.summary(print_fn=lambda line, **_: lines.append(line))
    summary = "\n".join(lines)
    assert f"{entry.arguments['name']} (Subclass)" in summary and f"Total params: {model.count_params()}" in summary

    x = example_of(entry.shape)
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for other in (clone, loaded):
        again = other.get_layer(entry.arguments["name"])
        assert type(again) is Subclass and again is not layer and again.remark == "mine"
        np.testing.assert_array_equal(to_numpy(other(x)), to_numpy(model(x)))


@each_layer()
def test_masks(entry):
    expected = entry.masks or ("kept" if entry.nearest(**nearest_arguments(entry)).supports_masking else "refused")
    several = isinstance(entry.shape, list)
    inputs = inputs_of(entry.shape)
    masked = [keras.layers.Masking()(x) for x in (inputs if several else [inputs])]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        y = entry.layer(**entry.arguments)(masked if several else masked[0])
    refused = any("does not support masking" in str(warning.message) for warning in caught)
    assert refused == (expected == "refused")
    assert (getattr(y, "_keras_mask", None) is not None) == (expected in ("kept", "made"))


def nearest_arguments(entry):
    """As few arguments as Keras' layer can be made of."""
    needed = {name: value for name, value in arguments_of(entry.nearest).items() if value is inspect.Parameter.empty}
    return {name: entry.arguments.get(name, 1) for name in needed}


@each_layer()
def test_quantisation_is_refused_as_by_keras(entry):
    """`keras.Model.quantize` takes the error for a layer to leave as it is."""
    layer = entry.layer(**entry.arguments)
    layer(example_of(entry.shape))
    with pytest.raises(NotImplementedError, match="quanti"):
        layer.quantize("int8")


def test_quantising_a_model_leaves_offset_layers_as_they_are():
    model = keras.Sequential(
        [keras.Input((6,)), layers.OffsetDense(6, name="offset"), keras.layers.Dense(2, name="head")]
    )
    x = random_array(4, 6)
    before = to_numpy(model.layers[0](x))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.quantize("int8")
    told = "`OffsetDense` must not be quantised.* Leave it in floating point. Received: mode='int8'"
    assert any(re.match(told, str(warning.message)) for warning in caught)
    np.testing.assert_array_equal(to_numpy(model.layers[0](x)), before)
    assert "int8" in str(model.layers[1].kernel.dtype)


@each_layer(ADAPTED)
def test_low_rank_adaptation(entry, tmp_path):
    if not entry.adapts:
        with pytest.raises(ValueError, match="has no low-rank adaptation: .* Train .* Received: rank=2"):
            entry.layer(**entry.arguments, lora_rank=2)
        layer = entry.layer(**entry.arguments)
        layer(example_of(entry.shape))
        with pytest.raises(ValueError, match="has no low-rank adaptation: .* Train .* Received: rank=3"):
            layer.enable_lora(3)
        return
    layer = entry.layer(2, 3)
    x = random_array(1, *[5] * layer.rank, 3)
    y = to_numpy(layer(x))
    layer.enable_lora(2)
    assert [variable.name for variable in layer.trainable_variables] == ["bias", "lora_kernel_a", "lora_kernel_b"]
    np.testing.assert_allclose(to_numpy(layer(x)), y, rtol=1e-5, atol=1e-6)
    randomise(layer)
    assert equivariance_error(layer, x) < 1e-5
    model = keras.Sequential([keras.Input(x.shape[1:]), layer])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert len(loaded.trainable_variables) == 3
    np.testing.assert_allclose(to_numpy(loaded(x)), to_numpy(model(x)), rtol=1e-5, atol=1e-5)
