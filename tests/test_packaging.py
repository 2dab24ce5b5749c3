"""What goes into the wheel, and that it works beside other packages called zoo and training."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile

import pytest
from helpers import ROOT, run_python

import keras_equivariant

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
FOLDERS = {name: ROOT / folder for name, folder in SETTINGS["package-dir"].items()}
MATCHES = {
    (name, pattern): list(FOLDERS[name].glob(pattern))
    for name, patterns in SETTINGS["package-data"].items()
    for pattern in patterns
}


def test_all_code_and_no_tests():
    there = {
        ".".join([name, *path.parent.relative_to(folder).parts])
        for name, folder in FOLDERS.items()
        for path in folder.rglob("*.py")
    }
    assert there == set(SETTINGS["packages"])


def test_all_data():
    listed = {path for paths in MATCHES.values() for path in paths}
    there = {path for folder in FOLDERS.values() for path in folder.rglob("*") if path.is_file()}
    assert listed == {path for path in there if path.suffix not in (".py", ".pyc")}


def test_each_pattern_matches():
    assert [pattern for pattern, paths in MATCHES.items() if not paths] == []


def test_hints_are_announced():
    assert {("keras_equivariant", "py.typed"), ("keras_equivariant.zoo", "py.typed")} <= set(MATCHES)


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """The folder of the programs of a new environment, with our wheel in it and what it needs beside."""
    path = tmp_path_factory.mktemp("wheel")
    source = path / "source"
    for folder in FOLDERS.values():
        shutil.copytree(folder, source / folder.name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    venv.create(path / "environment", symlinks=True)
    python = path / "environment" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    run([*pip, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", path, source], path)
    run([*pip, "--python", python, "install", "--quiet", "--no-deps", *path.glob("*.whl")], path)
    # A file inside this folder names the checkout, if that is installed: only those of the environment itself count.
    (packages,) = (path / "environment" / "lib").glob("*/site-packages")
    (packages / "what_we_need.pth").write_text(sysconfig.get_path("purelib"))
    return python.parent


def test_what_the_wheel_holds(programs):
    (wheel,) = programs.parents[1].glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == {
        f"{name.replace('.', '/')}/{path.relative_to(folder).as_posix()}"
        for name, folder in FOLDERS.items()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert wheel.stat().st_size < 2_000_000, "docs/installation.md states its size"


def run(command, folder, status=0):
    clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "KERAS_BACKEND")}
    result = subprocess.run([*map(str, command)], cwd=folder, env=clean, capture_output=True, text=True, check=False)
    assert result.returncode == status, result.stderr[-3000:]
    return result.stdout if status == 0 else result.stderr


def test_a_folder_with_packages_of_our_names(programs, tmp_path, tensorflow_backend):
    for name in ("training", "zoo"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('this one is the user\\'s')\n")
    for command in (["keras-equivariant"], ["python", "-m", "keras_equivariant"]):
        program = [programs / command[0], *command[1:]]
        assert run([*program, "--version"], tmp_path).split()[-1] == "0.2.0"
        assert "  p4cnn " in run([*program, "list"], tmp_path)
    error = run([*program, "fit", "folder_regression", "--data-dir", "absent"], tmp_path, status=2)
    assert error.startswith("keras-equivariant: error: ") and error.count("\n") == 1, error
    code = "from keras_equivariant import training, zoo; print(zoo.__file__, zoo.create('p4cnn').count_params())"
    file, parameters = run([programs / "python", "-c", code], tmp_path).split()
    assert file.startswith(str(programs.parent)) and parameters == "24800"


# The light installation: none of these is there.
LIGHT = """
import sys
absent = ["tensorflow", "tensorboard", "matplotlib", "PIL", "skimage", "tensorflow_datasets"]
sys.modules.update(dict.fromkeys(absent))
import numpy as np
import keras
from keras_equivariant import entropy, layers, zoo
from keras_equivariant.convert import to_group_equivariant
from keras_equivariant.equivariance import equivariance_error
from keras_equivariant.planar import to_planar

