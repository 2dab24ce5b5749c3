"""Images on a hexagonal grid, in axial coordinates, and the hexagon that stays in place under turns by 60 degrees."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_equivariant.arguments import check_number
from keras_equivariant.layers.inputs import OneInputOfAnyNumbers
from keras_equivariant.symmetry import get_symmetry
from keras_equivariant.typing import Shape, Tensor

_ROUNDING = 1e-9


@keras.saving.register_keras_serializable(package="keras_equivariant")
class HexagonalResampling2D(OneInputOfAnyNumbers):
    """Resamples images from a square to a hexagonal grid, bilinearly.

    The cell in row r and column q, both counted from the centre, lies at

        x = spacing * (q + r / 2),    y = -spacing * r * sqrt(3) / 2

    pixels from the centre of the image, x to the right, y up. Cells outside of the image are zero. No resampling of
    squares is exact under turns by 60 degrees; this one is under half turns and the two mirrors, and every layer on
    the hexagonal grid is under all.

    Args:
        size: int, odd: the number of cells across the hexagon, and the height and width of the output.
        spacing: float, the distance of neighbouring cells in pixels, or `None` for the one with which the hexagon is
            as wide as the shorter side of the image.
        **kwargs: As in `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)`, height and width known.

    Output shape:
        `(batch, size, size, channels)`.

    Raises:
        ValueError: If `size` is not odd and at least 3, `spacing` is not positive, or the image has not four axes.

    Example:

    >>> print(HexagonalResampling2D(33)(keras.random.normal((1, 32, 32, 3))).shape)
    (1, 33, 33, 3)

    Reference:
        [Cohen & Welling, 2016](https://arxiv.org/abs/1602.07576), section 9.
    """

    def __init__(self, size: int, spacing: float | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(size, int) or size < 3 or size % 2 == 0:
            raise ValueError(f"`size` must be an odd int of at least 3. Received: size={size}")
        if spacing is not None:
            check_number("spacing", spacing, "positive", 0, math.inf, open_below=True)
        self.size = size
        self.spacing = spacing

    def build(self, input_shape: Shape) -> None:
        if len(input_shape) != 4 or None in input_shape[1:3]:
            raise ValueError(
                f"`HexagonalResampling2D` needs images (batch, height, width, channels) of known height and width. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        self.input_spec = keras.layers.InputSpec(ndim=4, axes=dict(enumerate(input_shape[1:3], start=1)))
        self._pixels, self._weights = self._interpolation(*input_shape[1:3])
        self.built = True

    def _interpolation(self, height, width):
        """The four pixels around each cell `(4, size * size)`, and their weights."""
        spacing = self.spacing or (min(height, width) - 1) / (self.size - 1)
        row, column = np.indices((self.size, self.size)).reshape(2, -1) - (self.size - 1) / 2
        x = (width - 1) / 2 + spacing * (column + row / 2)
        y = (height - 1) / 2 + spacing * row * np.sqrt(3) / 2
        # A cell that is meant to lie on the edge of the image must not fall off it by a rounding error.
        outside = (abs(x - (width - 1) / 2) > (width - 1) / 2 + _ROUNDING) | (
            abs(y - (height - 1) / 2) > (height - 1) / 2 + _ROUNDING
        )
        pixels, weights = [], []
        for down in (0, 1):
            for right in (0, 1):
                near_row, near_column = np.floor(y + _ROUNDING) + down, np.floor(x + _ROUNDING) + right
                inside = (near_row >= 0) & (near_row < height) & (near_column >= 0) & (near_column < width)
                weight = (1 - np.abs(y - near_row)) * (1 - np.abs(x - near_column))
                weights.append(np.where(inside, weight, 0))
                pixels.append(np.where(inside, near_row * width + near_column, 0))
        return np.array(pixels).astype("int32"), np.where(outside, 0, weights)

    def call(self, inputs: Tensor) -> Tensor:
        inputs = ops.cast(inputs, self.compute_dtype)
        flat = ops.reshape(inputs, (-1, inputs.shape[1] * inputs.shape[2], inputs.shape[3]))
        cells = 0
        for pixels, weights in zip(self._pixels, self._weights, strict=True):
            weights = ops.convert_to_tensor(weights[:, None], dtype=self.compute_dtype)
            cells = ops.take(flat, pixels, axis=1) * weights + cells
        return ops.reshape(cells, (-1, self.size, self.size, inputs.shape[3]))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], self.size, self.size, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size, "spacing": self.spacing}


@keras.saving.register_keras_serializable(package="keras_equivariant")
class HexagonalMask2D(OneInputOfAnyNumbers):
    """Zeroes the cells outside of the hexagon, and marks those inside by a Keras mask.

        y(u) = x(u) if every turn by 60 degrees keeps the cell u inside of the array, else 0

    A square array in axial coordinates has two corners that a turn takes outside of it. With them at zero, every
    `"same"` convolution on p3, p6 or p6m is exactly equivariant on the hexagon, at stride 1; apply this layer to the
    image and after each convolution or other layer that writes to the corners. Keras hands the mask on to the stock
    layers that follow, up to the next group convolution or pooling; `BatchNormalization` then takes its statistics over
    the hexagon alone.

    Args:
        **kwargs: As in `keras.layers.Layer`.

    Input shape:
        `(batch, n, n, channels)` or `(batch, n, n, S, channels)`, n odd.

    Output shape:
        The same; the mask has the same shape without the channels.

    Raises:
        ValueError: If the map is not square, of odd and known size.

    Example:

    >>> y = HexagonalMask2D()(np.ones((1, 3, 3, 1), "float32"))
    >>> ops.convert_to_numpy(y)[0, :, :, 0].astype(int).tolist()
    [[0, 1, 1], [1, 1, 1], [1, 1, 0]]
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        height, width = input_shape[1:3] if len(input_shape) in (4, 5) else (None, None)
        if height is None or height != width or height % 2 == 0:
            raise ValueError(
                f"`HexagonalMask2D` needs a map (batch, n, n, channels) or (batch, n, n, S, channels) of odd size n. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        hexagon = get_symmetry("p6").interior((height, height))
        self._hexagon = hexagon.reshape(1, height, height, *(1,) * (len(input_shape) - 4))
        self.input_spec = keras.layers.InputSpec(ndim=len(input_shape), axes={1: height, 2: height})
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        inputs = ops.cast(inputs, self.compute_dtype)
        return inputs * ops.convert_to_tensor(self._hexagon[..., None], dtype=self.compute_dtype)

    def compute_mask(self, inputs: Tensor, previous_mask: Tensor | None = None) -> Tensor | None:
        # Of the input's own shape, as batch normalisation wants it, the batch included.
        return ops.logical_and(ops.ones_like(inputs[..., 0], dtype="bool"), self._hexagon)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return tuple(input_shape)
