"""Data sets, by name. Importing this imports no data set: each has a line below, and is imported when it is loaded."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_equivariant.training.data.images import LabelledImages


def _of(module: str, function: str, *arguments: str) -> Callable[[str | None], LabelledImages]:
    """A loader, a function of the folder of data sets, in a module that is imported when it is called."""

    def load(data_dir: str | None) -> LabelledImages:
        loader = getattr(importlib.import_module(f"{__name__}.{module}"), function)
        return loader(*arguments, data_dir)

    return load


def _rotated_mnist(data_dir: str | None) -> LabelledImages:
    from keras_equivariant.training.data.from_tfds import import_tfds

    import_tfds()  # which says how to install it
    return _of("rotated_mnist", "load")(data_dir)


def _tfds(name: str) -> Callable[[str | None], LabelledImages]:
    """A loader that reads NAME.npz in the folder of data sets, if it is there, and else the data set of TFDS."""

    def load(data_dir: str | None) -> LabelledImages:
        from keras_equivariant.training.data import arrays

        if (path := arrays.path_of(name, data_dir)) is not None:
            return arrays.load(name, path)
        try:
            return _of("from_tfds", "load", name)(data_dir)
        except ImportError as error:
            raise ValueError(
                f"The data set {name!r} must be {name}.npz in `data_dir` where TensorFlow is not installed ({error}). "
                f"Received: data_dir={data_dir}"
            ) from None

    return load


_LOADERS = {
    "digits": _of("digits", "load"),
    "mnist": _tfds("mnist"),
    "rotated_mnist": _rotated_mnist,
    "cifar10": _tfds("cifar10"),
    "stl10": _tfds("stl10"),
    "imagenet2012": _of("from_tfds", "stream", "imagenet2012"),
}
_WITHOUT_FOLDER = ("digits", "drawn_cells", "drawn_discs")


def list_datasets() -> list[str]:
    """Returns the names of all data sets of labelled images."""
    return list(_LOADERS)


def is_known(name: Any) -> bool:
    """Whether labelled images of that name can be loaded again, for any task."""
    return name in _LOADERS or name in _WITHOUT_FOLDER or name == "folder"


def reads_folder(name: Any) -> bool:
    """Whether a data set, of any task, is read from the folder of data sets."""
    return name not in _WITHOUT_FOLDER


def load(name: str, data_dir: str | None = None) -> LabelledImages:
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
