"""What is done with people's own pictures where nothing else is asked for, whatever the task."""

import contextlib
import dataclasses
import inspect
import math
import pathlib
from collections.abc import Sequence
from typing import Any

from keras_equivariant.training.recipes import Recipe, starting_from
from keras_equivariant.zoo.features import build_exactly

from keras_equivariant import zoo
from keras_equivariant.symmetry import get_symmetry

DATASET = "own_pictures"  # what recipes call it
_SYMMETRY = "p4m"  # of pictures, where nothing is said of it
_SHOWN = 15_000  # pictures that a network sees in training, all epochs together
_FEWEST, _MOST = 5, 100  # epochs
_BATCH = 32
_SIDES = 32, 64  # pixels that pictures get at least and at most, where no size is asked for
_STEP = 16  # sides are multiples of it, so that each halving of the networks meets an even number
_FARTHEST = 16  # pixels between a size and one that suits another network


@dataclasses.dataclass(frozen=True)
class Wishes:
    """What is asked for, beside a folder.

    Attributes:
        model: Name of a model of the zoo, or `None` to choose one.
        symmetry: Name of the symmetry group of the pictures, or `None` for p4m.
        size: Side that pictures get, or that of the crops of pictures with masks, in pixels; `None` to choose one.
        validation: Share of the pictures that watch the training.
        weights: Trained weights to start from, or `None`.
        freeze: Whether only the head is trained.
        seed: Decides the split, the initial weights and the order of the pictures.
        masks: `"instances"`, `"classes"`, or `None` to tell by their values.
        palette: From the names of classes to colours of masks, or `None`.
        epochs: Number of epochs at most, or `None` to choose one.
        batch_size: Number of pictures in a training step, or `None` to choose one.
    """

    model: str | None = None
    symmetry: str | None = None
    size: int | None = None
    validation: float = 0.15
    weights: str | None = None
    freeze: bool = False
    seed: int = 0
    masks: str | None = None
    palette: dict[str, str] | None = None
    epochs: int | None = None
    batch_size: int | None = None

    def __post_init__(self) -> None:
        """Checks the values."""
        if not 0 <= self.validation < 0.8:
            raise ValueError(
                f"`validation` must be a share of the pictures, from 0 to below 0.8. "
                f"Received: validation={self.validation}"
            )
        if self.size is not None and not 8 <= self.size <= 4096:
            raise ValueError(f"`size` must be from 8 to 4096 pixels. Received: size={self.size}")

    def check_no_masks(self) -> None:
        """Raises a `ValueError` if something is said of masks."""
        for name in ("masks", "palette"):
            if getattr(self, name) is not None:
                raise ValueError(f"`{name}` must go with a folder that has masks/. Received: {name} without")


@dataclasses.dataclass(frozen=True)
class OwnPictures:
    """People's own pictures, and how to train on them.

    Attributes:
        recipe: The `Recipe`.
        data: The data set, as the recipe's task reads it.
        lines: For people: what is there, what was chosen and why.
    """

    recipe: Recipe
    data: Any
    lines: list[str]