model = zoo.create("p4cnn", weights="rotated_mnist")
x = np.random.default_rng(0).normal(size=(2, 28, 28, 1)).astype("float32")
lowered = to_planar(model)
print(equivariance_error(model, x), np.abs(model.predict(x, verbose=0) - lowered.predict(x, verbose=0)).max())
ordinary = keras.Sequential([keras.Input((9, 9, 3)), keras.layers.Conv2D(2, 3), keras.layers.GlobalMaxPooling2D()])
converted = to_group_equivariant(ordinary, "p4")
converted.compile("sgd", "mse")
converted.fit(x[:, :9, :9].repeat(3, axis=-1), np.zeros((2, 2)), verbose=0)
assert entropy.diffusion_spectral_entropy(x.reshape(2, -1)) >= 0
assert not [name for name in absent if sys.modules[name] is not None]
"""


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_layers_and_zoo_without_tensorflow(backend, tensorflow_backend):
    pytest.importorskip(backend)
    error, difference = run_python(LIGHT, KERAS_BACKEND=backend).split()
    assert float(error) < 1e-4 and float(difference) < 1e-3


# What comes on demand is asked for by name, when its data are loaded and not before.
ON_DEMAND = """
import sys
sys.modules["tensorflow_datasets"] = None
from keras_equivariant.training.recipes import get_recipe
from keras_equivariant.training.tasks import get_task

for name in ("rotated_mnist", "colorchecker", "inpainting"):
    recipe = get_recipe(name)
    try:
        get_task(recipe.task).load(recipe, sys.argv[1])
    except ValueError as error:
        print(error)
"""


def test_without_what_is_installed_on_demand(tmp_path, tensorflow_backend):
    told = run([sys.executable, "-c", ON_DEMAND, tmp_path], tmp_path).splitlines()
    assert len(told) == 3 and all('pip install "keras-equivariant[datasets]"' in line for line in told), told


def test_the_light_requirements_are_among_those_of_the_package():
    def needs(lines):
        named = (re.match(r"([\w.-]+)(.*)", line.partition("#")[0].strip()) for line in lines)
        return {match[1]: match[2].strip() for match in named if match}

    light = needs((ROOT / "requirements-light.txt").read_text().splitlines())
    everything = needs(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])
    assert light and light.items() <= everything.items()


def test_the_source_distribution_holds_the_tests(tmp_path):
    source = tmp_path / "source"
    listed = ["tests", "docs", "benchmarks", "keras_equivariant", "zoo", "training"]
    for name in listed:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, source)
    code = "import sys; from setuptools import build_meta; print(build_meta.build_sdist(sys.argv[1]))"
    name = run([sys.executable, "-W", "ignore", "-c", code, tmp_path], source).split()[-1]
    with tarfile.open(tmp_path / name) as archive:
        names = {member.partition("/")[2] for member in archive.getnames()}
    there = {str(path.relative_to(source)) for name in listed for path in (source / name).rglob("*") if path.is_file()}
    assert there <= names, sorted(there - names)
    assert {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "requirements-light.txt"} <= names
    assert not [one for one in names if "__pycache__" in one]


@pytest.mark.parametrize(
    "argv, original, expected",
    [
        (["-m"], ["python", "-u", "-m", "keras_equivariant", "list"], True),
        (["/bin/keras-equivariant", "list"], ["python", "/bin/keras-equivariant", "list"], True),
        (["-m"], ["python", "-m", "mine", "-m", "keras_equivariant"], False),
        (["mine.py", "-m", "keras_equivariant"], ["python", "mine.py", "-m", "keras_equivariant"], False),
        (["-c"], ["python", "-c", "import keras_equivariant"], False),
        ([], ["python"], False),
    ],
)
def test_only_the_command_line_leaves_keras_for_later(argv, original, expected, monkeypatch):
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(sys, "orig_argv", original)
    assert keras_equivariant._is_command_line() is expected
