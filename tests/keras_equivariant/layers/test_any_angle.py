"""Layers on groups with turns by less than 90 degrees."""

import warnings

import harmonics_oracle
import keras
import numpy as np
import pytest
from helpers import TOLERANCES, cases, check_layer, gradients, random_array, randomise, relative_error, to_numpy
from scipy import ndimage

from keras_equivariant import layers as own
from keras_equivariant.equivariance import equivariance_error, transform_array, turning_errors
from keras_equivariant.harmonics import harmonics, number_of_functions, turned_harmonics
from keras_equivariant.symmetry import get_symmetry, rotations

pytestmark = pytest.mark.filterwarnings("ignore:.*turned copies of filters")
GROUPS = {"p8": (8, False), "p12": (12, False), "p8m": (8, True), "p16m": (16, True)}
FORMULAS = [
    ("p8m", 3, True),
    ("p8m", 5, False),
    ("p8", 3, False),
    ("p8", 5, True),
    ("p12", 7, True),
    ("p16m", 3, True),
]
PRECISIONS = ["float32", *(["float64"] if keras.config.backend() == "tensorflow" else [])]


def expected_of(layer, x, symmetry, members=None):
    f = x if x.ndim == 5 else x[:, :, :, None]
    kernel = to_numpy(layer.kernel).astype("float64")
    y = harmonics_oracle.correlate(f, kernel, layer.kernel_size[0], *GROUPS[symmetry], members)
    return y + to_numpy(layer.bias)


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("symmetry, size, lifts", cases(FORMULAS, FORMULAS[:2]))
def test_agrees_with_the_formula(symmetry, size, lifts, dtype):
    order = get_symmetry(symmetry).order
    x = random_array(2, 8, 7, 3, dtype=dtype) if lifts else random_array(2, 6, 7, order, 2, dtype=dtype)
    layer = own.GroupConv2D(2, size, symmetry, dtype=dtype)
    layer.build(x.shape)
    randomise(layer)
    assert relative_error(layer(x), expected_of(layer, x, symmetry)) < TOLERANCES[dtype]


def test_a_map_on_a_quotient_agrees_with_the_formula():
    cosets = get_symmetry("p8m").cosets("p4")
    dtype = PRECISIONS[-1]
    layer = own.GroupConv2D(2, 3, "p8m", input_subgroup="p4", dtype=dtype)
    x = random_array(1, 5, 6, len(cosets), 2, dtype=dtype)
    layer.build(x.shape)
    randomise(layer)
    assert relative_error(layer(x), expected_of(layer, x, "p8m", cosets.tolist())) < TOLERANCES[dtype]


def test_coefficients_get_the_gradient_of_the_convolution():
    x = random_array(2, 6, 6, 8, 3, dtype=PRECISIONS[-1])
    layer = own.GroupConv2D(2, 3, "p8", use_bias=False, dtype=PRECISIONS[-1])
    before = to_numpy(layer(x)).astype("float64")
    upstream = random_array(*before.shape, dtype=PRECISIONS[-1], seed=1)
    _, gradient = gradients(layer, x, upstream)
    # The layer is linear in its coefficients, so a step of any length shows the derivative along it.
    step = random_array(*layer.kernel.shape, dtype=PRECISIONS[-1], seed=2)
    layer._kernel.assign(to_numpy(layer.kernel) + step)
    difference = (upstream * (to_numpy(layer(x)) - before)).sum()
    assert abs((gradient * step).sum() / difference - 1) < 10 * TOLERANCES[PRECISIONS[-1]]


LAYERS = {
    "strided": (lambda s, dtype: own.GroupConv2D(3, 3, s, strides=2, padding="same", dtype=dtype), True),
    "dilated": (lambda s, dtype: own.GroupConv2D(3, 3, s, dilation_rate=2, padding="same", dtype=dtype), False),
    "in blocks": (lambda s, dtype: own.GroupConv2D(2, 3, s, groups=2, padding="reflect", dtype=dtype), False),
    "transposed": (lambda s, dtype: own.GroupConv2DTranspose(3, 3, s, strides=1, padding="same", dtype=dtype), False),
    "depthwise": (lambda s, dtype: own.GroupDepthwiseConv2D(5, s, padding="same", dtype=dtype), False),
    "separable": (lambda s, dtype: own.GroupSeparableConv2D(3, 3, s, padding="same", dtype=dtype), False),
    "blurred": (lambda s, dtype: own.GroupAveragePooling2D(1, 2, blur=0.7, dtype=dtype), True),
    "up": (lambda s, dtype: own.GroupUpSampling2D(2, interpolation="bilinear", dtype=dtype), False),
    "pooled": (lambda s, dtype: own.CosetPooling(s, reduction="mean", dtype=dtype), False),
    "batch norm": (lambda s, dtype: keras.layers.BatchNormalization(dtype=dtype), False),
}


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("symmetry", cases(["p8", "p12m"], ["p8"]))
@pytest.mark.parametrize("kind", cases(LAYERS, ["strided", "in blocks", "transposed", "separable", "blurred"]))
def test_quarter_turns_and_mirrors_are_exact(kind, symmetry, dtype):
    make, odd_only = LAYERS[kind]
    for size in [(7, 9), *([] if odd_only else [(6, 6), (8, 7)])]:
        x = random_array(1, *size, get_symmetry(symmetry).order, 4, dtype=dtype)
        layer = make(symmetry, dtype)
        layer.build(x.shape)
        randomise(layer)
        exact = dtype if kind != "up" else "float32"  # TensorFlow resizes in float32
        assert equivariance_error(layer, x, symmetry) < TOLERANCES[exact], size


