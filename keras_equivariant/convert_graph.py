"""The calls of the layers of an ordinary model, one after the other, for the converters to go through."""

import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers, tree

from keras_equivariant.sampling import is_centred, is_transpose_centred, moves_of_axes
from keras_equivariant.symmetry import get_symmetry

WINDOWED = (
    layers.Conv2D,
    layers.DepthwiseConv2D,
    layers.SeparableConv2D,
    layers.MaxPooling2D,
    layers.AveragePooling2D,
)


@dataclass(eq=False)
class Call:
    """A layer, what it was called with and what it returned; tensors are those of `Graph`."""

    layer: Any
    args: tuple
    kwargs: dict[str, Any]
    outputs: Any
    place: str  # the layer's name, after those of the models that it is in

    @property
    def tensors(self) -> list[keras.KerasTensor]:
        """The symbolic inputs, in order."""
        return [x for x in tree.flatten((self.args, self.kwargs)) if isinstance(x, keras.KerasTensor)]


class Graph:
    """What a functional or sequential model computes, with the models inside of it taken apart.

    Arithmetic on tensors with a number, and activation functions without settings, stand there as the layers that
    compute the same.

    Args:
        model: A functional or a built sequential `keras.Model`.

    Attributes:
        calls: The calls, in an order in which they can be computed.
        inputs: The model's inputs, in its own structure.
        outputs: Its outputs.

    Raises:
        ValueError: If the model is of another kind.
    """

    def __init__(self, model: keras.Model) -> None:
        self.calls: list[Call] = []
        self._same = {}  # from the tensors around a model inside to its own, by identity
        self._kept = []  # all models that own tensors, so that no identity is used twice
        recorded = self._record(_functional(model), "")
        self.inputs = recorded.input
        self.outputs = tree.map_structure(self._resolved, recorded.output)
        self.consumers: dict[int, list[Call]] = {}
        for call in self.calls:
            call.args, call.kwargs = tree.map_structure(self._resolved, (call.args, call.kwargs))
            for tensor in call.tensors:
                self.consumers.setdefault(id(tensor), []).append(call)

    def _record(self, model, place):
        def call(operation, *args, **kwargs):
            outputs = operation(*args, **kwargs)
            if _is_functional(operation):
                inner = self._record(_functional(operation), f"{place}{operation.name}/")
                self._same |= _pairs(inner.input, (args, kwargs)) | _pairs(outputs, inner.output)
            else:
                layer, args, kwargs = _as_layer(operation, args, kwargs)
                self.calls.append(Call(layer, args, kwargs, outputs, place + operation.name))
            return outputs

        copy = keras.models.clone_model(model, clone_function=_itself, call_function=call)
        self._kept.append(copy)
        return copy

    def _resolved(self, x):
        while id(x) in self._same:
            x = self._same[id(x)]
        return x

    def is_output(self, tensor: keras.KerasTensor) -> bool:
        """Whether the model returns a tensor."""
        return any(tensor is output for output in tree.flatten(self.outputs))


def is_even(layer: keras.layers.Layer, size: tuple[int | None, ...], symmetry: str) -> bool:
    """Whether an ordinary layer treats two sides of a map of this size alike, along the axes that a symmetry reverses.

    Unknown sizes are taken to suit.
    """
    if isinstance(layer, layers.ZeroPadding2D | layers.Cropping2D):
        sides = layer.padding if isinstance(layer, layers.ZeroPadding2D) else layer.cropping
        even = [before == after for before, after in sides]
    elif isinstance(layer, layers.Conv2DTranspose):
        extras = layer.output_padding or (None, None)
        axes = zip(windows_of(layer), layer.strides, extras, strict=True)
        even = [is_transpose_centred(window, stride, layer.padding, extra) for window, stride, extra in axes]
    elif isinstance(layer, WINDOWED):
        axes = zip(size, windows_of(layer), layer.strides, strict=True)
        even = [cells is None or is_centred(cells, window, stride, layer.padding) for cells, window, stride in axes]
    else:
        return True
    reversed_axes, _, _ = moves_of_axes(get_symmetry(symmetry), 2)
    return not any(needed and not one for needed, one in zip(reversed_axes, even, strict=True))


def windows_of(layer: keras.layers.Layer) -> tuple[int, ...]:
    """Extent of a convolution's or a pooling's window along each axis, in cells."""
    if hasattr(layer, "pool_size"):
        return layer.pool_size
    return tuple((size - 1) * rate + 1 for size, rate in zip(layer.kernel_size, layer.dilation_rate, strict=True))


