"""A layer beside the one of Keras that it resembles: what is equal, and what differs on purpose."""

import inspect
from typing import NamedTuple

import keras

_NAMED = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
# What Keras' public layers say to their bases.
_SAID_BY_KERAS = ("rank", "pool_dimensions", "pool_mode")
RENORMALISES = "renorm" in inspect.signature(keras.layers.BatchNormalization.__init__).parameters  # not in Keras 3.12
KERNEL = {
    "kernel_initializer": "he_normal",
    "bias_initializer": "ones",
    "kernel_regularizer": "l2",
    "bias_regularizer": "l1",
    "activity_regularizer": "l2",
    "bias_constraint": "non_neg",
}


class Convention(NamedTuple):
    """A layer, the nearest one of Keras, and the differences that are meant; all others are errors.

    Attributes:
        layer: The class.
        nearest: The nearest class of Keras; `keras.layers.Layer` if there is none.
        arguments: Arguments of a layer to test, as many as possible not at their defaults.
        shape: The shape of its input, with the batch; a list of shapes if it takes several.
        others: Arguments that go together with `arguments` in a configuration only, not at their defaults either.
        adds: Arguments that Keras' layer has not.
        lacks: Arguments of Keras' layer that this one has not.
        fixed: Arguments that are there for their place among the others, and take one value.
        by_name: Arguments that are taken by name only.
        defaults: Other defaults than those of Keras' layer.
        masks: What becomes of a mask: `"kept"`, `"dropped"`, `"refused"` with Keras' warning, or `"made"`; `None` for
            what Keras' layer does.
        adapts: Whether low-rank adaptation works, if Keras' layer has it.
        why: The reason for the differences.
    """

    layer: type
    nearest: type
    arguments: dict
    shape: tuple | list
    others: dict = {}
    adds: tuple = ()
    lacks: tuple = ()
    fixed: tuple = ()
    by_name: tuple = ()
    defaults: dict = {}
    masks: str | None = None
    adapts: bool = False
    why: str = ""


def arguments_of(layer_class):
    """Names and defaults of what a constructor takes; last, what the classes take that it passes arguments on to."""
    found = {}
    for parent in layer_class.__mro__:
        if "__init__" in vars(parent):
            given = inspect.signature(parent.__init__).parameters
            for name, parameter in list(given.items())[1:]:
                if parameter.kind in _NAMED and name not in _SAID_BY_KERAS:
                    found.setdefault(name, parameter.default)
            if parent is keras.layers.Layer or not any(p.kind is p.VAR_KEYWORD for p in given.values()):
                return found
    raise AssertionError(f"{layer_class} is no layer")
