"""Matrix products in 16 bits, which some processors get wrong where an einsum has an ellipsis."""

import ast
import functools

import keras
import numpy as np
import pytest
from helpers import ROOT, cases, random_array, to_numpy

from keras_equivariant.activations import sparsemax
from keras_equivariant.constraints import OffsetProjection
from keras_equivariant.layers import FeatureGroupPooling, OffsetDense

WIDTHS = cases(range(1, 16, 2), [1, 7])
SHAPES = cases([(5,), (4, 1), (3, 4), (2, 3, 4), (2, 3, 1, 4)], [(5,), (4, 1), (2, 3, 4)])
ROUNDING = 2.0**-8  # of numbers of 8 significant bits


def rounded(x):
    return keras.ops.cast(keras.ops.convert_to_tensor(x), "bfloat16")


def as_float64(x):
    return np.asarray(to_numpy(keras.ops.cast(x, "float32")), "float64")


@functools.cache
def rounding_of_products():
    """On processors without instructions for these numbers, TensorFlow's products cut bits off instead of rounding."""
    x, y = rounded(random_array(64, 1)), rounded(random_array(1, 64, seed=1))
    exact = as_float64(x) @ as_float64(y)
    cut_off = (np.abs(as_float64(keras.ops.matmul(x, y)) - exact) > ROUNDING * np.abs(exact)).any()
    return 2 * ROUNDING if cut_off else ROUNDING


def einsum_equations_with_ellipsis(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            # An equation may be a variable; "... -> ..." with spaces is text.
            if "..." in node.value and "->" in node.value and " " not in node.value:
                yield node.value
        elif isinstance(node, ast.Call) and "einsum" in ast.unparse(node.func):
            for part in ast.walk(node.args[0]):
                if isinstance(part, ast.Constant) and "..." in str(part.value):
                    yield part.value


@pytest.mark.parametrize("package", ["keras_equivariant", "zoo", "training"])
def test_no_einsum_has_an_ellipsis(package):
    paths = list((ROOT / package).rglob("*.py"))
    assert paths
    assert {str(path): list(einsum_equations_with_ellipsis(path)) for path in paths} == {
        str(path): [] for path in paths
    }


@pytest.mark.parametrize(
    "code", ['ops.einsum("...i,io->...o", x, w)', 'np.einsum(f"...{i},io->...o", x)', 'EQUATION = "...i,io->...o"']
)
def test_an_ellipsis_is_found(code, tmp_path):
    (tmp_path / "code.py").write_text(code)
    assert list(einsum_equations_with_ellipsis(tmp_path / "code.py"))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "make",
    [
        lambda: OffsetDense(4, use_bias=False, feature_groups=1, dtype="bfloat16"),
        lambda: FeatureGroupPooling(1, "linear", "local", dtype="bfloat16"),
        lambda: FeatureGroupPooling(1, "linear", "global", dtype="bfloat16"),
    ],
    ids=["dense", "local pooling", "global pooling"],
)
def test_layers_in_bfloat16(make, shape):
    for width in WIDTHS:
        layer, x = make(), rounded(random_array(*shape, width))
        layer.build(x.shape)
        layer.kernel.assign(random_array(*layer.kernel.shape, seed=1))
        kernel, inputs = as_float64(layer.kernel), as_float64(x)
        roundings = 1
        if isinstance(layer, FeatureGroupPooling):
            kernel = to_numpy(OffsetProjection(1)(kernel))  # as the layer does, and rounds it
            roundings = 2
        if getattr(layer, "scope", None) == "global":
            inputs = inputs.reshape(len(inputs), -1, width).mean(axis=1)
            roundings += 1  # the means are rounded first
        expected, size = inputs @ kernel, np.abs(inputs) @ np.abs(kernel)
        for y in (layer(x), symbolic(layer, x)):
            assert "bfloat16" in str(y.dtype)
            assert y.shape == expected.shape
            assert (np.abs(as_float64(y) - expected) <= roundings * rounding_of_products() * size).all(), width


def symbolic(layer, x):
    """The layer in a model that knows of the input its rank and width only."""
    inputs = keras.Input((*[None] * (len(x.shape) - 2), x.shape[-1]), dtype="bfloat16")
    return keras.Model(inputs, layer(inputs))(x)


@pytest.mark.parametrize("shape", SHAPES)
def test_sparsemax_in_bfloat16(shape):
    for width in WIDTHS:
        x = rounded(random_array(*shape, width))
        y, expected = sparsemax(x), to_numpy(sparsemax(as_float64(x)))
        assert "bfloat16" in str(y.dtype)
        assert (np.abs(as_float64(y) - expected) <= ROUNDING * expected + 1e-6).all(), width


@pytest.mark.parametrize("layer", [OffsetDense(6), FeatureGroupPooling(3, "linear", "local"), sparsemax])
def test_batches_that_are_empty(layer):
    for shape in [(0, 9), (0, 4, 9), (0, 4, 5, 9)]:
        y = to_numpy(layer(np.zeros(shape, "float32")))
        assert y.shape[:-1] == shape[:-1]


def test_sparsemax_of_symbolic_tensors():
    for shape in [(7,), (None, 7), (None, None, 7)]:
        inputs = keras.Input(shape)
        x = random_array(2, *[3 if size is None else size for size in shape])
        y = keras.Model(inputs, sparsemax(inputs))(x)
        np.testing.assert_allclose(to_numpy(y), to_numpy(sparsemax(x)), atol=1e-6)
