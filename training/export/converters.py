"""Models written in other words, where a converter would not understand them or misread them."""

from collections.abc import Callable, Iterator
from typing import Any

import keras

from keras_equivariant.layers import GroupUpSampling2D
from keras_equivariant.planar import to_planar


def for_litert(model: keras.Model) -> keras.Model:
    """A model that LiteRT's converter takes: on free sizes without repeated pixels.

    After these the converter does not know the number of channels any more, and so has no convolution for them.

    Args:
        model: `keras.Model`.

    Returns:
        The model itself, or an equal one of ordinary layers.
    """

    def nearest(layer):
        return isinstance(layer, keras.layers.UpSampling2D) and layer.interpolation == "nearest"

    if None not in model.input_shape[1:-1] or not any(map(nearest, _leaves(model))):
        return model
    return _with_others(to_planar(model), nearest, _NearestNeighbours)


def for_onnx(model: keras.Model) -> keras.Model:
    """A model that ONNX Runtime computes: on free sizes without doubled maps on a group.

    As the converter writes these, they change the number of pictures, and what reads them beside a shortcut fails.

    Args:
        model: `keras.Model`.

    Returns:
        The model itself, or an equal one of ordinary layers.
    """
    if None in model.input_shape[1:-1] and any(isinstance(layer, GroupUpSampling2D) for layer in _leaves(model)):
        return to_planar(model)
    return model


def for_openvino(model: keras.Model) -> keras.Model:
    """A model that OpenVINO's converter reads rightly: without zeros before a convolution that adds zeros of its own.

    The converter would make one of them, and leave out the convolution's.

    Args:
        model: `keras.Model`.

    Returns:
        The model itself, or an equal one of ordinary layers.
    """

    def padding(layer):
        return type(layer) is keras.layers.ZeroPadding2D and layer.data_format == "channels_last"

    if not any(map(padding, _leaves(model))):
        return model
    return _with_others(to_planar(model), padding, _ZerosBeside)


class _NearestNeighbours(keras.layers.UpSampling2D):
    """The same by another operation."""

    def call(self, inputs: Any) -> Any:
        import tensorflow as tf

        return tf.image.resize(inputs, tf.shape(inputs)[1:3] * self.size, method="nearest")


class _ZerosBeside(keras.layers.ZeroPadding2D):
    """The same by another operation."""

    def call(self, inputs: Any) -> Any:
        for axis, (before, behind) in enumerate(self.padding, start=1):
            line = keras.ops.zeros_like(keras.ops.take(inputs, [0], axis=axis))
            parts = [line] * before + [inputs] + [line] * behind
            inputs = keras.ops.concatenate(parts, axis=axis) if len(parts) > 1 else inputs
        return inputs


def _leaves(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """The layers of a model and of those in it."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _leaves(layer)
        else:
            yield layer


def _with_others(model: keras.Model, chosen: Callable[[Any], bool], other: type[keras.layers.Layer]) -> keras.Model:
    """A copy of a model whose chosen layers are of another class."""

    def copy(layer):
        return (other if chosen(layer) else type(layer)).from_config(layer.get_config())

    result = keras.models.clone_model(model, clone_function=copy, recursive=True)
    result.set_weights(model.get_weights())
    return result
