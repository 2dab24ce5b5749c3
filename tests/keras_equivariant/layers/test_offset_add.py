import keras
import numpy as np
import pytest
from helpers import DTYPES, TOLERANCES, cases, check_layer, random_array, relative_error, to_numpy
from offsets import offset_error, pooled, spread

from keras_equivariant.equivariance import equivariance_error
from keras_equivariant.layers import OffsetAdd, OffsetAffineCombination, OffsetConcatenate

GROUPS = cases([1, 3, 8], [3])


def padded(x, channels, groups):
    """Zeros after the channels of each group."""
    block, wanted = x.shape[-1] // groups, channels // groups
    parts = []
    for group in range(groups):
        parts += [x[..., block * group : block * (group + 1)], np.zeros((*x.shape[:-1], wanted - block))]
    return np.concatenate(parts, axis=-1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("groups", GROUPS)
@pytest.mark.parametrize("size, strides, widening", [((5, 6), 1, 1), ((5, 6), 1, 2), ((8, 7), 2, 2), ((8, 7), 3, 1)])
def test_add_is_equation_27(size, strides, widening, groups, dtype):
    x = random_array(2, *size, 2 * groups, dtype=dtype)
    small = [-(-n // strides) for n in size]
    f = random_array(2, *small, 2 * widening * groups, dtype=dtype, seed=1)
    layer = OffsetAdd(groups, strides, dtype=dtype)
    shortcut = (x - spread(pooled(x, groups), x))[:, ::strides, ::strides]
    assert relative_error(layer([f, x]), f + padded(shortcut, f.shape[-1], groups)) < TOLERANCES[dtype]
    assert offset_error(layer, [f, x], groups) < TOLERANCES[dtype]
    symbolic = layer([keras.Input((*small, f.shape[-1]), dtype=dtype), keras.Input((*size, x.shape[-1]), dtype=dtype)])
    assert symbolic.shape == (None, *f.shape[1:])


def test_add_on_maps_on_a_symmetry_group():
    """Subsampling keeps orientations, and turns onto itself on odd sizes."""
    both = random_array(2, 5, 5, 4, 9)
    layer = OffsetAdd(3, strides=2)
    assert layer([both[:, ::2, ::2], both]).shape == (2, 3, 3, 4, 9)
    double = keras.layers.Lambda(lambda x: layer([x[:, ::2, ::2], x]))
    assert equivariance_error(double, both, "p4") < 1e-5


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("groups", GROUPS)
@pytest.mark.parametrize("coefficients", [None, [0.5, -1.5, 2.0]])
def test_affine_combination(coefficients, groups, dtype):
    inputs = [random_array(2, 4, 5, 2 * groups, dtype=dtype, seed=i) for i in range(3)]
    layer = OffsetAffineCombination(coefficients, dtype=dtype)
    weights = coefficients or [1 / 3] * 3
    expected = sum(weight * x for weight, x in zip(weights, inputs, strict=True))
    assert relative_error(layer(inputs), expected) < TOLERANCES[dtype]
    assert offset_error(layer, inputs, groups) < TOLERANCES[dtype]


def test_affine_combination_stays_affine_in_training():
    inputs = [keras.Input((4,)) for _ in range(3)]
    layer = OffsetAffineCombination()
    model = keras.Model(inputs, layer(inputs))
    model.compile("adam", "mse", jit_compile=False)
    x = [random_array(8, 4, seed=i) for i in range(3)]
    before = to_numpy(layer.kernel)
    for _ in range(10):
        model.train_on_batch(x, 2 * x[0])
    after = to_numpy(layer.kernel)
    assert (after != before).all()
    np.testing.assert_allclose(after.sum(), 1, atol=1e-6)
    assert offset_error(layer, x, 2) < 1e-5


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("groups", GROUPS)
@pytest.mark.parametrize("shape", [(2,), (2, 3, 4), (2, 3, 3, 8)])
def test_concatenate(shape, groups, dtype):
    inputs = [random_array(*shape, n * groups, dtype=dtype, seed=n) for n in (1, 3, 2)]
    layer = OffsetConcatenate(groups, dtype=dtype)
    blocks = [np.split(x, groups, axis=-1) for x in inputs]
    expected = np.concatenate([block[group] for group in range(groups) for block in blocks], axis=-1)
    np.testing.assert_array_equal(to_numpy(layer(inputs)), expected)
    assert offset_error(layer, inputs, groups) < TOLERANCES[dtype]


def test_layer_conventions(once):
    check_layer(OffsetAffineCombination, {}, [(2, 3, 4), (2, 3, 4)])


def zeros(*shapes):
    return [np.zeros(shape, "float32") for shape in shapes]


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: OffsetAdd(0), "Received: feature_groups=0"),
        (lambda: OffsetAdd(strides=0), "`strides` must be a positive integer. Received: strides=0"),
        (lambda: OffsetAdd()(zeros((1, 3))), "a list of two inputs"),
        (lambda: OffsetAdd()(np.zeros((1, 3))), "a list of two inputs"),
        (lambda: OffsetAdd()(keras.Input((3,))), "a list of two inputs. Received: input_shape="),
        (lambda: OffsetAdd()(zeros((1, 4), (1, 4))), "Received: channels=4"),
        (lambda: OffsetAdd()(zeros((1, 3), (1, 6))), "no more channels. Received: input_shape"),
        (
            lambda: OffsetAdd(strides=2)(zeros((1, 4, 4, 3), (1, 4, 4, 3))),
            r"width\[, S\], channels\), subsampled by 2",
        ),
        (lambda: OffsetAffineCombination([1.0, 1.0]), "must sum to one. Received: coefficients="),
        (lambda: OffsetAffineCombination([float("nan"), 1.0]), "must sum to one. Received: coefficients="),
        (lambda: OffsetAffineCombination([float("inf"), float("-inf")]), "must sum to one."),
        (lambda: OffsetAffineCombination()(keras.Input((3,))), "a list of inputs of one shape"),
        (lambda: OffsetAffineCombination([1.0])(zeros((1, 3), (1, 3))), "one for each coefficient"),
        (lambda: OffsetAffineCombination()(zeros((1, 3), (1, 4))), "a list of inputs of one shape"),
        (lambda: OffsetAffineCombination()(np.zeros((1, 3))), "a list of inputs of one shape"),
        (lambda: OffsetConcatenate(0), "Received: feature_groups=0"),
        (lambda: OffsetConcatenate()(np.zeros((1, 3))), "a list of inputs"),
        (lambda: OffsetConcatenate()(keras.Input((3,))), "a list of inputs. Received: input_shape="),
        (lambda: OffsetConcatenate()(zeros((1, 3), (1, 4))), "Received: channels=4"),
        (lambda: OffsetConcatenate()(zeros((1, 2, 3), (1, 3, 3))), "differ in their channels only"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
