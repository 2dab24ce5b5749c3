"""Imports point one way: symmetry, filters, layers, zoo, training."""

import ast

import pytest
from helpers import ROOT

OWN = "keras_equivariant"
FORBIDDEN = {
    "keras_equivariant": (f"{OWN}.zoo", f"{OWN}.training", "tensorflow", "jax", "torch", "matplotlib"),
    "zoo": (f"{OWN}.training", "tensorflow", "jax", "torch"),
    "training": ("jax", "torch"),
}
LEVELS = ["symmetry", "filters", "layers"]


def imported_modules(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("package", FORBIDDEN)
def test_packages(package):
    for path in (ROOT / package).rglob("*.py"):
        if path == ROOT / OWN / "__main__.py":  # the command line, which is the one of training
            continue
        for module in imported_modules(path):
            assert not f"{module}.".startswith(tuple(f"{name}." for name in FORBIDDEN[package])), path
            assert not module.startswith(("keras.src", "keras.backend")), path


@pytest.mark.parametrize("level, name", list(enumerate(LEVELS)))
def test_levels_of_the_library(level, name):
    library = ROOT / "keras_equivariant"
    paths = [library / f"{name}.py"] if (library / f"{name}.py").exists() else list((library / name).rglob("*.py"))
    assert paths
    above = tuple(f"keras_equivariant.{higher}" for higher in LEVELS[level + 1 :])
    for path in paths:
        for module in imported_modules(path):
            assert not (above and module.startswith(above)), path
