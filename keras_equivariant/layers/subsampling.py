"""Sub-sampling with a trainable gain and bias."""

from typing import Any

import keras
from keras import ops

from keras_equivariant.arguments import check_choice
from keras_equivariant.layers.inputs import OneInputOfAnyNumbers
from keras_equivariant.typing import Activation, Constraint, Initializer, Regularizer, Shape, Tensor


class Subsampling(OneInputOfAnyNumbers):
    """Sub-samples maps of any number of dimensions; arguments and formula are those of `Subsampling2D`."""

    rank: int

    def __init__(
        self,
        n: int = 2,
        activation: Activation = None,
        reduction: str = "sum",
        use_bias: bool = True,
        beta_initializer: Initializer = None,
        bias_initializer: Initializer = "zeros",
        beta_regularizer: Regularizer = None,
        bias_regularizer: Regularizer = None,
        beta_constraint: Constraint = None,
        bias_constraint: Constraint = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(n, int) or n < 1:
            raise ValueError(f"`n` must be a positive integer. Received: n={n!r}")
        check_choice("reduction", reduction, _REDUCTIONS)
        self.n = n
        self.activation = keras.activations.get(activation)
        self.reduction = reduction
        self.use_bias = use_bias
        self.beta_initializer = None if beta_initializer is None else keras.initializers.get(beta_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.beta_regularizer = keras.regularizers.get(beta_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.beta_constraint = keras.constraints.get(beta_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)

    def build(self, input_shape: Shape) -> None:
        self.compute_output_shape(input_shape)
        channels = input_shape[-1]
        self.input_spec = keras.layers.InputSpec(ndim=self.rank + 2, axes={-1: channels})
        mean = 1 / self.n**self.rank if self.reduction == "sum" else 1
        self.beta = self.add_weight(
            name="beta",
            shape=(channels,),
            initializer=self.beta_initializer or keras.initializers.Constant(mean),
            regularizer=self.beta_regularizer,
            constraint=self.beta_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(channels,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.built = True

    def down(self, inputs: Tensor) -> Tensor:
        """The sum of each block, or its first cell: what the gains multiply."""
        return _REDUCTIONS[self.reduction](inputs, self.n)

    def call(self, inputs: Tensor) -> Tensor:
        outputs = self.beta * self.down(inputs)
        if self.use_bias:
            outputs = outputs + self.bias
        return self.activation(outputs)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        small = [size for size in input_shape[1:-1] if size is not None and size < self.n]
        if len(input_shape) != self.rank + 2 or input_shape[-1] is None or small:
            space = ", ".join(("depth", "height", "width")[-self.rank :]) if self.rank > 1 else "length"
            raise ValueError(
                f"`{type(self).__name__}` needs maps (batch, {space}, channels) of at least {self.n} cells along each "
                f"axis. Received: input_shape={tuple(input_shape)}"
            )
        batch, *space, channels = input_shape
        return (batch, *(None if size is None else size // self.n for size in space), channels)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "n": self.n,
            "activation": keras.activations.serialize(self.activation),
            "reduction": self.reduction,
            "use_bias": self.use_bias,
            "beta_initializer": keras.initializers.serialize(self.beta_initializer) if self.beta_initializer else None,
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "beta_regularizer": keras.regularizers.serialize(self.beta_regularizer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
            "beta_constraint": keras.constraints.serialize(self.beta_constraint),
            "bias_constraint": keras.constraints.serialize(self.bias_constraint),
        }


@keras.saving.register_keras_serializable(package="keras_equivariant")
class Subsampling2D(Subsampling):
    """Sub-samples each map by a factor, with a gain and a bias that are learned.

        y_j = f(beta_j down(x_j) + b_j)

    `down` sums each distinct block of n x n pixels, or takes its first pixel. Rows and columns that do not fill a block
    are left out.

    Args:
        n: int, the factor, in pixels.
        activation: As in `keras.layers.Conv2D`: the function f.
        reduction: `"sum"` over the block, or `"decimate"`: its first pixel.
        use_bias: bool, whether there is a bias b.
        beta_initializer: As `bias_initializer`, for the gains; `None` starts from the mean of the block, at 1 / n**2
            for `"sum"` and 1 for `"decimate"`.
        bias_initializer: As in `keras.layers.Conv2D`.
        beta_regularizer: As `bias_regularizer`, for the gains.
        bias_regularizer: As in `keras.layers.Conv2D`.
        beta_constraint: As `bias_constraint`, for the gains.
        bias_constraint: As in `keras.layers.Conv2D`.
        **kwargs: As in `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        `(batch, height // n, width // n, channels)`.

    Raises:
        ValueError: If the factor is not a positive integer, the reduction is unknown, or the input has not four axes,
            an unknown number of channels or fewer than n rows or columns.

    Example:

    >>> print(Subsampling2D(2, "tanh")(keras.random.normal((1, 24, 24, 6))).shape)
    (1, 12, 12, 6)

    Reference:
        [Bouvrie, 2006](http://cogprints.org/5869/), section 3.2.
    """

    rank = 2


@keras.saving.register_keras_serializable(package="keras_equivariant")
class Subsampling1D(Subsampling):
    """Sub-samples each signal by a factor, with a gain and a bias that are learned.

    The formula is that of `Subsampling2D`, on blocks of n samples.

    Args:
        n: int, the factor, in samples.
        *args: The remaining arguments of `Subsampling2D`, in the same order; the gains of `"sum"` start at 1 / n.
        **kwargs: The same by name, and those of `keras.layers.Layer`.

    Input shape:
        `(batch, length, channels)`.

    Output shape:
        `(batch, length // n, channels)`.

    Raises:
        ValueError: As `Subsampling2D`.

    Example:

    >>> print(Subsampling1D(3, "tanh")(keras.random.normal((1, 25, 6))).shape)
    (1, 8, 6)

    Reference:
        [Bouvrie, 2006](http://cogprints.org/5869/), section 3.2.
    """

    rank = 1


@keras.saving.register_keras_serializable(package="keras_equivariant")
class Subsampling3D(Subsampling):
    """Sub-samples each volume by a factor, with a gain and a bias that are learned.

    The formula is that of `Subsampling2D`, on blocks of n x n x n voxels.

    Args:
        n: int, the factor, in voxels.
        *args: The remaining arguments of `Subsampling2D`, in the same order; the gains of `"sum"` start at 1 / n**3.
        **kwargs: The same by name, and those of `keras.layers.Layer`.

    Input shape:
        `(batch, depth, height, width, channels)`.

    Output shape:
        `(batch, depth // n, height // n, width // n, channels)`.

    Raises:
        ValueError: As `Subsampling2D`.

    Example:

    >>> print(Subsampling3D(2, "tanh")(keras.random.normal((1, 4, 6, 8, 3))).shape)
    (1, 2, 3, 4, 3)

    Reference:
        [Bouvrie, 2006](http://cogprints.org/5869/), section 3.2.
    """

    rank = 3


def _sum_of_blocks(x, n):
    if len(x.shape) == 4:
        return n**2 * ops.average_pool(x, n, n, "valid", "channels_last")
    # Of volumes, TensorFlow averages float64 in float32.
    counts = [size // n for size in ops.shape(x)[1:-1]]
    x = x[(slice(None), *[slice(None, count * n) for count in counts])]
    blocks = ops.reshape(x, (-1, *[part for count in counts for part in (count, n)], x.shape[-1]))
    return ops.sum(blocks, axis=tuple(range(2, 2 * len(counts) + 1, 2)))


def _first_of_blocks(x, n):
    # Up to the last pixel that still begins a whole block.
    end = None if n == 1 else 1 - n
    return x[(slice(None), *[slice(None, end, n)] * (len(x.shape) - 2))]


_REDUCTIONS = {"sum": _sum_of_blocks, "decimate": _first_of_blocks}
