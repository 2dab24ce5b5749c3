"""Offset-equivariant convolutions."""

from typing import Any

import keras

from keras_equivariant.layers.group_conv import GroupConv2D
from keras_equivariant.layers.offset_convolution import OffsetConvolution, PlanarOffsetConvolution
from keras_equivariant.layers.orientations import split_orientations
from keras_equivariant.symmetry import get_symmetry
from keras_equivariant.typing import FeatureGroups, Size, Tensor


@keras.saving.register_keras_serializable(package="keras_equivariant")
class OffsetConv2D(PlanarOffsetConvolution, keras.layers.Conv2D):
    """2-D convolution that passes an offset of its input on to its output.

    Channels form `feature_groups` contiguous blocks of equal size, such as one for each colour. If d_j is added to all
    input channels of group j, at all positions, it is added to all output channels of group j:

        f(x + G_m d) = f(x) + G_n d

    The kernel is projected onto those for which this holds, `constraints.OffsetProjection`, when it is first set and
    after each update of an optimizer; or in each forward pass, whatever is stored: `projection`. Constants beyond the
    border would break the law. With `padding="same"`, it sees the mean of the data: the average of each group over all
    positions is taken away, the map padded with zeros, and the average added to the output. With `padding="edge"`, it
    sees the outermost pixels again.

    Args:
        filters: int, the number of output channels, a multiple of `feature_groups`.
        kernel_size: As in `keras.layers.Conv2D`.
        strides: As in `keras.layers.Conv2D`.
        padding: `"valid"`; `"same"`, with the means of the data; or `"edge"`, with its outermost pixels,
            `kernel_size - 1` of them, dilated, whatever the stride: the first half before the map. The windows of an
            odd kernel are centred on the pixels 0, s, 2 s ... for a stride of s.
        data_format: `"channels_last"` or `None`; nothing else is supported.
        dilation_rate: As in `keras.layers.Conv2D`.
        groups: 1; nothing else is supported. This has nothing to do with feature groups.
        activation: As in `keras.layers.Conv2D`, but of the map without its group means, which are added again: see
            `OffsetAdapter`.
        use_bias: As in `keras.layers.Conv2D`.
        kernel_initializer: As in `keras.layers.Conv2D`; its values are projected.
        bias_initializer: As in `keras.layers.Conv2D`.
        kernel_regularizer: As in `keras.layers.Conv2D`; of the stored kernel.
        bias_regularizer: As in `keras.layers.Conv2D`.
        activity_regularizer: As in `keras.layers.Conv2D`.
        kernel_constraint: `None`; the projection takes its place.
        bias_constraint: As in `keras.layers.Conv2D`.
        feature_groups: int, the number of groups: 3 for colour, 1 for brightness. Or, for groups of unequal size or in
            any order, a sequence of ints about the input channels: the sizes of contiguous groups, or the group of each
            channel, counted from 0, if there is a 0 in it.
        output_groups: The same about the output channels; `None` for equal contiguous blocks.
        projection: `"constraint"`, after each update of an optimizer; or `"forward"`, the stored kernel minus its means
            over taps and groups plus the constant that they should be, whenever it is used: then the law holds whatever
            changes the weights, such as averaging them, rounding them or other optimizers.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        `(batch, new_height, new_width, filters)`.

    Raises:
        ValueError: If input channels or filters do not split into the groups, or an argument has a value that is not
            supported.

    Example:

    >>> x = keras.random.normal((2, 8, 8, 3))
    >>> x = OffsetConv2D(15, 3, padding="same")(x)
    >>> print(x.shape)
    (2, 8, 8, 15)
    >>> print(OffsetConv2D(9, 3, padding="edge", output_groups=(5, 3, 1))(x).shape)
    (2, 8, 8, 9)

    Reference:
        [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), equations 3 and 16 and section 2.2.
    """


