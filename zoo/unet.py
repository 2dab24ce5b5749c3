"""U-Nets, planar and on a symmetry group: from pictures to masks of their size.

Levels of two convolutions, each with batch norm and ReLU; a 2x2 maximum leads to the next level, of half the size
and twice as many maps. On the way back, each level reads the one below, doubled in size, beside what it made on the
way down. A 1x1 convolution makes the scores of the classes, for each pixel.

On a group, the mean over the orientations comes before the scores, and one more layer before the mean: a 1x1
convolution to as many maps as an ordinary network with as many parameters has there. Without, its few maps would be all
that the scores are made of, and it would learn far more slowly.

On a group, the scores turn and mirror exactly with the picture, whatever its size. Where the halvings do not divide a
side, the picture is padded with zeros to the next one that they do, equally on both sides, and the scores are cropped.
If that takes an odd number of pixels, it is done twice, with the odd one before and behind, and the mean is taken.

Every convolution has its batch norm. Without, steps that are large for the fan-in leave most maps dead: at Adam's 1e-2,
3 of 5 trainings of a p4m U-Net with 3 maps learned nothing, with the maximum over orientations and with the mean, where
ordinary ones with more maps, as many of which died, went on.

Reference: [Ronneberger et al., 2015](https://arxiv.org/abs/1505.04597), figure 1.
"""

import itertools
from collections.abc import Sequence

import keras
from keras import layers
from keras_equivariant.zoo.cifar10_parts import batch_norm, convolution
from keras_equivariant.zoo.registry import register

from keras_equivariant.layers import CosetPooling, GroupMaxPooling2D, GroupUpSampling2D
from keras_equivariant.symmetry import get_symmetry
from keras_equivariant.typing import Shape

# Small training sets have few steps, fewer than the default momentum of 0.99 needs to forget the first ones.
_BATCH_NORM_MOMENTUM = 0.9
_KERNEL_SIZE, _FINE_KERNEL_SIZE = 3, 5


@register
def unet(
    input_shape: Shape = (128, 128, 3),
    classes: int = 2,
    filters: int | Sequence[int] = 17,
    depth: int = 3,
    kernel_size: int = 3,
    name: str = "unet",
) -> keras.Model:
    """The ordinary U-Net.

    Args:
        input_shape: `(height, width, channels)` of the standardised pictures. Height and width may be `None`: then
            those of the pictures must be multiples of `2**depth`; a known size may be any.
        classes: Number of classes, the background included.
        filters: Number of channels of the first level, doubled from each level to the next; or one number for each of
            the `depth + 1` levels.
        depth: Number of times that the size is halved.
        kernel_size: Side of the filters, an odd number.
        name: Name of the model.

    Returns:
        A `keras.Model` from pictures to logits `(batch, height, width, classes)`; 550,802 trainable parameters.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> unet(input_shape=(48, 64, 1), classes=3, filters=4).output_shape
    (None, 48, 64, 3)
    """
    return _unet(input_shape, classes, filters, depth, None, kernel_size, name)


@register
def p4m_unet(
    input_shape: Shape = (128, 128, 3),
    classes: int = 2,
    filters: int | Sequence[int] = 6,
    depth: int = 3,
    symmetry: str = "p4m",
    kernel_size: int | None = None,
    name: str = "p4m_unet",
) -> keras.Model:
    """The U-Net whose masks turn and mirror with the picture.

    Args:
        input_shape: `(height, width, channels)` of the standardised pictures. Height and width may be `None`: then
            those of the pictures must be multiples of `2**depth`; a known size may be any.
        classes: Number of classes, the background included.
        filters: Number of feature maps on the group of the first level, doubled from each level to the next; or one
            number for each of the `depth + 1` levels.
        depth: Number of times that the size is halved.
        symmetry: Name of the symmetry group. With turns by less than 90 degrees, as in `"p8"`, the scores still turn
            exactly by quarter turns, and nearly by the others.
        kernel_size: Side of the filters, an odd number; `None` for 3, or 5 where they turn by less than 90 degrees,
            for which 3x3 pixels are too few.
        name: Name of the model.

    Returns:
        A `keras.Model` from pictures to logits `(batch, height, width, classes)`; 548,488 trainable parameters.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> p4m_unet(input_shape=(97, 111, 3), filters=2, depth=2, symmetry="p4").output_shape
    (None, 97, 111, 2)
    """
    if kernel_size is None:
        group = get_symmetry(symmetry)
        kernel_size = _KERNEL_SIZE if len(group.exact_elements) == group.order else _FINE_KERNEL_SIZE
    return _unet(input_shape, classes, filters, depth, symmetry, kernel_size, name)


