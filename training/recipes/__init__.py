"""All recipes, by name. Each file of this folder holds a list `RECIPES`."""

import dataclasses
from typing import Any

from training.recipes import (
    bouvrie,
    cifar10,
    cifar10_light,
    illuminants,
    imagenet_light,
    inpainting,
    rotated_digits,
    rotated_mnist,
)
from training.recipes.recipe import Recipe

# The first is the default.
_RECIPES = {
    recipe.name: recipe
    for module in (
        rotated_digits,
        rotated_mnist,
        bouvrie,
        cifar10,
        cifar10_light,
        imagenet_light,
        illuminants,
        inpainting,
    )
    for recipe in module.RECIPES
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


__all__ = ["Recipe", "get_recipe", "list_recipes"]
