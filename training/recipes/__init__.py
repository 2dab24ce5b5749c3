"""All recipes, by name. Each file of this folder holds a list `RECIPES`; a new file is found by itself."""

import dataclasses
import importlib
import os
import pkgutil
from collections.abc import Sequence
from typing import Any

from keras_equivariant.training.names import model_of_weights
from keras_equivariant.training.recipes.recipe import Recipe

_DEFAULT = "rotated_digits"  # the file that comes first; the others follow in alphabetical order
_FILES = sorted((found.name for found in pkgutil.iter_modules(__path__)), key=lambda name: (name != _DEFAULT, name))
_RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for name in _FILES
    for recipe in getattr(importlib.import_module(f"{__name__}.{name}"), "RECIPES", ())
}


def list_recipes() -> list[str]:
    """Returns the names of all recipes; the first is the default."""
    return list(_RECIPES)


def get_recipe(name: str, **changes: Any) -> Recipe:
    """Returns a recipe, with some of its fields replaced.

    Args:
        name: One of `list_recipes()`.
        **changes: New values of fields; those that are `None` are left as they are.

    Returns:
        A `Recipe`.

    Raises:
        ValueError: If there is no such recipe, or a value is out of range.

    Example:

    >>> get_recipe("rotated_digits", epochs=5).epochs
    5
    """
    if name not in _RECIPES:
        raise ValueError(f"`recipe` must be one of {list_recipes()}. Received: recipe={name!r}")
    return dataclasses.replace(_RECIPES[name], **{k: v for k, v in changes.items() if v is not None})


def with_jitter(recipe: Recipe, amounts: Sequence[float]) -> Recipe:
    """Returns a recipe with other amounts of its colour jitter: of brightness, contrast, saturation and hue.

    Raises:
        ValueError: If the recipe has no colour jitter.
    """
    if "colour_jitter" not in recipe.augmentation:
        raise ValueError(f"`jitter` must go with a recipe that has colour jitter. Received: recipe={recipe.name!r}")
    config = dict(zip(("brightness", "contrast", "saturation", "hue"), amounts, strict=True))
    jitter = {"class_name": "colour_jitter", "config": config}
    augmentation = tuple(jitter if name == "colour_jitter" else name for name in recipe.augmentation)
    return dataclasses.replace(recipe, augmentation=augmentation)


def starting_from(recipe: Recipe, model: str | None = None) -> Recipe:
    """A recipe as its weights ask for it: with the model that they are of, and the arguments that it was trained with.

    Args:
        recipe: A `Recipe` with `weights`.
        model: Name of a model, or `None` for that of the weights.

    Returns:
        A `Recipe`, in which a path is absolute.

    Raises:
        ValueError: If there are no such weights.
    """
    weights = recipe.weights or ""
    found = model_of_weights(weights, model or recipe.model)
    path = os.path.abspath(weights) if os.path.exists(weights) else weights
    return dataclasses.replace(recipe, model=model or found, model_arguments={}, weights=path)


__all__ = ["Recipe", "get_recipe", "list_recipes", "starting_from", "with_jitter"]
