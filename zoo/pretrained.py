"""Trained weights: those that come with the package, and how a builder takes them.

Each file `weights/MODEL-DATASET.weights.h5` has a card beside it, `MODEL-DATASET.json`: what it was trained on and how,
the error that it reached, the preprocessing that it needs, and the checksum of the file.
"""

import functools
import hashlib
import inspect
import json
import os
import pathlib
import warnings
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec

import h5py
import keras

Arguments = ParamSpec("Arguments")
FOLDER = pathlib.Path(__file__).parent / "weights"
SUFFIX = ".weights.h5"
# These arguments do not decide what the trained network computes.
_FREE_ARGUMENTS = {"dropout", "input_dropout", "mixing_regularizer", "name", "weights"}


def list_weights(name: str) -> list[str]:
    """Lists the trained weights that come with the package for a model.

    Args:
        name: Name of a model of the zoo.

    Returns:
        Sorted list of names that the model's argument `weights` may take.

    Raises:
        ValueError: If the name is no string.

    Example:

    >>> list_weights("lenet5")
    []
    """
    if not isinstance(name, str):
        raise ValueError(f"`name` must be the name of a model. Received: name={name!r}")
    return sorted(path.name.removesuffix(SUFFIX).partition("-")[2] for path in FOLDER.glob(f"{name}-*{SUFFIX}"))


def get_card(name: str, weights: str) -> dict[str, Any]:
    """Reads the card of trained weights.

    Args:
        name: Name of a model of the zoo.
        weights: One of `list_weights(name)`.

    Returns:
        A dictionary: among others `preprocessing` (to be applied to images between 0 and 1), `data`,
        `recipe`, `test_error` in percent, and `sha256` of the file.

    Raises:
        ValueError: If there are no such weights.
    """
    if weights not in list_weights(name):
        raise ValueError(f"`weights` must be one of {list_weights(name)}. Received: weights={weights!r}")
    return _read_card(card_path(preset_path(name, weights)))


def preset_path(name: str, weights: str | os.PathLike) -> pathlib.Path:
    """The path of weights that come with the package."""
    return FOLDER / f"{name}-{weights}{SUFFIX}"


def card_path(path: str | os.PathLike) -> pathlib.Path:
    """The path of the card that belongs to a weights file."""
    path = pathlib.Path(path)
    return path.with_name(path.name.removesuffix(SUFFIX) + ".json")


