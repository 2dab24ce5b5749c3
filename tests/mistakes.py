"""Whether a mistake is answered as it should be."""

import os
import traceback

import keras
from helpers import ROOT


def complaint(action):
    """What is wrong with the way in which a mistake is answered, or `None`."""
    keras.config.disable_traceback_filtering()
    try:
        action()
    except Exception as error:
        files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
        found = f"{type(error).__name__}: {error}"[:200]
        # On PyTorch every layer is called through one of its modules, so only where the error was raised counts.
        looked_at = files[-1:] if keras.config.backend() == "torch" else files
        if any(f"{os.sep}site-packages{os.sep}{name}{os.sep}" in file for file in looked_at for name in BACKENDS):
            return f"a backend's error: {found}"
        # An environment may lie inside of the project's folder.
        installed = f"{os.sep}site-packages{os.sep}" in files[-1]
        ours = files[-1].startswith(str(ROOT)) and not installed and not files[-1].endswith("test_mistakes.py")
        said = isinstance(error, ValueError) and "Received" in str(error)
        unexpected = isinstance(error, TypeError) and "argument" in str(error)  # as Python says it
        if not isinstance(error, ValueError | TypeError) or (ours and not said and not unexpected):
            return found
        return None
    finally:
        keras.config.enable_traceback_filtering()
        keras.utils.clear_session(free_memory=False)
    return "it was taken for good"


BACKENDS = ("tensorflow", "jax", "jaxlib", "torch")
