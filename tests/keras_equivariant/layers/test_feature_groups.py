"""Feature groups of unequal size and in any order, equation 3, in every layer that takes groups."""

import keras
import numpy as np
import pytest
from helpers import DTYPES, TOLERANCES, random_array, randomise, relative_error, to_numpy

from keras_equivariant.constraints import OffsetProjection, constraint_violations, project_constraints
from keras_equivariant.convert import to_offset_equivariant
from keras_equivariant.equivariance import equivariance_error, equivariance_report
from keras_equivariant.layers import (
    FeatureGroupPooling,
    OffsetAdapter,
    OffsetAdd,
    OffsetBatchNormalization,
    OffsetConcatenate,
    OffsetConv1D,
    OffsetConv2D,
    OffsetConv2DTranspose,
    OffsetConv3D,
    OffsetDense,
    OffsetGroupConv2D,
    OffsetReLU,
)
from keras_equivariant.planar import to_planar

# 7 channels in any order: 2, 2 and 3 of them; sizes of contiguous blocks.
SCATTERED, BLOCKS = (0, 2, 1, 1, 0, 2, 2), (2, 4, 1)
WIDER = (0, 2, 1, 1, 0, 2, 2, 1, 1)
BETWEEN = {"feature_groups": SCATTERED, "output_groups": BLOCKS}
LAYERS = {
    "1-D": (lambda **kw: OffsetConv1D(7, 3, padding="same", **BETWEEN, **kw), (2, 8)),
    "2-D": (lambda **kw: OffsetConv2D(7, 3, padding="same", activation="tanh", **BETWEEN, **kw), (2, 5, 6)),
    "2-D edge": (lambda **kw: OffsetConv2D(7, 3, padding="edge", **BETWEEN, **kw), (2, 5, 6)),
    "2-D valid": (lambda **kw: OffsetConv2D(7, 2, strides=2, **BETWEEN, **kw), (2, 5, 6)),
    "3-D": (lambda **kw: OffsetConv3D(7, 2, padding="same", activation="relu", **BETWEEN, **kw), (2, 3, 4, 3)),
    "lifting": (lambda **kw: OffsetGroupConv2D(7, 3, "p4m", padding="same", **BETWEEN, **kw), (2, 5, 5)),
    "group": (lambda **kw: OffsetGroupConv2D(7, 3, "p4", activation="tanh", **BETWEEN, **kw), (2, 5, 5, 4)),
    "transposed": (lambda **kw: OffsetConv2DTranspose(7, 4, 2, padding="same", **BETWEEN, **kw), (2, 3, 4)),
    "dense": (lambda **kw: OffsetDense(7, activation="tanh", **BETWEEN, **kw), (2, 4)),
}


def matrix(groups, channels):
    """G by its definition: `G[i, j]` is 1 if feature i is in group j."""
    of_channel = groups if 0 in groups else [j for j, size in enumerate(groups) for _ in range(size)]
    return np.array([[float(of_channel[i] == j) for j in range(3)] for i in range(channels)])


def law_error(function, x, groups, new_groups, seed=5):
    """Largest deviation of f(x + G_m d) from f(x) + G_n d."""
    offsets = np.random.default_rng(seed).normal(size=(len(x), 3))

    def moved(like, groups):
        change = offsets @ matrix(groups, like.shape[-1]).T
        return like + change.reshape(len(x), *[1] * (like.ndim - 2), like.shape[-1])

    before, after = to_numpy(function(x)), to_numpy(function(moved(x, groups).astype(x.dtype)))
    return np.abs(after - moved(before, new_groups)).max() / np.abs(before).max()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LAYERS)
def test_layers_with_a_kernel(name, dtype):
    make, shape = LAYERS[name]
    layer = make(dtype=dtype)
    x = random_array(*shape, 7, dtype=dtype)
    layer.build(x.shape)
    layer.bias.assign(random_array(7, seed=3))
    assert law_error(layer, x, SCATTERED, BLOCKS) < TOLERANCES[dtype]
    randomise(layer)
    if name in ("2-D edge", "2-D valid", "group"):  # no means are taken away from the input
        assert law_error(layer, x, SCATTERED, BLOCKS) > 0.01
    project_constraints(layer)
    assert law_error(layer, x, SCATTERED, BLOCKS) < 10 * TOLERANCES[dtype]