def checksum(path: str | os.PathLike) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def architecture(builder: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a builder that decide what the network computes, defaults included, as JSON gives them back."""
    bound = inspect.signature(builder).bind(**arguments)
    bound.apply_defaults()
    decisive = {key: value for key, value in bound.arguments.items() if key not in _FREE_ARGUMENTS}
    return json.loads(json.dumps(decisive, default=repr))


def pretrained(builder: Callable[Arguments, keras.Model]) -> Callable[Arguments, keras.Model]:
    """Decorator: loads the weights named by the builder's argument `weights`; the builder itself ignores it.

    Args:
        builder: Function that returns a `keras.Model` and has an argument `weights`, by default `None`.

    Returns:
        The builder, which raises a `ValueError` if `weights` is neither `None` nor the name of weights that come with
        the package nor the path of a `.weights.h5` file; or the file is damaged, not the one that its card describes,
        or of another architecture.
    """

    @functools.wraps(builder)
    def build(*args: Arguments.args, **kwargs: Arguments.kwargs) -> keras.Model:
        arguments = inspect.signature(builder).bind(*args, **kwargs).arguments
        weights = arguments.get("weights")
        if weights is None:
            return builder(*args, **kwargs)
        path = _find(builder.__name__, weights)
        if weights in list_weights(builder.__name__) or card_path(path).exists():
            check_arguments(builder, arguments, card_arguments(builder, path), weights)
        model = builder(*args, **kwargs)
        load_weights(model, path)
        return model

    return build


def _find(name, weights):
    if weights in list_weights(name):
        return preset_path(name, weights)
    path = pathlib.Path(weights)
    if path.name.endswith(SUFFIX) and os.path.isfile(path):  # which has no errors for names that are too long
        return path
    raise ValueError(
        f"`weights` of {name} must be None, one of {list_weights(name)}, or the path of a {SUFFIX} file. "
        f"Received: weights={str(weights)!r}"
    )


def _read_card(path):
    try:
        card = json.loads(path.read_text())
        return card | {key: card[key] for key in ("model", "sha256", "arguments")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a card of trained weights ({type(error).__name__}: {error})") from None


def card_arguments(builder: Callable[..., Any], path: pathlib.Path) -> dict[str, Any]:
    """The arguments of the builder that a weights file with a card was trained with.

    Raises:
        ValueError: If the file or its card is damaged, or they are of another builder.
    """
    card = _read_card(card_path(path))
    if checksum(path) != card["sha256"]:
        raise ValueError(f"`weights`: the file is damaged: its checksum is not that of its card. Received: {path}")
    if card["model"] != builder.__name__:
        raise ValueError(f"`weights` must be those of {builder.__name__}, not of {card['model']}. Received: {path}")
    return stored_arguments(builder, card["arguments"], card_path(path))


def stored_arguments(builder: Callable[..., Any], arguments: Any, path: pathlib.Path) -> dict[str, Any]:
    """The arguments of a builder as a file holds them.

    Raises:
        ValueError: If the builder has no such arguments: the file is damaged, or of another version.
    """
    try:
        inspect.signature(builder).bind(**arguments)
    except TypeError as error:
        raise ValueError(f"{path} must hold arguments of {builder.__name__} ({error}). Received: {arguments}") from None
    return arguments


def check_arguments(
    builder: Callable[..., Any], asked: Mapping[str, Any], trained: Mapping[str, Any], weights: str | os.PathLike
) -> None:
    """Checks that arguments of a builder give the network that some weights were trained in.

    Raises:
        ValueError: If one that decides what the network computes has changed.
    """
    asked, default = architecture(builder, asked), architecture(builder, {})
    changed = [key for key in asked if asked[key] != json.loads(json.dumps(trained.get(key, default[key])))]
    if changed:
        raise ValueError(
            f"With these `weights`, {_listed(trained, changed)} must stay as trained. "
            f"Received: {_listed(asked, changed)}, weights={str(weights)!r}"
        )


def _listed(values, keys):
    return ", ".join(f"{key}={values.get(key)!r}" for key in keys)


def load_weights(model: keras.Model, path: pathlib.Path, partly: bool = False) -> None:
    """Loads a weights file into a new model.

    Args:
        model: The model. On failure it must be discarded.
        path: The file.
        partly: Whether layers that the file does not fit keep their values.

    Raises:
        ValueError: If the file cannot be read, or, unless `partly`, is of another architecture.
    """
    try:
        shapes = _shapes(path)
    except Exception as error:  # damaged files raise whatever HDF5 stumbles over
        raise ValueError(f"`weights`: the file cannot be read ({error}). Received: {path}") from None
    problem = None
    if not partly and shapes != sorted(tuple(weight.shape) for weight in model.weights):
        problem = "the shapes differ"
    else:
        try:
            with warnings.catch_warnings():
                # Keras warns of layers that it finds no weights for.
                warnings.simplefilter("ignore" if partly else "error")
                model.load_weights(path, skip_mismatch=partly)
        except Exception as error:
            problem = str(error).splitlines()[0]
    if problem:
        raise ValueError(f"`weights` must be those of the same architecture: {problem}. Received: {path}")


def read_model(path: pathlib.Path) -> keras.Model:
    """Reads a `.keras` file.

    Raises:
        ValueError: If it is missing or damaged.
    """
    try:
        # Where the checksum of the weights is wrong, Keras tries again in a way that may not look at it.
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                raise ValueError(f"the checksum of {archive.testzip()} is wrong")
        return keras.models.load_model(path)
    except Exception as error:  # any: damaged archives, HDF5 files and configurations have errors of their own
        raise ValueError(f"{path} cannot be loaded ({error})") from error


def read_json(path: pathlib.Path) -> dict[str, Any]:
    """Reads a JSON file that holds an object.

    Raises:
        ValueError: If it is missing or damaged.
    """
    try:
        return {**json.loads(path.read_text("utf-8"))}
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"{path} cannot be read ({type(error).__name__}: {error})") from None


def _shapes(path):
    shapes = []
    with h5py.File(path) as file:
        file.visititems(lambda _, item: shapes.append(item.shape) if isinstance(item, h5py.Dataset) else None)
    return sorted(shapes)
