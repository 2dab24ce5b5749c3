"""The largest of several linear functions."""

from typing import Any

import keras
from keras import ops

from keras_equivariant.layers.empty import output_of_nothing
from keras_equivariant.layers.extremes import largest
from keras_equivariant.layers.inputs import OneInputOfAnyNumbers
from keras_equivariant.typing import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_equivariant")
class Maxout(OneInputOfAnyNumbers):
    """Maximum over blocks of neighbouring channels: after a linear layer, the activation of a maxout network.

        y_i = max of x_(i k), ..., x_(i k + k - 1)

    for k pieces. It passes an offset of its input on as it is, without any means taken away, because a maximum does:
    offset-equivariant networks can have it in the place of a rectifier, and feature groups of equal size stay
    contiguous if `pieces` divides their size. It acts on channels only and so suits maps on a symmetry group, too.

    Args:
        pieces: int, the number of channels that each output is the maximum of.
        **kwargs: As in `keras.layers.Layer`.

    Input shape:
        `(batch, ..., channels)`, channels a multiple of `pieces`.

    Output shape:
        `(batch, ..., channels / pieces)`.

    Raises:
        ValueError: If `pieces` is not positive or does not divide the number of channels.

    Example:

    >>> print(keras.ops.convert_to_numpy(Maxout(2)(np.array([[1.0, 3.0, 2.0, -1.0]]))))
    [[3. 2.]]

    Reference:
        [Goodfellow et al., 2013](https://arxiv.org/abs/1302.4389), section 3;
        [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), section 2.4.
    """

    def __init__(self, pieces: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if isinstance(pieces, bool) or not isinstance(pieces, int) or pieces < 1:
            raise ValueError(f"`pieces` must be a positive integer. Received: pieces={pieces!r}")
        self.pieces = pieces
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        self.compute_output_shape(input_shape)
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        if (nothing := output_of_nothing(self, inputs)) is not None:
            return nothing
        *space, channels = ops.shape(inputs)[1:]
        blocks = ops.reshape(inputs, (-1, *space, channels // self.pieces, self.pieces))
        return largest(blocks, (-1,))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        channels = input_shape[-1] if len(input_shape) > 1 else None
        if channels is None or channels % self.pieces != 0:
            raise ValueError(
                f"The input must be (batch, ..., channels), channels known and a multiple of `pieces`. "
                f"Received: pieces={self.pieces}, input_shape={tuple(input_shape)}"
            )
        return (*input_shape[:-1], channels // self.pieces)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "pieces": self.pieces}