@pytest.mark.parametrize("reduction", ["mean", "max", "min", "linear"])
@pytest.mark.parametrize("scope", ["global", "local"])
def test_layers_that_pool(reduction, scope):
    x = random_array(2, 4, 5, 7)
    pooling = FeatureGroupPooling(SCATTERED, reduction, scope)
    assert pooling(x).shape == pooling.compute_output_shape(x.shape) == ((2, 3) if scope == "global" else (2, 4, 5, 3))
    assert law_error(pooling, x, SCATTERED, (0, 1, 2)) < 1e-5
    assert law_error(OffsetReLU(SCATTERED, reduction, scope), x, SCATTERED, SCATTERED) < 1e-5
    adapter = OffsetAdapter(keras.layers.Conv2D(7, 1, activation="tanh"), reduction=reduction, scope=scope, **BETWEEN)
    assert law_error(adapter, x, SCATTERED, BLOCKS) < 1e-5


def test_pools_what_the_groups_say():
    x = random_array(3, 7).astype("float64")
    for reduction, function in (("mean", np.mean), ("max", np.max), ("min", np.min), ("linear", np.mean)):
        for groups in (SCATTERED, BLOCKS):
            members = matrix(groups, 7).astype(bool)
            expected = np.stack([function(x[:, members[:, j]], axis=1) for j in range(3)], axis=1)
            found = FeatureGroupPooling(groups, reduction, dtype="float64")(x)
            np.testing.assert_allclose(to_numpy(found), expected, atol=1e-12)


@pytest.mark.parametrize("renorm", [False, True])
def test_batch_normalisation(renorm):
    x = random_array(4, 5, 6, 7)
    layer = OffsetBatchNormalization(feature_groups=SCATTERED, activation="relu", renorm=renorm)
    if not renorm:  # which looks back at the batch before
        assert law_error(lambda x: layer(x, training=True), x, SCATTERED, SCATTERED) < 1e-5
    assert law_error(layer, x, SCATTERED, SCATTERED) < 1e-5


def test_sums_and_concatenations():
    x = random_array(2, 6, 6, 7)
    widen = OffsetConv2D(9, 1, feature_groups=SCATTERED, output_groups=WIDER)
    add = OffsetAdd(WIDER, shortcut_groups=SCATTERED)
    assert law_error(lambda x: add([widen(x), x]), x, SCATTERED, WIDER) < 1e-5
    smaller = OffsetConv2D(9, 3, 2, padding="same", feature_groups=SCATTERED, output_groups=WIDER)
    strided = OffsetAdd(WIDER, 2, SCATTERED)
    assert law_error(lambda x: strided([smaller(x), x]), x, SCATTERED, WIDER) < 1e-5
    # The channels of the shortcut come to the first ones of their groups, and zeros to the others.
    zeros = np.zeros((2, 6, 6, 9), "float32")
    centred = x - to_numpy(FeatureGroupPooling(SCATTERED)(x))[:, None, None] @ matrix(SCATTERED, 7).T
    np.testing.assert_allclose(to_numpy(add([zeros, x]))[..., :7], centred, atol=1e-6)
    assert not to_numpy(add([zeros, x]))[..., 7:].any()
    join = OffsetConcatenate([SCATTERED, WIDER])
    sizes = tuple(int(n) for n in matrix(SCATTERED, 7).sum(0) + matrix(WIDER, 9).sum(0))
    assert law_error(lambda x: join([x, widen(x)]), x, SCATTERED, sizes) < 1e-5
    first, second = np.arange(7.0)[None], 10 + np.arange(9.0)[None]
    expected = [0, 4, 10, 14, 2, 3, 12, 13, 17, 18, 1, 5, 6, 11, 15, 16]
    assert to_numpy(join([first, second]))[0].tolist() == expected


def test_a_description_of_equal_blocks_is_their_number():
    x = random_array(2, 5, 5, 6)
    by_number = OffsetConv2D(6, 3, padding="same")
    by_sizes = OffsetConv2D(6, 3, padding="same", feature_groups=(2, 2, 2), output_groups=[0, 0, 1, 1, 2, 2])
    by_number(x), by_sizes(x)
    by_sizes.set_weights(by_number.get_weights())
    np.testing.assert_array_equal(to_numpy(by_sizes(x)), to_numpy(by_number(x)))


def test_the_projection_is_the_closest_kernel_of_equation_10():
    kernel = random_array(3, 2, 7, 7, dtype="float64")
    projection = OffsetProjection(SCATTERED, output_groups=BLOCKS)
    # Each output has the unknowns w (all taps and inputs), and one equation for each input group.
    equations = np.tile(matrix(SCATTERED, 7).T, (1, 6))
    flat = kernel.reshape(-1, 7)
    expected = flat + np.linalg.pinv(equations) @ (matrix(BLOCKS, 7).T - equations @ flat)
    assert relative_error(projection(kernel), expected.reshape(kernel.shape)) < 1e-12
    assert projection.violation(kernel) == pytest.approx(np.abs(equations @ flat - matrix(BLOCKS, 7).T).max())
    assert projection.violation(projection(kernel)) < 1e-12
    transposed = OffsetProjection(SCATTERED, transposed=True, strides=2, output_groups=BLOCKS)
    turned = kernel.swapaxes(-2, -1)
    assert transposed.violation(turned) > 0.1 and transposed.violation(transposed(turned)) < 1e-12


