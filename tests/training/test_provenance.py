import importlib.metadata
import json
import shutil
import subprocess

import pytest
from keras_equivariant.training.recipes import get_recipe
from keras_equivariant.training.runs import provenance

from keras_equivariant import __version__

RECIPE = get_recipe("rotated_digits")


def git(folder, *arguments):
    identity = ("-c", "user.name=Nobody", "-c", "user.email=nobody@example.org")
    printed = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return printed.stdout.strip()


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_the_revision_is_that_of_this_project_only(tmp_path, monkeypatch):
    git(tmp_path, "init")
    monkeypatch.setattr(provenance, "_ROOT", tmp_path.resolve())
    assert provenance.run_config(RECIPE, None)["revision"] is None, "no commit yet"
    git(tmp_path, "commit", "--allow-empty", "-m", "first")
    assert provenance.run_config(RECIPE, None)["revision"] == git(tmp_path, "rev-parse", "HEAD")
    installed = tmp_path / "site-packages"
    installed.mkdir()
    monkeypatch.setattr(provenance, "_ROOT", installed.resolve())
    assert provenance.run_config(RECIPE, None)["revision"] is None, "the commit is of another project"


def test_without_git(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert provenance.run_config(RECIPE, None)["revision"] is None


def test_a_checkout_need_not_be_installed(monkeypatch):
    version = importlib.metadata.version

    def of_others(package):
        if package == "keras-equivariant":
            raise importlib.metadata.PackageNotFoundError(package)
        return version(package)

    monkeypatch.setattr(importlib.metadata, "version", of_others)
    config = provenance.run_config(RECIPE, None)
    assert config["versions"]["keras-equivariant"] == __version__
    assert json.loads(json.dumps(config)) == config


def test_the_folder_of_the_data_is_the_same_from_everywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert provenance.run_config(RECIPE, "data")["data_dir"] == str(tmp_path / "data")
    assert provenance.run_config(RECIPE, tmp_path)["data_dir"] == str(tmp_path)
    assert provenance.run_config(RECIPE, "gs://bucket/data")["data_dir"] == "gs://bucket/data"
    assert provenance.run_config(RECIPE, None)["data_dir"] is None
