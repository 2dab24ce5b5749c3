"""Preprocessings of all images before the network, fitted on the training set.

A preprocessing is a dataclass of numbers and arrays with a `fit` that returns it from the training images, which come
in parts, and a call that maps a batch of float images between 0 and 1 to the network's inputs: 0 is their mean. Its
`background` is the value, or one for each channel, that black pixels become: what comes in from outside when an image
is turned.
"""

import dataclasses
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
from keras_equivariant.training.files import replacing
from keras_equivariant.training.input.balance import EstimatedLight, GreyWorld, ShadesOfGrey
from keras_equivariant.training.input.coloured_light import StandardisedLogRGB, colour_statistics
from keras_equivariant.training.input.numerics import as_given, numerics, tensor
from keras_equivariant.training.input.zca import ContrastZca


class Preprocessing(Protocol):
    """What a preprocessing has."""

    @property
    def background(self) -> Any:
        """What a black pixel becomes."""

    def __call__(self, images: Any) -> Any:
        """Maps float images between 0 and 1 to inputs of the network."""


@dataclasses.dataclass(frozen=True)
class Unchanged:
    """No preprocessing, or all of it is inside the model."""

    background: float = 0.0

    def __call__(self, images: Any) -> Any:
        """Returns the images."""
        return images


@dataclasses.dataclass(frozen=True)
class Standardise:
    """Subtracts the mean of each colour and divides by its deviation; those of each pixel would favour directions."""

    mean: float | Sequence[float]
    deviation: float | Sequence[float]

    @classmethod
    def fit(cls, images: Iterable[np.ndarray]) -> "Standardise":
        """Takes mean and deviation of each colour over all pixels of all images, which come in parts."""
        return cls(*colour_statistics(images))

    @property
    def background(self) -> Any:
        """What a black pixel becomes."""
        return -np.asarray(self.mean, "float32") / np.asarray(self.deviation, "float32")

    def __call__(self, images: Any) -> Any:
        """Standardises float images."""
        return (images - np.asarray(self.mean, "float32")) / np.asarray(self.deviation, "float32")


@dataclasses.dataclass(frozen=True)
class StandardiseFeatures:
    """Subtracts the mean of each pixel and divides by its deviation, as Bouvrie's notes have it.

    It favours some places and directions, and so breaks equivariance; for networks without any.
    """

    mean: Any
    deviation: Any
    # What comes in from outside is the mean of what was there.
    background: float = 0.0

    @classmethod
    def fit(cls, images: Iterable[np.ndarray]) -> "StandardiseFeatures":
        """Takes mean and deviation of each pixel and colour over all images, which come in parts.

        A feature that is always the same, as at the border of digits, has the deviation 1.
        """
        count, total, squares = 0, np.zeros(()), np.zeros(())
        for part in images:
            values = part.astype("float64")
            count, total, squares = count + len(values), total + values.sum(0), squares + (values**2).sum(0)
        mean = total / count
        deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
        return cls(mean.astype("float32"), np.where(deviation > 1e-6, deviation, 1).astype("float32"))

    def __call__(self, images: Any) -> Any:
        """Standardises float images."""
        return (images - self.mean) / self.deviation


@dataclasses.dataclass(frozen=True)
class StandardiseEach:
    """Standardises each picture by itself: each colour has the mean 0 and about the deviation 1 in every picture.

        y = (x - mean) / sqrt(variance + epsilon)

    For pictures of mixed kinds, such as dark ones from fluorescence beside bright ones. No turn changes mean and
    variance.
    """

    epsilon: float = 1e-4  # a deviation of 0.01, less than what is seen: an even picture stays even
    background: ClassVar[float] = 0.0

    @classmethod
    def fit(cls, images: Iterable[np.ndarray]) -> "StandardiseEach":
        """Takes nothing from the training images."""
        return cls()

    def of_picture(self, parts: Iterable[np.ndarray]) -> Standardise:
        """What is done to each part of one picture, which comes in parts `(n, height, width, channels)`."""
        mean, deviation = colour_statistics(parts)
        return Standardise(mean, np.sqrt(np.square(deviation) + self.epsilon).tolist())

    def __call__(self, images: Any) -> Any:
        """Standardises a batch of whole float images."""
        functions = numerics(x := tensor(images))
        centred = x - functions.mean(x, axis=(1, 2), keepdims=True)
        variance = functions.mean(centred**2, axis=(1, 2), keepdims=True)
        return as_given(centred / functions.sqrt(variance + self.epsilon), images)


