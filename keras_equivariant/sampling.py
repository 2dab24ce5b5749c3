"""Which strides and paddings keep a symmetry, and a warning about those that do not.

A strided or padded window samples the input at certain positions. An element of the symmetry group that reverses an
axis maps these positions onto themselves only if they lie symmetrically about the centre of the input; where they do
not, the layer is only approximately equivariant, whatever its weights.
"""

import inspect
import warnings
from collections.abc import Sequence
from typing import Any, overload

import keras
import numpy as np

from keras_equivariant.symmetry_group import SymmetryGroup

# Packages that stand between a program's line and the building of a layer.
_NOT_THE_PROGRAM = ("keras", "keras_equivariant", "tensorflow", "jax", "torch")


class EquivarianceWarning(UserWarning):
    """A layer's stride, padding and size break the equivariance that its symmetry promises."""


@overload
def output_size(size: int, window: int, stride: int, padding: str) -> int: ...
@overload
def output_size(size: None, window: int, stride: int, padding: str) -> None: ...
def output_size(size: int | None, window: int, stride: int, padding: str) -> int | None:
    """Number of positions at which a window samples an axis.

    Args:
        size: int, number of cells, or `None`.
        window: int, extent of the window in cells, dilation included.
        stride: int, in cells.
        padding: `"valid"`, or any other for one position for each `stride` cells.

    Returns:
        int, or `None`.

    Raises:
        ValueError: If the stride is not positive.

    Example:

    >>> output_size(33, 3, 2, "valid"), output_size(33, 3, 2, "same")
    (16, 17)
    """
    if stride < 1:
        raise ValueError(f"`stride` must be at least 1. Received: stride={stride}")
    if size is None:
        return None
    return max((size - window) // stride + 1, 0) if padding == "valid" else -(-size // stride)


def is_centred(size: int, window: int, stride: int, padding: str) -> bool:
    """Tells whether a window samples an axis symmetrically about its centre.

    With p cells of padding before the first cell, this is so if `(positions - 1) * stride + window = size + 2 p`.

    Args:
        size: int, number of cells.
        window: int, extent of the window in cells, dilation included.
        stride: int, in cells.
        padding: `"valid"`, `"same"`, `"reflect"`, `"wrap"` or `"edge"`.

    Returns:
        bool.

    Example:

    >>> [size for size in range(28, 34) if is_centred(size, 3, 2, "same")]
    [29, 31, 33]
    """
    covered = (output_size(size, window, stride, padding) - 1) * stride + window
    before = {"valid": 0, "same": max(covered - size, 0) // 2}.get(padding, (window - 1) // 2)
    return covered == size + 2 * before


def is_transpose_centred(window: int, stride: int, padding: str, output_padding: int | None = None) -> bool:
    """Tells whether a transposed convolution writes symmetrically about the centre of its output, on every size.

    Args:
        window: int, extent of the kernel in cells, dilation included.
        stride: int, in cells.
        padding: `"valid"` or `"same"`.
        output_padding: int or `None`, as in `keras.layers.Conv2DTranspose`.

    Returns:
        bool.

    Example:

    >>> is_transpose_centred(4, 2, "same"), is_transpose_centred(3, 2, "same"), is_transpose_centred(3, 2, "same", 0)
    (True, False, True)
    """
    if padding == "valid":
        return (max(stride - window, 0) if output_padding is None else output_padding) == 0
    # Zeros put between and around the cells of the input, as Keras counts them.
    zeros = stride + window - 2 if output_padding is None else window + window % 2 - 2 + output_padding
    return zeros % 2 == 0 and zeros // 2 <= window - 1


def warn_if_broken(
    layer: keras.layers.Layer,
    size: Sequence[int | None],
    windows: Sequence[int],
    strides: Sequence[int],
    padding: str,
    group: SymmetryGroup | None = None,
) -> None:
    """Warns if a layer samples its input so that a symmetry is lost; to be called when the layer is built.

    Args:
        layer: The layer, for its name.
        size: Spatial shape of the input; of an axis of unknown size nothing is said, unless no size would do.
        windows: Extent of the window along each axis, dilation included.
        strides: Stride along each axis.
        padding: `"valid"`, `"same"`, `"reflect"`, `"wrap"` or `"edge"`.
        group: The `SymmetryGroup`, or `None` if all that is known is that there is one: then each axis is taken to be
            reversed by some element.
    """
    reversed_axes, exchanged, hexagonal = moves_of_axes(group, len(size))
    named = f"`{type(layer).__name__}` {layer.name!r} is not exactly equivariant"
    under = f" under {group.name!r}" if group is not None else ""
    if exchanged and (len(set(strides)) > 1 or len(set(windows)) > 1):
        warn_of(
            f"{named}{under}: the symmetry exchanges axes that have different windows or strides. "
            f"Received: window={tuple(windows)}, strides={tuple(strides)}"
        )
        return
    for axis, (cells, window, stride) in enumerate(zip(size, windows, strides, strict=True)):
        if not reversed_axes[axis]:
            continue

        def fits(cells, window=window, stride=stride):
            if hexagonal and output_size(cells, window, stride, padding) % 2 == 0:
                return False
            return is_centred(cells, window, stride, padding)

        centre = window + stride if cells is None else cells
        smallest = {"valid": window, "reflect": window // 2 + 1}.get(padding, 1)
        fitting = [n for n in range(max(smallest, centre - 2 * stride), centre + 2 * stride + 1) if fits(n)]
        if cells in fitting or (cells is None and fitting):
            continue
        advice = f"sizes that do: {', '.join(map(str, fitting))}" if fitting else "no size does"
        warn_of(
            f"{named}{under}: with a window of {window}, a stride of {stride} and padding={padding!r} it does not "
            f"sample spatial axis {axis} symmetrically about its centre ({advice}; `layers.GridCentring2D` before it "
            f"makes any size do that some other would). Received: size={cells}"
        )
        return


def warn_if_coarse(layer: keras.layers.Layer, expansion: Any) -> None:
    """Warns if a layer's filters have fewer functions than there are turns; to be called when the layer is built.

    The orientations of such a layer are linear combinations of fewer maps, so most of them say nothing new.

    Args:
        layer: The layer, for its name.
        expansion: A `filters.FilterExpansion` or a `filters.SteerableExpansion`.
    """
    if expansion.turns is None or layer.kernel_size[0] == 1:
        return
    functions = expansion.stored_shape[0] * expansion.stored_shape[1]
    if functions < expansion.turns:
        warn_of(
            f"`{type(layer).__name__}` {layer.name!r} makes {expansion.turns} turned copies of filters that combine "
            f"{functions} functions: give it a larger kernel, or fewer turns. "
            f"Received: kernel_size={layer.kernel_size}, symmetry={layer.symmetry!r}",
            UserWarning,
        )


def warn_of(message: str, category: type[Warning] = EquivarianceWarning) -> None:
    """Warns of a layer that breaks equivariance, at the line of the program that had it built.

    Args:
        message: What to say.
        category: The kind of warning.
    """
    level, frame = 1, inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] in _NOT_THE_PROGRAM:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def moves_of_axes(group: SymmetryGroup | None, rank: int) -> tuple[list[bool], bool, bool]:
    """Tells what the elements of a symmetry group that map a grid onto itself do to the axes of an array.

    Args:
        group: The `SymmetryGroup`, or `None` if all that is known is that there is one.
        rank: int, the number of spatial axes.

    Returns:
        For each axis, whether some element reverses it; whether one exchanges axes; whether the grid is hexagonal.

    Example:

    >>> from keras_equivariant.symmetry import get_symmetry
    >>> moves_of_axes(get_symmetry("pm"), 2)
    ([False, True], False, False)
    """
    if group is None:
        return [True] * rank, False, False
    if group.hexagonal:
        return [True] * rank, True, True
    along_array = np.array([1, -1, 1])[:rank]  # x, y, z run as the array's axes, or against them
    moves = (along_array[:, None] * group.matrices[group.exact_elements] * along_array)[:, ::-1, ::-1]
    exchanged = bool((moves != moves * np.eye(rank, dtype=int)).any())
    return np.any(moves < 0, axis=(0, 1)).tolist(), exchanged, False