def network():
    inputs = keras.Input((6, 5, 7))
    x = OffsetConv2D(9, 3, padding="same", feature_groups=SCATTERED, output_groups=WIDER)(inputs)
    x = OffsetBatchNormalization(feature_groups=WIDER, activation="relu")(x)
    y = OffsetConv2D(7, 3, padding="edge", feature_groups=WIDER, output_groups=SCATTERED)(x)
    y = OffsetAdapter(keras.layers.Activation("tanh"), SCATTERED)(y)
    x = OffsetAdd(WIDER, shortcut_groups=SCATTERED)([x, y])
    return keras.Model(inputs, OffsetConcatenate([WIDER, SCATTERED])([x, OffsetReLU(SCATTERED)(y)]))


def test_a_network_its_measure_its_file_and_its_plain_form(tmp_path):
    model, x = network(), random_array(2, 6, 5, 7)
    sizes = (4, 6, 6)
    assert equivariance_error(model, x, feature_groups=SCATTERED, output_groups=sizes) < 1e-5
    assert equivariance_error(model, x, feature_groups=SCATTERED, output_groups=(6, 6, 4)) > 0.1
    report = equivariance_report(model, x)
    assert list(report) == [layer.name for layer in model.layers] and max(list(report.values())[:-1]) < 1e-5
    assert relative_error(to_planar(model)(x), model(x)) < 1e-5
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(to_numpy(loaded(x)), to_numpy(model(x)))
    loaded.compile("sgd", "mse", jit_compile=False)
    for _ in range(5):
        loaded.train_on_batch(x, random_array(2, 6, 5, 16, seed=1))
    assert max(constraint_violations(loaded).values()) < 1e-5


def test_a_network_on_a_symmetry_group_and_its_plain_form():
    inputs = keras.Input((7, 7, 7))
    x = OffsetGroupConv2D(9, 3, "p4", padding="same", feature_groups=SCATTERED, output_groups=WIDER)(inputs)
    y = OffsetGroupConv2D(6, 3, "p4", padding="edge", feature_groups=WIDER)(x)
    model = keras.Model(inputs, OffsetConcatenate([WIDER, 3])([OffsetAdd(WIDER, shortcut_groups=3)([x, y]), y]))
    pictures = random_array(2, 7, 7, 7)
    assert equivariance_error(model, pictures, "p4", feature_groups=SCATTERED, output_groups=(4, 6, 5)) < 1e-5
    assert relative_error(to_planar(model)(pictures), model(pictures)) < 1e-5


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: OffsetDense(7, feature_groups=(0, 2)), "`feature_groups` must be a positive integer; the sizes"),
        (lambda: OffsetDense(7, feature_groups=(1, -2)), "Received: feature_groups=.1, -2."),
        (lambda: OffsetDense(7, feature_groups=()), "Received: feature_groups=.."),
        (lambda: OffsetDense(7, feature_groups=True), "Received: feature_groups=True"),
        (lambda: OffsetDense(7, feature_groups=3, output_groups=(3, 3)), "`output_groups` must be as many groups as"),
        (lambda: OffsetDense(7, output_groups=(3, 3, 2)), "must be 8, as many as `output_groups` describes. Received"),
        (lambda: OffsetDense(7, feature_groups=(2, 3)), "`units` must be known and a multiple of `feature_groups`"),
        (lambda: OffsetDense(6, feature_groups=(2, 3))(np.ones((1, 4))), "`channels` must be 5, as many as"),
        (lambda: OffsetReLU((2, 3))(np.ones((1, 4))), "`channels` must be 5"),
        (lambda: OffsetAdd(3, shortcut_groups=(1, 2)), "`shortcut_groups` must be as many groups as `feature_groups`"),
        (
            lambda: OffsetAdd((2, 1), shortcut_groups=(1, 2))([np.ones((1, 3)), np.ones((1, 3))]),
            "in each group, no more channels",
        ),
        (lambda: OffsetConcatenate([(1, 2), 3]), "as many groups of each input. Received"),
        (lambda: OffsetConcatenate([3, 3])([np.ones((1, 3))]), "must describe each input. Received"),
        (lambda: OffsetConcatenate("33"), "a list with one description of groups for each input"),
        (lambda: OffsetProjection((1, 2))(np.ones((4, 4))), "or as many as it and `output_groups` describe. Received"),
        (lambda: to_offset_equivariant(keras.Sequential(), (1, 2)), "must be a positive integer. Received"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
