"""The residual networks for photographs, ordinary and on a symmetry group: 18 or 50 layers.

A 7x7 convolution of stride 2 and a 3x3 maximum of stride 2; four stages of blocks, of two 3x3 convolutions each or of
a 1x1, a 3x3 and a 1x1 convolution to four times as many channels, with batch norm after each convolution; mean, linear
layer. The first block of stages 2 to 4 has stride 2, in its first 3x3 convolution, and a 1x1 convolution on its
shortcut.

On a group, the networks are exactly invariant on every size. Where a size does not fit a stride, the mean of
neighbouring cells goes before it: at 224 pixels before all five strides, at 225, and any other `32 n + 1`, nowhere.

Reference: [He et al., 2016](https://arxiv.org/abs/1512.03385); [Cohen & Welling,
2016](https://arxiv.org/abs/1602.07576).
"""

from collections.abc import Sequence

import keras
from keras_equivariant.zoo.registry import register
from keras_equivariant.zoo.resnet_parts import GroupParts, OrdinaryParts

from keras_equivariant.typing import Shape


@register
def resnet18(
    input_shape: Shape = (224, 224, 3),
    classes: int = 1000,
    filters: int = 64,
    blocks: Sequence[int] = (2, 2, 2, 2),
    name: str = "resnet18",
) -> keras.Model:
    """The ordinary residual network of 18 layers.

    Args:
        input_shape: `(height, width, channels)` of the standardised images.
        classes: Number of classes.
        filters: Number of channels of the first stage; it doubles with each stage.
        blocks: Numbers of residual blocks of the four stages; (3, 4, 6, 3) for 34 layers.
        name: Name of the model.

    Returns:
        A `keras.Model` from images to logits; 11,689,512 trainable parameters.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> resnet18(filters=6).output_shape
    (None, 1000)
    """
    return large_resnet(OrdinaryParts(use_bias=False), input_shape, classes, filters, blocks, name, expansion=1)


@register
def p4m_resnet18(
    input_shape: Shape = (224, 224, 3),
    classes: int = 1000,
    filters: int = 23,
    blocks: Sequence[int] = (2, 2, 2, 2),
    symmetry: str = "p4m",
    separable: bool = False,
    name: str = "p4m_resnet18",
) -> keras.Model:
    """The residual network of 18 layers whose scores no quarter turn or mirror changes, on every size.

    Args:
        input_shape: `(height, width, channels)` of the standardised images. Height and width may be `None`: then those
            of the images must be multiples of 32 plus 1; a known size may be any.
        classes: Number of classes.
        filters: Number of feature maps on the group of the first stage; it doubles with each stage. As many parameters
            as the ordinary network has take its width by the root of the number of orientations: 32 for `"p4"`.
        blocks: Numbers of residual blocks of the four stages; (3, 4, 6, 3) for 34 layers.
        symmetry: Name of the symmetry group.
        separable: bool, whether all 3x3 convolutions but the first are `GroupSeparableConv2D`.
        name: Name of the model.

    Returns:
        A `keras.Model` from images to logits; 11,719,799 trainable parameters, 1,641,682 if separable.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> p4m_resnet18(filters=3).output_shape
    (None, 1000)
    """
    kit = GroupParts(symmetry, separable, use_bias=False)
    return large_resnet(kit, input_shape, classes, filters, blocks, name, expansion=1)


@register
def p4m_resnet50(
    input_shape: Shape = (224, 224, 3),
    classes: int = 1000,
    filters: int = 23,
    blocks: Sequence[int] = (3, 4, 6, 3),
    symmetry: str = "p4m",
    separable: bool = False,
    name: str = "p4m_resnet50",
) -> keras.Model:
    """The residual network of 50 layers whose scores no quarter turn or mirror changes, on every size.

    Its arguments and errors are those of `p4m_resnet18`; the maps of a stage are four times as many after each block,
    and (3, 4, 23, 3) blocks make 101 layers. `resnet50` is the ordinary network.

    Returns:
        A `keras.Model` from images to logits; 24,983,439 trainable parameters, 14,601,860 if separable.

    Example:

    >>> p4m_resnet50(filters=3).output_shape
    (None, 1000)
    """
    return large_resnet(GroupParts(symmetry, separable, use_bias=False), input_shape, classes, filters, blocks, name)


def large_resnet(
    kit: OrdinaryParts,
    input_shape: Shape,
    classes: int,
    filters: int,
    blocks: Sequence[int],
    name: str,
    expansion: int = 4,
) -> keras.Model:
    """Puts a residual network for photographs together.

    Args:
        kit: The parts to make it of.
        input_shape: `(height, width, channels)` of the images.
        classes: Number of classes.
        filters: Number of channels of the first stage, before expansion; it doubles with each stage.
        blocks: Numbers of residual blocks of the four stages.
        name: Name of the model.
        expansion: int, how many times as many channels a block returns: 1 for blocks of two 3x3 convolutions, more for
            a 1x1, a 3x3 and a 1x1 convolution.

    Returns:
        A `keras.Model` from images to logits.

    Raises:
        ValueError: If an argument is out of range.
    """
    if len(blocks) != 4 or min(blocks) < 1:
        raise ValueError(f"`blocks` must be four numbers of at least 1. Received: blocks={blocks}")
    inputs = keras.Input(input_shape)
    x = kit.normalise(kit.convolve(kit.centre(inputs, 2, size=7), filters, 7, 2), relu=True)
    x = kit.pool(x)
    for stage, count in enumerate(blocks):
        channels = filters * 2**stage
        for block in range(count):
            strides = 2 if stage > 0 and block == 0 else 1
            shortcut = x = kit.centre(x, strides)
            if strides > 1 or x.shape[-1] != expansion * channels:
                shortcut = kit.normalise(kit.convolve(x, expansion * channels, 1, strides))
            if expansion > 1:
                y = kit.normalise(kit.convolve(x, channels, 1), relu=True)
                y = kit.normalise(kit.convolve(y, channels, 3, strides), relu=True)
                y = kit.normalise(kit.convolve(y, expansion * channels, 1))
            else:
                y = kit.normalise(kit.convolve(x, channels, 3, strides), relu=True)
                y = kit.normalise(kit.convolve(y, channels, 3))
            x = kit.relu(kit.add(y, shortcut))
    return keras.Model(inputs, kit.scores(x, classes), name=name)
