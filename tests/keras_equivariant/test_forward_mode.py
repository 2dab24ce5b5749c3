"""Derivatives along a direction: of our layers by two reverse passes, as their documentation says."""

import keras
import numpy as np
import pytest
from helpers import random_array, relative_error, to_numpy

from keras_equivariant.layers import GroupConv2D, OffsetBatchNormalization

LAYERS = {
    "group convolution": lambda: GroupConv2D(3, 3, "p4"),
    "spectral": lambda: GroupConv2D(3, 3, "p4", implementation="spectral"),
    "offset normalisation": lambda: OffsetBatchNormalization(activation="relu"),
}


def along(layer, x, direction):
    """The derivative of the output along a direction of the first weight, by two reverse passes; a function of it."""
    weights = [variable.value for variable in layer.trainable_variables]
    states = [variable.value for variable in layer.non_trainable_variables]

    def outputs(first):
        return layer.stateless_call([first, *weights[1:]], states, x)[0]

    if keras.config.backend() == "jax":
        import jax

        y, back = jax.vjp(outputs, weights[0])
        return jax.vjp(lambda upstream: back(upstream)[0], 0 * y)[1](direction)[0], outputs
    import torch

    first = weights[0].detach().requires_grad_()
    y = outputs(first)
    upstream = torch.zeros_like(y, requires_grad=True)
    (back,) = torch.autograd.grad(y, first, upstream, create_graph=True)
    return torch.autograd.grad(back, upstream, torch.tensor(direction))[0], outputs


@pytest.mark.parametrize("name", LAYERS)
def test_two_reverse_passes_are_a_forward_one(name):
    if keras.config.backend() == "tensorflow":
        pytest.skip("tf.autodiff.ForwardAccumulator is one already")
    layer = LAYERS[name]()
    x = random_array(2, 6, 7, *([4, 3] if "normal" not in name else [6]))
    layer(x)
    first = to_numpy(layer.trainable_variables[0])
    direction = random_array(*first.shape, seed=1)
    found, outputs = along(layer, x, direction)
    step = np.float32(1e-2)
    ahead, behind = (to_numpy(outputs(keras.ops.convert_to_tensor(first + s * direction))) for s in (step, -step))
    assert relative_error(found, (ahead - behind) / (2 * step)) < 1e-2


@pytest.mark.parametrize("name", LAYERS)
def test_a_forward_pass(name, tensorflow_backend):
    import tensorflow as tf

    layer = LAYERS[name]()
    x = random_array(2, 6, 7, *([4, 3] if "normal" not in name else [6]))
    layer(x)
    first = layer.trainable_variables[0]
    direction = random_array(*first.shape, seed=1)
    with tf.autodiff.ForwardAccumulator(first.value, direction) as accumulator:
        y = layer(x)
    found, before, step = accumulator.jvp(y), to_numpy(first), np.float32(1e-2)
    ends = []
    for s in (step, -step):
        first.assign(before + s * direction)
        ends.append(to_numpy(layer(x)))
    assert relative_error(found, (ends[0] - ends[1]) / (2 * step)) < 1e-2
