"""What augmentations have in common, however they are computed: names, arguments and their checks."""

import inspect
from collections.abc import Callable
from typing import Any

DECODING = "random_crop"  # which reads images from their files, in tf.data alone


def find(name: str | dict[str, Any], augmentations: dict[str, Any]) -> Any:
    """Finds an augmentation in a table.

    Args:
        name: Its name, or `{"class_name": name, "config": {...}}` with its arguments, if it takes any.
        augmentations: From names to augmentations, or to functions of arguments that return one.

    Raises:
        ValueError: If the name is unknown, or an argument is unknown or out of range.
    """
    name, config = (name, {}) if isinstance(name, str) else (name["class_name"], name["config"])
    if name not in augmentations:
        raise ValueError(f"`augmentation` must be among {list(augmentations)}. Received: augmentation={name!r}")
    found = augmentations[name]
    known = list(inspect.signature(found).parameters) if inspect.isfunction(found) else []
    if set(config) - set(known):
        raise ValueError(f"Arguments of {name!r} must be among {known}. Received: {config}")
    return found(**config) if inspect.isfunction(found) else found


def colour_jitter(make: Callable[[dict[str, float]], Any]) -> Callable[..., Any]:
    """A function of the amounts of colour jitter, which are checked, that returns an augmentation made of them."""

    def with_amounts(brightness: float = 0.4, contrast: float = 0.4, saturation: float = 0.4, hue: float = 0.1) -> Any:
        amounts = {"brightness": brightness, "contrast": contrast, "saturation": saturation, "hue": hue}
        for name, amount in amounts.items():
            most = 0.5 if name == "hue" else 1
            if isinstance(amount, bool) or not isinstance(amount, int | float) or not 0 <= amount <= most:
                raise ValueError(f"`{name}` of 'colour_jitter' must be from 0 to {most}. Received: {name}={amount!r}")
        return make(amounts)

    return with_amounts
