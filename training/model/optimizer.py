"""The optimizer of a recipe, with its schedule."""

from typing import Any

import keras
from keras_equivariant.training.recipes import Recipe


def build_optimizer(recipe: Recipe, steps: int) -> keras.optimizers.Optimizer:
    """Builds a recipe's optimizer, with its schedule, for a number of training steps in an epoch.

    Raises:
        ValueError: If the recipe does not say what they need.
    """
    try:
        name, config = recipe.optimizer["class_name"], recipe.optimizer["config"]
        if recipe.schedule is not None:
            schedule = _schedule(recipe.schedule, config["learning_rate"], steps, recipe.epochs)
            config = {**config, "learning_rate": keras.optimizers.schedules.serialize(schedule)}
        return keras.optimizers.get({"class_name": name, "config": config})
    except (KeyError, TypeError) as error:
        received = f"optimizer={recipe.optimizer}, schedule={recipe.schedule}"
        raise ValueError(
            f"`optimizer` and `schedule` must be complete configurations ({error!r}). Received: {received}"
        ) from None


def _schedule(schedule: dict[str, Any], learning_rate: float, steps: int, epochs: int) -> Any:
    if schedule["kind"] == "cosine":
        return keras.optimizers.schedules.CosineDecay(learning_rate, steps * epochs)
    boundaries = [round(epoch / schedule["of"] * epochs * steps) for epoch in schedule["epochs"]]
    values = [learning_rate * schedule["factor"] ** i for i in range(len(boundaries) + 1)]
    return keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, values)