_PREPROCESSINGS: dict[str, Any] = {
    "standardise": Standardise,
    "standardise_each": StandardiseEach,
    "standardise_features": StandardiseFeatures,
    "log_rgb": StandardisedLogRGB,
    "contrast_zca": ContrastZca,
    "grey_world": GreyWorld,
    "shades_of_grey": ShadesOfGrey,
    "estimated_light": EstimatedLight,
}


def list_preprocessings() -> list[str]:
    """Returns the names of all preprocessings."""
    return list(_PREPROCESSINGS)


def fit_preprocessing(
    name: str, images: np.ndarray | Iterable[np.ndarray], estimator: str | None = None
) -> Preprocessing:
    """Fits a preprocessing on training images.

    Args:
        name: One of `list_preprocessings()`.
        images: Float array `(n, height, width, channels)` between 0 and 1, or such arrays one after the other.
        estimator: Folder of a run that estimates the light, for `"estimated_light"`.

    Returns:
        A function of a batch of such images, with an attribute `background`.

    Raises:
        ValueError: If the name is unknown, or there is no such run.
    """
    check_preprocessing(name)
    arguments = {"estimator": estimator} if name == "estimated_light" else {}
    return _PREPROCESSINGS[name].fit([images] if isinstance(images, np.ndarray) else images, **arguments)


def of_picture(preprocess: Any, parts: Iterable[np.ndarray]) -> Any:
    """What a preprocessing does to parts of one picture.

    Args:
        preprocess: What `fit_preprocessing` returned, or `None`.
        parts: The whole picture: float arrays `(n, height, width, channels)` between 0 and 1.

    Returns:
        A function of a part of the picture, `(height, width, channels)`.
    """
    return preprocess.of_picture(parts) if isinstance(preprocess, StandardiseEach) else preprocess or Unchanged()


def check_preprocessing(name: str, known: tuple[str, ...] = tuple(_PREPROCESSINGS)) -> None:
    """Checks that there is a preprocessing of that name.

    Raises:
        ValueError: If not.
    """
    if name not in known:
        raise ValueError(f"`preprocessing` must be one of {sorted(known)}. Received: preprocessing={name!r}")


def describe_preprocessing(preprocess: Any) -> dict[str, Any]:
    """The numbers of what `fit_preprocessing` returned, for people to read.

    Raises:
        ValueError: If they are too many for that.
    """
    fields = {field.name: getattr(preprocess, field.name) for field in dataclasses.fields(preprocess)}
    if any(np.size(value) > 16 for value in fields.values()):
        raise ValueError(
            f"`preprocessing` must be of a few numbers. Received: a {type(preprocess).__name__} of whole arrays"
        )
    return {name: np.asarray(value).tolist() for name, value in fields.items()}


def save_preprocessing(path: pathlib.Path, preprocess: Any) -> None:
    """Writes what `fit_preprocessing` returned to an `.npz` file, whole or not at all."""
    fields = {field.name: getattr(preprocess, field.name) for field in dataclasses.fields(preprocess)}
    with replacing(path) as partial, open(partial, "wb") as file:
        np.savez(file, **fields)


def load_preprocessing(path: pathlib.Path, name: str) -> Preprocessing:
    """Reads what `save_preprocessing` wrote.

    Args:
        path: The file.
        name: One of `list_preprocessings()`.

    Returns:
        A function of a batch of images, as from `fit_preprocessing`.

    Raises:
        ValueError: If the name is unknown, or the file is missing, damaged or of another preprocessing.
    """
    check_preprocessing(name)
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            fields = dict(arrays)
        return _PREPROCESSINGS[name](**{key: a if a.ndim else a.item() for key, a in fields.items()})
    except Exception as error:
        raise ValueError(f"{path} is not a file of the preprocessing {name!r} ({error})") from None