def exact_sizes(model: keras.Model, sizes: Iterable[int], symmetry: str = "p4") -> list[int]:
    """Finds the sides of a square picture on which a converted model is exactly equivariant without further measures.

    Those on which each strided layer samples symmetrically about the centre of its input: `size + 2 * padding -
    kernel_size` is a multiple of the stride.

    Args:
        model: The ordinary model, as for `to_group_equivariant`.
        sizes: Ints, the sides to try, in pixels.
        symmetry: Name of the symmetry group.

    Returns:
        A list of those of `sizes` that suit. It is empty for a model that pads one side more than the other.

    Raises:
        ValueError: If the model is neither functional nor sequential and built, or the symmetry is unknown.

    Example:

    >>> inputs = keras.Input((32, 32, 3))
    >>> x = keras.layers.Conv2D(8, 3, strides=2, padding="same")(inputs)
    >>> exact_sizes(keras.Model(inputs, keras.layers.MaxPooling2D()(x)), range(28, 40))
    [31, 35, 39]
    """
    graph = Graph(model)
    return [size for size in sizes if _suits(graph, size, symmetry)]


def _suits(graph, size, symmetry):
    resized = {}  # the tensors for pictures of this size, by the identity of the model's own
    for x in tree.flatten(graph.inputs):
        shape = (None, size, size, x.shape[-1]) if len(x.shape) == 4 else x.shape
        resized[id(x)] = keras.KerasTensor(shape, x.dtype)
    try:
        for call in graph.calls:
            args, kwargs = tree.map_structure(lambda x: resized.get(id(x), x), (call.args, call.kwargs))
            outputs = call.layer.compute_output_spec(*args, **kwargs)
            pairs = zip(tree.flatten(call.outputs), tree.flatten(outputs), strict=True)
            resized.update((id(x), new) for x, new in pairs)
    except ValueError:  # two maps of different sizes meet
        return False
    first = [(call.layer, resized[id(call.tensors[0])]) for call in graph.calls if call.tensors]
    return all(is_even(layer, x.shape[1:3], symmetry) for layer, x in first if len(x.shape) == 4)


def _functional(model):
    if isinstance(model, keras.Sequential) and model.built:
        return keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    if isinstance(model, keras.Model) and hasattr(model, "operations"):
        return keras.Model(model.input, model.output, name=model.name)
    raise ValueError(f"`model` must be a functional or a built sequential Keras model. Received: model={model!r}")


def _is_functional(operation):
    return isinstance(operation, keras.Model) and (
        hasattr(operation, "operations") or isinstance(operation, keras.Sequential)
    )


def _itself(layer):
    return layer


def _pairs(ours, theirs):
    tensors = [x for x in tree.flatten(theirs) if isinstance(x, keras.KerasTensor)]
    return {id(mine): other for mine, other in zip(tree.flatten(ours), tensors, strict=True)}


_MERGES = {
    "Add": layers.Add,
    "Subtract": layers.Subtract,
    "Multiply": layers.Multiply,
    "Maximum": layers.Maximum,
    "Minimum": layers.Minimum,
}


def _as_layer(operation, args, kwargs):
    """The layer that computes an operation on tensors, if there is one, and its arguments."""
    if isinstance(operation, keras.layers.Layer) or not type(operation).__module__.startswith("keras."):
        return operation, args, kwargs
    kind, name = type(operation).__name__, {"name": operation.name}
    values = [*args, *kwargs.values()]
    symbolic = [isinstance(x, keras.KerasTensor) for x in values]
    if len(values) == 2 and all(symbolic) and kind in _MERGES:
        return _MERGES[kind](dtype=values[0].dtype, **name), (values,), {}
    if len(values) == 2 and any(symbolic):
        number, tensor = values[symbolic.index(False)], values[symbolic.index(True)]
        first = symbolic[0]
        scales = (
            {
                "Add": (1, number),
                "Subtract": (1, -number) if first else (-1, number),
                "Multiply": (number, 0),
                "Divide": (1 / number, 0) if first else None,
                "TrueDivide": (1 / number, 0) if first else None,
            }
            if isinstance(number, int | float) and number != 0
            else {}
        )
        if scales.get(kind) is not None:
            scale, offset = scales[kind]
            return layers.Rescaling(scale, offset, dtype=tensor.dtype, **name), (tensor,), {}
    settings = set(inspect.signature(type(operation).__init__).parameters) - {"self", "name"}
    # With settings, an activation function and the operation of its name may differ in a default.
    if len(values) == 1 and all(symbolic) and not settings:
        function = getattr(keras.activations, _snake(kind), None)
        if callable(function):
            return layers.Activation(function, dtype=values[0].dtype, **name), (values[0],), {}
    return operation, args, kwargs


def _snake(name):
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
