"""Group convolution in one, two and three dimensions."""

from typing import Any

import keras

from keras_equivariant.layers.group_convolution import GroupConvolution
from keras_equivariant.typing import Size


@keras.saving.register_keras_serializable(package="keras_equivariant")
class GroupConv2D(GroupConvolution, keras.layers.Conv2D):
    """2-D convolution that is equivariant to a group of rotations and mirrors.

    For an input `f` and filters `psi`, both functions on the plane and on the cosets of a subgroup H of the point
    group,

        y(g) = sum { f(x) psi(g^-1 x) : x in G/H } + bias

    The input may be of three kinds, told apart by its rank and by `input_subgroup`:

    - a planar image or map, `(batch, height, width, channels)`: H is the whole point group, and the layer lifts the
      image to a map on the group;
    - a feature map on the group, `(batch, height, width, S, channels)`: H is trivial;
    - a feature map on a quotient, as `CosetPooling(symmetry, subgroup)` returns: name H by `input_subgroup`.

    If the input turns, the output turns in the same way, and its orientations permute. This is exact for every
    `"valid"` convolution and every padded convolution with an odd kernel, at stride 1. A strided convolution
    samples a grid that turns onto itself only if `size + 2 * padding - kernel_size` is a multiple of the stride; a
    layer that is built on another size says so by an `EquivarianceWarning`, and `GridCentring2D` before it helps.

    On a hexagonal grid (p3, p6, p6m) the kernel is a hexagon: two corners of the stored array are no part of it.

    The number of orientations alone does not tell groups apart: p4 and pmm both have four, and a map on one must not
    be fed to a layer on the other.

    Args:
        filters: int, the number of feature maps on the group in the output.
        kernel_size: int or pair of ints, the size of the kernel in pixels. Every element of the group must map the
            kernel onto itself, so it is square for p4 and p4m, and of odd size too for p3, p6 and p6m.
        symmetry: Name of the symmetry group, such as `"p4"` or `"p4m"`.
        strides: int or pair of ints, in pixels.
        padding: `"valid"`; `"same"`, with zeros; or from the data: `"reflect"`, the map mirrored about its outermost
            pixels, `"wrap"`, the map repeated, or `"edge"`, its outermost pixels repeated. These three add
            `kernel_size - 1` pixels, dilated, whatever the stride.
        data_format: `"channels_last"` or `None`; nothing else is supported.
        dilation_rate: int or pair of ints, in pixels.
        groups: int, the number of blocks into which input and output channels are split, as in `keras.layers.Conv2D`.
            This has nothing to do with the symmetry group.
        activation: As in `keras.layers.Conv2D`.
        use_bias: bool, whether to add a bias: one number for each feature map on the group.
        kernel_initializer: As in `keras.layers.Conv2D`; it sees the fan-in of the stored kernel, which is the true one.
        bias_initializer: As in `keras.layers.Conv2D`.
        kernel_regularizer: As in `keras.layers.Conv2D`.
        bias_regularizer: As in `keras.layers.Conv2D`.
        activity_regularizer: As in `keras.layers.Conv2D`.
        kernel_constraint: As in `keras.layers.Conv2D`.
        bias_constraint: As in `keras.layers.Conv2D`.
        input_subgroup: Name of the subgroup H whose cosets the input's orientations are, or `None` for a planar map
            or a map on the group.
        implementation: How to compute it; weights, outputs and gradients are the same up to rounding. `"planar"`: one
            planar convolution with the expanded kernel. `"spectral"`: by the Fourier transform on the point group,
            with fewer products, from a feature map on the group of known height and width, for a square kernel
            without dilation or `groups`. `"auto"`: spectral where `spectral_rule.is_faster` says so, for float32 and
            float64, else planar.

    Input shape:
        `(batch, height, width, channels)`, or `(batch, height, width, S_in, channels)` with S_in the order of the
        point group, divided by the order of `input_subgroup` if that is given.

    Output shape:
        `(batch, new_height, new_width, S, filters)`, S the order of the point group, element 0 the identity.

    Raises:
        ValueError: If a name is unknown, the data format is not `"channels_last"`, the group does not map the kernel
            onto itself, the input has another number of orientations or is smaller than the kernel, or
            `implementation="spectral"` does not cover the arguments or the input.

    Example:

    >>> image = keras.random.normal((2, 9, 9, 3))
    >>> x = GroupConv2D(16, 3, "p4")(image)
    >>> print(x.shape)
    (2, 7, 7, 4, 16)
    >>> print(GroupConv2D(32, 3, "p4", padding="same")(x).shape)
    (2, 7, 7, 4, 32)

    Reference:
        [Cohen & Welling, 2016](https://arxiv.org/abs/1602.07576), equations 10 and 11 and section 7.
    """


