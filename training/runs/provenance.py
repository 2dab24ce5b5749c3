"""Where a result comes from: the recipe, the data, the versions of the code."""

import dataclasses
import importlib.metadata
import json
import os
import pathlib
import subprocess
from typing import Any

import keras
from keras_equivariant.training.recipes import Recipe

from keras_equivariant.version import __version__

_ROOT = pathlib.Path(__file__).resolve().parents[2]


def run_config(recipe: Recipe, data_dir: str | None) -> dict[str, Any]:
    """Returns everything that decides the result of a run, as it reads back from JSON."""
    packages = ("keras", keras.config.backend(), "numpy")
    versions = {package: importlib.metadata.version(package) for package in packages}
    config = {
        "recipe": dataclasses.asdict(recipe),
        "data_dir": None if data_dir is None else _absolute(str(data_dir)),
        "backend": keras.config.backend(),
        # A checkout need not be installed.
        "versions": {"keras-equivariant": __version__, **versions},
        "revision": _revision(),
    }
    return json.loads(json.dumps(config))


def _absolute(folder: str) -> str:
    """The absolute path of a folder; those of object stores, such as `gs://...`, stay as they are."""
    return folder if "://" in folder else os.path.abspath(os.path.expanduser(folder))


def _revision() -> str | None:
    """The Git commit of this checkout; `None` if the package is installed or Git is missing."""
    command = ["git", "rev-parse", "--show-toplevel", "HEAD"]
    try:
        found = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        return None
    # In a virtual environment inside someone else's repository, Git finds a commit that is not ours.
    return found[1] if len(found) == 2 and pathlib.Path(found[0]).resolve() == _ROOT else None
