"""Networks for small sets of pictures, planar and on a symmetry group.

Stages of a 3x3 convolution, batch norm and ReLU, with a 2x2 maximum between them; a 1x1 convolution to more channels,
batch norm and ReLU; the maximum over orientations, the mean over space, a dense layer.

A network on a group has far fewer maps than an ordinary one of as many parameters, and after the maximum over
orientations far fewer features. So the 1x1 convolution widens before it. On any size of picture the group networks
are exactly invariant: where a map is odd, the mean of neighbouring cells makes it even before the 2x2 maximum.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers
from keras_equivariant.zoo.cifar10_parts import batch_norm, convolution
from keras_equivariant.zoo.registry import register

from keras_equivariant.layers import CosetPooling, GridCentring2D, GroupMaxPooling2D
from keras_equivariant.sampling import is_centred
from keras_equivariant.typing import Shape

# Small training sets have few steps, fewer than the default momentum of 0.99 needs to forget the first ones.
_BATCH_NORM_MOMENTUM = 0.9
_FILTERS = {"small": (16, 32, 64, 70), "p4_small": (8, 16, 32, 32), "p4m_small": (6, 11, 22, 22)}
_SYMMETRIES = {None: "small", "p1": "small", "p4": "p4_small", "p4m": "p4m_small"}


@register
def small(
    input_shape: Shape = (64, 64, 3),
    classes: int = 10,
    filters: Sequence[int] = _FILTERS["small"],
    features: int = 64,
    dropout: float = 0.0,
    name: str = "small",
) -> keras.Model:
    """The ordinary network for small sets of pictures.

    Args:
        input_shape: `(height, width, channels)` of the standardised images, of any size from 8x8 pixels up.
        classes: Number of classes.
        filters: Numbers of channels of the stages, one for each.
        features: Number of channels of the 1x1 convolution after them.
        dropout: Rate before the dense layer.
        name: Name of the model.

    Returns:
        A `keras.Model` from images to logits; 69,414 trainable parameters with 10 classes.

    Raises:
        ValueError: If an argument is out of range, or the images are too small for so many stages.

    Example:

    >>> small().output_shape
    (None, 10)
    """
    return _small(input_shape, classes, filters, features, None, dropout, name)


@register
def p4_small(
    input_shape: Shape = (64, 64, 3),
    classes: int = 10,
    filters: Sequence[int] = _FILTERS["p4_small"],
    features: int = 64,
    symmetry: str = "p4",
    dropout: float = 0.0,
    name: str = "p4_small",
) -> keras.Model:
    """The network for small sets of pictures that no quarter turn changes.

    Args:
        input_shape: `(height, width, channels)` of the standardised images, of any size from 8x8 pixels up.
        classes: Number of classes.
        filters: Numbers of feature maps on the group of the stages, one for each.
        features: Number of feature maps of the 1x1 convolution after them, and of channels after the maximum.
        symmetry: Name of the symmetry group.
        dropout: Rate before the dense layer.
        name: Name of the model.

    Returns:
        A `keras.Model` from images to logits; 69,266 trainable parameters with 10 classes.

    Raises:
        ValueError: If an argument is out of range, or the images are too small for so many stages.

    Example:

    >>> p4_small().output_shape
    (None, 10)
    """
    return _small(input_shape, classes, filters, features, symmetry, dropout, name)


@register
def p4m_small(
    input_shape: Shape = (64, 64, 3),
    classes: int = 10,
    filters: Sequence[int] = _FILTERS["p4m_small"],
    features: int = 64,
    symmetry: str = "p4m",
    dropout: float = 0.0,
    name: str = "p4m_small",
) -> keras.Model:
    """The network for small sets of pictures that no quarter turn or mirror changes.

    Its arguments and errors are those of `p4_small`.

    Returns:
        A `keras.Model` from images to logits; 69,350 trainable parameters with 10 classes.

    Example:

    >>> p4m_small().output_shape
    (None, 10)
    """
    return _small(input_shape, classes, filters, features, symmetry, dropout, name)


def default_model(size: int, pictures: int, symmetry: str | None = "p4m") -> tuple[str, dict[str, Any]]:
    """Chooses a network by the pictures that it is to be trained on.

    Four stages see up to 38 pixels at once, each further stage twice as many. So there is one more for each doubling of
    the side from 128 pixels on, up to six in all. From 5,000 training pictures on, all widths are doubled.

    Args:
        size: int, the shorter side of the pictures, in pixels.
        pictures: int, the number of training pictures.
        symmetry: `"p4m"`, `"p4"`, or, for the ordinary network, `"p1"` or `None`.

    Returns:
        The name of a model of the zoo and arguments of its builder, for `create(name, **arguments)`.

    Raises:
        ValueError: If there is no network for that symmetry, or a number is not positive.

    Example:

    >>> default_model(65, 300)
    ('p4m_small', {})
    >>> default_model(224, 8000, "p4")
    ('p4_small', {'filters': (16, 32, 64, 64, 64), 'features': 128})
    """
    if symmetry not in _SYMMETRIES:
        known = [name for name in _SYMMETRIES if name]
        raise ValueError(f"`symmetry` must be one of {known} or None. Received: symmetry={symmetry!r}")
    for argument, value in (("size", size), ("pictures", pictures)):
        if value < 1:
            raise ValueError(f"`{argument}` must be at least 1. Received: {argument}={value}")
    name = _SYMMETRIES[symmetry]
    filters = _FILTERS[name]
    wide = pictures >= 5000
    longer = filters + filters[-1:] * ((size >= 128) + (size >= 256))
    if not wide and longer == filters:
        return name, {}
    width = 2 if wide else 1
    return name, {"filters": tuple(width * n for n in longer)} | ({"features": 128} if wide else {})


def _small(input_shape, classes, filters, features, symmetry, dropout, name):
    if not filters:
        raise ValueError(f"`filters` must be one number or more. Received: filters={filters}")

    def normalise(x):
        return layers.ReLU()(batch_norm(symmetry, _BATCH_NORM_MOMENTUM)(x))

    def halve(x):
        # Where a size is not known when the network is built, it must be one that fits.
        if not all(size is None or is_centred(size, 2, 2, "valid") for size in x.shape[1:3]):
            x = GridCentring2D(2, 2, "valid")(x)
        return (layers.MaxPooling2D if symmetry is None else GroupMaxPooling2D)(2)(x)

    inputs = x = keras.Input(input_shape)
    for stage, channels in enumerate(filters):
        x = normalise(convolution(channels, 3, symmetry, padding="same", use_bias=False)(halve(x) if stage else x))
    x = normalise(convolution(features, 1, symmetry, use_bias=False)(x))
    if symmetry is not None:
        x = CosetPooling(symmetry)(x)
    x = layers.GlobalAveragePooling2D()(x)
    if dropout:
        x = layers.Dropout(dropout)(x)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name=name)
