"""The densely connected networks for histology, ordinary and on a symmetry group.

A 3x3 convolution; five blocks of one layer each, of batch norm, ReLU and a 3x3 convolution, whose maps are put beside
those that it read; between the blocks batch norm, ReLU, a 1x1 convolution that keeps the number of maps, and a 2x2
mean; batch norm, ReLU, the mean over space and orientations, a linear layer. All convolutions are without padding, and
the maps that pass a layer by are cropped to fit. So 96 pixels become 2 by steps that all fit, and without its head the
network finds on a slide of `16 n` pixels, every 16 pixels, what it finds on a patch of 96 cut out there.

The widths are chosen here: with 9 maps on p4m, 13 on p4 and 26 channels, the networks have about as many parameters.

Reference: [Veeling et al., 2018](https://arxiv.org/abs/1806.03962); [Huang et al.,
2017](https://arxiv.org/abs/1608.06993).
"""

from collections.abc import Sequence

import keras
from keras import layers
from keras_equivariant.zoo.cifar10_parts import batch_norm, convolution, mean_features
from keras_equivariant.zoo.registry import register

from keras_equivariant.layers import GridCentring2D, GroupAveragePooling2D
from keras_equivariant.sampling import is_centred
from keras_equivariant.typing import Shape

_MOMENTUM = 0.9
_BLOCKS = (1, 1, 1, 1, 1)


@register
def densenet(
    input_shape: Shape = (96, 96, 3),
    classes: int = 2,
    growth_rate: int = 26,
    blocks: Sequence[int] = _BLOCKS,
    dropout: float = 0.0,
    name: str = "densenet",
) -> keras.Model:
    """The ordinary densely connected network for histology.

    Args:
        input_shape: `(height, width, channels)` of the standardised images.
        classes: Number of classes.
        growth_rate: int, the number of channels of the first convolution, and that each layer adds.
        blocks: Numbers of layers of the blocks, one for each.
        dropout: Rate before the linear layer.
        name: Name of the model.

    Returns:
        A `keras.Model` from images to logits; 130,600 trainable parameters.

    Raises:
        ValueError: If an argument is out of range, or the images are too small for so many blocks.

    Example:

    >>> densenet().output_shape
    (None, 2)
    """
    return _densenet(input_shape, classes, growth_rate, blocks, None, dropout, name)


@register
def p4m_densenet(
    input_shape: Shape = (96, 96, 3),
    classes: int = 2,
    growth_rate: int = 9,
    blocks: Sequence[int] = _BLOCKS,
    symmetry: str = "p4m",
    dropout: float = 0.0,
    name: str = "p4m_densenet",
) -> keras.Model:
    """The densely connected network for histology, whose scores no quarter turn or mirror changes.

    Where a map is odd, the mean of neighbouring cells makes it even before the 2x2 mean. So the network is exact on
    every size.

    Args:
        input_shape: `(height, width, channels)` of the standardised images.
        classes: Number of classes.
        growth_rate: int, the number of feature maps on the group of the first convolution, and that each layer adds.
        blocks: Numbers of layers of the blocks, one for each.
        symmetry: Name of the symmetry group.
        dropout: Rate before the linear layer.
        name: Name of the model.

    Returns:
        A `keras.Model` from images to logits; 123,455 trainable parameters, and 129,183 with
        `symmetry="p4", growth_rate=13`.

    Raises:
        ValueError: If an argument is out of range, or the images are too small for so many blocks.

    Example:

    >>> p4m_densenet().output_shape
    (None, 2)
    """
    return _densenet(input_shape, classes, growth_rate, blocks, symmetry, dropout, name)


def _densenet(input_shape, classes, growth_rate, blocks, symmetry, dropout, name):
    if not blocks or min(blocks) < 1:
        raise ValueError(f"`blocks` must be one number of at least 1 or more. Received: blocks={blocks}")

    def normalise(x):
        return layers.ReLU()(batch_norm(symmetry, _MOMENTUM)(x))

    def convolve(x, channels, size):
        return convolution(channels, size, symmetry, use_bias=False)(x)

    def crop(x):
        if any(cells is not None and cells < 3 for cells in x.shape[1:3]):
            rule = f"must be larger for blocks of {tuple(blocks)} layers, each of which takes two pixels off a side"
            raise ValueError(f"`input_shape` {rule}. Received: input_shape={tuple(input_shape)}")
        return layers.Cropping2D(1)(x) if symmetry is None else layers.Cropping3D((1, 1, 0))(x)

    def halve(x):
        # Where a size is not known when the network is built, it must be one that fits.
        if symmetry is None:
            return layers.AveragePooling2D(2)(x)
        if not all(cells is None or is_centred(cells, 2, 2, "valid") for cells in x.shape[1:3]):
            x = GridCentring2D(2, 2, "valid")(x)
        return GroupAveragePooling2D(2)(x)

    inputs = keras.Input(input_shape)
    x = convolve(inputs, growth_rate, 3)
    for block, count in enumerate(blocks):
        if block > 0:
            x = halve(convolve(normalise(x), x.shape[-1], 1))
        for _ in range(count):
            x = layers.Concatenate()([crop(x), convolve(normalise(x), growth_rate, 3)])
    x = mean_features(normalise(x), symmetry, "invariant")
    if dropout:
        x = layers.Dropout(dropout)(x)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name=name)
