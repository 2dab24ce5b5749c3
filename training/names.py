"""Names that people type: which there are, which was meant; what is said of errors. All of it without Keras."""

import ast
import difflib
import glob
import importlib.util
import json
import os
import pathlib
import re
from collections.abc import Iterable

from keras_equivariant.training.files import read_json

_LONGEST = 1000  # a backend may print whole arrays
_OF_TENSORFLOW = r"\{\{.*?\}\}|\[Op:.*?\]"  # its own operations, of which it tells first and last


def list_models() -> dict[str, str]:
    """The models of the zoo, each with one line on what it is, read without Keras."""
    files = _files_of_zoo("*.py")
    functions = (node for file in files for node in ast.parse(file.read_text("utf-8")).body)
    return {
        node.name: (ast.get_docstring(node) or "").partition("\n")[0]
        for node in sorted((node for node in functions if isinstance(node, ast.FunctionDef)), key=lambda n: n.name)
        if any(isinstance(decorator, ast.Name) and decorator.id == "register" for decorator in node.decorator_list)
    }


def model_of_weights(weights: str, model: str) -> str:
    """The model of the zoo that trained weights are of: that of a run, or of those with weights of that name the best.

    Args:
        weights: As in `keras_equivariant.zoo.create`.
        model: The model of other weights, which do not tell, and of those by name, if it has such.

    Raises:
        ValueError: If there are no such weights.
    """
    cards = {path.stem.partition("-")[0]: path for path in _files_of_zoo(f"weights/*-{glob.escape(weights)}.json")}
    if cards:
        errors = {name: json.loads(path.read_text("utf-8"))["test_error"] for name, path in cards.items()}
        return model if model in cards else min(errors, key=errors.__getitem__)
    config = pathlib.Path(weights, "config.json")
    if config.exists():
        recipe = read_json(config).get("recipe")
        return (recipe.get("model") if isinstance(recipe, dict) else None) or model
    if not os.path.isfile(weights):
        presets = sorted({path.stem.partition("-")[2] for path in _files_of_zoo("weights/*.json")})
        raise ValueError(
            f"`weights` must be one of {presets}, the folder of a finished run, or a .keras or .weights.h5 file. "
            f"Received: weights={weights!r}"
        )
    return model


def _files_of_zoo(pattern: str) -> list[pathlib.Path]:
    zoo = importlib.util.find_spec("keras_equivariant.zoo")
    folders = (zoo and zoo.submodule_search_locations) or []
    return [file for folder in folders for file in pathlib.Path(folder).glob(pattern)]


def check_name(what: str, name: str, known: Iterable[str]) -> None:
    """Raises a `ValueError` unless a name is known."""
    if name not in known:
        raise ValueError(f"`{what}` must be one of {list(known)}. Received: {what}={name!r}")


def with_hint(message: str) -> str:
    """Adds to a message that lists the names there are the one nearest to what it received."""
    before, _, received = message.rpartition(" Received: ")
    names, name = re.findall("'([^']*)'", before.partition("must be one of")[2]), re.search("'([^']*)'$", received)
    nearest = difflib.get_close_matches(name[1], names, 1) if name else []
    return f"{before} Did you mean {nearest[0]!r}? Received: {received}" if nearest else message


def is_exhausted(error: Exception) -> bool:
    """Whether an error is of the memory or, where TensorFlow writes, of a disk that is full."""
    return isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError"


def in_one_line(error: Exception) -> str:
    """What an error says, without line breaks, and with the name that may have been meant."""
    text = " ".join((re.sub(_OF_TENSORFLOW, "", str(error)) if is_exhausted(error) else str(error)).split())
    if not text and isinstance(error, MemoryError):
        text = "there is not enough memory"
    return f"keras-equivariant: error: {with_hint(text)[:_LONGEST]}"
