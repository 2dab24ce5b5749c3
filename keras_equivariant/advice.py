"""Which of Keras' own layers do not suit a feature map on a group, and what to use instead."""

from typing import Any

import keras
from keras import tree

from keras_equivariant.symmetry import get_symmetry

# For each layer of Keras, what there is instead for a map (batch, height, width, S, channels).
_INSTEAD = {
    "Conv2D": "GroupConv2D",
    "Conv2DTranspose": "GroupConv2DTranspose",
    "DepthwiseConv2D": "GroupDepthwiseConv2D",
    "SeparableConv2D": "GroupSeparableConv2D",
    "MaxPooling2D": "GroupMaxPooling2D",
    "AveragePooling2D": "GroupAveragePooling2D",
    "UpSampling2D": "GroupUpSampling2D",
    "GlobalAveragePooling2D": "GroupGlobalAveragePooling2D, or GlobalAveragePooling3D over the orientations too",
    "GlobalMaxPooling2D": "GroupGlobalMaxPooling2D, or GlobalMaxPooling3D over the orientations too",
    "SpatialDropout2D": "keras.layers.SpatialDropout3D",
    "ZeroPadding2D": "keras.layers.ZeroPadding3D((rows, columns, 0))",
    "Cropping2D": "keras.layers.Cropping3D((rows, columns, 0))",
    "Conv3D": "GroupConv2D",
    "MaxPooling3D": "GroupMaxPooling2D",
    "AveragePooling3D": "GroupAveragePooling2D",
    "UpSampling3D": "GroupUpSampling2D",
    "Flatten": "CosetPooling before it",
    "Resizing": "it on the image, before the first group layer, or GroupUpSampling2D",
    "CenterCrop": "it on the image, or keras.layers.Cropping3D((rows, columns, 0))",
    "RandomCrop": "it on the image, before the first group layer",
    "RandomFlip": "it on the image, before the first group layer",
    "RandomRotation": "it on the image, before the first group layer",
    "RandomTranslation": "it on the image, before the first group layer",
    "RandomZoom": "it on the image, before the first group layer",
}


def check_layer(layer: keras.layers.Layer, inputs: Any) -> str | None:
    """Tells whether a layer of Keras suits a feature map on a group, before it is called on it.

    Keras' own layers do not know such maps: most of those with `2D` in their names refuse five axes with a message that
    does not say why, and some, such as `Resizing`, take the wrong axes for height and width without a word.

    Args:
        layer: A layer.
        inputs: A symbolic or other tensor, or its shape: what the layer shall be called on.

    Returns:
        `None` if nothing speaks against it, else one line that says what to use instead.

    Raises:
        ValueError: If the layer is none, or `inputs` are neither a tensor nor a shape.

    Example:

    >>> x = keras.KerasTensor((None, 32, 32, 4, 8))
    >>> check_layer(keras.layers.MaxPooling2D(name="pool"), x)
    "`MaxPooling2D` 'pool' is not for a feature map on a group, (None, 32, 32, 4, 8): use GroupMaxPooling2D"
    >>> check_layer(keras.layers.BatchNormalization(), x) is None
    True
    """
    shape = getattr(inputs, "shape", inputs)
    if not isinstance(layer, keras.layers.Layer) or not isinstance(shape, list | tuple):
        raise ValueError(
            f"`layer` must be a Keras layer, and `inputs` a tensor or a shape. "
            f"Received: layer={layer!r}, inputs={inputs!r}"
        )
    shape = tuple(shape)
    kind = type(layer).__name__
    stock = type(layer).__module__.partition(".")[0] == "keras"
    if not stock or len(shape) != 5:
        return None
    instead = _INSTEAD.get(kind) or _of_normalisation(layer)
    what = f"`{kind}` {layer.name!r} is not for a feature map on a group, {shape}"
    return f"{what}: use {instead}" if instead else None


def _of_normalisation(layer):
    """What to use instead of a normalisation or activation that tells orientations apart."""
    if isinstance(layer, keras.layers.PReLU):
        return None if set(layer.shared_axes or ()) >= {1, 2, 3} else "it with shared_axes=[1, 2, 3]"
    if isinstance(layer, (keras.layers.BatchNormalization, keras.layers.LayerNormalization)):
        axes = {axis % 5 for axis in tree.flatten(layer.axis)}
        return None if axes == {4} else "it with axis=-1"
    return None


def check_model(model: keras.Model) -> list[str]:
    """Finds the layers of Keras in a model that do not suit the feature maps on a group that they are called on.

    A map on a group is told from other tensors of five axes by the layers of this library before it. So nothing is
    said of a model without group layers, nor of maps in space, `(batch, depth, height, width, channels)`.
    `equivariance_report` measures what this function reads off.

    Args:
        model: A functional or sequential model, built; models inside of it are not looked into.

    Returns:
        A list of one line for each such layer, in the order of the model's layers: what it is, and what to use
        instead. It is empty if there are none.

    Raises:
        ValueError: If the model is not functional, or a layer is called twice.

    Example:

    >>> from keras_equivariant.layers import CosetPooling, GroupConv2D
    >>> inputs = keras.Input((32, 32, 3))
    >>> x = keras.layers.Resizing(16, 4, name="resize")(GroupConv2D(8, 3, "p4")(inputs))
    >>> print(*check_model(keras.Model(inputs, x)))
    `Resizing` 'resize' is not for a feature map on a group, (None, 30, 30, 4, 8): use it on the image, before the \
first group layer, or GroupUpSampling2D
    """
    try:
        found, on_group = [], set()
        for layer in model.layers:
            inputs = tree.flatten(layer.input)
            symmetry = getattr(layer, "symmetry", None)
            inside = isinstance(symmetry, str) and get_symmetry(symmetry).dimension == 2
            if any(id(x) in on_group for x in inputs):
                found += [line for line in [check_layer(layer, inputs[0])] if line]
                inside = True
            on_group |= {id(x) for x in tree.flatten(layer.output) if inside and len(x.shape) == 5}
    except (AttributeError, ValueError) as error:
        raise ValueError(
            f"`model` must be a functional or built sequential model whose layers are each called once. "
            f"Received: model={model}"
        ) from error
    return found
