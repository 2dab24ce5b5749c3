"""Population statistics for batch normalisation."""

from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_equivariant.layers import GroupBatchNormalization
from keras_equivariant.typing import Tensor

_PLAIN = (keras.layers.BatchNormalization, GroupBatchNormalization)


def reestimate_batch_norm(model: keras.Model, batches: Iterable[tuple[Any, Any]]) -> None:
    """Replaces the moving averages of all batch normalisations by the statistics of a pass over the training set.

    The moving averages lag behind the weights and remember the first steps of a short training. Here every batch is
    normalised by its own mean and variance, as in training but with dropout off, and the mean and the variance over
    all batches together are kept. Weights do not change.

    Args:
        model: A functional `keras.Model`; one without batch normalisation stays as it is.
        batches: Iterable of `(images, labels)`, as for training.

    Raises:
        ValueError: If there is no batch, or a batch normalisation is in another layer or model of the model, or is of
            a class with a formula of its own.

    Reference:
        [Ioffe & Szegedy, 2015](https://arxiv.org/abs/1502.03167), algorithm 2.
    """
    if not check_batch_norm(model):
        return
    norms, statistics = _statistics_model(model)
    count, means, squares = 0, [0.0] * len(norms), [0.0] * len(norms)
    for images, _ in batches:
        count += len(images)
        for i, (mean, variance) in enumerate(statistics.predict_on_batch(np.asarray(images))):
            means[i] = means[i] + len(images) * mean.astype("float64")
            squares[i] = squares[i] + len(images) * (variance + mean.astype("float64") ** 2)
    if count == 0:
        raise ValueError("`batches` must not be empty. Received: no batch")
    for norm, mean, square in zip(norms, means, squares, strict=True):
        norm.moving_mean.assign(mean / count)
        norm.moving_variance.assign(square / count - (mean / count) ** 2)


def inner_layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """All layers of a model, those of the models and wrappers in it included."""
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.layers.Wrapper):
            layer = layer.layer
            yield layer
        if isinstance(layer, keras.Model):
            yield from inner_layers(layer)


def check_batch_norm(model: keras.Model) -> bool:
    """Checks that all batch normalisations of a model can be reestimated.

    Returns:
        Whether there is one.

    Raises:
        ValueError: If one cannot.
    """
    found = [layer for layer in inner_layers(model) if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in found:
        if type(layer) not in _PLAIN or not any(layer is outer for outer in model.layers):
            raise ValueError(
                "`model` must have plain batch normalisations only, as layers of its own, for `reestimate_batch_norm`. "
                f"Received: the layer {layer.name!r} of the class {type(layer).__name__}"
            )
    return bool(found)


def _statistics_model(model: keras.Model) -> tuple[list[keras.layers.BatchNormalization], keras.Model]:
    """The batch normalisations of a model, and a model from images to the mean and variance that each sees."""
    norms, moments = [], []

    def call(layer: keras.layers.Layer, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if not isinstance(layer, keras.layers.BatchNormalization):
            return layer(x, *args, **kwargs)
        y = ops.cast(x, "float32")
        mean, variance = ops.moments(y, axes=list(range(len(y.shape) - 1)))
        norms.append(layer)
        moments.append((mean, variance))
        y = (y - mean) * ops.rsqrt(variance + layer.epsilon)
        y = y * layer.gamma if layer.scale else y
        y = y + layer.beta if layer.center else y
        return ops.cast(y, layer.compute_dtype)

    batch_normalised = keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)
    return norms, keras.Model(batch_normalised.input, moments)
