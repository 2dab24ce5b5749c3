"""Pooling over the cosets of nZ: the cyclic law of section 6.3 of the G-CNN paper."""

import itertools

import keras
import numpy as np
import pytest
from helpers import DTYPES, TOLERANCES, gradients, random_array, relative_error, to_numpy

from keras_equivariant.equivariance import equivariance_error
from keras_equivariant.layers import GroupConv1D, GroupConv2D, GroupGlobalMaxPooling2D, TranslationCosetPooling

REDUCTIONS = {"max": np.max, "mean": np.mean}
CASES = [((12,), 3, (3,)), ((6, 8), 2, (2, 2)), ((6, 8), (3, 4), (3, 4)), ((4, 6, 2), (2, 3, 1), (2, 3, 1))]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("space, n, periods", CASES)
def test_pools_all_positions_that_differ_by_multiples(space, n, periods, reduction, dtype):
    x = random_array(2, *space, 3, dtype=dtype)
    y = TranslationCosetPooling(n, reduction, dtype=dtype)(x)
    assert y.shape == (2, *periods, 3)
    for coset in np.ndindex(*periods):
        members = x[(slice(None), *[slice(r, None, p) for r, p in zip(coset, periods, strict=True)])]
        expected = REDUCTIONS[reduction](members.reshape(2, -1, 3), axis=1)
        np.testing.assert_allclose(to_numpy(y)[(slice(None), *coset)], expected, atol=TOLERANCES[dtype])


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("space, n, periods", CASES)
def test_a_shift_turns_the_quotient_and_one_by_a_multiple_changes_nothing(space, n, periods, reduction):
    x = random_array(2, *space, 3)
    layer = TranslationCosetPooling(n, reduction)
    y = to_numpy(layer(x))
    axes = tuple(range(1, len(space) + 1))
    for shift in itertools.product(*(range(size) for size in space)):
        shifted = to_numpy(layer(np.roll(x, shift, axes)))
        np.testing.assert_allclose(shifted, np.roll(y, shift, axes), atol=1e-6)
        if all(t % p == 0 for t, p in zip(shift, periods, strict=True)):
            np.testing.assert_allclose(shifted, y, atol=1e-6)
    if max(periods) > 1:
        assert relative_error(np.roll(y, 1, axes), y) > 0.01


def test_a_feature_that_moves_within_a_signal():
    """On Z, without wrapping: nothing else than the feature is there."""
    signal = np.zeros((1, 20, 1), "float32")
    signal[0, 4:8, 0] = [1, 4, 2, 3]
    layer = TranslationCosetPooling(5)
    for shift in range(-4, 13):
        moved = to_numpy(layer(np.roll(signal, shift, 1)))
        np.testing.assert_array_equal(moved, np.roll(to_numpy(layer(signal)), shift, 1))


def test_networks_before_and_after_obey_the_law():
    inputs = keras.Input((12, 2))
    x = GroupConv1D(3, 3, padding="wrap", activation="relu")(inputs)
    pooled = TranslationCosetPooling(4)(keras.layers.Reshape((12, 6))(x))
    y = GroupConv1D(2, 3, padding="wrap")(pooled)
    model, x = keras.Model(inputs, [pooled, y]), random_array(2, 12, 2)
    for shift in range(12):
        for before, after in zip(model(x), model(np.roll(x, shift, 1)), strict=True):
            assert relative_error(after, np.roll(to_numpy(before), shift, 1)) < 1e-5


@pytest.mark.parametrize("symmetry", ["p4", "p4m"])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_maps_on_a_group_turn_with_their_quotient(symmetry, n):
    x = random_array(2, 6, 6, 3)
    model = keras.Sequential([GroupConv2D(2, 3, symmetry, padding="wrap"), TranslationCosetPooling(n)])
    assert model(x).shape == (2, n, n, 4 if symmetry == "p4" else 8, 2)
    assert equivariance_error(model, x, symmetry) < 1e-5
    for shift in ((1, 0), (2, 5)):
        assert relative_error(model(np.roll(x, shift, (1, 2))), np.roll(to_numpy(model(x)), shift, (1, 2))) < 1e-5


def test_with_period_1_it_is_global_pooling():
    x = random_array(2, 5, 6, 4, 3)
    assert relative_error(TranslationCosetPooling(1)(x)[:, 0, 0], GroupGlobalMaxPooling2D()(x)) == 0


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_a_batch_of_nothing(reduction):
    for n, shape in ((3, (0, 6, 2)), ((2, 1), (0, 4, 3, 4, 2))):
        layer = TranslationCosetPooling(n, reduction)
        assert to_numpy(layer(np.zeros(shape, "float32"))).shape == layer.compute_output_shape(shape)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_the_gradient_goes_to_the_positions_that_decide(reduction):
    x, upstream = random_array(2, 6, 4, 3), random_array(2, 3, 2, 3, seed=1)
    layer = TranslationCosetPooling((3, 2), reduction)
    layer.build(x.shape)
    found = gradients(layer, x, upstream)[0]
    blocks = x.reshape(2, 2, 3, 2, 2, 3)
    decides = blocks == blocks.max((1, 3), keepdims=True) if reduction == "max" else np.full(blocks.shape, 1 / 4)
    np.testing.assert_allclose(found.reshape(blocks.shape), decides * upstream[:, None, :, None], atol=1e-6)


@pytest.mark.parametrize(
    "n, arguments, shape, message",
    [
        (0, {}, (1, 4, 2), "`n` must be a positive integer, or up to three of them. Received: n=0"),
        ((2, -1), {}, (1, 4, 4, 2), "Received: n=.2, -1."),
        ((1, 1, 1, 1), {}, (1, 4, 4, 2), "up to three"),
        (2, {"reduction": "sum"}, (1, 4, 2), "`reduction` must be one of .*Received: reduction='sum'"),
        (3, {}, (1, 4, 2), "known multiples of the periods .3,.. Received"),
        (2, {}, (1, 4, 5, 2), "known multiples of the periods .2, 2.. Received"),
        ((2, 2), {}, (1, 4, 2), "known multiples"),
        (2, {}, (1, 4, 4, 2, 2, 2), "known multiples"),
    ],
)
def test_bad_arguments(n, arguments, shape, message):
    with pytest.raises(ValueError, match=message):
        TranslationCosetPooling(n, **arguments)(np.ones(shape))


def test_unknown_sizes_are_refused():
    with pytest.raises(ValueError, match="known multiples"):
        TranslationCosetPooling(2)(keras.Input((None, 4, 2)))
