"""Callbacks of one's own, by name."""

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any


def load_callbacks(names: Sequence[str]) -> list[Any]:
    """Makes callbacks by their names, `"module:name"`: of a class, or of a function that makes one.

    Modules are looked for in the current folder too.

    Raises:
        ValueError: If there is no such module or name, or what it makes is no Keras callback.
    """
    return [_load(name) for name in names]


def _load(text: str) -> Any:
    import keras

    module, _, name = text.partition(":")
    if not module or not name:
        raise ValueError(f"`callback` must be MODULE:NAME, of a class or a function. Received: callback={text!r}")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        make = getattr(importlib.import_module(module), name)
        callback = make()
    except Exception as error:  # whatever the module does
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f"`callback` must be one that can be made ({reason}). Received: callback={text!r}") from None
    if not isinstance(callback, keras.callbacks.Callback):
        raise ValueError(
            f"`callback` must make a keras.callbacks.Callback. Received: callback={text!r}, which made a "
            f"{type(callback).__name__}"
        )
    return callback
