"""Recipes, data, tasks, runs and the command line. What a program of one's own needs is here."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_equivariant.training.recipes import Recipe, get_recipe, list_recipes
    from keras_equivariant.training.runs.compare import compare_runs
    from keras_equivariant.training.runs.export import export_run
    from keras_equivariant.training.runs.finished import load_run
    from keras_equivariant.training.runs.fit import fit
    from keras_equivariant.training.runs.notebooks import ready_to_fit
    from keras_equivariant.training.runs.own import from_folder
    from keras_equivariant.training.runs.predict import predict
    from keras_equivariant.training.tasks import get_task, list_tasks, register_task
    from keras_equivariant.training.tasks.task import Task

_HOMES = {
    "Recipe": "recipes",
    "Task": "tasks.task",
    "compare_runs": "runs.compare",
    "export_run": "runs.export",
    "fit": "runs.fit",
    "from_folder": "runs.own",
    "get_recipe": "recipes",
    "get_task": "tasks",
    "list_recipes": "recipes",
    "list_tasks": "tasks",
    "load_run": "runs.finished",
    "predict": "runs.predict",
    "ready_to_fit": "runs.notebooks",
    "register_task": "tasks",
}


def __getattr__(name: str) -> Any:
    """Imports on demand: the command line answers simple questions without TensorFlow."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


__all__ = [
    "Recipe",
    "Task",
    "compare_runs",
    "export_run",
    "fit",
    "from_folder",
    "get_recipe",
    "get_task",
    "list_recipes",
    "list_tasks",
    "load_run",
    "predict",
    "ready_to_fit",
    "register_task",
]
