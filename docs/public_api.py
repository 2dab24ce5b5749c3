"""The public names of the package, one a line with its arguments: those that the pages of the reference show.

    python docs/public_api.py > docs/public_api.txt

A test compares, so that no name and no argument changes by accident.
"""

import importlib
import inspect
import pathlib
import re

PAGES = pathlib.Path(__file__).parent / "api"


def find(path):
    """What a dotted path names: a module, or an attribute of one."""
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError:
        module, name = path.rsplit(".", 1)
        return getattr(importlib.import_module(module), name)


def members(module):
    """The public functions and classes that are made in a module."""
    for name, value in sorted(vars(module).items()):
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__ and callable(value):
            yield f"{module.__name__}.{name}", value


def arguments(value):
    """Names and defaults of the arguments, without types; of a class that has no constructor of its own, none."""
    try:
        signature = inspect.signature(value)
    except ValueError:
        return ""
    shown = [
        parameter.replace(annotation=inspect.Parameter.empty, default=default(parameter))
        for parameter in signature.parameters.values()
    ]
    text = str(signature.replace(parameters=shown, return_annotation=inspect.Signature.empty))
    return re.sub(r"<([\w.]+)>", r"\1", text)


def default(parameter):
    """Functions and classes by their names, since their addresses change."""
    value = parameter.default
    if value is inspect.Parameter.empty or not callable(value):
        return value
    return Named(f"{value.__module__}.{value.__qualname__}")


class Named(str):
    """A text that is shown without quotes."""

    def __repr__(self):
        return str(self)


def lines():
    """The sorted list."""
    paths = re.findall(r"^::: (\S+)$", "".join(page.read_text() for page in sorted(PAGES.glob("*.md"))), re.MULTILINE)
    found = set()
    for path in paths:
        value = find(path)
        entries = members(value) if inspect.ismodule(value) else [(path, value)]
        for name, entry in entries:
            found.add(name + arguments(entry))
            if inspect.isclass(entry):
                found |= {f"{name}.{method}{arguments(function)}" for method, function in methods(entry)}
    return sorted(found)


def methods(cls):
    """Its public methods, but for those that Keras asks for."""
    for name, value in vars(cls).items():
        if (
            inspect.isfunction(value)
            and not name.startswith("_")
            and not any(hasattr(base, name) for base in cls.__bases__)
        ):
            yield name, value


if __name__ == "__main__":
    print("\n".join(lines()))
