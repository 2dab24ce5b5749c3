"""Padding with the values of the data itself, and checks of the arguments that go with it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from keras_equivariant.typing import Tensor

PADDINGS = ("valid", "same")
PADDINGS_FROM_DATA = ("reflect", "wrap", "edge")


def check_padding(padding: str, known: Sequence[str] = PADDINGS) -> str:
    """Returns a padding in lower case, or raises a ValueError."""
    if not isinstance(padding, str) or padding.lower() not in known:
        raise ValueError(f"`padding` must be one of {known}. Received: padding={padding!r}")
    return padding.lower()


def check_channels_last(data_format: str | None) -> None:
    """Raises a ValueError unless the channels come last."""
    if data_format != "channels_last":
        raise ValueError(f"`data_format` must be 'channels_last'. Received: data_format={data_format!r}")


def pad_from_data(x: Tensor, windows: Sequence[int], mode: str) -> Tensor:
    """Pads the spatial axes of a planar map with `window - 1` of its own cells, one more after it if that is odd.

    Args:
        x: `(batch, *space, channels)`.
        windows: Extent of the window along each spatial axis, in cells.
        mode: `"reflect"`, mirrored about the first and the last cell; `"wrap"`, from the opposite side; or `"edge"`,
            the first and the last cell again.

    Returns:
        The padded map.
    """
    for axis, window in enumerate(windows, start=1):
        if window > 1 and mode == "edge":
            x = _with_edges(x, axis, (window - 1) // 2, window // 2)
        elif window > 1:
            size = x.shape[axis]
            # Numbers where the size is known, a tensor where it is not.
            cells = ops.arange(ops.shape(x)[axis] + window - 1) if size is None else np.arange(size + window - 1)
            cells, last = cells - (window - 1) // 2, (ops.shape(x)[axis] if size is None else size) - 1
            cells = cells % (last + 1) if mode == "wrap" else last - abs(last - abs(cells))
            x = ops.take(x, cells, axis=axis)
    return x


def _with_edges(x, axis, before, after):
    """Repeats the first and the last cell along an axis. Slices: they need no size, and their gradient is cheap."""
    axes = (slice(None),) * axis
    first, last = x[(*axes, slice(0, 1))], x[(*axes, slice(-1, None))]
    return ops.concatenate([first] * before + [x] + [last] * after, axis=axis)


def check_output_padding(layer: Any) -> None:
    """Raises a ValueError for an output of a transposed convolution that no convolution maps back to the input's size.

    Keras finds the size to be the window's less `2 * (window // 2)` for `"same"`, and leaves the rest to the backends.
    """
    extra = layer.output_padding
    if extra is None or layer.padding != "same":
        return
    for axis in range(layer.rank):
        if extra[axis] == 0 and ((layer.kernel_size[axis] - 1) * layer.dilation_rate[axis]) % 2 == 1:
            raise ValueError(
                f"`output_padding` must be at least 1, or None, for padding='same' and a window of even size. "
                f"Received: output_padding={extra}, kernel_size={layer.kernel_size}"
            )
