"""The orientation axis of a feature map: folded into the channels for a planar operation, and back."""

from keras import ops

from keras_equivariant.typing import Tensor

_SPACE = ("depth", "height", "width")


def merge_orientations(x: Tensor) -> Tensor:
    """Reshapes `(batch, *space, S, channels)` to `(batch, *space, S * channels)`."""
    return ops.reshape(x, (-1, *ops.shape(x)[1:-2], x.shape[-2] * x.shape[-1]))


def split_orientations(x: Tensor, orientations: int) -> Tensor:
    """Reshapes `(batch, *space, S * channels)` to `(batch, *space, S, channels)`, S being `orientations`."""
    return ops.reshape(x, (-1, *ops.shape(x)[1:-1], orientations, x.shape[-1] // orientations))


def describe_feature_map(rank: int, orientations: int) -> str:
    """The axes of a feature map of `rank` spatial dimensions, for error messages."""
    return f"(batch, {', '.join(_SPACE[-rank:])}, {orientations}, channels)"
