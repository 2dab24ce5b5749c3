"""Recipes: everything that decides what a training run does, as data."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Recipe:
    """One way to train a model.

    Attributes:
        name: Name of the recipe.
        description: One line: what it trains, on what.
        model: Name of a model of the zoo.
        dataset: Name of a data set.
        epochs: Number of passes over the training set.
        batch_size: Number of images in a training step.
        learning_rate: Initial step size of Adam; it falls to zero along a half cosine.
        seed: Decides the initial weights, the order of the images and their rotations.
    """

    name: str
    description: str
    model: str
    dataset: str
    epochs: int
    batch_size: int
    learning_rate: float
    seed: int = 0


_RECIPES = [
    # keras-equivariant fit rotated_digits
    Recipe(
        name="rotated_digits",
        description="P4CNN on scikit-learn's handwritten digits, freshly rotated in each epoch",
        model="p4cnn",
        dataset="digits",
        epochs=60,
        batch_size=50,
        learning_rate=2e-3,
    ),
]


def list_recipes():
    """Returns the names of all recipes; the first is the default."""
    return [recipe.name for recipe in _RECIPES]


def get_recipe(name, **changes):
    """Returns a recipe, with some of its fields replaced.

    Args:
        name: One of `list_recipes()`.
        **changes: New values of fields; those that are `None` are left as they are.

    Returns:
        A `Recipe`.

    Raises:
        ValueError: If there is no such recipe, or a number is out of range.

    Example:

    >>> get_recipe("rotated_digits", epochs=5).epochs
    5
    """
    recipes = {recipe.name: recipe for recipe in _RECIPES}
    if name not in recipes:
        raise ValueError(f"`recipe` must be one of {list_recipes()}. Received: recipe={name!r}")
    recipe = dataclasses.replace(recipes[name], **{k: v for k, v in changes.items() if v is not None})
    for field in ("epochs", "batch_size", "learning_rate"):
        if getattr(recipe, field) <= 0:
            raise ValueError(f"`{field}` must be positive. Received: {field}={getattr(recipe, field)}")
    if not 0 <= recipe.seed < 2**31:
        raise ValueError(f"`seed` must be at least 0 and below 2**31. Received: seed={recipe.seed}")
    return recipe
