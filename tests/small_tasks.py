"""A small training for each task: a recipe of a few steps, the data it needs, and what makes it quick."""

import contextlib
import dataclasses
import types
from collections.abc import Callable
from typing import Any

import keras
import pytest
from keras_equivariant.training.recipes import get_recipe
from keras_equivariant.training.runs import fit as fitting
from keras_equivariant.training.runs import provenance
from keras_equivariant.training.runs.checkpoint import Checkpoint
from keras_equivariant.training.tasks import get_task, list_tasks
from made_up_lights import write_colorchecker, write_photographs
from sklearn.datasets import load_digits


@dataclasses.dataclass(frozen=True)
class Small:
    """A small training.

    Attributes:
        recipe: Name of the recipe.
        changes: Fields of the recipe to replace.
        write: Function of a folder that writes the data into it.
        fewer: Values to set while it is trained and tested, by where they are: data sets that are smaller, and fewer
            lights to test under, which takes longer than these trainings.
    """

    recipe: str
    changes: dict[str, Any]
    write: Callable = lambda folder: None
    fewer: dict[str, Any] = dataclasses.field(default_factory=dict)


def _few_digits():
    """Those to train on, and a few to watch the training and to test on, in eight rotations each."""
    digits = load_digits()
    return types.SimpleNamespace(images=digits.images[:1200], target=digits.target[:1200])


def _lights(task):
    return {f"keras_equivariant.training.tasks.{task}.evaluation.SATURATIONS": (0.0, 0.5, 0.9)}


_ADVERSARY = {"class_name": "adversarial", "config": {"adversarial_weight": 0.001, "discriminator_filters": 2}}
SMALL = {
    "classification": Small(
        "rotated_digits",
        {"model": "z2cnn", "model_arguments": {"filters": 3}, "batch_size": 400},
        fewer={
            "keras_equivariant.training.data.digits.load_digits": _few_digits,
            "keras_equivariant.training.data.digits._SIZES": {"train": 1100, "validation": 40, "test": 60},
            "keras_equivariant.training.tasks.classification._ENTROPY_IMAGES": 60,
        },
    ),
    # Here and below the ordinary network: that for any light has many more operations, and runs of its own elsewhere.
    "illuminants": Small(
        "colorchecker_original",
        {"model_arguments": {"filters": (3, 3, 3), "bottleneck": 3, "units": 6}, "batch_size": 4},
        write_colorchecker,
        _lights("illuminants"),
    ),
    "inpainting": Small(
        "inpainting_original",
        {
            "model_arguments": {"filters": 3, "bottleneck": 3},
            "loss": _ADVERSARY,
            "batch_size": 2,
            # Batch norms of three channels, trained long, would magnify the rounding of a SavedModel.
            "optimizer": {"class_name": "Adam", "config": {"learning_rate": 1e-5, "beta_1": 0.5}},
        },
        write_photographs,
        _lights("inpainting"),
    ),
    "regression": Small(
        "drawn_discs",
        {"model": "z2cnn", "model_arguments": {"filters": 3}, "batch_size": 20},
        fewer={
            "keras_equivariant.training.data.drawn_discs._SIZES": {"train": 60, "validation": 10, "test": 20},
        },
    ),
    "segmentation": Small(
        "drawn_cells",
        {"model": "unet", "model_arguments": {"input_shape": (32, 32, 1), "filters": 2, "depth": 1}, "batch_size": 8},
        fewer={
            "keras_equivariant.training.data.drawn_cells._COUNTS": {"train": 2, "validation": 1, "test": 2},
            "keras_equivariant.training.data.drawn_cells._SIZES": (34, 48),
        },
    ),
}


def small_recipe(task, name=None, **changes):
    """The small recipe of a task, or another recipe of it made as small."""
    return get_recipe(name or SMALL[task].recipe, **{"epochs": 2, **SMALL[task].changes, **changes})


def _eagerly(method):
    def call(model, *args, **kwargs):
        model.run_eagerly = True
        return method(model, *args, **kwargs)

    return call


@contextlib.contextmanager
def quickly(task=None, saved_models=False):
    """Lets models train and be tested one operation at a time, on few images and under few lights.

    For a few steps, that takes far less time than to trace the graph of one. Unless asked for, runs write no
    SavedModels, which takes longer than all the rest.
    """
    compile_model = fitting._compile

    def compile_eagerly(task, model, *arguments):
        compile_model(task, model, *arguments)
        model.run_eagerly = True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "_compile", compile_eagerly)
        for method in ("predict", "predict_on_batch"):
            patch.setattr(keras.Model, method, _eagerly(getattr(keras.Model, method)))
        if not saved_models:
            patch.setattr(fitting, "writes_saved_models", lambda: False)
        patch.setattr(provenance, "_revision", lambda: "1234")  # a commit may come between two trainings
        for place, value in SMALL[task].fewer.items() if task else ():
            patch.setattr(place, value)
        yield


@contextlib.contextmanager
def without_files():
    """Lets runs save no models and draw no report, which takes longer than these trainings; yields the models."""
    exported = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "export", lambda model, *arguments: exported.append(model) or 0.0)
        for task in list_tasks():
            patch.setattr(type(get_task(task)), "draw", lambda *arguments: None)
        patch.setattr(fitting, "save_figure", lambda *arguments: None)
        yield exported


class Killed(Exception):
    """What ends a training in the middle."""


@contextlib.contextmanager
def killed_after(epochs):
    """Ends trainings after some epochs, those of all parts together, just after the checkpoint is written."""
    save, calls = Checkpoint.on_epoch_end, []

    def killed(self, epoch, logs=None):
        save(self, epoch, logs)
        calls.append(epoch)
        if len(calls) == epochs:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoint, "on_epoch_end", killed)
        with pytest.raises(Killed):
            yield
