"""Wide residual networks for small pictures, ordinary and on a symmetry group.

Depth d = 6 n + 4 and widening k: a 3x3 convolution to 16 channels, three stages of n blocks with 16 k, 32 k and 64 k
channels, batch norm, ReLU, mean, linear layer. A block is batch norm, ReLU, 3x3 convolution, twice; where its width or
size changes, its shortcut is a 1x1 convolution of the activated map. The first block of stages 2 and 3 has stride 2.

Reference: [Zagoruyko & Komodakis, 2016](https://arxiv.org/abs/1605.07146), table 1; on groups, [Weiler & Cesa,
2019](https://arxiv.org/abs/1911.08251).
"""

import math
from typing import Any

import keras
from keras import layers
from keras_equivariant.zoo.cifar10_parts import check_choice
from keras_equivariant.zoo.registry import register
from keras_equivariant.zoo.resnet_parts import GroupParts, OrdinaryParts

from keras_equivariant.symmetry import get_symmetry
from keras_equivariant.typing import Shape

WIDTHS = ("parameters", "same")
_STAGES = (16, 32, 64)


@register
def wide_resnet(
    input_shape: Shape = (32, 32, 3),
    classes: int = 10,
    depth: int = 28,
    widen_factor: float = 10,
    dropout: float = 0.0,
    name: str = "wide_resnet",
) -> keras.Model:
    """The ordinary wide residual network.

    Args:
        input_shape: `(height, width, channels)` of the standardised images.
        classes: Number of classes.
        depth: int, the number of layers, 6 n + 4.
        widen_factor: The number k by which the widths 16, 32 and 64 of the stages are multiplied.
        dropout: Rate between the two convolutions of each block.
        name: Name of the model.

    Returns:
        A `keras.Model` from images to logits; 36,479,194 trainable parameters, and 10,961,370 with `depth=16,
        widen_factor=8`.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> wide_resnet(depth=16, widen_factor=1).output_shape
    (None, 10)
    """
    return _wide_resnet(OrdinaryParts(use_bias=False), input_shape, classes, depth, widen_factor, 1, dropout, name)


@register
def p4m_wide_resnet(
    input_shape: Shape = (32, 32, 3),
    classes: int = 10,
    depth: int = 28,
    widen_factor: float = 10,
    widths: str = "parameters",
    symmetry: str = "p4m",
    separable: bool = False,
    dropout: float = 0.0,
    name: str = "p4m_wide_resnet",
) -> keras.Model:
    """The wide residual network whose scores no quarter turn or mirror changes, on every size.

    Where a size does not fit a stride, as 32 does not, the mean of neighbouring cells goes before it.

    Args:
        input_shape: `(height, width, channels)` of the standardised images.
        classes: Number of classes.
        depth: int, the number of layers, 6 n + 4.
        widen_factor: The number k by which the widths 16, 32 and 64 of the stages are multiplied.
        widths: `"parameters"`: each width of the ordinary network is divided by the root of the number of
            orientations, so that the networks have about as many parameters; or `"same"`: as many maps on the group
            as the ordinary network has channels, with as many times the parameters as there are orientations.
        symmetry: Name of the symmetry group.
        separable: bool, whether all 3x3 convolutions but the first are `GroupSeparableConv2D`.
        dropout: Rate between the two convolutions of each block.
        name: Name of the model.

    Returns:
        A `keras.Model` from images to logits; 36,409,836 trainable parameters, and 10,973,882 with `depth=16,
        widen_factor=8`; 4,309,712 and 1,381,351 if separable.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> p4m_wide_resnet(depth=16, widen_factor=1).output_shape
    (None, 10)
    """
    check_choice("widths", widths, WIDTHS)
    kit = GroupParts(symmetry, separable, use_bias=False)
    divisor = math.sqrt(get_symmetry(symmetry).order) if widths == "parameters" else 1
    return _wide_resnet(kit, input_shape, classes, depth, widen_factor, divisor, dropout, name)


def _wide_resnet(kit: Any, input_shape, classes, depth, widen_factor, divisor, dropout, name):
    if depth < 10 or depth % 6 != 4:
        raise ValueError(f"`depth` must be 6 n + 4, of at least 10. Received: depth={depth}")
    filters = [round(channels * widen_factor / divisor) for channels in _STAGES]
    if min(filters) < 1:
        raise ValueError(f"`widen_factor` must leave a channel in each stage. Received: widen_factor={widen_factor}")
    inputs = keras.Input(input_shape)
    x = kit.convolve(inputs, max(round(_STAGES[0] / divisor), 1), 3)
    for stage, channels in enumerate(filters):
        for block in range((depth - 4) // 6):
            strides = 2 if stage > 0 and block == 0 else 1
            shortcut = x = kit.centre(x, strides)
            y = kit.normalise(x, relu=True)
            if strides > 1 or x.shape[-1] != channels:
                shortcut = kit.convolve(y, channels, 1, strides)
            y = kit.normalise(kit.convolve(y, channels, 3, strides), relu=True)
            if dropout:
                y = layers.Dropout(dropout)(y)
            x = kit.add(kit.convolve(y, channels, 3), shortcut)
    return keras.Model(inputs, kit.scores(kit.normalise(x, relu=True), classes), name=name)
