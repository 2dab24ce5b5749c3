"""One training run, from the recipe to the report."""

import keras
import numpy as np

import zoo
from keras_equivariant.callbacks import DiffusionSpectralEntropy
from training import data as datasets
from training.augmentations import get_augmentation
from training.batch_norm import check_batch_norm, reestimate_batch_norm
from training.checkpoint import Checkpoint
from training.devices import check_distribution, distributed, on_this_host, synchronise_batch_norm, workers
from training.evaluations import BATCH_SIZE, evaluate, get_evaluation
from training.export import export
from training.finished_runs import load_model, read_recipe
from training.networks import check_shapes, computing_in, create_network, in_float32, with_xla
from training.pipelines import training_batches
from training.preprocessing import (
    check_preprocessing,
    fit_preprocessing,
    list_preprocessings,
    load_preprocessing,
    save_preprocessing,
)
from training.provenance import run_config
from training.report import draw_report
from training.run_folder import find_finished_run, open_run, write_json

CHECKED_IMAGES = 64
_ENTROPY_IMAGES = 500


def fit(recipe, output, resume=False, data_dir=None):
    """Trains a model by a recipe, tests it, saves it and draws a report.

    Args:
        recipe: A `Recipe`.
        output: Folder of the run.
        resume: Whether to go on with an interrupted run in that folder, if there is one.
        data_dir: Folder of prepared TFDS data sets, or `None` for that of TFDS.

    Returns:
        The run's folder and its metrics, a dictionary.

    Raises:
        ValueError: If the recipe names something unknown, the data or the folder cannot be used, or the loss is not a
            number.
    """
    check_names(recipe, list_preprocessings())
    get_evaluation(recipe.evaluation)
    data = load_data(recipe, data_dir)
    preprocess = fit_preprocessing(recipe.preprocessing, data.train.first().scaled_images())
    check_batch_size(recipe, len(data.train))
    steps = len(data.train) // recipe.batch_size
    with distributed(recipe.distribution):
        keras.utils.set_random_seed(recipe.seed)
        model = build_model(recipe, steps)
        check_shapes(recipe, model, data.train.first(1).images.shape[1:], (data.classes,))
        if recipe.reestimate_batch_norm:
            check_batch_norm(model)
        run = open_run(output, run_config(recipe, data_dir), resume)
        save_preprocessing(run.preprocessing, preprocess)
        history, seconds = _train(model, recipe, data, preprocess, run)
    model = on_this_host(model, recipe.distribution)
    if recipe.reestimate_batch_norm:
        reestimate_batch_norm(model, _training_batches(recipe, data, preprocess, recipe.epochs).take(steps))
    if recipe.precision == "mixed_bfloat16":
        model = in_float32(model, recipe)  # 16 bits are for training: no two runtimes round them alike
    images = np.asarray(preprocess(data.test.first(CHECKED_IMAGES).scaled_images()))
    metrics = {
        "recipe": recipe.name,
        "model": recipe.model,
        "parameters": sum(int(np.prod(variable.shape)) for variable in model.trainable_variables),
        "epochs": len(history),
        "seed": recipe.seed,
        "fit_seconds": round(seconds, 1),
        **evaluate(recipe.evaluation, model, data, preprocess),
        "keras_difference": export(model, run.model, "keras", images),
        "saved_model_difference": export(model, run.saved_model, "saved_model", images),
    }
    draw_report(run.report, model, data, preprocess, history, metrics)
    write_json(run.metrics, metrics)
    return run, metrics


def load_data(recipe, data_dir=None):
    """Loads a recipe's data set, with the validation set that the recipe asks for.

    Args:
        recipe: A `Recipe`.
        data_dir: Folder of prepared TFDS data sets, or `None` for that of TFDS.

    Returns:
        `LabelledImages`.

    Raises:
        ValueError: If there is no such data set, or it cannot be loaded.
    """
    return datasets.load(recipe.dataset, data_dir).hold_out(recipe.validation)


def load_run(path, data_dir=None):
    """Loads what is needed to test or export the model of a finished run.

    Args:
        path: Folder of the run.
        data_dir: Folder of prepared TFDS data sets, or `None` for the one that the run was made with.

    Returns:
        The `Recipe`, the `keras.Model`, the `LabelledImages` and the preprocessing that the run was made with.

    Raises:
        ValueError: If the folder holds no finished run, or its model or its data cannot be loaded.
    """
    recipe, model, preprocess = load_trained(path)
    data_dir = data_dir or read_recipe(path)[1]
    return recipe, model, load_data(recipe, data_dir), preprocess