def test_restriction_keeps_the_subgroup():
    x = random_array(1, 7, 7, 32, 2)
    y = to_numpy(own.SubgroupRestriction("p16m", "p8")(x))
    assert y.shape == (1, 7, 7, 8, 8)
    for element, own_element in enumerate(get_symmetry("p16m").subgroup("p8")):
        if element in get_symmetry("p8").exact_elements:
            moved = own.SubgroupRestriction("p16m", "p8")(transform_array(x, "p16m", int(own_element)))
            assert relative_error(moved, transform_array(y, "p8", element)) < 1e-6


def smooth_images(blur):
    noise = np.random.default_rng(0).normal(size=(1, 41, 41, 1))
    return ndimage.gaussian_filter(noise, (0, blur, blur, 0)).astype("float32")


@pytest.mark.parametrize("symmetry", cases(["p8", "p16m"], ["p8"]))
def test_finer_turns_are_followed_the_better_the_smoother_the_image(symmetry):
    image = keras.Input((41, 41, 1))
    x = own.GroupConv2D(4, 5, symmetry, padding="same", activation="relu", kernel_initializer="he_normal")(image)
    x = own.GroupConv2D(4, 5, symmetry, padding="same", kernel_initializer="he_normal")(x)
    model = keras.Model(image, x)
    for layer in model.layers:
        if layer.weights:
            layer.set_weights([random_array(*layer.kernel.shape, seed=3), np.ones(4)])
    rough, smooth = (turning_errors(model, smooth_images(blur), symmetry) for blur in (1.5, 3.0))
    for angle in rough:
        if angle % 90 == 0:
            assert smooth[angle] < 1e-5
        else:
            assert 1e-4 < smooth[angle] < 0.5 * rough[angle] < 0.05, angle


def test_an_ordinary_convolution_does_not_follow_them():
    errors = turning_errors(keras.layers.Conv2D(8, 5, padding="same"), smooth_images(3.0), "p8")
    assert min(errors.values()) > 0.2


def test_waves_that_are_turned_without_interpolation():
    """The output at one pixel, for sums of plane waves turned by their formula: the error is the filters' own."""
    rng = np.random.default_rng(0)
    waves = rng.normal(size=(6, 2)) * 0.4
    phases = rng.uniform(0, 2 * np.pi, 6)
    lift = own.GroupConv2D(4, 5, "p16", activation="relu", kernel_initializer="he_normal")
    mix = own.GroupConv2D(4, 5, "p16", kernel_initializer="he_normal")
    rows, columns = np.indices((9, 9)) - 4

    def response(turn):
        c, s = np.cos(2 * np.pi * turn / 16), np.sin(2 * np.pi * turn / 16)
        k = waves @ np.array([[c, s], [-s, c]])  # each wave vector turned
        image = np.cos(columns * k[:, :1, None] - rows * k[:, 1:, None] + phases[:, None, None]).sum(axis=0)
        return to_numpy(mix(lift(image.astype("float32")[None, :, :, None])))[0, 0, 0]

    upright = response(0)
    for turn in range(1, 16):
        expected = upright[get_symmetry("p16").product[get_symmetry("p16").inverse[turn]]]
        assert np.linalg.norm(response(turn) - expected) < 0.05 * np.linalg.norm(upright), turn


