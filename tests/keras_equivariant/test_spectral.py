import keras
import numpy as np
import oracle
import pytest
from helpers import DTYPES, TOLERANCES, cases, check_layer, gradients, random_array, randomise, relative_error, to_numpy

from keras_equivariant.equivariance import equivariance_error
from keras_equivariant.layers import GroupConv1D, GroupConv2D, GroupConv3D
from keras_equivariant.planar import to_planar
from keras_equivariant.representations import GroupTransform, LinearCombinations, real_representations
from keras_equivariant.spectral import SpectralConvolution
from keras_equivariant.spectral_rule import is_faster
from keras_equivariant.symmetry import SymmetryGroup, get_symmetry

pytestmark = pytest.mark.filterwarnings("ignore::keras_equivariant.sampling.EquivarianceWarning")

GROUPS = cases(["p1", "p2", "p4", "pm", "pmm", "p4m", "p3", "p6", "p6m"], ["p1", "p4m", "p6"])
WINDOWS = cases([(1, 1), (1, 2), (2, 1), (3, 1), (3, 2), (3, 3), (5, 2)], [(1, 2), (2, 1), (3, 2)])
CPU_BACKENDS = ("tensorflow", "jax")


def layers(*arguments, shape, **keywords):
    """The same layer, planar and spectral, with the same random weights."""
    planar, spectral = (
        GroupConv2D(*arguments, implementation=implementation, **keywords) for implementation in ("planar", "spectral")
    )
    for layer in (planar, spectral):
        layer.build(shape)
        randomise(layer)
    return planar, spectral


@pytest.mark.parametrize("name", GROUPS)
def test_representations_are_orthogonal_irreducible_and_complete(name):
    group = get_symmetry(name)
    representations = real_representations(group)
    size = 0
    for matrices in representations:
        products = np.einsum("aij,bjk->abik", matrices, matrices)
        assert np.abs(products - matrices[group.product]).max() < 1e-12
        assert np.abs(matrices @ np.swapaxes(matrices, 1, 2) - np.eye(matrices.shape[1])).max() < 1e-12
        norm = (np.trace(matrices, axis1=1, axis2=2) ** 2).mean()
        assert abs(norm - round(norm)) < 1e-12 and round(norm) in (1, 2)
        size += matrices.shape[1] ** 2 / round(norm)
    assert size == group.order
    characters = np.array([np.trace(matrices, axis1=1, axis2=2) for matrices in representations])
    overlaps = characters @ characters.T / group.order
    assert np.abs(overlaps - np.diag(np.diag(overlaps))).max() < 1e-12


def test_representations_of_a_group_from_outside_and_of_a_volume():
    diagonal = SymmetryGroup("diagonal", [np.eye(2), [[0, 1], [1, 0]]])
    assert [matrices.ravel().tolist() for matrices in real_representations(diagonal)] == [[1, 1], [1, -1]]
    with pytest.raises(ValueError, match="`group` must act on 2 dimensions. Received: group=SymmetryGroup\\('O'"):
        real_representations(get_symmetry("O"))


@pytest.mark.parametrize("seed", range(3))
def test_linear_combinations(seed):
    rng = np.random.default_rng(seed)
    matrix = rng.choice([-1.0, -0.5, 0, 1, 2], (5, 6)) + np.eye(5, 6) * 7
    x = rng.normal(size=(6, 4))
    assert np.abs(np.array(LinearCombinations(matrix)(list(x))) - matrix @ x).max() < 1e-12


@pytest.mark.parametrize("name, products, additions", [("p2", 2, 2), ("p4", 6, 6), ("p4m", 12, 20), ("p6m", 20, None)])
def test_products_and_additions(name, products, additions):
    transform = GroupTransform(get_symmetry(name))
    assert transform.products == products
    if additions:
        assert transform.analyse.additions == transform.synthesise.additions == additions


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", GROUPS)
def test_agrees_with_the_formula(name, dtype):
    group = get_symmetry(name)
    for kernel_size, strides in ((1, 1), (1, 2), (3, 1), (3, 2), (5, 1)):
        x = random_array(2, 6, 7, group.order, 3, dtype=dtype)
        kernel = random_array(kernel_size, kernel_size, group.order, 3, 2, dtype=dtype, seed=1)
        trivial = SymmetryGroup("trivial", [np.eye(2)])
        expected = oracle.correlate(x, kernel, group, trivial, strides=strides)
        y = SpectralConvolution(group, kernel_size, strides)(
            keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(kernel)
        )
        assert relative_error(y, expected) < TOLERANCES[dtype], (kernel_size, strides)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("kernel_size, strides", WINDOWS)
