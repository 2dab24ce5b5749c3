"""Equivariance over random shapes, groups, strides, dilations and types; and that the warning tells the truth."""

import warnings

import keras
import pytest
from helpers import TOLERANCES, random_array, randomise
from offsets import offset_error

from keras_equivariant import layers
from keras_equivariant.equivariance import equivariance_error
from keras_equivariant.sampling import EquivarianceWarning
from keras_equivariant.symmetry import get_symmetry

hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies

pytestmark = pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="float64 in all operations")
few = hypothesis.settings(max_examples=10, derandomize=True, deadline=None)
dtypes = st.sampled_from(["float32", "float64"])
symmetries = st.sampled_from(["p1", "p2", "p4", "pm", "pmm", "p4m"])
LIMIT = {name: 5 * tolerance for name, tolerance in TOLERANCES.items()}


@st.composite
def windows(draw, paddings):
    """A window that fits into a map: its size, stride, dilation and padding, and the map's height and width."""
    size, stride = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    dilation = draw(st.integers(1, 2)) if stride == 1 else 1
    extent = (size - 1) * dilation + 1
    space = [draw(st.integers(extent, extent + 5)) for _ in range(2)]
    return size, {"strides": stride, "padding": draw(st.sampled_from(paddings))}, {"dilation_rate": dilation}, space


def error_and_warning(layer, x, symmetry):
    """How far a layer with random weights is from equivariant, and whether it says that it is not."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        layer.build(x.shape)
    randomise(layer)
    return equivariance_error(layer, x, symmetry), any(w.category is EquivarianceWarning for w in caught)


@few
@hypothesis.given(windows(["valid", "same", "reflect", "wrap", "edge"]), symmetries, st.booleans(), dtypes)
def test_group_convolution(window, symmetry, lifts, dtype):
    size, arguments, dilation, space = window
    orientations = () if lifts else (get_symmetry(symmetry).order,)
    layer = layers.GroupConv2D(2, size, symmetry, **arguments, **dilation, dtype=dtype)
    error, warned = error_and_warning(layer, random_array(1, *space, *orientations, 3, dtype=dtype), symmetry)
    assert warned == (error > LIMIT[dtype])


@few
@hypothesis.given(
    windows(["valid", "same"]), st.sampled_from([layers.GroupMaxPooling2D, layers.GroupAveragePooling2D]), dtypes
)
def test_group_pooling(window, pooling, dtype):
    size, arguments, _, space = window
    layer = pooling(size, **arguments, dtype=dtype)
    error, warned = error_and_warning(layer, random_array(1, *space, 8, 2, dtype=dtype), "p4m")
    assert warned == (error > LIMIT[dtype])


@few
@hypothesis.given(windows(["valid", "same"]), symmetries, dtypes)
def test_grid_centring_makes_what_follows_exact(window, symmetry, dtype):
    size, arguments, _, space = window
    hypothesis.assume(size % 2 or arguments["padding"] == "valid" or arguments["strides"] > 1)
    model = keras.Sequential(
        [
            keras.Input((*space, 2), dtype=dtype),
            layers.GridCentring2D(size, **arguments, dtype=dtype),
            layers.GroupConv2D(2, size, symmetry, **arguments, dtype=dtype),
        ]
    )
    assert equivariance_error(model, random_array(1, *space, 2, dtype=dtype), symmetry) < LIMIT[dtype]


@few
@hypothesis.given(windows(["valid", "same"]), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), dtypes)
def test_offset_convolution(window, groups, inputs, outputs, dtype):
    size, arguments, dilation, space = window
    arguments |= {"feature_groups": groups, "activation": "tanh", "dtype": dtype}
    x = random_array(2, *space, inputs * groups, dtype=dtype)
    layer = layers.OffsetConv2D(outputs * groups, size, **arguments, **dilation)
    assert offset_error(layer, x, groups) < LIMIT[dtype]


@few
@hypothesis.given(windows(["valid", "same"]), st.integers(1, 3), st.integers(1, 2), dtypes)
def test_transposed_offset_convolution(window, groups, block, dtype):
    size, arguments, _, space = window
    layer = layers.OffsetConv2DTranspose(block * groups, size, **arguments, feature_groups=groups, dtype=dtype)
    assert offset_error(layer, random_array(2, *space, 2 * groups, dtype=dtype), groups) < LIMIT[dtype]


@few
@hypothesis.given(st.lists(st.integers(1, 4), max_size=3), st.integers(1, 4), st.integers(1, 4), dtypes)
def test_offset_layers_on_any_number_of_axes(space, groups, block, dtype):
    x = random_array(3, *space, block * groups, dtype=dtype)
    for layer in (
        layers.OffsetDense(2 * groups, feature_groups=groups, activation="tanh", dtype=dtype),
        layers.OffsetReLU(groups, dtype=dtype),
        layers.OffsetBatchNormalization(feature_groups=groups, activation="relu", dtype=dtype),
    ):
        assert offset_error(layer, x, groups) < LIMIT[dtype]