def test_harmonics():
    assert [number_of_functions(size) for size in (1, 3, 5, 7, 9, 11)] == [1, 6, 11, 18, 31, 46]
    points = random_array(20, 2, dtype="float64")
    for size in (3, 5, 7):
        expected = harmonics_oracle.functions(points @ [1, 1j], size)
        np.testing.assert_allclose(harmonics(points, size), expected.T, atol=1e-12)
        turned = turned_harmonics(get_symmetry("p12m"), size)
        for s, matrix in enumerate(get_symmetry("p12m").matrices):
            taps = np.array([[x, y] for y in range(size // 2, -size // 2, -1) for x in np.arange(size) - size // 2])
            np.testing.assert_allclose(turned[s], harmonics(taps @ matrix, size), atol=1e-12)


def test_check_layer():
    arguments = {"filters": 4, "kernel_size": 3, "symmetry": "p8m", "strides": 2, "padding": "same", "groups": 2}
    check_layer(own.GroupConv2D, arguments, (2, 7, 7, 16, 2))
    check_layer(own.GroupConv2DTranspose, {"filters": 2, "kernel_size": 3, "symmetry": "p8"}, (2, 5, 5, 8, 2))
    check_layer(own.GroupDepthwiseConv2D, {"kernel_size": 3, "symmetry": "p8"}, (2, 5, 5, 3))
    check_layer(own.GroupSeparableConv2D, {"filters": 2, "kernel_size": 3, "symmetry": "p8"}, (2, 5, 5, 8, 3))


def test_initial_coefficients_keep_the_variance():
    layer = own.GroupConv2D(64, 5, "p8", kernel_initializer="he_normal", use_bias=False, padding="same")
    y = to_numpy(layer(random_array(4, 12, 12, 8, 16)))[:, 3:-3, 3:-3]
    assert layer.kernel.shape == (11, 8, 16, 64)
    assert 1.7 < y.var() < 2.3


def test_bad_arguments():
    x, map_on_p8 = random_array(1, 15, 15, 2), random_array(1, 9, 9, 8, 2)
    for kernel_size in (2, 4, 13, (3, 5)):
        with pytest.raises(ValueError, match=r"`kernel_size` must be .*Received: kernel_size="):
            own.GroupConv2D(2, kernel_size, "p8")(x)
    with pytest.raises(ValueError, match="must act on 1 dimensions, not 2. Received: symmetry='p8'"):
        own.GroupConv1D(2, 3, "p8")
    with pytest.raises(ValueError, match="must act on 3 dimensions, not 2. Received: symmetry='p16m'"):
        own.GroupConv3D(2, 3, "p16m")
    with pytest.raises(ValueError, match="only turns by 90 degrees.*Received: .*symmetry='p8'"):
        own.GroupConv2D(2, 3, "p8", implementation="spectral")
    with pytest.raises(ValueError, match="`symmetry` must map pixels onto pixels.*Received: symmetry='p8'"):
        own.OffsetGroupConv2D(6, 3, "p8")
    with pytest.raises(ValueError, match="Received: subgroup='p16'"):
        own.SubgroupRestriction("p8", "p16")
    with pytest.raises(ValueError, match="Received: subgroup='p3'"):
        own.CosetPooling("p12", "p3")
    with pytest.raises(ValueError, match="`element` must map the grid .*Received: element=1"):
        get_symmetry("p8").act_on_grid(1, (3, 3))
    for blur in (0, -1.0, "1", True, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="`blur` must be a positive number of pixels"):
            own.GroupAveragePooling2D(2, blur=blur)
    with pytest.raises(ValueError, match="`inputs` must be square images"):
        turning_errors(own.GroupConv2D(2, 3, "p8"), map_on_p8, "p8")
    with pytest.raises(ValueError, match="`symmetry` must be one of a square grid in the plane"):
        turning_errors(own.GroupConv2D(2, 3, "p6"), x, "p6")
    for turns in (6, 0, -8, 8.0, True, "8"):
        with pytest.raises(ValueError, match="`turns` must be a positive multiple of 4"):
            rotations(turns)
    with pytest.raises(ValueError, match="`mirrors` must be a bool"):
        rotations(8, mirrors=1)


@pytest.mark.parametrize(
    "size, channels, said",
    [(3, (2,), "8 turned copies of filters that combine 6 functions"), (5, (2,), ""), (1, (2,), ""), (3, (8, 2), "")],
)
def test_too_few_functions_are_said(size, channels, said):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        own.GroupConv2D(2, size, "p8")(random_array(1, 9, 9, *channels))
    messages = [str(warning.message) for warning in caught if warning.category is UserWarning]
    assert len(messages) == bool(said)
    assert all(said in message for message in messages)


@pytest.mark.parametrize("turns, mirrors", [*GROUPS.values(), (20, False)])
def test_groups(turns, mirrors):
    group = rotations(turns, mirrors)
    assert rotations(turns, mirrors) is get_symmetry(group.name)
    elements = harmonics_oracle.elements(turns, mirrors)
    points = np.array([1.0, 1j, 0.3 - 2j])
    for a, first in enumerate(elements):
        seen = group.matrices[a] @ np.array([points.real, points.imag])
        np.testing.assert_allclose(seen[0] + 1j * seen[1], first(points), atol=1e-12)
        for b, second in enumerate(elements):
            product = elements[group.product[a, b]]
            np.testing.assert_allclose(product(points), first(second(points)), atol=1e-12)
    assert (group.product[np.arange(group.order), group.inverse] == 0).all()
    names = ["p4m", "pm", "p2"] if mirrors else ["p4", "p2"]
    for name in names:
        assert len(group.cosets(name)) == group.order // get_symmetry(name).order