@pytest.mark.parametrize("name", cases(["p4", "p4m"], ["p4m"]))
def test_outputs_and_gradients_are_those_of_the_planar_convolution(name, kernel_size, strides, padding, dtype):
    for size in cases([(7, 8), (6, 5)], [(7, 8)], [(7, 8) if dtype == "float64" else (6, 5)]):
        x = random_array(2, *size, get_symmetry(name).order, 3, dtype=dtype)
        planar, spectral = layers(2, kernel_size, name, shape=x.shape, strides=strides, padding=padding, dtype=dtype)
        y = planar(x)
        assert relative_error(spectral(x), y) < TOLERANCES[dtype]
        upstream = random_array(*y.shape, dtype=dtype, seed=1)
        for actual, expected in zip(gradients(spectral, x, upstream), gradients(planar, x, upstream), strict=True):
            assert relative_error(actual, expected) < 10 * TOLERANCES[dtype]


@pytest.mark.parametrize("name", cases(["p1", "p2", "pm", "pmm", "p3", "p6", "p6m"], ["pm", "p3"]))
def test_gradients_on_the_other_groups(name):
    x = random_array(1, 6, 5, get_symmetry(name).order, 2, dtype="float64")
    for padding, strides in (("valid", 1), ("same", 2)):
        planar, spectral = layers(2, 3, name, shape=x.shape, padding=padding, strides=strides, dtype="float64")
        upstream = random_array(*planar(x).shape, dtype="float64", seed=1)
        for actual, expected in zip(gradients(spectral, x, upstream), gradients(planar, x, upstream), strict=True):
            assert relative_error(actual, expected) < 1e-11


def test_many_rows_at_a_time_or_few(monkeypatch):
    x = random_array(2, 7, 6, 8, 4, dtype="float64")
    planar, spectral = layers(4, 3, "p4m", shape=x.shape, padding="same", dtype="float64")
    monkeypatch.setattr("keras_equivariant.spectral._MEGABYTES_OF_PATCHES", 0.02)
    assert len(spectral._spectral_convolution._parts((7, 6), 4)) == 3
    upstream = random_array(*planar(x).shape, dtype="float64", seed=1)
    assert relative_error(spectral(x), planar(x)) < 1e-12
    for actual, expected in zip(gradients(spectral, x, upstream), gradients(planar, x, upstream), strict=True):
        assert relative_error(actual, expected) < 1e-11


def test_equivariant():
    for name, padding in (("p4", "valid"), ("p4m", "same")):
        layer = GroupConv2D(2, 3, name, padding=padding, implementation="spectral")
        assert equivariance_error(layer, random_array(2, 6, 7, get_symmetry(name).order, 3)) < 1e-5


def test_rounding_is_not_worse_than_that_of_the_planar_convolution():
    x = random_array(2, 8, 8, 8, 32)
    exact = None
    errors = []
    for implementation, dtype in (("planar", "float64"), ("planar", "float32"), ("spectral", "float32")):
        layer = GroupConv2D(32, 3, "p4m", implementation=implementation, dtype=dtype)
        layer.build(x.shape)
        randomise(layer)
        layer.kernel.assign(to_numpy(layer.kernel).astype("float32"))
        y = to_numpy(layer(x.astype(dtype)))
        exact = y if exact is None else exact
        errors.append(np.sqrt(((y - exact) ** 2).mean()))
    assert errors[2] < 1.2 * errors[1]


def test_layer_conventions(once):
    arguments = {"filters": 2, "kernel_size": 3, "symmetry": "p4m", "implementation": "spectral"}
    check_layer(GroupConv2D, {**arguments, "padding": "same", "activation": "relu"}, (2, 6, 5, 8, 3))
    check_layer(GroupConv2D, {**arguments, "kernel_size": 1, "strides": 2, "use_bias": False}, (2, 6, 5, 8, 3))


