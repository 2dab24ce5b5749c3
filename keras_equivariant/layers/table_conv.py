"""Convolution by a connection table."""

import operator
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_equivariant.layers.empty import output_of_nothing
from keras_equivariant.layers.inputs import OneInput
from keras_equivariant.layers.padding import check_channels_last, check_padding
from keras_equivariant.typing import Activation, ConnectionTable, Shape, Size, Tensor


class TableConvolution(OneInput):
    """Makes a Keras convolution of any dimension read a selection of the input maps; goes before it among the bases.

    Arguments and formula are those of `TableConv2D`.
    """

    # Of the Keras convolution.
    rank: int
    filters: int
    kernel_size: tuple[int, ...]
    data_format: str
    groups: int
    use_bias: bool
    kernel: Tensor
    kernel_initializer: Any
    bias_initializer: Any
    kernel_regularizer: Any
    bias_regularizer: Any
    kernel_constraint: Any
    bias_constraint: Any
    activation: Any
    lora_rank: int | None

    def __init__(
        self,
        connection_table: ConnectionTable,
        kernel_size: Size,
        strides: Size = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Size = 1,
        activation: Activation = None,
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        connection_table = _checked(connection_table)
        super().__init__(
            filters=len(connection_table),
            kernel_size=kernel_size,
            strides=strides,
            padding=check_padding(padding),
            data_format=data_format,
            dilation_rate=dilation_rate,
            activation=activation,
            use_bias=use_bias,
            **kwargs,
        )
        check_channels_last(self.data_format)
        if self.groups != 1:
            raise ValueError(f"`groups` must be left out: the table says it all. Received: groups={self.groups}")
        self.connection_table = connection_table
        if self.lora_rank:
            self.enable_lora(self.lora_rank)

    def build(self, input_shape: Shape) -> None:
        channels = 1 + max(map(max, self.connection_table))
        if len(input_shape) != self.rank + 2 or input_shape[-1] != channels:
            space = ", ".join(("depth", "height", "width")[-self.rank :]) if self.rank > 1 else "length"
            raise ValueError(
                f"`connection_table` names {channels} input maps: give it (batch, {space}, {channels}). "
                f"Received: input_shape={tuple(input_shape)}"
            )
        self.compute_output_shape(input_shape)
        self.input_spec = keras.layers.InputSpec(ndim=self.rank + 2, axes={-1: channels})
        connections = sum(map(len, self.connection_table))
        self._kernel = self.add_weight(
            name="kernel",
            shape=(*self.kernel_size, connections),
            initializer=self._initialise,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        # For each pair of an input and an output map the kernel of that connection, or zeros, which come last.
        self._sources = np.full((channels, self.filters), connections)
        pairs = ((i, j) for j, inputs in enumerate(self.connection_table) for i in inputs)
        for connection, pair in enumerate(pairs):
            self._sources[pair] = connection
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.filters,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.built = True

    def _initialise(self, shape, dtype=None):
        """Draws the filters with equally many inputs together, and lays their kernels out in the table's order."""
        widths = np.array([len(inputs) for inputs in self.connection_table])
        drawn = []
        for width in np.unique(widths):
            draw = _another(self.kernel_initializer)
            block = draw((*self.kernel_size, int(width), int(sum(widths == width))), dtype=dtype)
            drawn.append(ops.reshape(ops.swapaxes(block, -2, -1), (*self.kernel_size, -1)))
        by_width = np.argsort(np.repeat(widths, widths), kind="stable")
        return ops.take(ops.concatenate(drawn, axis=-1), np.argsort(by_width), axis=-1)

    @property
    def expanded_kernel(self) -> Tensor:
        """The kernel of the ordinary convolution, `(*kernel_size, channels, filters)`, zero where not connected."""
        return self._expand(self.kernel)

    def _expand(self, kernel):
        kernel = ops.convert_to_tensor(kernel)
        kernel = ops.concatenate([kernel, ops.zeros_like(kernel[..., :1])], axis=-1)
        return ops.take(kernel, self._sources, axis=-1)

    def call(self, inputs: Tensor) -> Tensor:
        if (nothing := output_of_nothing(self, inputs)) is not None:
            return nothing
        outputs = self.convolution_op(inputs, self.kernel)
        if self.bias is not None:
            outputs = outputs + self.bias
        return outputs if self.activation is None else self.activation(outputs)

    def convolution_op(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        return super().convolution_op(inputs, self._expand(kernel))

    def enable_lora(self, rank: int, *args: Any, **kwargs: Any) -> None:
        raise ValueError(
            f"`{type(self).__name__}` has no low-rank adaptation: its kernels are stored one by one. Train them. "
            f"Received: rank={rank}"
        )

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        for implied in ("filters", "groups"):
            del config[implied]
        return {**config, "connection_table": [list(inputs) for inputs in self.connection_table]}


@keras.saving.register_keras_serializable(package="keras_equivariant")
class TableConv2D(TableConvolution, keras.layers.Conv2D):
    """2-D convolution in which each output map reads a selection of the input maps.

        y_j = f(sum { x_i * k_ij : i in M_j } + b_j)

    `*` is Keras' convolution, which does not flip the kernel. Only the kernels of existing connections are stored and
    counted; initialisers see them as a kernel `(*kernel_size, len(M_j), filters with as many inputs)`, so that the
    fan-in of each unit is the true one. Low-rank adaptation is not supported.

    Args:
        connection_table: For each output map j, the indices of the input maps M_j that it reads; such as
            `all_pairs(6)`, `all_triplets(6)` or `lenet5_table()`.
        kernel_size: As in `keras.layers.Conv2D`.
        strides: As in `keras.layers.Conv2D`.
        padding: As in `keras.layers.Conv2D`.
        data_format: `"channels_last"` or `None`; nothing else is supported.
        dilation_rate: As in `keras.layers.Conv2D`.
        activation: As in `keras.layers.Conv2D`: the function f.
        use_bias: As in `keras.layers.Conv2D`.
        **kwargs: The initialisers, regularisers and constraints of `keras.layers.Conv2D`, and what
            `keras.layers.Layer` takes.

    Input shape:
        `(batch, height, width, channels)`, the highest index of the table being that of the last channel.

    Output shape:
        `(batch, new_height, new_width, filters)`, with a filter for each entry of the table.

    Raises:
        ValueError: If the table is empty, or an entry of it is empty, or names a map twice or by something else than
            an index; if the data format is not `"channels_last"`, or the input has another number of channels.

    Example:

    >>> from keras_equivariant.layers import all_pairs, lenet5_table
    >>> x = keras.random.normal((1, 12, 12, 6))
    >>> print(TableConv2D(all_pairs(6), 5)(x).shape)
    (1, 8, 8, 15)
    >>> print(TableConv2D(lenet5_table(), 5, activation="tanh")(x).shape)
    (1, 8, 8, 16)

    Reference:
        [Bouvrie, 2006](http://cogprints.org/5869/), section 3.1.
    """


@keras.saving.register_keras_serializable(package="keras_equivariant")
class TableConv1D(TableConvolution, keras.layers.Conv1D):
    """1-D convolution in which each output map reads a selection of the input maps.

    The formula is that of `TableConv2D`.

    Args:
        connection_table: As in `TableConv2D`.
        kernel_size: int, the size of the kernels in samples.
        *args: The remaining arguments of `TableConv2D`, in the same order; sizes are ints.
        **kwargs: The same by name.

    Input shape:
        `(batch, length, channels)`.

    Output shape:
        `(batch, new_length, filters)`.

    Raises:
        ValueError: As `TableConv2D`.

    Example:

    >>> from keras_equivariant.layers import all_pairs
    >>> print(TableConv1D(all_pairs(4), 5)(keras.random.normal((1, 12, 4))).shape)
    (1, 8, 6)

    Reference:
        [Bouvrie, 2006](http://cogprints.org/5869/), sections 1 and 3.1.
    """


@keras.saving.register_keras_serializable(package="keras_equivariant")
class TableConv3D(TableConvolution, keras.layers.Conv3D):
    """3-D convolution in which each output map reads a selection of the input maps.

    The formula is that of `TableConv2D`.

    Args:
        connection_table: As in `TableConv2D`.
        kernel_size: int or triple of ints, the size of the kernels in voxels.
        *args: The remaining arguments of `TableConv2D`, in the same order; sizes are ints or triples of ints.
        **kwargs: The same by name.

    Input shape:
        `(batch, depth, height, width, channels)`.

    Output shape:
        `(batch, new_depth, new_height, new_width, filters)`.

    Raises:
        ValueError: As `TableConv2D`.

    Example:

    >>> from keras_equivariant.layers import all_pairs
    >>> print(TableConv3D(all_pairs(3), 2)(keras.random.normal((1, 4, 5, 6, 3))).shape)
    (1, 3, 4, 5, 3)

    Reference:
        [Bouvrie, 2006](http://cogprints.org/5869/), sections 1 and 3.1.
    """


def _another(initializer):
    """A copy that draws other numbers, if it has no seed: an initialiser of Keras repeats its numbers at each call."""
    config = initializer.get_config() if isinstance(initializer, keras.initializers.Initializer) else {}
    return initializer.clone() if "seed" in config and config["seed"] is None else initializer


def _checked(connection_table):
    """The table as a tuple of tuples of ints."""
    try:
        table = tuple(tuple(operator.index(i) for i in inputs) for inputs in connection_table)
    except TypeError:
        table = ()
    if not table or not all(inputs and min(inputs) >= 0 and len(set(inputs)) == len(inputs) for inputs in table):
        raise ValueError(
            "`connection_table` must hold, for each output map, different indices of input maps. "
            f"Received: connection_table={connection_table}"
        )
    return table