def paddings(size: int, multiple: int) -> list[tuple[int, int]]:
    """How many cells to add before and behind an axis, so that its size is a multiple of a number.

    Args:
        size: int, the size of the axis.
        multiple: int, the number.

    Returns:
        One pair for an even number of cells, half of them on either side. No pair does the same to the axis and to its
        mirror image if the number is odd: then two pairs, each the reverse of the other.

    Example:

    >>> paddings(64, 8), paddings(62, 8), paddings(61, 8)
    ([(0, 0)], [(1, 1)], [(1, 2), (2, 1)])
    """
    missing = -size % multiple
    before = missing // 2
    return list(dict.fromkeys([(before, missing - before), (missing - before, before)]))


def _unet(input_shape, classes, filters, depth, symmetry, kernel_size, name):
    widths = [filters * 2**level for level in range(depth + 1)] if isinstance(filters, int) else list(filters)
    if depth < 1 or len(widths) != depth + 1 or min(widths) < 1 or classes < 1:
        raise ValueError(
            "`classes` and `depth` must be at least 1, and `filters` a positive number or depth + 1 of them. "
            f"Received: classes={classes}, depth={depth}, filters={filters}"
        )
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f"`kernel_size` must be a positive odd number. Received: kernel_size={kernel_size}")
    *size, channels = input_shape
    ways = [[(0, 0)] if cells is None else paddings(cells, 2**depth) for cells in size]
    padded = [cells and cells + sum(pairs[0]) for cells, pairs in zip(size, ways, strict=True)]
    if padded == size:
        return _network((*size, channels), classes, widths, symmetry, kernel_size, name)
    network = _network((*padded, channels), classes, widths, symmetry, kernel_size, "network")
    inputs = keras.Input(input_shape)
    scores = [layers.Cropping2D(way)(network(layers.ZeroPadding2D(way)(inputs))) for way in itertools.product(*ways)]
    return keras.Model(inputs, layers.Average()(scores) if len(scores) > 1 else scores[0], name=name)


def _network(input_shape, classes, widths, symmetry, kernel_size, name):
    """The network for sizes that the halvings divide."""

    def layer(x, maps, size):
        x = convolution(maps, size, symmetry, padding="same", use_bias=False)(x)
        return layers.ReLU()(batch_norm(symmetry, _BATCH_NORM_MOMENTUM)(x))

    def level(x, maps):
        return layer(layer(x, maps, kernel_size), maps, kernel_size)

    halve = layers.MaxPooling2D if symmetry is None else GroupMaxPooling2D
    double = layers.UpSampling2D if symmetry is None else GroupUpSampling2D
    inputs = x = keras.Input(input_shape)
    passed = []
    for maps in widths[:-1]:
        x = level(x, maps)
        passed.append(x)
        x = halve(2)(x)
    x = level(x, widths[-1])
    for maps, before in zip(widths[-2::-1], passed[::-1], strict=True):
        x = level(layers.Concatenate()([before, double(2)(x)]), maps)
    if symmetry is not None:
        x = layer(x, round(widths[0] * get_symmetry(symmetry).order ** 0.5), 1)
        x = CosetPooling(symmetry, reduction="mean")(x)
    return keras.Model(inputs, layers.Conv2D(classes, 1, name="logits")(x), name=name)