def test_a_saved_model_and_its_planar_form_do_not_depend_on_the_choice(tmp_path):
    x = random_array(2, 7, 7, 3)
    inputs = keras.Input((7, 7, 3))
    lifted = GroupConv2D(4, 3, "p4")(inputs)
    model = keras.Model(inputs, GroupConv2D(4, 3, "p4", implementation="spectral", name="conv")(lifted))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.get_layer("conv").implementation == "spectral"
    np.testing.assert_array_equal(to_numpy(again(x)), to_numpy(model(x)))
    assert relative_error(keras.layers.Flatten()(to_planar(model)(x)), keras.layers.Flatten()(model(x))) < 1e-5
    planar = keras.models.clone_model(model)
    planar.get_layer("conv").implementation = "planar"
    planar = keras.models.clone_model(planar)
    planar.set_weights(model.get_weights())
    assert relative_error(planar(x), model(x)) < 1e-5


def test_automatic_choice():
    p4, p4m = get_symmetry("p4"), get_symmetry("p4m")
    backend = keras.config.backend()
    measured = backend in CPU_BACKENDS
    assert is_faster(p4m, 64, 64, 3, 1) == measured
    assert is_faster(p4m, 64, 128, 1, 2) == measured
    assert not is_faster(p4m, 64, 128, 3, 2)
    assert is_faster(p4m, 11, 11, 3, 1) == is_faster(p4m, 16, 128, 3, 1) == is_faster(p4, 32, 32, 3, 1)
    assert is_faster(p4m, 11, 11, 3, 1) == (backend == "jax")
    assert not is_faster(p4m, 11, 11, 1, 1), "with one tap, what is paid once for all taps is paid for one"
    assert not is_faster(p4m, 10, 128, 3, 1)

    def chosen(shape, filters=64, dtype="float32", **arguments):
        layer = GroupConv2D(filters, 3, "p4m", dtype=dtype, **arguments)
        layer.build(shape)
        return layer._spectral_convolution is not None

    assert chosen((None, 8, 8, 8, 64)) == measured
    assert not chosen((None, 8, 8, 8, 64), implementation="planar")
    assert not chosen((None, 8, 8, 64))
    assert not chosen((None, 8, 8, 8, 64), groups=2)
    assert not chosen((None, 8, 8, 8, 64), dilation_rate=2)
    assert not chosen((None, 8, 8, 8, 64), padding="wrap")
    assert not chosen((None, 8, 8, 4, 64), input_subgroup="pm")
    assert not chosen((None, 8, 8, 8, 64), dtype="mixed_bfloat16")
    assert not chosen((None, 8, 8, 8, 8), filters=8)


def test_an_unknown_size_is_planar():
    inputs = keras.Input((None, None, 8, 64))
    model = keras.Model(inputs, GroupConv2D(32, 3, "p4m")(inputs))
    assert model(random_array(1, 5, 6, 8, 64)).shape == (1, 3, 4, 8, 32)


@pytest.mark.parametrize(
    "arguments, shape, message",
    [
        ({"implementation": "fast"}, (1, 6, 6, 4, 2), "must be one of .*'spectral'.*Received: implementation='fast'"),
        ({"dilation_rate": 2}, (1, 6, 6, 4, 2), r"`implementation` can be .*Received: .*dilation_rate=\(2, 2\)"),
        ({"groups": 2}, (1, 6, 6, 4, 2), "Received: .*groups=2"),
        ({"strides": (1, 2)}, (1, 6, 6, 4, 2), r"Received: .*strides=\(1, 2\)"),
        ({"padding": "wrap"}, (1, 6, 6, 4, 2), "Received: .*padding='wrap'"),
        ({"symmetry": "p2", "kernel_size": (3, 5)}, (1, 6, 6, 2, 2), r"Received: kernel_size=\(3, 5\)"),
        ({"input_subgroup": "p2"}, (1, 6, 6, 2, 2), "Received: .*input_subgroup='p2'"),
        (
            {},
            (1, 6, 6, 2),
            r"only on a feature map \(batch, height, width, 4, channels\) of known .*Received: input_shape",
        ),
    ],
)
def test_bad_arguments(arguments, shape, message):
    with pytest.raises(ValueError, match=message):
        GroupConv2D(**{"filters": 4, "kernel_size": 3, "implementation": "spectral", **arguments})(random_array(*shape))


def test_more_bad_arguments():
    for layer in (GroupConv1D, GroupConv3D):
        with pytest.raises(ValueError, match="in two dimensions only"):
            layer(2, 3, implementation="spectral")
    with pytest.raises(ValueError, match="of known height and width"):
        GroupConv2D(2, 3, implementation="spectral")(keras.Input((None, 6, 4, 2)))
