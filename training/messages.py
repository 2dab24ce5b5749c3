"""What the command line says of an error: one line. All of it without Keras and TensorFlow."""

import re

from keras_equivariant.training.names import with_hint

_LONGEST = 1000  # a backend may print whole arrays
_OF_TENSORFLOW = r"\{\{.*?\}\}|\[Op:.*?\]"  # its own operations, of which it tells first and last


def is_exhausted(error: Exception) -> bool:
    """Whether an error is of the memory or, where TensorFlow writes, of a disk that is full."""
    return isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError"


def in_one_line(error: Exception) -> str:
    """What an error says, without line breaks, and with the name that may have been meant."""
    text = " ".join((re.sub(_OF_TENSORFLOW, "", str(error)) if is_exhausted(error) else str(error)).split())
    if not text and isinstance(error, MemoryError):
        text = "there is not enough memory"
    return f"keras-equivariant: error: {with_hint(text)[:_LONGEST]}"
