"""What every classifier of the zoo has in common: a size that suits it, a body that makes a feature map, and a head."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import keras

from keras_equivariant.layers import CosetPooling
from keras_equivariant.sampling import EquivarianceWarning
from keras_equivariant.typing import Tensor

_FARTHEST = 32  # how far from a size that does not suit, in pixels, to look for one that does


def build_exactly(builder: Callable[..., keras.Model], arguments: Mapping[str, Any]) -> keras.Model:
    """Builds a network, if it is as equivariant on images of this size as on the images that it was made for.

    Args:
        builder: A builder of the zoo.
        arguments: Its arguments.

    Returns:
        A `keras.Model`.

    Raises:
        ValueError: If `input_shape` is too small, or a layer would sample it off its centre; with the nearest sizes
            below and above that do. Where no size near it does, the size is not the cause: then the builder's own
            error is raised, or the model is returned after its own warning.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", EquivarianceWarning)
            return _built(builder, arguments)
    except (EquivarianceWarning, ValueError) as error:
        advice = _nearest_sizes(builder, arguments)
        if advice:
            raise ValueError(
                f"`input_shape` of {builder.__name__} must be of a size that it takes and is exact at; nearest good "
                f"sizes: {advice}. Received: input_shape={tuple(arguments['input_shape'])}"
            ) from error
        if isinstance(error, ValueError):
            raise
    return builder(**arguments)


def _built(builder, arguments):
    """A network of layers that all have an output, which some versions of Keras do not demand."""
    model = builder(**arguments)
    for layer in model.layers:
        for output in keras.tree.flatten(layer.output):
            if any(isinstance(size, int) and size < 1 for size in output.shape):
                raise ValueError(
                    f"`input_shape` must be large enough for the layer {layer.name!r}, whose output would be of "
                    f"shape {tuple(output.shape)}. Received: input_shape={model.input_shape[1:]}"
                )
    return model


def _nearest_sizes(builder, arguments):
    """The sizes below and above those of `input_shape` that suit a network, in words; empty if there are none."""
    shape = arguments.get("input_shape", ())
    if (
        not isinstance(shape, list | tuple)
        or len(shape) != 3
        or not all(isinstance(size, int) and size > 0 for size in shape)
    ):
        return ""

    def suits(size):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", EquivarianceWarning)
                _built(builder, {**arguments, "input_shape": (size, size, shape[-1])})
        except (EquivarianceWarning, ValueError):
            return False
        return True

    def nearest(size):
        if suits(size):
            return [size]
        below = next((n for n in range(size - 1, max(size - _FARTHEST, 0), -1) if suits(n)), None)
        above = next((n for n in range(size + 1, size + _FARTHEST + 1) if suits(n)), None)
        return [n for n in (below, above) if n is not None]

    height = nearest(shape[0])
    width = height if shape[1] == shape[0] else nearest(shape[1])
    if not height or not width:
        return ""
    sides = {"a side of": height} if height is width else {"a height of": height, "a width of": width}
    return " and ".join(f"{side} {' or '.join(map(str, sizes))}" for side, sizes in sides.items())


def split(model: keras.Model) -> tuple[Tensor, list[keras.layers.Layer]]:
    """Finds where the head of a classifier begins.

    The head begins after the last feature map that a kernel follows on the way to the scores. If a network ends in
    scores for each position, the head is the last convolution; else it is the mean and the dense layers. The map is on
    the group where the network is.

    Args:
        model: A functional model with one input and one output.

    Returns:
        The symbolic feature map, and the layers of the head, the last one first.

    Raises:
        ValueError: If the way from the output back to a map branches.
    """
    made_by = {id(layer.output): layer for layer in model.layers if not isinstance(layer.output, list)}
    x, head, kernel = model.outputs[0], [], False
    while not (kernel and len(x.shape) > 3) or _merges_orientations(made_by[id(x)]):
        layer = made_by[id(x)]
        if isinstance(layer.input, (list, tuple, dict)):
            raise ValueError(f"The head must be one chain of layers. Received: {layer.name!r} of {model.name!r}")
        head.append(layer)
        kernel = kernel or any(len(weight.shape) > 1 for weight in layer.weights)
        x = layer.input
    return x, head


def _merges_orientations(layer):
    return isinstance(layer, keras.layers.Reshape) and len(layer.input.shape) > len(layer.output.shape)


def without_top(model: keras.Model) -> keras.Model:
    """The network up to its last feature map, with the maximum over the orientations, if the map has any.

    Args:
        model: A classifier of the zoo.

    Returns:
        A `keras.Model` with the same weights, from images to a planar map `(batch, height, width, channels)`, which
        turns and mirrors with the image.

    Raises:
        ValueError: If the model is no classifier.
    """
    if len(model.outputs) != 1 or len(model.outputs[0].shape) != 2:
        raise ValueError(
            "`include_top` must be True for a model that is not a classifier. "
            f"Received: include_top=False for {model.name!r}"
        )
    x, head = split(model)
    if len(x.shape) > 4:
        before = model.layers[: model.layers.index(head[-1])]
        named = [getattr(layer, "output_symmetry", getattr(layer, "symmetry", None)) for layer in before]
        x = CosetPooling([name for name in named if isinstance(name, str)][-1], name="orientation_pooling")(x)
    return keras.Model(model.inputs[0], x, name=model.name)
