"""Downsampling that stays exactly equivariant on every size."""

import operator
from typing import Any

import keras
from keras import ops

from keras_equivariant.layers.inputs import OneInputOfAnyNumbers
from keras_equivariant.layers.padding import PADDINGS, PADDINGS_FROM_DATA, check_padding
from keras_equivariant.sampling import is_centred
from keras_equivariant.typing import Shape, Size, Tensor


@keras.saving.register_keras_serializable(package="keras_equivariant")
class GridCentring2D(OneInputOfAnyNumbers):
    """Makes the next strided layer sample symmetrically about the centre, whatever the size of the map.

    A window of k cells with stride s fits a size n only if `n + 2 * padding - k` is a multiple of s. Where it does
    not fit, this layer takes means of neighbouring cells along that axis, each of which shortens it by one cell,

        y(u) = (x(u) + x(u + 1)) / 2

    as often as it takes until the size fits: together a binomial filter, which lessens aliasing too. Where the size
    fits, the map passes unchanged. A 3x3 convolution with stride 2 and `"same"` padding after it maps 32 to 16 and
    33 to 17 cells, a 2x2 pooling with stride 2 both 32 and 33 to 16, exactly equivariant.

    Args:
        kernel_size: int or pair of ints, the window of the layer that follows, in pixels, dilation included.
        strides: int or pair of ints, its strides.
        padding: `"valid"`, `"same"`, `"reflect"`, `"wrap"` or `"edge"`, its padding.
        **kwargs: As in `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)` or `(batch, height, width, S, channels)`, height and width known.

    Output shape:
        The same, height and width shorter by 0 to `strides - 1`.

    Raises:
        ValueError: If a number is not positive, a size is unknown, or no smaller size fits, as none does for an even
            window with `"same"` padding and stride 1.

    Example:

    >>> print(GridCentring2D(3, 2, "same")(keras.random.normal((1, 32, 33, 4, 8))).shape)
    (1, 31, 33, 4, 8)
    """

    def __init__(self, kernel_size: Size = 3, strides: Size = 2, padding: str = "same", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kernel_size = _pair("kernel_size", kernel_size)
        self.strides = _pair("strides", strides)
        self.padding = check_padding(padding, (*PADDINGS, *PADDINGS_FROM_DATA))
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        self._count_means(input_shape)
        self.built = True

    def _count_means(self, input_shape):
        """How many means to take along height and along width."""
        if len(input_shape) not in (4, 5) or None in input_shape[1:3]:
            raise ValueError(
                f"`GridCentring2D` needs a map (batch, height, width, channels) or (batch, height, width, S, channels) "
                f"of known height and width. Received: input_shape={tuple(input_shape)}"
            )
        counts = []
        for size, window, stride in zip(input_shape[1:3], self.kernel_size, self.strides, strict=True):
            smallest = window if self.padding == "valid" else 1
            smaller = range(size, max(size - stride, smallest - 1), -1)
            fitting = [n for n in smaller if is_centred(n, window, stride, self.padding)]
            if not fitting:
                raise ValueError(
                    f"No size slightly below that of the input suits a window of {window}, a stride of {stride} and "
                    f"padding={self.padding!r}. Received: input_shape={tuple(input_shape)}"
                )
            counts.append(size - fitting[0])
        return counts

    def call(self, inputs: Tensor) -> Tensor:
        means = self._count_means(inputs.shape)
        x = ops.cast(inputs, self.compute_dtype)  # sums of integers overflow
        orientations = tuple(x.shape)[3:-1]
        if orientations:
            x = ops.reshape(x, (-1, *x.shape[1:3], x.shape[3] * x.shape[4]))
        for done in range(max(means)):
            # Slices would say the same, but TensorFlow takes fifteen times as long for their gradient.
            window = tuple(2 if done < count else 1 for count in means)
            x = ops.average_pool(x, window, 1, "valid", "channels_last")
        return ops.reshape(x, (-1, *x.shape[1:3], *orientations, inputs.shape[-1])) if orientations else x

    def compute_mask(self, inputs: Tensor, previous_mask: Tensor | None = None) -> Tensor | None:
        return None  # a mask says where the input counts; the output has other cells

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, height, width, *rest = input_shape
        means = self._count_means(input_shape)
        return (batch, height - means[0], width - means[1], *rest)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
        }


def _pair(name, value):
    try:
        pair = tuple(operator.index(n) for n in (value if isinstance(value, tuple | list) else (value, value)))
    except TypeError:
        pair = ()
    if len(pair) != 2 or min(pair) < 1:
        raise ValueError(f"`{name}` must be a positive int or a pair of them. Received: {name}={value}")
    return pair
