"""Data sets, by name."""

from training.data import digits

_LOADERS = {"digits": digits.load}


def load(name):
    """Loads a data set.

    Args:
        name: One of the known data sets.

    Returns:
        `LabelledImages`.

    Raises:
        ValueError: If there is no such data set.
    """
    if name not in _LOADERS:
        raise ValueError(f"`name` must be one of {sorted(_LOADERS)}. Received: name={name!r}")
    return _LOADERS[name]()