def common_size(sizes: Sequence[tuple[int, int]], least: int = _SIDES[0], most: int = _SIDES[1]) -> int:
    """The side that pictures of several sizes get: the median of their longer sides, rounded, within limits."""
    middle = sorted(map(max, sizes))[len(sizes) // 2]
    return min(max(_STEP * round(middle / _STEP), least), most)


def choose_network(
    wishes: Wishes, pictures: int, shape: tuple[int, int, int], classes: int | None = None
) -> tuple[Recipe, list[str]]:
    """The part of a recipe that is about the network, and lines that say why.

    Args:
        wishes: What is asked for.
        pictures: Number of training pictures.
        shape: Shape that a picture gets; of another size if the model needs it and none is asked for.
        classes: Number of classes, or `None` for what another one adds to the network.

    Returns:
        A `Recipe` whose `model_arguments` hold `input_shape`, and lines for people.

    Raises:
        ValueError: If the model takes no such pictures, or none of that size.
    """
    assumed = wishes.symmetry or _SYMMETRY
    get_symmetry(assumed)
    name, arguments = wishes.model, {}
    why = "as asked for"
    if wishes.weights is not None:
        name = starting_from(start("small", {}, wishes), wishes.model).model
        why = f"starts from {wishes.weights}"
    elif name is None:
        name, arguments = zoo.default_model(min(shape[:2]), pictures, assumed)
        why = f"chosen for {pictures:,} pictures of {shape[0]}x{shape[1]} pixels"
    arguments = {**arguments, "input_shape": shape} | ({"classes": classes} if classes else {})
    parameters = inspect.signature(zoo.get_builder(name)).parameters
    missing = {"input_shape", "classes"} - set(parameters)
    if missing:
        raise ValueError(f"`model` must be a classifier of pictures of any size. Received: model={name!r}")
    model, arguments = _build(name, arguments, wishes)
    found = next((s for s in (getattr(layer, "symmetry", None) for layer in model.layers) if isinstance(s, str)), "p1")
    augmentation, line = choose_copies(assumed, found)
    weights = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    lines = [f"network: {name}, {weights:,} parameters, {why}", line]
    return dataclasses.replace(start(name, arguments, wishes), augmentation=augmentation), lines


def start(name: str, arguments: dict[str, Any], wishes: Wishes) -> Recipe:
    """A recipe for a network, of which other fields are still to be replaced."""
    return Recipe(
        name="own",
        description="",
        model=name,
        dataset=DATASET,
        epochs=1,
        batch_size=1,
        optimizer={"class_name": "Adam", "config": {"learning_rate": 5e-3}},
        model_arguments=arguments,
        schedule={"kind": "cosine"},
        weights=wishes.weights,
        freeze=wishes.freeze,
        seed=wishes.seed,
    )


def _build(name: str, arguments: dict[str, Any], wishes: Wishes) -> tuple[Any, dict[str, Any]]:
    """The network, and its arguments with a size near that of the shape, if it does not suit and none is asked for."""
    builder = zoo.get_builder(name)
    try:
        return build_exactly(builder, arguments), arguments
    except ValueError:
        if wishes.size is not None:
            raise
        *_, channels = arguments["input_shape"]
        side = arguments["input_shape"][0]
        for away in range(1, _FARTHEST):
            for other in (side + away, side - away):
                with contextlib.suppress(ValueError):
                    changed = {**arguments, "input_shape": (other, other, channels)}
                    return build_exactly(builder, changed), changed
        raise


def choose_copies(assumed: str, found: str) -> tuple[tuple[str, ...], str]:
    """What a network of one symmetry has to learn from transformed copies for pictures of another, and why."""
    size, of_network = (get_symmetry(name).order for name in (assumed, found))
    if of_network >= size:
        turned = {"p4m": "turned or mirrored", "p4": "turned"}.get(found)
        if turned is None:
            return (), f"augmentation: none; the pictures count as {assumed}"
        return (), f"augmentation: none; this network says the same of a picture however it is {turned}"
    if (assumed, found) == ("p4m", "p4"):
        return ("flip",), "augmentation: mirrored copies; this network knows turns already (--symmetry p4: none)"
    if assumed == "p4":
        return ("quarter_turns",), "augmentation: turned copies (--symmetry p1: none)"
    return ("square_symmetries",), "augmentation: turned and mirrored copies (--symmetry p1: none)"


def with_length(recipe: Recipe, wishes: Wishes, pictures: int, validation: int) -> tuple[Recipe, str]:
    """A recipe for a number of training pictures, with a line that says how long it trains and when it stops."""
    epochs = wishes.epochs or min(max(round(_SHOWN / pictures), _FEWEST), _MOST)
    batch = wishes.batch_size or min(_BATCH, max(1, pictures // 4))
    patience = min(max(5, epochs // 3), 15) if validation else None
    recipe = dataclasses.replace(recipe, epochs=epochs, batch_size=batch, patience=patience)
    why = "" if wishes.epochs or epochs in (_FEWEST, _MOST) else f", to show about {_SHOWN:,} pictures in all"
    line = f"training: at most {epochs} epochs of {pictures // batch} steps of {batch} pictures{why}"
    if patience:
        line += f"; ends after {patience} that do not lower the validation loss; keeps the best"
    return recipe, line


def named(recipe: Recipe, folder: pathlib.Path, what: str) -> Recipe:
    """A recipe with the name of its folder."""
    kept = "".join(c if c.isalnum() or c in "-_." else "_" for c in folder.name).strip(".") or "own"
    return dataclasses.replace(recipe, name=kept, description=f"{recipe.model} {what} {folder.name}")
