"""What the library, the zoo and the training offer names the types of its arguments and results."""

import importlib
import inspect
import pkgutil

import pytest

import keras_equivariant
from keras_equivariant import training, zoo

MODULES = [
    importlib.import_module(found.name)
    for package in (keras_equivariant, zoo, training)
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not found.name.endswith("__main__")
]


def is_public(name):
    return not name.startswith("_") or name in ("__init__", "__call__")


def functions(owner, path):
    """The public functions that a module or a class defines itself, with their names."""
    for name, item in vars(owner).items():
        if isinstance(item, classmethod | staticmethod):
            item = item.__func__
        if isinstance(item, property):
            item = item.fget
        if not is_public(name) or getattr(item, "__module__", None) != path.split(":")[0]:
            continue
        if inspect.isclass(item):
            yield from functions(item, f"{path}{name}.")
        elif inspect.isfunction(item):
            yield f"{path}{name}", item, inspect.isclass(owner)


FOUND = [found for module in MODULES for found in functions(module, f"{module.__name__}:")]


@pytest.mark.parametrize("name, function, is_method", FOUND, ids=[name for name, *_ in FOUND])
def test_types_are_named(name, function, is_method):
    signature = inspect.signature(function)
    arguments = list(signature.parameters.values())[is_method:]
    assert [argument.name for argument in arguments if argument.annotation is inspect.Parameter.empty] == []
    assert signature.return_annotation is not inspect.Signature.empty


def test_nothing_is_forgotten():
    names = {name for name, *_ in FOUND}
    assert len(names) > 250
    assert {
        "keras_equivariant.symmetry:get_symmetry",
        "keras_equivariant.layers.group_convolution:GroupConvolution.__init__",
        "keras_equivariant.layers.offset_convolution:PlanarOffsetConvolution.__init__",
        "keras_equivariant.zoo.rotated_mnist:p4cnn",
        "keras_equivariant.training.runs.fit:fit",
        "keras_equivariant.training.tasks.task:Task.evaluate",
    } <= names
