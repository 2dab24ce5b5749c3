"""The one list of architectures, by name."""

import fnmatch
import os
from collections.abc import Callable
from typing import Any, TypeVar, cast

import keras
from keras_equivariant.zoo.arguments import checked
from keras_equivariant.zoo.features import build_exactly, without_top
from keras_equivariant.zoo.transfer import start_from

from keras_equivariant.channels import channels_last

Builder = TypeVar("Builder", bound=Callable[..., keras.Model])
_BUILDERS: dict[str, Callable[..., keras.Model]] = {}


def register(builder: Builder) -> Builder:
    """Adds a builder to the zoo under the name of the function.

    Args:
        builder: Function of keyword arguments that returns a `keras.Model` with logits.

    Returns:
        The builder, which looks at its arguments first, so that this serves as a decorator.

    Raises:
        ValueError: If another builder has that name.
    """
    if builder.__name__ in _BUILDERS:
        raise ValueError(f"`builder` must not take the name of another one. Received: {builder.__name__!r}")
    found = cast(Builder, checked(builder))
    _BUILDERS[builder.__name__] = found
    return found


@channels_last()
def create(
    name: str, /, *, weights: str | os.PathLike | None = None, include_top: bool = True, **arguments: Any
) -> keras.Model:
    """Builds a model of the zoo.

    Args:
        name: One of `list_models()`.
        weights: `None` for random weights; or trained ones to start from: a name of `list_weights(name)`, the folder
            of a finished run, or the path of a `.keras` or `.weights.h5` file. Then arguments that are not given are
            those of the trained network, and `classes` and `input_shape` may differ from them. All layers before the
            head start from the trained weights; the head does so if all its shapes are the trained ones, else it is
            new. The kernel that reads the image fits another number of colours: from grey to n, it is repeated and
            divided by n; from colours to grey, it is summed: a grey image has the same features in either form.
        include_top: `False` for the network without its head, from the images to the planar feature map `(batch,
            height, width, channels)` after the maximum over the orientations. It turns and mirrors with the image.
        **arguments: Arguments of that model's builder, `zoo.NAME`; among those of classifiers, `classes`, and
            `input_shape`: any size at which the network is as equivariant as its documentation says.

    Returns:
        A `keras.Model`, with logits if it is a classifier with its head.

    Raises:
        ValueError: If there is no such model; `input_shape` is too small for it or of a size at which it would not be
            exact (the nearest ones that are come with the error); there are no such weights, they are damaged or of
            another architecture; or a model that is no classifier is asked for without its head.

    Example:

    >>> create("p4cnn").count_params()
    24800
    >>> create("p4cnn", weights="rotated_mnist", include_top=False, input_shape=(64, 64, 3)).output_shape
    (None, 22, 22, 10)
    """
    builder = get_builder(name)
    if weights is not None and not isinstance(weights, str | os.PathLike):
        raise ValueError(f"`weights` must be None, a name or a path. Received: weights={weights!r}")
    if weights is None:
        model = build_exactly(builder, arguments)
    else:
        model = start_from(builder, weights, arguments)
    return model if include_top else without_top(model)


def get_builder(name: str) -> Callable[..., keras.Model]:
    """Returns the builder of a model; the arguments and errors are those of `create`."""
    if not isinstance(name, str) or name not in _BUILDERS:
        raise ValueError(f"`name` must be one of {list_models()}. Received: name={name!r}")
    return _BUILDERS[name]


def list_models(pattern: str = "*") -> list[str]:
    """Lists the models of the zoo.

    Args:
        pattern: Shell pattern that the names must match, such as `"p4*"`.

    Returns:
        Sorted list of names.

    Raises:
        ValueError: If the pattern is no string.

    Example:

    >>> list_models("z2*")
    ['z2cnn']
    """
    if not isinstance(pattern, str):
        raise ValueError(f"`pattern` must be a string. Received: pattern={pattern!r}")
    return sorted(fnmatch.filter(_BUILDERS, pattern))
