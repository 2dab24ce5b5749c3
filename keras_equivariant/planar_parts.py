"""What lowering to plain Keras layers needs everywhere; `planar.to_planar` is what users call."""

import contextlib
import contextvars
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from keras_equivariant.activations import Logistic, ScaledTanh
from keras_equivariant.layers import ApplyGamma, LogRGB, RandomIlluminant, RemoveGamma
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
MERGES = (
    keras.layers.Add,
    keras.layers.Average,
    keras.layers.Concatenate,
    keras.layers.Maximum,
    keras.layers.Minimum,
    keras.layers.Multiply,
    keras.layers.Subtract,
)
COLOURS = (ApplyGamma, LogRGB, RandomIlluminant, RemoveGamma)
_ELEMENTWISE = (keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.ELU, keras.layers.Rescaling)
_NOT_ELEMENTWISE = ("softmax", "log_softmax", "sparsemax", "glu")


# For the model being lowered: (names of the original layers not yet reused, all names in use).
_names: contextvars.ContextVar[tuple[set[str], set[str]]] = contextvars.ContextVar("names")


class Refused(Exception):
    """A layer has a setting that cannot be lowered; the message says which."""


@contextlib.contextmanager
def names_for(model: keras.Model) -> Iterator[None]:
    """Within it, no two layers that `naming` and `helper` name have the same name, as Keras asks of a model."""
    names, inputs = {layer.name for layer in model.layers}, {tensor.name for tensor in model.inputs}
    token = _names.set((names - inputs, names | inputs))
    try:
        yield
    finally:
        _names.reset(token)


def naming(layer: keras.layers.Layer) -> dict[str, Any]:
    """Name and precision of the layer that takes another's place; at a second call of that, with a number."""
    own, _ = _names.get()
    name = layer.name if layer.name in own else _free(layer.name)
    own.discard(name)
    return {"name": name, "dtype": layer.variable_dtype}


def helper(kind: type[keras.layers.Layer], *args: Any, **kwargs: Any) -> keras.layers.Layer:
    """A layer that takes no other's place, with a name like those that Keras gives.

    Keras' own would do but for a model that was loaded: its layers' names are not counted.
    """
    return kind(*args, name=_free(re.sub("([a-z])([A-Z])", r"\1_\2", kind.__name__).lower()), **kwargs)


def _free(name):
    _, taken = _names.get()
    numbered = (f"{name}_{i}" if i else name for i in itertools.count())
    free_name = next(candidate for candidate in numbered if candidate not in taken)
    taken.add(free_name)
    return free_name


def as_functional(model: keras.Model) -> keras.Model:
    """The model as a functional one."""
    if isinstance(model, keras.Sequential) and model.built:
        return keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    if isinstance(model, keras.Model) and hasattr(model, "output"):
        return keras.Model(model.input, model.output, name=model.name)
    raise ValueError(f"`model` must be a functional or a built sequential Keras model. Received: model={model!r}")


def itself(layer: Any) -> Any:
    """The layer, for Keras to clone a model without cloning its layers."""
    return layer


def count_uses(model: keras.Model) -> list[int]:
    """For each call of a layer, in the order of the calls, how often its outputs are used."""
    calls, uses = [], {}

    def call(layer, *args, **kwargs):
        passes = type(layer) in INACTIVE
        for tensor in keras.tree.flatten((args, kwargs)):
            uses[id(tensor)] = uses.get(id(tensor), 0) + (not passes)
        calls.append(keras.tree.flatten((args, kwargs))[0] if passes else layer(*args, **kwargs))
        return calls[-1]

    outputs = keras.models.clone_model(model, clone_function=itself, call_function=call).outputs
    final = {id(tensor) for tensor in outputs}
    return [
        sum(uses.get(id(tensor), 0) + (id(tensor) in final) for tensor in keras.tree.flatten(call)) for call in calls
    ]


def lower_colours(layer: keras.layers.Layer, x: Tensor) -> Tensor:
    """What a layer of `COLOURS` computes, by operations of Keras: it has no layer that takes a logarithm or a power."""
    if not isinstance(layer, RandomIlluminant):
        return layer.call(x)
    if layer.in_prediction:
        raise Refused("it draws random lights in prediction too")
    return x


def copy(layer: keras.layers.Layer) -> keras.layers.Layer:
    """A Keras layer with the same configuration, but without weights, regularizers, constraints and classes of ours."""
    config = layer.get_config()
    if isinstance(getattr(layer, "activation", None), CLASSIC_ACTIVATIONS):
        config["activation"] = "linear"
    return type(layer).from_config(_plain(config) | naming(layer))


def _plain(config: Any) -> Any:
    """A configuration without regularizers and constraints; refused if it names a class that is not Keras'."""
    if isinstance(config, str) and config.startswith("keras_equivariant>"):  # a function
        raise Refused(f"it holds a {config}")
    if isinstance(config, list | tuple):
        return type(config)(_plain(item) for item in config)
    if not isinstance(config, dict):
        return config
    if "class_name" in config and str(config.get("module")).split(".")[0] not in ("keras", "builtins"):
        raise Refused(f"it holds a {config['class_name']}")
    penalised = ("regularizer", "constraint")
    return {name: None if str(name).endswith(penalised) else _plain(value) for name, value in config.items()}


def convolution_like(
    layer: keras.layers.Layer, plain: type[keras.layers.Layer] = keras.layers.Conv2D, **changes: Any
) -> keras.layers.Layer:
    """A plain convolution with the settings of another layer, but for its activation and what is changed."""
    names = ("filters", "kernel_size", "strides", "padding", "dilation_rate", "use_bias")
    config = {**{name: getattr(layer, name) for name in names}, "dtype": layer.variable_dtype, **changes}
    return plain(**config if "name" in config else {**config, **naming(layer)})


def with_weights(layer: keras.layers.Layer, weights: Sequence[np.ndarray], *args: Any, **kwargs: Any) -> Any:
    """Calls a new layer and gives it its weights; returns the outputs."""
    outputs = layer(*args, **kwargs)
    layer.set_weights(weights)
    if isinstance(layer, keras.layers.Normalization):
        layer.finalize_state()
    return outputs


def to_numpy(x: Tensor) -> np.ndarray:
    """A tensor as an array."""
    return keras.ops.convert_to_numpy(x)


def repeat_edges(x: Tensor, margins: Sequence[tuple[int, int]]) -> Tensor:
    """A map with its outermost cells repeated, so many before and after each spatial axis."""
    if None in x.shape[1:-1]:
        return _mirror_edges(x, margins)
    for axis, (before, after) in enumerate(margins):
        if before + after:
            rest = x.shape[1 + axis] - 1
            first, last = (helper(keras.layers.Cropping2D, _on_axis(axis, crop))(x) for crop in ((0, rest), (rest, 0)))
            x = helper(keras.layers.Concatenate, axis=1 + axis)([first] * before + [x] + [last] * after)
    return x


def _on_axis(axis, crop):
    return (crop, (0, 0)) if axis == 0 else ((0, 0), crop)


def _mirror_edges(x, margins):
    """The same for an unknown size, one by one: mirrored about its border, a map begins with its first cell again."""
    for i in range(max(itertools.chain(*margins))):
        widths = [(int(i < before), int(i < after)) for before, after in margins]
        x = keras.ops.pad(x, ((0, 0), *widths, (0, 0)), mode="symmetric")
    return x


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
