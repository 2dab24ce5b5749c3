"""What goes into the wheel, by the configuration that it is built from."""

import tomllib

from helpers import ROOT
from setuptools import find_namespace_packages

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
NAMES = ("keras_equivariant", "training", "zoo")
MATCHES = {
    (name, pattern): list((ROOT / name).glob(pattern))
    for name, patterns in SETTINGS["package-data"].items()
    for pattern in patterns
}
PACKAGES = find_namespace_packages(str(ROOT), **SETTINGS["packages"]["find"])


def test_all_code_and_no_tests():
    folders = {path.parent.relative_to(ROOT) for name in NAMES for path in (ROOT / name).rglob("*.py")}
    assert {".".join(folder.parts) for folder in folders} <= set(PACKAGES)
    assert {name.split(".")[0] for name in PACKAGES} == set(NAMES)


def test_all_data():
    listed = {path for paths in MATCHES.values() for path in paths}
    there = {path for name in NAMES for path in (ROOT / name).rglob("*") if path.is_file()}
    assert listed == {path for path in there if path.suffix not in (".py", ".pyc")}


def test_each_pattern_matches():
    assert [pattern for pattern, paths in MATCHES.items() if not paths] == []


def test_hints_are_announced():
    assert {("keras_equivariant", "py.typed"), ("zoo", "py.typed")} <= set(MATCHES)
