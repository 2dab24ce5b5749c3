"""Tables of which input maps an output map reads."""

import itertools

from keras_equivariant.arguments import check_counts
from keras_equivariant.typing import ConnectionTable


def all_pairs(channels: int) -> ConnectionTable:
    """The connection table with an output map for each pair of input maps.

    Args:
        channels: int, the number of input maps.

    Returns:
        Tuple of pairs of indices, `channels * (channels - 1) / 2` of them.

    Raises:
        ValueError: If `channels` is no positive integer.

    Example:

    >>> all_pairs(3)
    ((0, 1), (0, 2), (1, 2))
    """
    check_counts(channels=channels)
    return tuple(itertools.combinations(range(channels), 2))


def all_triplets(channels: int) -> ConnectionTable:
    """The connection table with an output map for each three input maps.

    Args:
        channels: int, the number of input maps.

    Returns:
        Tuple of triplets of indices.

    Example:

    >>> len(all_triplets(6))
    20
    """
    check_counts(channels=channels)
    return tuple(itertools.combinations(range(channels), 3))


def lenet5_table() -> ConnectionTable:
    """The connection table of LeNet-5's layer C3, from 6 input maps to 16 output maps.

    Six maps read three neighbouring maps each, six read four neighbours, three read two pairs of neighbours, one reads
    all; the maps are arranged in a ring.

    Returns:
        Tuple of 16 tuples of indices, 60 connections in all.

    Example:

    >>> [len(inputs) for inputs in lenet5_table()]
    [3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 6]

    Reference:
        LeCun, Bottou, Bengio & Haffner, 1998, Gradient-based learning applied to document recognition, table I.
    """
    threes = [(i, i + 1, i + 2) for i in range(6)]
    fours = [(i, i + 1, i + 2, i + 3) for i in range(6)]
    pairs = [(i, i + 1, i + 3, i + 4) for i in range(3)]
    return tuple(tuple(sorted(i % 6 for i in inputs)) for inputs in (*threes, *fours, *pairs, range(6)))
