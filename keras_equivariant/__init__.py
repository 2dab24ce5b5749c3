"""Keras layers and models that respect symmetries."""

import importlib
import os
import sys
from typing import Any

from keras_equivariant.version import __version__  # noqa: F401


def _is_command_line() -> bool:
    """Whether this process is `keras-equivariant` or `python -m keras_equivariant`."""
    program = sys.argv[0] if sys.argv else ""
    if program == "-m":  # so Python calls a module while it looks for it
        return sys.orig_argv[sys.orig_argv.index("-m") + 1 :][:1] == ["keras_equivariant"]
    return os.path.basename(program) == "keras-equivariant"


# The command line imports Keras when there is work to do, so that its help and its refusals need no five seconds.
if not _is_command_line():
    from keras_equivariant.library import *  # noqa: F403
    from keras_equivariant.library import __all__  # noqa: F401


def __getattr__(name: str) -> Any:
    """On the command line, what others find here from the start."""
    if name.startswith("__"):
        raise AttributeError(name)
    # While it is being imported it asks for our modules, which Python imports when it hears that they are not here.
    library = sys.modules.get("keras_equivariant.library") or importlib.import_module("keras_equivariant.library")
    return getattr(library, name)
