"""Names that people type: which there are, and which was meant. All of it without Keras, which takes seconds."""

import ast
import difflib
import importlib.util
import pathlib
import re
from collections.abc import Iterable


def list_models() -> dict[str, str]:
    """The models of the zoo, each with one line on what it is, read without Keras."""
    zoo = importlib.util.find_spec("keras_equivariant.zoo")
    folders = (zoo and zoo.submodule_search_locations) or []
    files = (file for folder in folders for file in pathlib.Path(folder).glob("*.py"))
    functions = (node for file in files for node in ast.parse(file.read_text("utf-8")).body)
    return {
        node.name: (ast.get_docstring(node) or "").partition("\n")[0]
        for node in sorted((node for node in functions if isinstance(node, ast.FunctionDef)), key=lambda n: n.name)
        if any(isinstance(decorator, ast.Name) and decorator.id == "register" for decorator in node.decorator_list)
    }


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
