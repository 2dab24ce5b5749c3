"""Starts a network of the zoo from trained weights, for other classes, sizes or colours than those of the training."""

import inspect
import os
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras_equivariant.zoo.features import build_exactly, split
from keras_equivariant.zoo.pretrained import (
    SUFFIX,
    architecture,
    card_arguments,
    card_path,
    check_arguments,
    list_weights,
    load_weights,
    preset_path,
    read_json,
    read_model,
    stored_arguments,
)


def start_from(
    builder: Callable[..., keras.Model], weights: str | os.PathLike, arguments: Mapping[str, Any]
) -> keras.Model:
    """Builds a network that starts from trained weights.

    Arguments that are not given are those of the trained network. `classes` and `input_shape` may differ from them.
    All layers before the head start from the trained weights. The head does so too if it has the trained shapes, else
    it is new. The kernel that reads the image is made to fit another number of colours: from grey to n colours, it is
    repeated and divided by n; from colours to grey, it is summed. A grey image then has the same feature map in either
    form.

    Args:
        builder: A builder of the zoo.
        weights: As in `create`.
        arguments: Arguments of the builder.

    Returns:
        A `keras.Model`.

    Raises:
        ValueError: As in `create`.
    """
    name, path = builder.__name__, _find(builder.__name__, weights)
    source, trained = None, {}
    if path.is_dir():
        source, trained = read_model(path / "model.keras"), _run_arguments(builder, path)
    elif path.suffix == ".keras":
        source = read_model(path)
    elif str(weights) in list_weights(name) or card_path(path).exists():
        trained = card_arguments(builder, path)
        source = builder(**trained)
        load_weights(source, path)
    if trained:
        check_arguments(builder, {**trained, **arguments}, {**trained, **_new(arguments)}, weights)
    arguments = {**trained, **_shapes(builder, source), **arguments}
    model = build_exactly(builder, arguments)
    source = _read_weights(builder, model, path, arguments) if source is None else source
    _copy(source, model, "classes" in inspect.signature(builder).parameters, path)
    return model


def _find(name, weights):
    if str(weights) in list_weights(name):
        return preset_path(name, str(weights))
    path = pathlib.Path(weights)
    # `os.path.isfile` has no errors for names that are too long.
    if os.path.isfile(path / "model.keras") or (path.name.endswith((SUFFIX, ".keras")) and os.path.isfile(path)):
        return path
    raise ValueError(
        f"`weights` of {name} must be None, one of {list_weights(name)}, or the path of a {SUFFIX} file, a .keras file "
        f"or the folder of a finished run. Received: weights={str(weights)!r}"
    )


def _run_arguments(builder, folder):
    """The arguments of the model of a finished run, as its recipe tells them."""
    recipe = read_json(folder / "config.json").get("recipe")
    name, arguments = (recipe.get("model"), recipe.get("model_arguments")) if isinstance(recipe, dict) else (None, None)
    if name != builder.__name__ or not isinstance(arguments, dict):
        raise ValueError(f"`weights` must be those of {builder.__name__}, not of {name}. Received: {folder}")
    stored_arguments(builder, arguments, folder / "config.json")
    return {**arguments, **architecture(builder, arguments)}


def _shapes(builder, model):
    """What a model itself tells of the arguments that it was built with."""
    if not isinstance(getattr(model, "input_shape", None), tuple):
        return {}
    found = {"input_shape": model.input_shape[1:], "classes": model.output_shape[-1]}
    return {key: value for key, value in found.items() if key in inspect.signature(builder).parameters}


def _new(arguments):
    return {key: value for key, value in arguments.items() if key in ("classes", "input_shape")}


def _read_weights(builder, model, path, arguments):
    """A copy of the model with the weights of a file without a card; what the file does not hold is NaN.

    The file says neither the colours nor the classes of the network. So those of the model are tried, then grey, then
    colour; the head may stay without values.
    """
    *size, colours = model.input_shape[1:]
    for channels in dict.fromkeys((colours, 1, 3)):
        copy = builder(**{**arguments, "input_shape": (*size, channels)})
        copy.set_weights([np.full(weight.shape, np.nan) for weight in copy.get_weights()])
        load_weights(copy, path, partly=True)
        if not any(np.isnan(value).any() for layer in _body(copy) for value in layer.get_weights()):
            return copy
    raise ValueError(
        f"`weights` must be those of the same architecture: with these arguments, layers of {builder.__name__} have "
        f"other shapes. Received: {path}"
    )


def _body(model):
    try:
        _, head = split(model)
    except ValueError:
        head = []
    return [layer for layer in model.layers if layer not in head and layer.weights]


def _copy(source, model, has_head, path):
    """Copies the weights of a trained network, but for a head that has other shapes."""
    layers = [layer for layer in model.layers if layer.weights]
    trained = [layer for layer in source.layers if layer.weights]
    if [len(layer.weights) for layer in layers] != [len(layer.weights) for layer in trained]:
        problem = f"it has {len(layers)} layers with weights, not {len(trained)}, or others"
    else:
        colours = source.input_shape[-1], model.input_shape[-1]
        values = {
            layer.name: [_fit(*pair, *colours) for pair in zip(old.get_weights(), layer.weights, strict=True)]
            for layer, old in zip(layers, trained, strict=True)
        }
        fitting = [layer for layer in layers if not any(value is None for value in values[layer.name])]
        body = _body(model) if has_head else layers
        missing = [layer.name for layer in body if layer not in fitting]
        if not missing:
            for layer in body if len(fitting) < len(layers) else layers:
                layer.set_weights(values[layer.name])
            return
        problem = f"layer {missing[0]!r} has other shapes"
    raise ValueError(
        f"`weights` must be those of the same architecture, but for the classes and the input: {problem}. "
        f"Received: {path}"
    )


def _fit(value, weight, old_colours, new_colours):
    """A trained array in the shape of a new one, if they differ in nothing but the colours that a kernel reads."""
    shape = tuple(weight.shape)
    if np.isnan(value).any():
        return None
    if value.shape == shape:
        return value
    kernel = len(shape) > 3 and shape[-2] == new_colours and value.shape == (*shape[:-2], old_colours, shape[-1])
    if kernel and old_colours == 1:
        return np.repeat(value, new_colours, axis=-2) / np.asarray(new_colours, value.dtype)
    return value.sum(axis=-2, keepdims=True) if kernel and new_colours == 1 else None
