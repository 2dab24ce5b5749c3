"""Arguments that must be numbers, and what is said of those that are none."""

import numbers
from collections.abc import Collection
from typing import Any

import keras


def check_counts(**counts: Any) -> None:
    """Raises a ValueError unless each argument is a positive integer."""
    for name, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
            raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r}")


def check_number(name: str, value: Any, rule: str, lowest: float, highest: float, open_below: bool = False) -> None:
    """Raises a ValueError, which gives the rule, unless an argument is a number from `lowest` to `highest`.

    Args:
        name: The argument.
        value: What was given.
        rule: What it must be, in words.
        lowest: The smallest number that is allowed.
        highest: The largest one.
        open_below: Whether `lowest` itself is too small.
    """
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or not lowest <= float(value) <= highest or (open_below and value == lowest):
        raise ValueError(f"`{name}` must be {rule}. Received: {name}={value!r}")


def check_choice(name: str, value: Any, choices: Collection[str]) -> None:
    """Raises a ValueError unless an argument is one of these words."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"`{name}` must be one of {sorted(choices)}. Received: {name}={value!r}")


def check_model(model: Any) -> None:
    """Raises a ValueError unless an argument is a Keras model or layer."""
    if not isinstance(model, keras.layers.Layer):
        raise ValueError(f"`model` must be a Keras model or layer. Received: model={model!r}")
