"""Folders of runs that have trained nothing, for what is done with finished runs."""

import dataclasses

import keras
from helpers import random_array
from keras_equivariant.training.files import write_csv, write_json
from keras_equivariant.training.input.preprocessing import fit_preprocessing, list_preprocessings, save_preprocessing
from keras_equivariant.training.recipes import get_recipe
from keras_equivariant.training.runs.fit import build
from keras_equivariant.training.runs.folder import RunFolder
from keras_equivariant.training.runs.own import from_folder
from keras_equivariant.training.tasks import get_task
from keras_equivariant.training.tasks.task import Part

from keras_equivariant import zoo
from keras_equivariant.constraints import project_constraints


def compiled_model(recipe, data, steps):
    """The model of a recipe for some data, compiled for a number of steps in an epoch."""
    _, model = build(get_task(recipe.task), recipe, data, Part("", range(steps * recipe.batch_size)))
    return model


def finished_run(path, recipe="rotated_mnist", **changes):
    """Makes a run whose model has random weights, biases and scales."""
    recipe = get_recipe(recipe, **changes)
    run = RunFolder(path)
    path.mkdir()
    config = {"recipe": dataclasses.asdict(recipe), "versions": {"keras": "3"}, "revision": "1234", "data_dir": None}
    write_json(run.config, config)
    keras.config.set_dtype_policy(recipe.precision)
    try:
        model = zoo.create(recipe.model, **recipe.model_arguments)
    finally:
        keras.config.set_dtype_policy("float32")
    model.set_weights([random_array(*weight.shape, seed=i) ** 2 / 4 for i, weight in enumerate(model.get_weights())])
    project_constraints(model)
    model.save(run.model)
    if recipe.preprocessing in list_preprocessings():
        images = abs(random_array(20, *model.input_shape[1:])).clip(0, 1)
        save_preprocessing(run.preprocessing, fit_preprocessing(recipe.preprocessing, images))
    write_json(run.metrics, {"seed": recipe.seed, "test_error": 2.5, "keras_difference": 0.0})
    return path


def own_run(path, folder, **wishes):
    """Makes a run on people's own pictures that has trained nothing."""
    own = from_folder(folder, **wishes)
    run, task = RunFolder(path), get_task(own.recipe.task)
    path.mkdir()
    versions = {"versions": {"keras": "3"}, "revision": "1234"}
    write_json(run.config, {"recipe": dataclasses.asdict(own.recipe), **versions, "data_dir": str(folder)})
    write_csv(run.split, own.data.rows)
    if (preprocess := task.fit_preprocessing(own.recipe, own.data)) is not None:
        save_preprocessing(run.preprocessing, preprocess)
    write_json(run.labels, task.labels(own.data))
    task.network(own.recipe, own.data, "").save(run.model)
    metrics = dict.fromkeys(task.figures, 0.5)
    write_json(run.metrics, {"recipe": own.recipe.name, "seed": 0, "epochs": own.recipe.epochs, **metrics})
    curves = [curve.column for curve in task.curves]
    write_csv(run.history, [{"epoch": 0, "loss": 1.5, **dict.fromkeys(curves, 0.5)}])
    return path
