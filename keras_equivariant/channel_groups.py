"""Which channels belong to which feature group: equal blocks, blocks of given sizes, or one number for each channel."""

from typing import Any

import numpy as np

from keras_equivariant.typing import FeatureGroups, Shape

_RULE = (
    "a positive integer; the sizes of the groups, all positive; or the group of each channel, counted from 0, none "
    "left out"
)


def check_feature_groups(feature_groups: FeatureGroups, name: str = "feature_groups") -> int | tuple[int, ...]:
    """Returns the groups, a sequence as a tuple, or raises a ValueError.

    A sequence that holds a 0 says of each channel which group it is in; any other holds the sizes of contiguous groups.
    """
    groups: Any = feature_groups.tolist() if isinstance(feature_groups, np.ndarray) else feature_groups
    if _is_count(groups) and groups > 0:
        return groups
    if isinstance(groups, list | tuple) and groups and all(_is_count(number) and number >= 0 for number in groups):
        if 0 not in groups or set(groups) == set(range(max(groups) + 1)):
            return tuple(groups)
    raise ValueError(f"`{name}` must be {_RULE}. Received: {name}={feature_groups!r}")


def _is_count(number):
    return isinstance(number, int) and not isinstance(number, bool)


def count_groups(feature_groups: int | tuple[int, ...]) -> int:
    """The number of groups."""
    if isinstance(feature_groups, int):
        return feature_groups
    return max(feature_groups) + 1 if 0 in feature_groups else len(feature_groups)


def describes(feature_groups: int | tuple[int, ...], channels: int) -> bool:
    """Whether so many channels split into these groups."""
    if isinstance(feature_groups, int):
        return channels % feature_groups == 0
    return channels == (len(feature_groups) if 0 in feature_groups else sum(feature_groups))


def check_channels(
    feature_groups: int | tuple[int, ...], channels: int | None, name: str, groups_name: str = "feature_groups"
) -> int:
    """Returns the number of channels, described by `name`, after a check that the groups are about so many."""
    if isinstance(feature_groups, int):
        if channels is None or channels % feature_groups != 0:
            raise ValueError(
                f"`{name}` must be known and a multiple of `{groups_name}`. "
                f"Received: {name}={channels}, {groups_name}={feature_groups}"
            )
        return channels
    described = len(feature_groups) if 0 in feature_groups else sum(feature_groups)
    if channels is None or not describes(feature_groups, channels):
        raise ValueError(
            f"`{name}` must be {described}, as many as `{groups_name}` describes. "
            f"Received: {name}={channels}, {groups_name}={feature_groups}"
        )
    return channels


def check_input_channels(feature_groups: int | tuple[int, ...], input_shape: Shape) -> int:
    """Returns the number of channels of an input `(batch, ..., channels)`, or raises a ValueError."""
    if len(input_shape) < 2:
        raise ValueError(f"The input must be (batch, ..., channels). Received: input_shape={tuple(input_shape)}")
    return check_channels(feature_groups, input_shape[-1], "channels")


def group_of_channels(feature_groups: int | tuple[int, ...], channels: int) -> np.ndarray:
    """The group of each channel, counted from 0: the rows of the paper's G in which there is a 1."""
    if isinstance(feature_groups, int):
        return np.repeat(np.arange(feature_groups), channels // feature_groups)
    if 0 in feature_groups:
        return np.array(feature_groups)
    return np.repeat(np.arange(len(feature_groups)), feature_groups)


def assignment_matrix(feature_groups: int | tuple[int, ...], channels: int) -> np.ndarray:
    """G, `(channels, groups)`, of ones and zeros."""
    return np.eye(count_groups(feature_groups))[group_of_channels(feature_groups, channels)]


def sizes_of_groups(feature_groups: int | tuple[int, ...], channels: int) -> np.ndarray:
    """The number of channels of each group."""
    return np.bincount(group_of_channels(feature_groups, channels), minlength=count_groups(feature_groups))


def are_equal_blocks(feature_groups: int | tuple[int, ...], channels: int) -> bool:
    """Whether the groups are contiguous, in order and of one size, for which sums and copies are cheap."""
    if isinstance(feature_groups, int):
        return True
    groups = count_groups(feature_groups)
    return channels % groups == 0 and bool(
        (group_of_channels(feature_groups, channels) == group_of_channels(groups, channels)).all()
    )
