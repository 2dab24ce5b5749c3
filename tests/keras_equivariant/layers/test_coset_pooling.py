import keras
import numpy as np
import pytest
from helpers import DTYPES, TOLERANCES, cases, check_layer, gradients, random_array, relative_error, to_numpy

from keras_equivariant.equivariance import equivariance_error
from keras_equivariant.layers import CosetPooling, OffsetBatchNormalization
from keras_equivariant.symmetry import get_symmetry

CASES = [("p4", None), ("p4", "p2"), ("p4", "p1"), ("p4m", None), ("p4m", "p4"), ("p4m", "pm"), ("pmm", "p2")]
CASES = cases(CASES, [("p4", None), ("p4", "p1"), ("p4m", "p4")])


def pool_by_hand(x, symmetry, subgroup, reduce):
    """Group elements multiplied as matrices, one coset at a time."""
    matrices = get_symmetry(symmetry).matrices
    subgroup = matrices if subgroup is None else get_symmetry(subgroup).matrices
    position = {matrix.tobytes(): index for index, matrix in enumerate(matrices)}
    pooled, done = [], set()
    for g in matrices:
        coset = [position[(g @ h).tobytes()] for h in subgroup]
        if done.isdisjoint(coset):
            pooled.append(reduce(x[:, :, :, coset], axis=3))
            done.update(coset)
    return pooled[0] if len(pooled) == 1 else np.stack(pooled, axis=3)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", ["max", "mean"])
@pytest.mark.parametrize("symmetry, subgroup", CASES)
def test_agrees_with_matrix_products(symmetry, subgroup, reduction, dtype):
    x = random_array(2, 5, 4, get_symmetry(symmetry).order, 3, dtype=dtype)
    y = CosetPooling(symmetry, subgroup, reduction, dtype=dtype)(x)
    assert relative_error(y, pool_by_hand(x, symmetry, subgroup, getattr(np, reduction))) < TOLERANCES[dtype]


@pytest.mark.parametrize("reduction", ["max", "mean"])
@pytest.mark.parametrize("symmetry, subgroup", CASES)
def test_equivariant_under_every_element(symmetry, subgroup, reduction):
    for size in cases([(5, 5), (6, 6), (5, 6)], [(5, 6)]):
        x = random_array(2, *size, get_symmetry(symmetry).order, 3)
        layer = CosetPooling(symmetry, subgroup, reduction)
        assert equivariance_error(layer, x, output_subgroup=subgroup) < 1e-6


# (symmetry, subgroup, region)
REGIONS = [("p4", None, [0, 1]), ("p4", None, [2]), ("p4m", None, [0, 1, 3, 4]), ("p4m", "p2", [0, 2, 5, 7])]


@pytest.mark.parametrize("reduction", ["max", "mean"])
@pytest.mark.parametrize("symmetry, subgroup, region", REGIONS)
def test_a_general_region(symmetry, subgroup, region, reduction):
    matrices = get_symmetry(symmetry).matrices
    position = {matrix.tobytes(): index for index, matrix in enumerate(matrices)}
    for size in cases([(5, 5), (5, 6)], [(5, 6)]):
        x = random_array(2, *size, len(matrices), 3)
        expected = [
            getattr(np, reduction)(x[:, :, :, [position[(g @ matrices[u]).tobytes()] for u in region]], axis=3)
            for g in (matrices if subgroup is None else matrices[get_symmetry(symmetry).cosets(subgroup)[:, 0]])
        ]
        layer = CosetPooling(symmetry, subgroup, reduction, region)
        assert relative_error(layer(x), np.stack(expected, axis=3)) < 1e-6
        assert equivariance_error(layer, x, output_subgroup=subgroup) < 1e-6


@pytest.mark.parametrize("symmetry, subgroup", CASES[1:])
def test_the_subgroup_itself_is_the_usual_region(symmetry, subgroup):
    if subgroup is None:
        return
    x = random_array(1, 4, 4, get_symmetry(symmetry).order, 2)
    region = get_symmetry(symmetry).subgroup(subgroup).tolist()
    y = CosetPooling(symmetry, subgroup, region=region)(x)
    assert relative_error(y, CosetPooling(symmetry, subgroup)(x)) == 0


@pytest.mark.parametrize("symmetry, size", [("mirror", (5,)), ("O", (3, 3, 3))])
def test_other_dimensions(symmetry, size):
    x = random_array(2, *size, get_symmetry(symmetry).order, 3)
    assert equivariance_error(CosetPooling(symmetry), x) < 1e-6
    if symmetry == "O":
        assert equivariance_error(CosetPooling(symmetry, "D4"), x, output_subgroup="D4") < 1e-6


