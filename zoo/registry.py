"""The one list of architectures, by name."""

import fnmatch
from collections.abc import Callable
from typing import Any, TypeVar

import keras

Builder = TypeVar("Builder", bound=Callable[..., keras.Model])
_BUILDERS: dict[str, Callable[..., keras.Model]] = {}


def register(builder: Builder) -> Builder:
    """Adds a builder to the zoo under the name of the function.

    Args:
        builder: Function of keyword arguments that returns a `keras.Model` with logits.

    Returns:
        The builder, so that this serves as a decorator.

    Raises:
        ValueError: If another builder has that name.
    """
    if _BUILDERS.setdefault(builder.__name__, builder) is not builder:
        raise ValueError(f"`builder` must not take the name of another one. Received: {builder.__name__!r}")
    return builder


def create(name: str, /, **kwargs: Any) -> keras.Model:
    """Builds a model of the zoo.

    Args:
        name: One of `list_models()`.
        **kwargs: Arguments of that model's builder, `zoo.NAME`.

    Returns:
        A `keras.Model` with logits.

    Raises:
        ValueError: If there is no such model.

    Example:

    >>> create("p4cnn").count_params()
    24800
    """
    return get_builder(name)(**kwargs)


def get_builder(name: str) -> Callable[..., keras.Model]:
    """Returns the builder of a model; the arguments and errors are those of `create`."""
    if name not in _BUILDERS:
        raise ValueError(f"`name` must be one of {list_models()}. Received: name={name!r}")
    return _BUILDERS[name]


def list_models(pattern: str = "*") -> list[str]:
    """Lists the models of the zoo.

    Args:
        pattern: Shell pattern that the names must match, such as `"p4*"`.

    Returns:
        Sorted list of names.

    Example:

    >>> list_models("z2*")
    ['z2cnn']
    """
    return sorted(fnmatch.filter(_BUILDERS, pattern))
