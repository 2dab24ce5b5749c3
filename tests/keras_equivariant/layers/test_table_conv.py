import bouvrie_oracle as oracle
import keras
import numpy as np
import pytest
from helpers import DTYPES, TOLERANCES, check_layer, gradients, random_array, randomise, relative_error, to_numpy

from keras_equivariant.layers import TableConv2D, all_pairs, all_triplets, lenet5_table

UNEVEN = ((0, 2), (1,), (0, 1, 2, 3), (3, 1))
# Table I of LeCun et al. (1998), read off the page: a column for each map of C3, an X where it reads the map of S2.
LENET5 = """
X...XXX..XXXX.XX
XX...XXX..XXXX.X
XXX...XXX..X.XXX
.XXX..XXXX..X.XX
..XXX..XXXX.XX.X
...XXX..XXXX.XXX
"""


def maps(x):
    return list(np.moveaxis(np.asarray(x[0], "float64"), -1, 0))


def flipped_kernels(kernel, table):
    """The stored kernels as the notes have them: for each output map one for each input map, turned by 180 degrees."""
    each = iter(np.moveaxis(np.asarray(kernel, "float64")[::-1, ::-1], -1, 0))
    return [[next(each) for _ in inputs] for inputs in table]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("table", [UNEVEN, all_pairs(4), lenet5_table()])
def test_forward_and_backward_agree_with_the_notes(table, dtype):
    channels = 1 + max(map(max, table))
    x = random_array(1, 6, 7, channels, dtype=dtype)
    layer = TableConv2D(table, (3, 2), dtype=dtype)
    layer.build(x.shape)
    randomise(layer)
    kernels = flipped_kernels(to_numpy(layer.kernel), table)
    y = layer(x)
    expected = oracle.table_forward(maps(x), kernels, table, to_numpy(layer.bias))
    assert relative_error(y, np.stack(expected, -1)[None]) < TOLERANCES[dtype]

    delta = random_array(*y.shape, dtype=dtype, seed=1)
    at_x, at_kernel, at_bias = gradients(layer, x, delta)
    expected = oracle.table_input_gradients(maps(delta), kernels, table, channels)
    assert relative_error(at_x, np.stack(expected, -1)[None]) < TOLERANCES[dtype]
    expected = [k for row in oracle.table_kernel_gradients(maps(x), maps(delta), table) for k in row]
    assert relative_error(at_kernel[::-1, ::-1], np.stack(expected, -1)) < TOLERANCES[dtype]
    assert relative_error(at_bias, oracle.bias_gradients(maps(delta))) < TOLERANCES[dtype]


def test_agrees_with_an_ordinary_convolution_with_zeros():
    x = random_array(2, 9, 8, 4)
    arguments = {"strides": 2, "padding": "same", "activation": "relu"}
    layer, ordinary = TableConv2D(UNEVEN, 3, **arguments), keras.layers.Conv2D(4, 3, **arguments)
    y, _ = layer(x), ordinary(x)
    kernel = to_numpy(layer.expanded_kernel)
    connected = [[i in inputs for inputs in UNEVEN] for i in range(4)]
    np.testing.assert_array_equal((kernel != 0).all(axis=(0, 1)), connected)
    np.testing.assert_array_equal((kernel != 0).any(axis=(0, 1)), connected)
    ordinary.set_weights([kernel, to_numpy(layer.bias)])
    np.testing.assert_allclose(to_numpy(y), to_numpy(ordinary(x)), rtol=1e-5, atol=1e-6)


def test_tables():
    assert all_pairs(4) == ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
    assert all_triplets(4) == ((0, 1, 2), (0, 1, 3), (0, 2, 3), (1, 2, 3))
    printed = np.array([list(row) for row in LENET5.split()]) == "X"
    assert [list(inputs) for inputs in lenet5_table()] == [np.flatnonzero(column).tolist() for column in printed.T]
    layer = TableConv2D(lenet5_table(), 5)
    layer.build((1, 14, 14, 6))
    assert layer.count_params() == 1516


