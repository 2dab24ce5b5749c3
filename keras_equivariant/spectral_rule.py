"""When group convolution by Fourier transform is faster than the planar one: the rule of `implementation="auto"`."""

import functools

import keras

from keras_equivariant.representations import group_transform
from keras_equivariant.symmetry_group import SymmetryGroup

# What moving one value costs, in products: for each tap, and once more; see docs/speed.md.
_MOVES = {"tensorflow": (115, 0), "jax": (45, 45)}
_FEWEST_CHANNELS = {"tensorflow": 32, "jax": 11}
_WORTHWHILE = 1.2


def is_faster(group: SymmetryGroup, channels: int, filters: int, kernel_size: int, strides: int) -> bool:
    """Tells whether the Fourier transform is worth it: the rule of `implementation="auto"`.

    Per pixel and tap, a planar convolution takes S^2 C K products. This one takes P C K of them, P being
    `GroupTransform.products`, and moves S (C + K) / 2 values, each for the price of 115 products on TensorFlow, and of
    45 on JAX, with 45 more for all taps together. It is taken where that is 1.2 times less, from 32 channels on with
    TensorFlow and from 11 on with JAX, whose own convolutions are slower. The gradient of a strided patch has to be
    gathered for every pixel of the input, which costs more than is saved. On PyTorch and on anything but a CPU, nothing
    was measured: planar.

    Args:
        group: The `SymmetryGroup`.
        channels: Number of input channels, C.
        filters: Number of filters, K.
        kernel_size: int, in pixels.
        strides: int, in pixels.

    Returns:
        bool.

    Example:

    >>> from keras_equivariant.symmetry import get_symmetry
    >>> [is_faster(get_symmetry("p4m"), channels, channels, 3, 1) for channels in (8, 45, 64)]
    [False, True, True]
    """
    return reason_for_planar(group, channels, filters, kernel_size, strides) is None


def reason_for_planar(group: SymmetryGroup, channels: int, filters: int, kernel_size: int, strides: int) -> str | None:
    """Says why the Fourier transform is not worth it, or `None` if it is; the arguments are those of `is_faster`.

    Example:

    >>> from keras_equivariant.symmetry import get_symmetry
    >>> reason_for_planar(get_symmetry("p4m"), 64, 64, 3, 2)
    'the gradient of a strided kernel costs more than is saved'
    """
    if kernel_size > 1 and strides > 1:
        return "the gradient of a strided kernel costs more than is saved"
    if not _on_measured_device():
        return "nothing was measured on this backend or device"
    backend = keras.config.backend()
    if min(channels, filters) < _FEWEST_CHANNELS[backend]:
        return f"fewer than {_FEWEST_CHANNELS[backend]} channels in or out"
    gain = expected_gain(group, channels, filters, kernel_size)
    return None if gain >= _WORTHWHILE else f"{gain:.2f} times less work, where {_WORTHWHILE} is worth it"


def expected_gain(group: SymmetryGroup, channels: int, filters: int, kernel_size: int) -> float:
    """How many times less work the Fourier transform is, by the formula of `is_faster`; its arguments are the same."""
    for_each_tap, once = _MOVES[keras.config.backend()]
    moves = (for_each_tap + once / kernel_size**2) * group.order * (channels + filters) / 2
    return group.order**2 * channels * filters / (group_transform(group).products * channels * filters + moves)


@functools.cache
def _on_measured_device():
    if keras.config.backend() not in _MOVES:
        return False
    return all(device.startswith("cpu") for device in keras.distribution.list_devices())