@keras.saving.register_keras_serializable(package="keras_equivariant")
class GroupConv1D(GroupConvolution, keras.layers.Conv1D):
    """1-D convolution that is equivariant to reversing the signal.

    The formula is that of `GroupConv2D`, on a line whose only symmetry besides shifts is the mirror.

    Args:
        filters: int, the number of feature maps on the group in the output.
        kernel_size: int, the size of the kernel in samples.
        symmetry: Name of the symmetry group.
        *args: The remaining arguments of `GroupConv2D`, in the same order; sizes are ints.
        **kwargs: The same by name, and those of `keras.layers.Layer`.

    Input shape:
        `(batch, length, channels)`, or `(batch, length, S_in, channels)`.

    Output shape:
        `(batch, new_length, S, filters)`.

    Raises:
        ValueError: As `GroupConv2D`; `padding="causal"` too, which no mirror keeps.

    Example:

    >>> signal = keras.random.normal((2, 9, 3))
    >>> print(GroupConv1D(16, 3)(signal).shape)
    (2, 7, 2, 16)

    Reference:
        [Cohen & Welling, 2016](https://arxiv.org/abs/1602.07576), equations 10 and 11.
    """

    def __init__(self, filters: int, kernel_size: Size, symmetry: str = "mirror", *args: Any, **kwargs: Any) -> None:
        super().__init__(filters, kernel_size, symmetry, *args, **kwargs)


@keras.saving.register_keras_serializable(package="keras_equivariant")
class GroupConv3D(GroupConvolution, keras.layers.Conv3D):
    """3-D convolution that is equivariant to a group of rotations and mirrors of a cube.

    The formula is that of `GroupConv2D`. The groups that come with the library: C4, quarter turns about the depth
    axis; D4, these and half turns about axes across; D4h, these and the inversion; O, the 24 rotations of a cube; Oh,
    these and the inversion.

    Args:
        filters: int, the number of feature maps on the group in the output.
        kernel_size: int or triple of ints, the size of the kernel in voxels.
        symmetry: Name of the symmetry group.
        *args: The remaining arguments of `GroupConv2D`, in the same order; sizes are ints or triples of ints.
        **kwargs: The same by name, and those of `keras.layers.Layer`.

    Input shape:
        `(batch, depth, height, width, channels)`, or `(batch, depth, height, width, S_in, channels)`.

    Output shape:
        `(batch, new_depth, new_height, new_width, S, filters)`.

    Raises:
        ValueError: As `GroupConv2D`.

    Example:

    >>> volume = keras.random.normal((2, 5, 5, 5, 3))
    >>> print(GroupConv3D(4, 3, "O")(volume).shape)
    (2, 3, 3, 3, 24, 4)

    Reference:
        [Cohen & Welling, 2016](https://arxiv.org/abs/1602.07576), equations 10 and 11 and section 9.
    """

    def __init__(self, filters: int, kernel_size: Size, symmetry: str = "O", *args: Any, **kwargs: Any) -> None:
        super().__init__(filters, kernel_size, symmetry, *args, **kwargs)
