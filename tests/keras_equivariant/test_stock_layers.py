"""Which layers of Keras stay equivariant on feature maps on a group: the table in docs/normalisation.md."""

import keras
import numpy as np
import pytest
from helpers import TOLERANCES, cases, random_array

from keras_equivariant.equivariance import equivariance_error

layers = keras.layers
EQUIVARIANT = {
    "BatchNormalization": lambda **k: layers.BatchNormalization(**k),
    "LayerNormalization": lambda **k: layers.LayerNormalization(**k),
    "RMSNormalization": lambda **k: layers.RMSNormalization(**k),
    "GroupNormalization": lambda **k: layers.GroupNormalization(2, **k),
    "UnitNormalization": lambda **k: layers.UnitNormalization(**k),
    "Dense": lambda **k: layers.Dense(3, **k),
    "Activation": lambda **k: layers.Activation("gelu", **k),
    "ReLU": lambda **k: layers.ReLU(**k),
    "LeakyReLU": lambda **k: layers.LeakyReLU(**k),
    "PReLU, shared": lambda **k: layers.PReLU(alpha_initializer="uniform", shared_axes=[1, 2, 3], **k),
    "Rescaling": lambda **k: layers.Rescaling(2.0, offset=1.0, **k),
    "Dropout": lambda **k: layers.Dropout(0.5, **k),
    "SpatialDropout3D": lambda **k: layers.SpatialDropout3D(0.5, **k),
    "GaussianDropout": lambda **k: layers.GaussianDropout(0.5, **k),
    "GaussianNoise": lambda **k: layers.GaussianNoise(0.5, **k),
    "AlphaDropout": lambda **k: layers.AlphaDropout(0.5, **k),
    "GlobalAveragePooling3D": lambda **k: layers.GlobalAveragePooling3D(**k),
    "GlobalMaxPooling3D": lambda **k: layers.GlobalMaxPooling3D(**k),
}
NOT_EQUIVARIANT = {
    "LayerNormalization over (S, C)": lambda: layers.LayerNormalization(axis=(-2, -1)),
    "BatchNormalization over S": lambda: layers.BatchNormalization(axis=-2),
    "PReLU, not shared": lambda: layers.PReLU(alpha_initializer="uniform"),
    "MaxPooling3D": lambda: layers.MaxPooling3D((2, 2, 1)),
    "Flatten": lambda: layers.Flatten(),
}
# In float64 only what Keras computes in it: on JAX and PyTorch some operations fall back to float32.
DTYPES = ["float32", "float64"] if keras.config.backend() == "tensorflow" else ["float32"]


def with_random_weights(layer, x):
    layer.build(x.shape)
    rng = np.random.default_rng(0)
    for weight in layer.weights:
        if "seed" not in weight.name:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return layer


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", cases([(5, 5), (6, 6), (5, 6)], [(5, 5)]))
@pytest.mark.parametrize("name", EQUIVARIANT)
def test_equivariant_in_inference(name, size, dtype):
    if name == "PReLU, shared" and size == (5, 6):
        pytest.skip("its weights fix the shape")
    x = random_array(2, *size, 8, 4, dtype=dtype)
    layer = with_random_weights(EQUIVARIANT[name](dtype=dtype), x)
    assert equivariance_error(layer, x, "p4m") < TOLERANCES[dtype]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [name for name in EQUIVARIANT if "Normalization" in name])
def test_normalisation_is_equivariant_in_training_too(name, dtype):
    x = random_array(3, 5, 5, 8, 4, dtype=dtype)
    layer = with_random_weights(EQUIVARIANT[name](dtype=dtype), x)
    arguments = {"training": True} if name == "BatchNormalization" else {}
    assert equivariance_error(lambda x: layer(x, **arguments), x, "p4m") < TOLERANCES[dtype]


def test_batch_norm_has_one_scale_for_each_map_on_the_group():
    layer = layers.BatchNormalization()
    layer.build((None, 5, 5, 8, 4))
    assert [tuple(weight.shape) for weight in layer.weights] == [(4,)] * 4
    x = random_array(3, 5, 5, 8, 4)
    layer(x, training=True)
    expected = 0.01 * x.mean(axis=(0, 1, 2, 3))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(layer.moving_mean), expected, rtol=1e-4, atol=1e-7)


def test_merging_layers_are_equivariant():
    for layer in (layers.Add(), layers.Multiply(), layers.Maximum(), layers.Average(), layers.Concatenate()):
        x = random_array(2, 5, 5, 8, 4)
        assert equivariance_error(lambda x, layer=layer: layer([x, x**2]), x, "p4m") < 1e-6


def test_spatial_dropout_drops_whole_maps_in_all_orientations():
    y = layers.SpatialDropout3D(0.5, seed=0)(np.ones((4, 3, 3, 8, 16), "float32"), training=True)
    kept = keras.ops.convert_to_numpy(y) != 0
    assert (kept == kept[:, :1, :1, :1]).all()
    assert 0.2 < kept.mean() < 0.8


@pytest.mark.parametrize("name", NOT_EQUIVARIANT)
def test_not_equivariant(name):
    x = random_array(2, 5, 5, 8, 4)
    layer = with_random_weights(NOT_EQUIVARIANT[name](), x)
    assert equivariance_error(layer, x, "p4m") > 1e-2
