"""Labelled images from one `.npz` file, as Keras' own copies of MNIST and CIFAR-10 are: no TensorFlow is needed."""

import pathlib

import numpy as np
from keras_equivariant.training.data.images import LabelledImages, Split

_NAMES = {
    "cifar10": ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    "mnist": tuple(map(str, range(10))),
}


def path_of(name: str, data_dir: str | None) -> pathlib.Path | None:
    """The file of a data set in a folder, if it is there."""
    path = pathlib.Path(data_dir or "") / f"{name}.npz"
    return path if data_dir and path.is_file() else None


def load(name: str, path: pathlib.Path) -> LabelledImages:
    """Loads a data set from its file.

    Args:
        name: Its name, which says what the classes are called.
        path: The file: arrays of bytes `x_train` and `x_test`, `(n, height, width)` or with channels, and of integers
            `y_train` and `y_test`, `(n,)` or `(n, 1)`.

    Returns:
        `LabelledImages`.

    Raises:
        ValueError: If the file is damaged or holds something else.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            train, test = (_split(file[f"x_{part}"], file[f"y_{part}"]) for part in ("train", "test"))
    except Exception as error:
        raise ValueError(
            f"The file must hold x_train, y_train, x_test and y_test: bytes, and the numbers of the classes. "
            f"Received: {path} ({error})"
        ) from None
    names = _NAMES.get(name, ())
    return LabelledImages(train, test, len(names) or int(train.labels.max()) + 1, names=names)


def _split(images: np.ndarray, labels: np.ndarray) -> Split:
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or len(images) != labels.size:
        raise ValueError(f"images {images.dtype} {images.shape}, labels {labels.dtype} {labels.shape}")
    return Split(images if images.ndim == 4 else images[..., None], labels.reshape(-1).astype("int32"))
