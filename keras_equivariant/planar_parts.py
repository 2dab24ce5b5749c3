"""What lowering to plain Keras layers needs everywhere; `planar.to_planar` is what users call."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_equivariant.activations import Logistic, ScaledTanh
from keras_equivariant.typing import Tensor

CLASSIC_ACTIVATIONS = (Logistic, ScaledTanh)
# What acts in training only.
INACTIVE = (
    keras.layers.Dropout,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.AlphaDropout,
    keras.layers.ActivityRegularization,
)
_ELEMENTWISE = (keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.ELU, keras.layers.Rescaling)
_NOT_ELEMENTWISE = ("softmax", "log_softmax", "sparsemax", "glu")


class Refused(Exception):
    """A layer has a setting that cannot be lowered; the message says which."""


def naming(layer: keras.layers.Layer) -> dict[str, Any]:
    """Name and precision of the layer that takes another's place."""
    return {"name": layer.name, "dtype": layer.variable_dtype}


def copy(layer: keras.layers.Layer) -> keras.layers.Layer:
    """A Keras layer with the same configuration, but neither weights nor an activation of ours."""
    config = {**layer.get_config(), **naming(layer)}
    if isinstance(getattr(layer, "activation", None), CLASSIC_ACTIVATIONS):
        config["activation"] = "linear"
    return type(layer).from_config(config)


def convolution_like(
    layer: keras.layers.Layer, plain: type[keras.layers.Layer] = keras.layers.Conv2D, **changes: Any
) -> keras.layers.Layer:
    """A plain convolution with the settings of another layer, but for its activation and what is changed."""
    names = ("filters", "kernel_size", "strides", "padding", "dilation_rate", "use_bias")
    return plain(**{**{name: getattr(layer, name) for name in names}, **naming(layer), **changes})


def with_weights(layer: keras.layers.Layer, weights: Sequence[np.ndarray], *args: Any, **kwargs: Any) -> Any:
    """Calls a new layer and gives it its weights; returns the outputs."""
    outputs = layer(*args, **kwargs)
    layer.set_weights(weights)
    return outputs


def to_numpy(x: Tensor) -> np.ndarray:
    """A tensor as an array."""
    return keras.ops.convert_to_numpy(x)


def free(space: Sequence[int | None]) -> list[int]:
    """Spatial sizes for a reshape, which can infer one that is unknown."""
    if space.count(None) > 1:
        raise ValueError(f"`model` must know the height or the width of its feature maps. Received: {tuple(space)}")
    return [-1 if size is None else size for size in space]


def is_elementwise(activation: Callable[[Tensor], Tensor]) -> bool:
    """Whether an activation function is one of Keras' that treats each number alone."""
    name = getattr(activation, "__name__", "")
    return getattr(keras.activations, name, None) is activation and name not in _NOT_ELEMENTWISE


def is_elementwise_layer(layer: keras.layers.Layer) -> bool:
    """Whether a layer is one of Keras' that treats each number alone."""
    activates = isinstance(layer, keras.layers.Activation) and is_elementwise(layer.activation)
    return activates or isinstance(layer, _ELEMENTWISE)
