"""Building blocks of the residual networks: ordinary, on a symmetry group, and offset-equivariant."""

from typing import Any

import keras
from keras import layers

from keras_equivariant.layers import (
    GridCentring2D,
    GroupBatchNormalization,
    GroupConv2D,
    GroupMaxPooling2D,
    GroupSeparableConv2D,
    OffsetAdapter,
    OffsetAdd,
    OffsetBatchNormalization,
    OffsetConv2D,
    OffsetDense,
    OffsetGroupConv2D,
    OffsetReLU,
)
from keras_equivariant.sampling import is_centred
from keras_equivariant.typing import Tensor

_INITIALIZER = "he_normal"
_PADDINGS = ("same", "edge")
_MOMENTUM = 0.9


def check_padding(padding: str) -> str:
    """Returns what an offset-equivariant network sees beyond the border, or raises a ValueError."""
    if padding not in _PADDINGS:
        raise ValueError(f"`padding` must be one of {_PADDINGS}. Received: padding={padding!r}")
    return padding


class OrdinaryParts:
    """The parts of an ordinary network."""

    norm: type[keras.layers.Layer] = layers.BatchNormalization

    def __init__(self, use_bias: bool = True) -> None:
        self.convolution: dict[str, Any] = {"padding": "same", "use_bias": use_bias, "kernel_initializer": _INITIALIZER}

    def convolve(self, x: Tensor, channels: int, size: int, strides: int = 1) -> Tensor:
        return layers.Conv2D(channels, size, strides, **self.convolution)(x)

    def normalise(self, x: Tensor, relu: bool = False) -> Tensor:
        x = self.norm(momentum=_MOMENTUM)(x)
        return self.relu(x) if relu else x

    def relu(self, x: Tensor) -> Tensor:
        return layers.ReLU()(x)

    def centre(self, x: Tensor, strides: int, size: int = 3) -> Tensor:
        return x

    def pool(self, x: Tensor) -> Tensor:
        return layers.MaxPooling2D(3, 2, "same")(x)

    def add(self, residual: Tensor, shortcut: Tensor, strides: int = 1) -> Tensor:
        if strides > 1:
            shortcut = layers.MaxPooling2D(1, strides)(shortcut)
        height, width, channels = shortcut.shape[1:]
        missing = residual.shape[-1] - channels
        if missing:
            flat = layers.Reshape((height * width, channels, 1))(shortcut)
            shortcut = layers.Reshape(residual.shape[1:])(layers.ZeroPadding2D(((0, 0), (0, missing)))(flat))
        return layers.Add()([residual, shortcut])

    def scores(self, x: Tensor, classes: int) -> Tensor:
        return layers.Dense(classes, name="logits")(layers.GlobalAveragePooling2D()(x))


class GroupParts(OrdinaryParts):
    """The same parts on a symmetry group: the scores are of the means over space and orientations."""

    norm = GroupBatchNormalization

    def __init__(self, symmetry: str, separable: bool = False, use_bias: bool = True) -> None:
        super().__init__(use_bias)
        self.symmetry = symmetry
        self.separable = separable

    def convolve(self, x: Tensor, channels: int, size: int, strides: int = 1) -> Tensor:
        # The first convolution reads few colours: to separate it saves nothing, and leaves one filter for each.
        if self.separable and size > 1 and len(x.shape) == 5:
            arguments = {name: value for name, value in self.convolution.items() if name != "kernel_initializer"}
            initializers = dict.fromkeys(("depthwise_initializer", "pointwise_initializer"), _INITIALIZER)
            return GroupSeparableConv2D(channels, size, self.symmetry, strides, **arguments, **initializers)(x)
        return GroupConv2D(channels, size, self.symmetry, strides=strides, **self.convolution)(x)

    def centre(self, x: Tensor, strides: int, size: int = 3) -> Tensor:
        # Where a size is not known when the network is built, it must be one that fits.
        if all(cells is None or is_centred(cells, size, strides, "same") for cells in x.shape[1:3]):
            return x
        return GridCentring2D(size, strides, "same")(x)

    def pool(self, x: Tensor) -> Tensor:
        return GroupMaxPooling2D(3, 2, "same")(self.centre(x, 2))

    def add(self, residual: Tensor, shortcut: Tensor, strides: int = 1) -> Tensor:
        return layers.Add()([residual, shortcut])

    def scores(self, x: Tensor, classes: int) -> Tensor:
        return layers.Dense(classes, name="logits")(layers.GlobalAveragePooling3D()(x))


class OffsetParts(OrdinaryParts):
    """The same parts made offset-equivariant, on the plane or on a symmetry group."""

    def __init__(
        self, feature_groups: int, symmetry: str | None = None, use_bias: bool = True, padding: str = "same"
    ) -> None:
        super().__init__(use_bias)
        self.groups = feature_groups
        self.symmetry = symmetry
        self.convolution |= {"feature_groups": feature_groups, "padding": check_padding(padding)}

    def convolve(self, x: Tensor, channels: int, size: int, strides: int = 1) -> Tensor:
        if self.symmetry is None:
            return OffsetConv2D(channels, size, strides, **self.convolution)(x)
        return OffsetGroupConv2D(channels, size, self.symmetry, strides=strides, **self.convolution)(x)

    def normalise(self, x: Tensor, relu: bool = False) -> Tensor:
        activation = "relu" if relu else None
        return OffsetBatchNormalization(momentum=_MOMENTUM, feature_groups=self.groups, activation=activation)(x)

    def relu(self, x: Tensor) -> Tensor:
        return OffsetReLU(self.groups)(x)

    def centre(self, x: Tensor, strides: int, size: int = 3) -> Tensor:
        if self.symmetry is None or strides == 1:
            return x
        return GridCentring2D(size, strides, self.convolution["padding"])(x)

    def add(self, residual: Tensor, shortcut: Tensor, strides: int = 1) -> Tensor:
        return OffsetAdd(self.groups, strides)([residual, shortcut])

    def scores(self, x: Tensor, classes: int) -> Tensor:
        pooling = layers.GlobalAveragePooling2D if self.symmetry is None else layers.GlobalAveragePooling3D
        scores = OffsetDense(self.groups * classes, feature_groups=self.groups)(pooling()(x))
        scores = OffsetAdapter(layers.Identity(), self.groups, invariant=True)(scores)
        return layers.GlobalAveragePooling1D(name="logits")(layers.Reshape((self.groups, classes))(scores))
