"""The symmetry groups that layers know by name."""

import numpy as np

from keras_equivariant.point_groups import POINT_GROUPS, ROTATION_GROUPS
from keras_equivariant.symmetry_group import REGISTRY, RotationGroup, SymmetryGroup

__all__ = ["SymmetryGroup", "get_symmetry", "list_symmetries", "register_symmetry", "rotations"]


def get_symmetry(name: str) -> SymmetryGroup:
    """Returns the registered symmetry group of that name.

    Args:
        name: Name of the group, such as `"p4m"`.

    Returns:
        The `SymmetryGroup`.

    Raises:
        ValueError: If no group of that name is registered.

    Example:

    >>> get_symmetry("p4m").order
    8
    """
    if not isinstance(name, str) or name not in REGISTRY:
        raise ValueError(f"`symmetry` must be one of {list_symmetries()}. Received: symmetry={name!r}")
    return REGISTRY[name]


def register_symmetry(group: SymmetryGroup) -> SymmetryGroup:
    """Makes a group known by its name to every layer.

    A saved model stores the name alone, so register the group before loading the model.

    Args:
        group: A `SymmetryGroup`.

    Returns:
        The group.

    Raises:
        ValueError: If it is no `SymmetryGroup`, or another group has that name.

    Example:

    >>> group = register_symmetry(SymmetryGroup("half_turn", [[[1, 0], [0, 1]], [[-1, 0], [0, -1]]]))
    >>> "half_turn" in list_symmetries()
    True
    """
    if not isinstance(group, SymmetryGroup):
        raise ValueError(f"`group` must be a `SymmetryGroup`. Received: group={group!r}")
    known = REGISTRY.setdefault(group.name, group)
    if not np.array_equal(known.matrices, group.matrices):
        raise ValueError(f"`group` must not take the name of another registered group. Received: group={group!r}")
    return known


def list_symmetries() -> list[str]:
    """Returns the names of all registered groups, in the order of their registration."""
    return list(REGISTRY)


def rotations(turns: int, mirrors: bool = False) -> SymmetryGroup:
    """Returns the group of turns by multiples of 360 / N degrees, for layers to refer to by its name `p{N}`.

    Turns by less than 90 degrees do not map the pixels of an image onto pixels. The layers turn their filters by them
    all the same, because these filters are combinations of circular harmonics (`keras_equivariant.harmonics`); the
    quarter turns, and the mirrors, stay exact. Up to 16 turns the groups are there under the names p8, p12, p16, p8m,
    p12m and p16m; call this function for others, before a saved model with them is loaded.

    Args:
        turns: int, the number of turns N, a multiple of 4.
        mirrors: bool, whether the mirrors belong to the group, whose name is `p{N}m` then.

    Returns:
        The registered `SymmetryGroup`, of order N or 2 N.

    Raises:
        ValueError: If the number of turns is not a positive multiple of 4.

    Example:

    >>> rotations(20).order, rotations(8, mirrors=True).name
    (20, 'p8m')

    Reference:
        [Weiler & Cesa, 2019](https://arxiv.org/abs/1911.08251), section 2.
    """
    if isinstance(turns, bool) or not isinstance(turns, int | np.integer) or turns < 4 or turns % 4 != 0:
        raise ValueError(f"`turns` must be a positive multiple of 4. Received: turns={turns!r}")
    if not isinstance(mirrors, bool):
        raise ValueError(f"`mirrors` must be a bool. Received: mirrors={mirrors!r}")
    name = f"p{turns}m" if mirrors else f"p{turns}"
    return REGISTRY[name] if name in REGISTRY else register_symmetry(RotationGroup(int(turns), mirrors))


for _name, _matrices in POINT_GROUPS.items():
    register_symmetry(SymmetryGroup(_name, _matrices))
for _turns, _mirrors in ROTATION_GROUPS:
    rotations(_turns, _mirrors)