def load_trained(path):
    """Loads what a finished run has made; the arguments and errors are those of `load_run`, which loads the data too.

    Returns:
        The `Recipe`, the `keras.Model` and the preprocessing.
    """
    recipe, _ = read_recipe(path)
    if recipe.task != "classification":
        raise ValueError(f"`run` must be of a classifier. Received: run={path}, of the task {recipe.task!r}")
    preprocess = load_preprocessing(find_finished_run(path).preprocessing, recipe.preprocessing)
    return recipe, load_model(path), preprocess


def check_names(recipe, preprocessings):
    """Checks what a recipe names.

    Args:
        recipe: A `Recipe`.
        preprocessings: Names of the preprocessings that its task knows.

    Raises:
        ValueError: If there is no such model, preprocessing or augmentation, or the backend cannot distribute so.
    """
    check_distribution(recipe.distribution)
    zoo.get_builder(recipe.model)
    check_preprocessing(recipe.preprocessing, preprocessings)
    for name in recipe.augmentation:
        get_augmentation(name)


def check_batch_size(recipe, images):
    """Checks that there are images enough for a batch.

    Raises:
        ValueError: If not.
    """
    if recipe.batch_size > images:
        raise ValueError(
            f"`batch_size` must be at most the number of training images, {images}. "
            f"Received: batch_size={recipe.batch_size}"
        )


def _train(model, recipe, data, preprocess, run):
    """Trains a model; returns its history, and the seconds that this took."""
    checkpoint = Checkpoint(run)
    done = checkpoint.restore(model)
    validation = None
    if data.validation is not None:
        validation = get_evaluation(recipe.evaluation).batches(data.validation, preprocess, BATCH_SIZE).cache()
    model.fit(
        _training_batches(recipe, data, preprocess, done, workers(recipe.distribution)),
        validation_data=validation,
        steps_per_epoch=len(data.train) // recipe.batch_size,
        epochs=recipe.epochs,
        initial_epoch=done,
        shuffle=False,
        callbacks=[
            keras.callbacks.TerminateOnNaN(),
            _entropy_of_embedding(data.train if data.validation is None else data.validation, preprocess),
            checkpoint,
            keras.callbacks.TensorBoard(run.tensorboard, write_graph=False),
        ],
    )
    checkpoint.raise_if_failed()
    synchronise_batch_norm(model, False)
    return checkpoint.history, checkpoint.seconds


def build_model(recipe, steps):
    """Builds and compiles a recipe's model.

    Args:
        recipe: A `Recipe`.
        steps: Number of training steps in an epoch.

    Returns:
        The compiled `keras.Model`.

    Raises:
        ValueError: If the builder of the model does not take the recipe's arguments.
    """
    with computing_in(recipe.precision):
        model = create_network(recipe)
    synchronise_batch_norm(model, recipe.distribution == "mirrored")
    model.compile(
        build_optimizer(recipe, steps),
        keras.losses.get(recipe.loss),
        metrics=["accuracy"],
        jit_compile=with_xla(recipe),
    )
    return model


def build_optimizer(recipe, steps):
    """Builds a recipe's optimizer, with its schedule, for a number of training steps in an epoch."""
    name, config = recipe.optimizer["class_name"], recipe.optimizer["config"]
    if recipe.schedule is not None:
        schedule = _schedule(recipe.schedule, config["learning_rate"], steps, recipe.epochs)
        config = {**config, "learning_rate": keras.optimizers.schedules.serialize(schedule)}
    return keras.optimizers.get({"class_name": name, "config": config})


def _schedule(schedule, learning_rate, steps, epochs):
    if schedule["kind"] == "cosine":
        return keras.optimizers.schedules.CosineDecay(learning_rate, steps * epochs)
    boundaries = [round(epoch / schedule["of"] * epochs * steps) for epoch in schedule["epochs"]]
    values = [learning_rate * schedule["factor"] ** i for i in range(len(boundaries) + 1)]
    return keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, values)


def _training_batches(recipe, data, preprocess, initial_epoch, workers=(1, 0)):
    return training_batches(
        data.train,
        preprocess,
        recipe.augmentation,
        recipe.batch_size,
        recipe.seed,
        initial_epoch=initial_epoch,
        workers=workers,
    )


def _entropy_of_embedding(split, preprocess):
    """Adds the entropy of the embedding of some images, and its mutual information with the labels, to the logs."""
    shown = split.first(_ENTROPY_IMAGES)
    images = np.asarray(preprocess(shown.scaled_images()))
    return DiffusionSpectralEntropy(images, shown.labels, sigma="median", clusters=None, batch_size=BATCH_SIZE)
