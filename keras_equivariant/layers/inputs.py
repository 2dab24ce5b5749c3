"""Layers refuse inputs that are no tensors, or have the wrong kind of numbers, before a backend sees them."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_equivariant.typing import Tensor


def check_input(layer: keras.layers.Layer, x: Any, kinds: tuple[str, ...] = ("float",)) -> None:
    """Raises a ValueError unless an input of a layer is one tensor, of one of these kinds of numbers."""
    if x is None or isinstance(x, list | tuple | dict | str):
        raise ValueError(f"`{type(layer).__name__}` takes one tensor. Received: inputs={_shortened(x)}")
    dtype = str(getattr(x, "dtype", "float"))
    if not any(kind in dtype for kind in kinds):
        cure = "; divide images of integers by 255" if "int" in dtype else ""
        raise ValueError(
            f"`inputs` must be {' or '.join(_WORDS[kind] for kind in kinds)}{cure}. Received: dtype={dtype}"
        )


_WORDS = {"float": "floating-point numbers", "int": "integers", "bool": "booleans"}


def _shortened(x):
    return x if x is None or isinstance(x, str) else f"a {type(x).__name__} of {len(x)}"


class OneInput(keras.layers.Layer):
    """Takes one tensor, of floating-point numbers; goes before a Keras class among the bases."""

    _kinds_of_numbers = ("float",)

    def __call__(self, inputs: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        check_input(self, inputs, self._kinds_of_numbers)
        return super().__call__(inputs, *args, **kwargs)


class SeveralInputs(keras.layers.Layer):
    """Takes a list of tensors of floating-point numbers; goes before a Keras class among the bases."""

    def __call__(self, inputs: Sequence[Tensor], *args: Any, **kwargs: Any) -> Tensor:
        if inputs is None:
            raise ValueError(f"`{type(self).__name__}` takes a list of tensors. Received: inputs=None")
        for x in inputs if isinstance(inputs, list | tuple) else []:  # `build` refuses one tensor by its shape
            check_input(self, x)
        return super().__call__(inputs, *args, **kwargs)


class OneInputOfAnyNumbers(OneInput):
    """Takes one tensor, of integers too."""

    _kinds_of_numbers = ("float", "int", "bool")
