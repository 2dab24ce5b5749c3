"""What planar networks and those on a symmetry group share: convolutions, norms, the final mean, checks."""

import contextlib
import warnings
from collections.abc import Collection, Iterator
from typing import Any

import keras
from keras import layers

from keras_equivariant.layers import GroupBatchNormalization, GroupConv2D
from keras_equivariant.sampling import EquivarianceWarning
from keras_equivariant.typing import Size, Tensor

HEADS = ("oriented", "invariant")
DOWNSAMPLINGS = ("strided", "centred")
_INITIALIZER = "he_normal"


def convolution(channels: int, size: Size, symmetry: str | None, **arguments: Any) -> keras.layers.Layer:
    """A planar convolution, or one on a symmetry group."""
    if symmetry is None:
        return layers.Conv2D(channels, size, kernel_initializer=_INITIALIZER, **arguments)
    return GroupConv2D(channels, size, symmetry, kernel_initializer=_INITIALIZER, **arguments)


def batch_norm(symmetry: str | None, momentum: float = 0.99) -> keras.layers.Layer:
    """Batch norm of planar maps, or of maps on a symmetry group."""
    kind = layers.BatchNormalization if symmetry is None else GroupBatchNormalization
    return kind(momentum=momentum)


def mean_features(x: Tensor, symmetry: str | None, head: str | None) -> Tensor:
    """The mean of each map: over space, and with the invariant head over orientations too."""
    if symmetry is None:
        return layers.GlobalAveragePooling2D()(x)
    if head == "invariant":
        return layers.GlobalAveragePooling3D()(x)
    height, width, orientations, channels = x.shape[1:]
    return layers.GlobalAveragePooling2D()(layers.Reshape((height, width, orientations * channels))(x))


@contextlib.contextmanager
def as_published() -> Iterator[None]:
    """Silences the warning that a published network's strides break its symmetry: its documentation says so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EquivarianceWarning)
        yield


def check_choice(argument: str, value: Any, choices: Collection[str]) -> None:
    """Raises a `ValueError` unless the value is among the choices."""
    if value not in choices:
        raise ValueError(f"`{argument}` must be one of {choices}. Received: {argument}={value!r}")
