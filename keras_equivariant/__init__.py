"""Keras layers and models that respect symmetries."""

import os
import sys
from typing import Any

from keras_equivariant.version import __version__  # noqa: F401


def _is_command_line() -> bool:
    """Whether this process is `keras-equivariant` or `python -m keras_equivariant`."""
    started_by = sys.orig_argv[sys.orig_argv.index("-m") :][:2] if "-m" in sys.orig_argv else []
    return started_by == ["-m", "keras_equivariant"] or os.path.basename(sys.argv[0]) == "keras-equivariant"


# The command line imports Keras when there is work to do, so that its help and its refusals need no five seconds.
if not _is_command_line():
    from keras_equivariant.library import *  # noqa: F403
    from keras_equivariant.library import __all__  # noqa: F401


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    from keras_equivariant import library

    return getattr(library, name)
