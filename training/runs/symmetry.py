"""Which symmetry suits some data: measured, by networks that all train for the same time."""

import dataclasses
import time
from collections.abc import Mapping
from typing import Any

from keras_equivariant.training.recipes import Recipe
from keras_equivariant.training.runs.fit import build
from keras_equivariant.training.tasks import get_task
from keras_equivariant.training.tasks.task import Part, Prepare, Task

_WARM_UP, _TIMED = 3, 5  # steps before those whose time is taken, and how many these are


def choose_symmetry(
    candidates: Mapping[str, Recipe], data_dir: str | None = None, seconds: float = 60.0, data: Any = None
) -> tuple[str, str]:
    """Trains a network for each symmetry, for the same time, and takes that of the smallest error on validation images.

    Times are those of the training steps. So a network whose steps cost more makes fewer of them, along the whole of
    its schedule. Of equal errors, the smaller validation loss decides.

    Args:
        candidates: A recipe for each symmetry, all on the same data, with images held out for validation.
        data_dir: As in `fit`.
        seconds: Duration of each training.
        data: The data set of all recipes, if it is loaded already.

    Returns:
        The best symmetry, and one line that says so, with all errors.

    Raises:
        ValueError: If no images are held out, or a recipe cannot be used.
    """
    found = {}
    for symmetry, recipe in candidates.items():
        task = get_task(recipe.task)
        task.check(recipe)
        loaded = task.load(recipe, data_dir) if data is None else data
        (part,) = task.parts(loaded)
        preprocess = task.fit_preprocessing(recipe, loaded)
        if part.validation is None:
            raise ValueError(f"`validation` must be images to compare symmetries on. Received: {recipe.validation}")
        print(f"Trying the symmetry {symmetry} for {seconds:g} s", flush=True)
        steps = max(1, round(seconds / _step_seconds(task, recipe, loaded, part, preprocess)))
        found[symmetry] = _validation_error(task, recipe, loaded, part, preprocess, steps)
    best = min(found, key=found.__getitem__)
    unit = " (%)" if "accuracy" in task.metrics else ""
    errors = ", ".join(f"{symmetry} {error:.4g}" for symmetry, (error, _) in found.items())
    return best, f"symmetry {best}: after {seconds:g} s each, the validation errors{unit} are {errors}"


def _step_seconds(task: Task, recipe: Recipe, data: Any, part: Part, preprocess: Prepare) -> float:
    """Duration of a training step, that of its batch included."""
    _, model = build(task, recipe, data, part)
    batches = iter(task.batches(recipe, part, preprocess, 0))
    start = 0.0
    for step in range(_WARM_UP + _TIMED):
        start = time.perf_counter() if step == _WARM_UP else start
        model.train_on_batch(*next(batches))
    return (time.perf_counter() - start) / _TIMED


def _validation_error(
    task: Task, recipe: Recipe, data: Any, part: Part, preprocess: Prepare, steps: int
) -> tuple[float, float]:
    """The error, in percent or the unit of the metric, and the loss on the validation images, after some steps."""
    recipe = dataclasses.replace(recipe, epochs=1)
    _, model = build(task, recipe, data, Part(part.name, range(steps * recipe.batch_size), part.validation))
    model.fit(task.batches(recipe, part, preprocess, 0), steps_per_epoch=steps, epochs=1, shuffle=False, verbose=0)
    measured = model.evaluate(task.validation(recipe, part, preprocess), verbose=0, return_dict=True)
    error = 100 * (1 - measured["accuracy"]) if "accuracy" in measured else measured[task.metrics[0]]
    return error, measured["loss"]
