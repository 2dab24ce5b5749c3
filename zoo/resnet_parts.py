"""What the residual networks for images under any light are made of: ordinary parts, and offset-equivariant ones."""

from keras import layers

from keras_equivariant.layers import (
    GridCentring2D,
    OffsetAdapter,
    OffsetAdd,
    OffsetBatchNormalization,
    OffsetConv2D,
    OffsetDense,
    OffsetGroupConv2D,
    OffsetReLU,
)

_INITIALIZER = "he_normal"
_MOMENTUM = 0.9


class OrdinaryParts:
    """The parts of an ordinary network."""

    def __init__(self, use_bias=True):
        self.convolution = {"padding": "same", "use_bias": use_bias, "kernel_initializer": _INITIALIZER}

    def convolve(self, x, channels, size, strides=1):
        return layers.Conv2D(channels, size, strides, **self.convolution)(x)

    def normalise(self, x, relu=False):
        x = layers.BatchNormalization(momentum=_MOMENTUM)(x)
        return self.relu(x) if relu else x

    def relu(self, x):
        return layers.ReLU()(x)

    def centre(self, x, strides):
        return x

    def add(self, residual, shortcut, strides=1):
        if strides > 1:
            shortcut = layers.MaxPooling2D(1, strides)(shortcut)
        height, width, channels = shortcut.shape[1:]
        missing = residual.shape[-1] - channels
        if missing:
            flat = layers.Reshape((height * width, channels, 1))(shortcut)
            shortcut = layers.Reshape(residual.shape[1:])(layers.ZeroPadding2D(((0, 0), (0, missing)))(flat))
        return layers.Add()([residual, shortcut])

    def scores(self, x, classes):
        return layers.Dense(classes, name="logits")(layers.GlobalAveragePooling2D()(x))


class OffsetParts(OrdinaryParts):
    """The same parts made offset-equivariant, on the plane or on a symmetry group."""

    def __init__(self, feature_groups, symmetry=None, use_bias=True):
        super().__init__(use_bias)
        self.groups = feature_groups
        self.symmetry = symmetry
        self.convolution["feature_groups"] = feature_groups

    def convolve(self, x, channels, size, strides=1):
        if self.symmetry is None:
            return OffsetConv2D(channels, size, strides, **self.convolution)(x)
        return OffsetGroupConv2D(channels, size, self.symmetry, strides=strides, **self.convolution)(x)

    def normalise(self, x, relu=False):
        activation = "relu" if relu else None
        return OffsetBatchNormalization(momentum=_MOMENTUM, feature_groups=self.groups, activation=activation)(x)

    def relu(self, x):
        return OffsetReLU(self.groups)(x)

    def centre(self, x, strides):
        return x if self.symmetry is None or strides == 1 else GridCentring2D(3, strides, "same")(x)

    def add(self, residual, shortcut, strides=1):
        return OffsetAdd(self.groups, strides)([residual, shortcut])

    def scores(self, x, classes):
        pooling = layers.GlobalAveragePooling2D if self.symmetry is None else layers.GlobalAveragePooling3D
        scores = OffsetDense(self.groups * classes, feature_groups=self.groups)(pooling()(x))
        scores = OffsetAdapter(layers.Identity(), self.groups, invariant=True)(scores)
        return layers.GlobalAveragePooling1D(name="logits")(layers.Reshape((self.groups, classes))(scores))
