"""The network that a recipe names."""

import contextlib
import inspect
from collections.abc import Iterator
from typing import Any

import keras
from keras_equivariant.training.recipes import Recipe
from keras_equivariant.zoo.features import split

from keras_equivariant import zoo
from keras_equivariant.typing import Shape


@contextlib.contextmanager
def computing_in(precision: str) -> Iterator[None]:
    """Layers built inside this context use a Keras dtype policy."""
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy("float32")


def create_network(recipe: Recipe, inputs: Shape, outputs: Shape, **arguments: Any) -> keras.Model:
    """Builds the network that a recipe names.

    Args:
        recipe: A `Recipe`.
        inputs: Shape of an image.
        outputs: Shape of one target.
        **arguments: More arguments of the model's builder than those of the recipe.

    Returns:
        A `keras.Model`.

    Raises:
        ValueError: If the builder does not take the arguments, or the network does not fit the shapes.
    """
    builder = inspect.signature(zoo.get_builder(recipe.model))
    shapes = {"input_shape": tuple(inputs), "classes": outputs[-1]}
    arguments = {**{key: shape for key, shape in shapes.items() if key in builder.parameters}, **arguments}
    arguments = {**arguments, **recipe.model_arguments}
    try:
        builder.bind(**arguments)
    except TypeError as error:
        raise ValueError(
            f"`model` must be one for the recipe {recipe.name!r} and its arguments ({error}). "
            f"Received: model={recipe.model!r}"
        ) from None
    network = zoo.create(recipe.model, weights=recipe.weights, **arguments)
    found, wanted = (network.input_shape[1:], network.output_shape[1:]), (tuple(inputs), tuple(outputs))
    if found != wanted:
        raise ValueError(
            f"`model` must be one from {wanted[0]} to {wanted[1]} for the recipe {recipe.name!r}. "
            f"Received: model={recipe.model!r}, from {found[0]} to {found[1]}"
        )
    return network


def freeze_body(network: keras.Model, frozen: bool = True) -> None:
    """Lets only the head of a network be trained, or all of it.

    Raises:
        ValueError: If the network has no head.
    """
    _, head = split(network)
    for layer in network.layers:
        layer.trainable = not frozen or layer in head


def in_float32(model: keras.Model) -> keras.Model:
    """The model itself, or, if any of its layers computes in another precision, a copy that computes in 32 bits."""
    config = model.get_config()
    single = _with_policy(config, "float32")
    if single == config:
        return model
    copy = model.__class__.from_config(single)
    copy.set_weights(model.get_weights())
    return copy


def _with_policy(config: Any, name: str) -> Any:
    """A configuration with all dtypes exchanged, those of layers and models inside included."""
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return {**config, "config": {"name": name}}
        return {
            key: name if key == "dtype" and isinstance(v, str) else _with_policy(v, name) for key, v in config.items()
        }
    if isinstance(config, (list, tuple)):
        return type(config)(_with_policy(value, name) for value in config)
    return config


def with_xla(recipe: Recipe) -> bool:
    """Whether to compile the step with XLA. Always true on JAX, where the only alternative is eager execution."""
    return recipe.jit or keras.config.backend() == "jax"
