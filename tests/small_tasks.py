"""A small training for each task: a recipe of a few steps, the data it needs, and what makes it quick."""

import contextlib
import dataclasses
import functools
import types
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras_equivariant.training.recipes import get_recipe
from keras_equivariant.training.runs import fit as fitting
from keras_equivariant.training.runs import provenance
from keras_equivariant.training.runs.checkpoint import Checkpoint
from keras_equivariant.training.tasks import get_task, list_tasks
from keras_equivariant.training.tasks.illuminants.images import load as load_lit_images
from keras_equivariant.training.tasks.inpainting.images import load as load_photographs
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
    return types.SimpleNamespace(images=digits.images[:300], target=digits.target[:300])


@functools.cache
def _small_lit_images(name, data_dir):
    """Those of two folds, of 16x16 pixels, read once: TFDS takes as long to read a few images as these trainings do."""
    data = load_lit_images(name, data_dir)
    return dataclasses.replace(data, images=data.images[:, ::4, ::4]).take(data.folds < 2)


def _lights(task):
    return {f"keras_equivariant.training.tasks.{task}.evaluation.SATURATIONS": (0.0, 0.5, 0.9)}


# With all that a checkpoint must hold: batch norm has statistics, dropout a seed.
_CLASSIFIER = {"model": "small", "model_arguments": {"filters": (3, 4), "features": 4, "dropout": 0.3}}
_ADVERSARY = {"class_name": "adversarial", "config": {"adversarial_weight": 0.001, "discriminator_filters": 2}}
SMALL = {
    "classification": Small(
        "rotated_digits",
        {**_CLASSIFIER, "batch_size": 100},
        fewer={
            "keras_equivariant.training.data.digits.load_digits": _few_digits,
            "keras_equivariant.training.data.digits._SIZES": {"train": 200, "validation": 40, "test": 60},
            "keras_equivariant.training.tasks.classification._ENTROPY_IMAGES": 60,
        },
    ),
    # Here and below the ordinary network: that for any light has many more operations, and runs of its own elsewhere.
    "illuminants": Small(
        "colorchecker_original",
        {"model_arguments": {"filters": (3, 3, 3), "bottleneck": 3, "units": 6}, "batch_size": 2},
        write_colorchecker,
        {**_lights("illuminants"), "keras_equivariant.training.tasks.illuminants.load": _small_lit_images},
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
        {
            **_lights("inpainting"),
            "keras_equivariant.training.tasks.inpainting.load": functools.cache(load_photographs),
        },
    ),
    "regression": Small(
        "drawn_discs",
        {**_CLASSIFIER, "batch_size": 20},
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
            "keras_equivariant.training.tasks.segmentation.evaluation._TURNED": 1,
        },
    ),
}


def small_recipe(task, name=None, **changes):
    """The small recipe of a task, or another recipe of it made as small."""
    return get_recipe(name or SMALL[task].recipe, **{"epochs": 2, **SMALL[task].changes, **changes})


def _predict_on_batch(model, x):
    return keras.tree.map_structure(keras.ops.convert_to_numpy, model(x, training=False))


def _predict(model, x, batch_size=32, verbose=0):
    """What `predict` returns for an array, without the pipeline of tf.data that it builds first."""
    parts = [_predict_on_batch(model, x[i : i + batch_size]) for i in range(0, len(x), batch_size)]
    return keras.tree.map_structure(lambda *arrays: np.concatenate(arrays), *parts)


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
        patch.setattr(keras.Model, "predict", _predict)
        patch.setattr(keras.Model, "predict_on_batch", _predict_on_batch)
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
