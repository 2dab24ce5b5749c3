"""How the training is put together: which part imports which, and that only a task's folder knows the task."""

import ast
import collections

import pytest
from helpers import ROOT
from keras_equivariant.training.tasks import get_task, list_tasks

TRAINING, PREFIX = ROOT / "training", "keras_equivariant.training."
# Each part imports those before it only. Recipes are data, and of the tasks they know the list of names only.
ORDER = ["files", "names", "recipes", "data", "input", "model", "export", "pictures", "tasks", "studies", "runs", "cli"]
SOURCES = {path.relative_to(TRAINING): ast.parse(path.read_text()) for path in TRAINING.rglob("*.py")}


def imported(tree):
    """The modules of `keras_equivariant.training` that a file imports: their names after that."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        yield from (name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX))


def part_of(path):
    return path.parts[0].removesuffix(".py")


def test_every_part_has_its_place():
    found = {part_of(path) for path in SOURCES} - {"__init__", "__main__"}
    assert found == set(ORDER)


@pytest.mark.parametrize("part", ORDER)
def test_imports_point_one_way(part):
    allowed = {part, *ORDER[: ORDER.index(part)]}
    for path, tree in SOURCES.items():
        for module in imported(tree) if part_of(path) == part else ():
            if part == "recipes" and module == "tasks.list_tasks":
                continue
            assert module.split(".")[0] in allowed, f"{path} imports training.{module}"


def test_the_list_of_tasks_imports_no_task():
    tree = SOURCES[next(path for path in SOURCES if path.as_posix() == "tasks/__init__.py")]
    at_import = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert at_import and not [node for node in at_import if "training" in ast.unparse(node)]


def test_only_its_own_folder_and_recipes_name_a_task():
    names = set(list_tasks())
    classes = {type(get_task(name)).__name__ for name in names}
    faults = collections.defaultdict(list)
    for path, tree in SOURCES.items():
        if part_of(path) in ("tasks", "recipes"):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and node.value in names:
                faults[str(path)].append(f"line {node.lineno}: {node.value!r}")
            elif isinstance(node, (ast.Name, ast.Attribute, ast.alias)):
                name = ast.unparse(node).split(".")[-1]
                if name in classes:
                    faults[str(path)].append(f"line {node.lineno}: {name}")
        for module in imported(tree):
            if module.startswith(tuple(f"tasks.{name}" for name in names)):
                faults[str(path)].append(f"imports training.{module}")
    assert not faults, dict(faults)


def test_no_task_imports_the_runs():
    for path, tree in SOURCES.items():
        if part_of(path) == "tasks":
            assert not [module for module in imported(tree) if module.split(".")[0] in ("runs", "cli")], path
