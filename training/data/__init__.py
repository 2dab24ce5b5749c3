"""Data sets, by name."""

from training.data import digits, from_tfds
from training.data.images import LabelledImages, Split
from training.data.streamed import StreamedSplit


def _rotated_mnist(data_dir):
    from_tfds.import_tfds()
    from training.data.rotated_mnist import RotatedMnist, check_source

    builder = RotatedMnist(data_dir=data_dir)
    data = from_tfds.load(builder, data_dir)
    check_source(builder)
    return data


def _from_tfds(name):
    return lambda data_dir: from_tfds.load(name, data_dir)


_LOADERS = {
    "digits": digits.load,
    "mnist": _from_tfds("mnist"),
    "rotated_mnist": _rotated_mnist,
    "cifar10": _from_tfds("cifar10"),
    "stl10": _from_tfds("stl10"),
    "imagenet2012": lambda data_dir: from_tfds.stream("imagenet2012", data_dir),
}


def list_datasets():
    """Returns the names of all data sets."""
    return list(_LOADERS)


def load(name, data_dir=None):
    """Loads a data set.

    Args:
        name: One of `list_datasets()`.
        data_dir: Folder of prepared TFDS data sets, or `None` for that of TFDS.

    Returns:
        `LabelledImages`.

    Raises:
        ValueError: If there is no such data set, or it cannot be loaded.
    """
    if name not in _LOADERS:
        raise ValueError(f"`dataset` must be one of {list_datasets()}. Received: dataset={name!r}")
    return _LOADERS[name](data_dir)


__all__ = ["LabelledImages", "Split", "StreamedSplit", "list_datasets", "load"]
