"""Channels last, whatever the program has set for its own layers."""

import contextlib
from collections.abc import Iterator

import keras


@contextlib.contextmanager
def channels_last() -> Iterator[None]:
    """Keras' layers that are made meanwhile take channels last by default, as ours always do."""
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_last")
    try:
        yield
    finally:
        keras.config.set_image_data_format(before)