@keras.saving.register_keras_serializable(package="keras_equivariant")
class OffsetConv1D(PlanarOffsetConvolution, keras.layers.Conv1D):
    """1-D convolution that passes an offset of its input on to its output.

    The formula is that of `OffsetConv2D`.

    Args:
        filters: int, the number of output channels, a multiple of `feature_groups`.
        kernel_size: int, the size of the kernel in samples.
        *args: The remaining arguments of `OffsetConv2D`, in the same order; sizes are ints.
        **kwargs: The same by name, and those of `keras.layers.Layer`.

    Input shape:
        `(batch, length, channels)`.

    Output shape:
        `(batch, new_length, filters)`.

    Raises:
        ValueError: As `OffsetConv2D`; `padding="causal"` too, which pads with zeros.

    Example:

    >>> print(OffsetConv1D(6, 5, padding="edge")(keras.random.normal((2, 20, 3))).shape)
    (2, 20, 6)

    Reference:
        [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), section 2.2.
    """


@keras.saving.register_keras_serializable(package="keras_equivariant")
class OffsetConv3D(PlanarOffsetConvolution, keras.layers.Conv3D):
    """3-D convolution that passes an offset of its input on to its output.

    The formula is that of `OffsetConv2D`.

    Args:
        filters: int, the number of output channels, a multiple of `feature_groups`.
        kernel_size: int or triple of ints, the size of the kernel in voxels.
        *args: The remaining arguments of `OffsetConv2D`, in the same order; sizes are ints or triples of ints.
        **kwargs: The same by name, and those of `keras.layers.Layer`.

    Input shape:
        `(batch, depth, height, width, channels)`.

    Output shape:
        `(batch, new_depth, new_height, new_width, filters)`.

    Raises:
        ValueError: As `OffsetConv2D`.

    Example:

    >>> volume = keras.random.normal((2, 4, 5, 6, 1))
    >>> print(OffsetConv3D(4, 3, padding="same", feature_groups=1)(volume).shape)
    (2, 4, 5, 6, 4)

    Reference:
        [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), section 2.2.
    """


@keras.saving.register_keras_serializable(package="keras_equivariant")
class OffsetGroupConv2D(OffsetConvolution, GroupConv2D):
    """Group convolution that passes an offset of its input on to its output.

    If the image turns, the output turns and its orientations permute; if d_j is added to all input channels of
    feature group j, at all positions and in all orientations, it is added to all output channels of group j. The
    offset constraint sums over taps, orientations and channels, and a transformed filter has the same sums.

    Args:
        filters: int, the number of feature maps on the symmetry group, a multiple of `feature_groups`.
        kernel_size: As in `GroupConv2D`.
        symmetry: Name of the symmetry group, such as `"p4"` or `"p4m"`.
        feature_groups: As in `OffsetConv2D`; by name only.
        output_groups: As in `OffsetConv2D`; by name only.
        projection: As in `OffsetConv2D`; by name only.
        **kwargs: All others as in `GroupConv2D`; `groups` must be 1, `kernel_constraint` must be `None`, and
            `activation` is applied as in `OffsetConv2D`.

    Input shape:
        As in `GroupConv2D`.

    Output shape:
        `(batch, new_height, new_width, S, filters)`, S the order of the point group.

    Raises:
        ValueError: As in `GroupConv2D` and in `OffsetConv2D`.

    Example:

    >>> x = OffsetGroupConv2D(15, 3, "p4")(keras.random.normal((2, 9, 9, 3)))
    >>> print(x.shape)
    (2, 7, 7, 4, 15)
    >>> print(OffsetGroupConv2D(6, 3, "p4", padding="same")(x).shape)
    (2, 7, 7, 4, 6)

    Reference:
        [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), equation 16;
        [Cohen & Welling, 2016](https://arxiv.org/abs/1602.07576), equations 10 and 11.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Size,
        symmetry: str = "p4",
        *,
        feature_groups: FeatureGroups = 3,
        output_groups: FeatureGroups | None = None,
        projection: str = "constraint",
        **kwargs: Any,
    ) -> None:
        group = get_symmetry(symmetry)
        if len(group.exact_elements) < group.order:
            raise ValueError(
                f"`symmetry` must map pixels onto pixels: the constraint is one on the taps of a kernel. "
                f"Received: symmetry={symmetry!r}"
            )
        super().__init__(filters, kernel_size, symmetry, **kwargs)
        self._project(feature_groups, output_groups, projection, symmetry=symmetry)

    def convolution_op(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        return split_orientations(super().convolution_op(inputs, kernel), get_symmetry(self.symmetry).order)