def test_the_whole_group_named_as_the_subgroup_keeps_the_axis():
    x = random_array(1, 3, 3, 4, 2)
    assert relative_error(CosetPooling("p4", "p4")(x)[..., 0, :], CosetPooling("p4")(x)) == 0


def test_another_number_of_orientations_after_it_is_built():
    layer = CosetPooling("p4")
    layer(random_array(1, 5, 5, 4, 3))
    with pytest.raises(ValueError, match="expected axis -2 of input shape to have value 4"):
        layer(random_array(1, 5, 5, 8, 3))


@pytest.mark.parametrize("symmetry, subgroup", [("p4", None), ("p4m", "p4"), ("p6", "p3")])
def test_gradients_go_to_the_largest_and_equal_ones_share_them(symmetry, subgroup):
    x = random_array(2, 1, 2, get_symmetry(symmetry).order, 3)
    x[0] = 1.0  # all are equal
    layer = CosetPooling(symmetry, subgroup)
    upstream = random_array(*layer(x).shape, seed=1)
    (found,) = gradients(layer, x, upstream)
    rows = upstream[:, :, :, None] if subgroup is None else upstream
    for row, coset in enumerate(get_symmetry(symmetry).cosets(subgroup or symmetry)):
        values = x[:, :, :, coset]
        most = values == values.max(axis=3, keepdims=True)
        shares = np.where(x[:, :, :, coset] == 1.0, found[:, :, :, coset] * len(coset), found[:, :, :, coset])
        if len(coset) == 3 and keras.config.backend() == "jax":  # by pairs: a quarter, a quarter, a half
            np.testing.assert_allclose(found[:, :, :, coset].sum(axis=3), rows[:, :, :, row], rtol=1e-6)
            continue
        np.testing.assert_allclose(shares, most * rows[:, :, :, row : row + 1], rtol=1e-6)


def test_no_number_stays_none():
    x = random_array(1, 3, 3, 8, 2)
    x[0, 1, 2, 5, 0] = np.nan
    x[0, 0, 0, 3, 1] = np.inf
    y = to_numpy(CosetPooling("p4m")(x))
    assert np.isnan(y[0, 1, 2, 0]) and np.isnan(y).sum() == 1
    assert y[0, 0, 0, 1] == np.inf


def test_gradients_of_one_picture_are_the_same_compiled():
    """A compiler computes what is compared twice, and may round it differently."""
    if keras.config.backend() != "jax":
        pytest.skip("of JAX's compiler")
    import jax

    normalisation, pooling = OffsetBatchNormalization(activation="relu"), CosetPooling("p4")
    x = np.random.default_rng(0).normal(size=(1, 1, 1, 4, 6)).astype("float32")
    pooling(normalisation(x))
    states = [variable.value for variable in normalisation.non_trainable_variables]

    def loss(values, x):
        return (pooling(normalisation.stateless_call(values, states, x, training=True)[0]) ** 2).sum()

    values = [variable.value for variable in normalisation.trainable_variables]
    for found, expected in zip(
        jax.tree.leaves(jax.jit(jax.grad(loss, (0, 1)))(values, x)),
        jax.tree.leaves(jax.grad(loss, (0, 1))(values, x)),
        strict=True,
    ):
        assert np.abs(found - expected).max() < 1e-3 * np.abs(expected).max() + 1e-3


def test_layer_conventions(once):
    arguments = {"symmetry": "p4m", "reduction": "mean", "region": [0, 1]}
    check_layer(CosetPooling, arguments, (2, 5, 4, 8, 3))
    check_layer(CosetPooling, {"symmetry": "p4m"}, (2, 5, 4, 8, 3))


@pytest.mark.parametrize(
    "arguments, shape, message",
    [
        (("p5",), None, "Received: symmetry='p5'"),
        (("p4", "pm"), None, "Received: subgroup='pm'"),
        (("p4", None, "sum"), None, "Received: reduction='sum'"),
        (("p4", None, "max", [0, 4]), None, r"indices of elements of 'p4', 0 to 3.*Received: region=\[0, 4\]"),
        (("p4", None, "max", []), None, "at least one. Received: region="),
        (("p4", None, "max", [1, 1]), None, "different indices.*Received: region="),
        (("p4", "p2", "max", [0, 1]), None, r"kept by the elements of `subgroup`.*Received: region=\[0, 1\]"),
        (("p4",), (1, 8, 8, 8, 3), r"needs a feature map .*4.*Received: input_shape=\(1, 8, 8, 8, 3\)"),
        (("p4",), (1, 8, 8, 3), r"Received: input_shape=\(1, 8, 8, 3\)"),
    ],
)
def test_bad_arguments(arguments, shape, message):
    with pytest.raises(ValueError, match=message):
        CosetPooling(*arguments)(np.zeros(shape or (1, 8, 8, 4, 3), "float32"))
