import keras
import numpy as np
import pytest
from keras_equivariant.training.data.images import LabelledImages, Split
from keras_equivariant.training.model.network import computing_in, create_network, in_float32
from keras_equivariant.training.recipes import get_recipe
from keras_equivariant.training.runs.fit import fit
from keras_equivariant.training.tasks import illuminants, inpainting
from keras_equivariant.training.tasks.illuminants.images import LitImages
from keras_equivariant.training.tasks.inpainting.images import Photographs
from runs import compiled_model

SHAPES = (28, 28, 1), (10,)


@pytest.mark.parametrize(
    "backend, jit, compiled", [("tensorflow", False, False), ("tensorflow", True, True), ("jax", False, True)]
)
def test_jax_compiles_in_any_case(backend, jit, compiled, monkeypatch):
    recipe = get_recipe("rotated_digits", model="z2cnn", jit=jit)
    split = Split(np.zeros((2, 28, 28, 1), "float32"), np.zeros(2, int))
    monkeypatch.setattr(keras.config, "backend", lambda: backend)
    assert compiled_model(recipe, LabelledImages(split, split, 10), 1).jit_compile is compiled


def test_a_network_takes_the_arguments_of_the_recipe():
    recipe = get_recipe("rotated_digits", model_arguments={"filters": 3})
    assert create_network(recipe, (28, 28, 1), (4,), classes=4).output_shape == (None, 4)
    assert create_network(recipe, *SHAPES).count_params() < 5000
    with pytest.raises(ValueError, match="'rotated_digits' and its arguments .*paths.* Received: model='p4cnn'"):
        create_network(recipe, *SHAPES, paths=2)


def test_what_a_network_must_know_comes_from_the_data():
    recipe = get_recipe("cifar10_light_original", model="small")
    assert create_network(recipe, (32, 32, 3), (10,)).output_shape == (None, 10)
    assert create_network(get_recipe("rotated_digits"), (32, 32, 1), (7,)).output_shape == (None, 7)


def test_the_precision_is_set_back():
    with pytest.raises(KeyError), computing_in("mixed_bfloat16"):
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
        raise KeyError
    assert keras.config.dtype_policy().name == "float32"


def test_a_network_in_mixed_precision_is_copied_in_32_bits():
    mixed = get_recipe("inpainting", precision="mixed_bfloat16", model_arguments={"filters": 3, "bottleneck": 3})
    with computing_in("mixed_bfloat16"):
        network = inpainting.TASK.network(mixed, None, "")
    rebuilt = in_float32(network)
    assert {layer.dtype_policy.name for layer in network.layers} != {"float32"}
    generators = [layer for layer in rebuilt.layers if isinstance(layer, keras.Model)]
    assert {layer.dtype_policy.name for model in (rebuilt, *generators) for layer in model.layers} == {"float32"}
    for new, old in zip(rebuilt.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)
    assert in_float32(rebuilt) is rebuilt


@pytest.fixture
def made_up_data(monkeypatch, tensorflow_backend):
    lit = LitImages(np.ones((9, 64, 64, 3), "float32"), np.ones((9, 3), "float32"), np.arange(9) % 3)
    photographs = Photographs.join([np.ones((128, 128, 3), "uint8")] * 4)
    monkeypatch.setattr(illuminants, "load", lambda *arguments: lit)
    monkeypatch.setattr(inpainting, "load", lambda *arguments: (photographs, photographs))


SMALL = {"filters": (3, 3, 3), "blocks": 1}


@pytest.mark.parametrize(
    "name, model, arguments, message",
    [
        ("colorchecker", "context_encoder", {}, "must be one for the recipe 'colorchecker' and its arguments"),
        ("colorchecker", "p4m_unet", {"filters": 2}, r"must be one from \(64, 64, 3\) to \(3,\) for"),
        ("inpainting_small", "z2cnn", None, "must be one for the recipe 'inpainting_small' .*bottleneck"),
        ("inpainting", "p4cnn", {}, r"must be one from \(128, 128, 3\) to \(64, 64, 3\) for"),
    ],
)
def test_models_for_something_else_leave_no_run(name, model, arguments, message, made_up_data, tmp_path):
    recipe = get_recipe(name, model=model, model_arguments=arguments, batch_size=2)
    with pytest.raises(ValueError, match=f"`model` {message}.*Received: model='{model}'"):
        fit(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()
