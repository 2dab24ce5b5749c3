"""Offset equivariance, straight from its definition."""

import keras
import numpy as np
from helpers import ON_TENSORFLOW, predict, random_array


def assignment(features, groups):
    """Equation 25: feature i, counted from 1, is in the group ceil(groups * i / features)."""
    return np.array(
        [[float(-(-groups * i // features) == j) for j in range(1, groups + 1)] for i in range(1, features + 1)]
    )


def pooled(x, groups, reduce=np.mean):
    """A group pooling over all positions and the channels of each group, (batch, groups)."""
    x = np.asarray(x, "float64")
    members = assignment(x.shape[-1], groups).astype(bool)
    return np.stack([[reduce(image[..., members[:, j]]) for j in range(groups)] for image in x])


def spread(values, like):
    """G phi, with as many axes as a map."""
    return (values @ assignment(like.shape[-1], values.shape[-1]).T).reshape(len(values), *[1] * (like.ndim - 2), -1)


def offset_error(function, inputs, groups, seed=5, scale=1.0):
    """Largest deviation of f(x + G d) from f(x) + G d over random d, one for each image, relative to the largest f(x).

    `inputs` is an array or a list of arrays, which all take the same offset.
    """
    many = isinstance(inputs, list)
    arrays = inputs if many else [inputs]
    offsets = scale * np.random.default_rng(seed).normal(size=(len(arrays[0]), groups))
    moved = [(x + spread(offsets, x)).astype(x.dtype) for x in arrays]
    before, after = (predict(function, x if many else x[0]).astype("float64") for x in (arrays, moved))
    return np.abs(after - before - spread(offsets, before)).max() / np.abs(before).max()


def train(layer, x, optimizer, steps=50, callbacks=()):
    """Some steps of training towards random targets."""
    model = keras.Sequential([keras.Input(x.shape[1:]), layer])
    # A few steps take less time one operation at a time than to trace the graph of one.
    model.compile(optimizer, "mse", jit_compile=False, run_eagerly=ON_TENSORFLOW and steps <= 5)
    targets = random_array(*model.compute_output_shape(x.shape), seed=9)
    for _ in range(steps):
        loss = model.train_on_batch(x, targets)
    assert np.isfinite(loss)
    return model