def test_initialisers_see_the_true_fan_in():
    table = (tuple(range(30)), *all_pairs(30), tuple(range(30)))
    layer = TableConv2D(table, 5, kernel_initializer="lecun_normal")
    layer.build((1, 9, 9, 30))
    kernel = to_numpy(layer.kernel)
    assert abs(kernel[..., 30:-30].std() * np.sqrt(25 * 2) - 1) < 0.05
    assert abs(kernel[..., :30].std() * np.sqrt(25 * 30) - 1) < 0.1
    assert abs(kernel[..., -30:].std() * np.sqrt(25 * 30) - 1) < 0.1
    assert len(np.unique(kernel)) > 0.99 * kernel.size  # no block repeats another


@pytest.mark.parametrize(
    "initializer", ["random_normal", keras.initializers.RandomNormal(seed=keras.random.SeedGenerator(1))]
)
def test_widths_draw_different_numbers(initializer):
    layer = TableConv2D(((0, 1), (0, 1, 2)), 5, kernel_initializer=initializer)
    layer.build((1, 9, 9, 3))
    kernel = to_numpy(layer.kernel)
    assert len(np.unique(kernel)) == kernel.size


def test_initialisers_of_other_kinds():
    def ordinary_function(shape, dtype=None):
        return keras.ops.full(shape, 2.0, dtype=dtype)

    for initializer in (ordinary_function, keras.initializers.Constant(2.0), "orthogonal"):
        layer = TableConv2D(((0, 1), (0, 1, 2)), 5, kernel_initializer=initializer)
        layer.build((1, 9, 9, 3))
        assert initializer == "orthogonal" or (to_numpy(layer.kernel) == 2).all()
    seeded = [TableConv2D(UNEVEN, 3, kernel_initializer=keras.initializers.HeNormal(seed=1)) for _ in range(2)]
    for layer in seeded:
        layer.build((1, 9, 9, 4))
    np.testing.assert_array_equal(to_numpy(seeded[0].kernel), to_numpy(seeded[1].kernel))


def test_layer_conventions(once):
    arguments = {"connection_table": UNEVEN, "kernel_size": 3, "dilation_rate": (2, 2), "use_bias": False}
    check_layer(TableConv2D, arguments, (2, 7, 8, 4))


def test_spatial_sizes_may_be_unknown():
    inputs = keras.Input((None, None, 4))
    model = keras.Model(inputs, TableConv2D(UNEVEN, 3)(inputs))
    assert model(random_array(1, 9, 8, 4)).shape == (1, 7, 6, 4)


@pytest.mark.parametrize(
    "arguments, shape, message",
    [
        ({"connection_table": []}, None, r"must hold.*Received: connection_table=\[\]"),
        ({"connection_table": [[0], []]}, None, "must hold.*Received"),
        ({"connection_table": [[0, 0]]}, None, "different indices.*Received"),
        ({"connection_table": [[-1]]}, None, "must hold.*Received"),
        ({"connection_table": [[0.5]]}, None, "must hold.*Received"),
        ({"connection_table": 6}, None, "must hold.*Received: connection_table=6"),
        ({"data_format": "channels_first"}, None, "must be 'channels_last'. Received"),
        ({"groups": 2}, None, "must be left out.*Received: groups=2"),
        ({}, (1, 8, 8, 5), r"names 4 input maps.*Received: input_shape=\(1, 8, 8, 5\)"),
        ({}, (1, 8, 4), "ndim=3"),
        ({}, (1, 2, 2, 4), "Received"),
    ],
)
def test_bad_arguments(arguments, shape, message):
    with pytest.raises(ValueError, match=message):
        TableConv2D(**{"connection_table": UNEVEN, "kernel_size": 3, **arguments})(
            random_array(*(shape or (1, 8, 8, 4)))
        )
