"""The arguments that many builders of the zoo have, looked at before anything is built."""

import functools
import inspect
import math
import numbers
from collections.abc import Callable
from typing import Any

from keras_equivariant.arguments import check_counts, check_number


def checked(builder: Callable[..., Any]) -> Callable[..., Any]:
    """The same builder, with a check that arguments are numbers, sequences of numbers or shapes, as it needs them.

    Args:
        builder: Function of keyword arguments. A default that is an integer, or a tuple of integers, says what an
            argument must be.

    Returns:
        The function.
    """
    defaults = {name: parameter.default for name, parameter in inspect.signature(builder).parameters.items()}

    @functools.wraps(builder)
    def build(*args: Any, **kwargs: Any) -> Any:
        for name, value in {**dict(zip(defaults, args, strict=False)), **kwargs}.items():
            if name in defaults:
                _check(name, value, defaults[name])
        return builder(*args, **kwargs)

    return build


def _check(name, value, default):
    if name == "input_shape":
        _check_shape(value)
    elif name in ("dropout", "input_dropout"):
        check_number(name, value, "between 0 and 1", 0, 1)
    elif name == "widen_factor":
        check_number(name, value, "positive", 0, math.inf, open_below=True)
    elif name in ("filters", "blocks", "depth") and _are_integers(_listed(default, value), -math.inf):
        return  # of what length and how large is for the builder to say
    elif isinstance(default, int) and not isinstance(default, bool):
        check_counts(**{name: value})
    elif isinstance(default, tuple) and not _are_integers(value):
        raise ValueError(f"`{name}` must be a list or a tuple of positive integers. Received: {name}={value!r}")


def _check_shape(shape):
    if not isinstance(shape, list | tuple) or len(shape) != 3 or not _are_integers([s for s in shape if s is not None]):
        raise ValueError(
            f"`input_shape` must be (height, width, channels), without the batch. Received: input_shape={shape!r}"
        )


def _are_integers(values, lowest: float = 1):
    """Whether these are integers of at least `lowest`."""
    return isinstance(values, list | tuple) and all(
        isinstance(value, numbers.Integral) and not isinstance(value, bool) and int(value) >= lowest for value in values
    )


def _listed(default, value):
    """The numbers as a list. A single one counts as one only where the default is a single one, too."""
    return value if isinstance(value, list | tuple) or isinstance(default, tuple) else [value]
