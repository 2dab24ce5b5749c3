"""What goes into the wheel, by the configuration that it is built from."""

import tomllib

from helpers import ROOT
from setuptools import find_packages

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
NAMES = ("keras_equivariant", "training", "zoo")
MATCHES = {
    (name, pattern): list((ROOT / name).glob(pattern))
    for name, patterns in SETTINGS["package-data"].items()
    for pattern in patterns
}
PACKAGES = find_packages(str(ROOT), **SETTINGS["packages"]["find"])


def test_all_code_and_nothing_else():
    folders = {path.parent.relative_to(ROOT) for name in NAMES for path in (ROOT / name).rglob("*.py")}
    assert sorted(PACKAGES) == sorted(".".join(folder.parts) for folder in folders)


def test_all_data():
    listed = {path for paths in MATCHES.values() for path in paths}
    there = {path for name in NAMES for path in (ROOT / name).rglob("*") if path.is_file()}
    assert listed == {path for path in there if path.suffix not in (".py", ".pyc")}


def test_each_pattern_matches():
    assert [pattern for pattern, paths in MATCHES.items() if not paths] == []


def test_hints_are_announced():
    assert "py.typed" in SETTINGS["package-data"]["keras_equivariant"]
    assert "py.typed" in SETTINGS["package-data"]["zoo"]
