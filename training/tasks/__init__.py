"""The tasks, by name. A task is a folder here, and its name in the line below."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keras_equivariant.training.tasks.task import Task

_FOLDERS = ("classification", "illuminants", "inpainting", "regression", "segmentation")
_OWN: dict[str, Task] = {}


def register_task(task: Task) -> None:
    """Adds a task of your own, for recipes that name it.

    Raises:
        ValueError: If another task has its name.
    """
    if task.name in list_tasks() and _OWN.get(task.name) is not task:
        raise ValueError(f"`task` must not take the name of another one. Received: {task.name!r}")
    _OWN[task.name] = task


def list_tasks() -> list[str]:
    """Returns the names of all tasks."""
    return [*_FOLDERS, *_OWN]


def get_task(name: str) -> Task:
    """Returns a task by its name.

    Raises:
        ValueError: If there is no such task.
    """
    if name in _OWN:
        return _OWN[name]
    if name not in _FOLDERS:
        raise ValueError(f"`task` must be one of {list_tasks()}. Received: task={name!r}")
    return importlib.import_module(f"{__name__}.{name}").TASK
