"""One training run, from the recipe to the report."""

import dataclasses
import importlib.metadata
import pathlib
import subprocess
import time

import keras
import tensorflow as tf

import zoo
from keras_equivariant.equivariance import equivariance_error
from training import data as datasets
from training.batch_norm import reestimate_batch_norm
from training.checkpoint import Checkpoint
from training.export import export
from training.pipelines import TEST_ANGLES, rotated_batches, training_batches
from training.report import draw_report
from training.run_folder import find_finished_run, open_run, read_json, write_json

_TEST_BATCH = 500
_CHECKED_IMAGES = 64


def fit(recipe, output, resume=False):
    """Trains a model by a recipe, tests it, saves it and draws a report.

    Args:
        recipe: A `Recipe`.
        output: Folder of the run.
        resume: Whether to go on with an interrupted run in that folder.

    Returns:
        The run's folder and its metrics, a dictionary.

    Raises:
        ValueError: If the recipe names an unknown model or data set, or the folder cannot be used.
    """
    zoo.get_builder(recipe.model)
    data = datasets.load(recipe.dataset)
    if recipe.batch_size > len(data.train):
        raise ValueError(
            f"`batch_size` must be at most the number of training images, {len(data.train)}. "
            f"Received: batch_size={recipe.batch_size}"
        )
    run = open_run(output, {"recipe": dataclasses.asdict(recipe), **_environment()}, resume)
    model, history, seconds = _train(recipe, data, run)
    steps = len(data.train) // recipe.batch_size
    reestimate_batch_norm(model, training_batches(data, recipe.batch_size, recipe.seed, recipe.epochs).take(steps))
    images = data.standardise(data.test.images[:_CHECKED_IMAGES])
    metrics = {
        "model": recipe.model,
        "parameters": _trainable_parameters(model),
        "epochs": len(history),
        "fit_seconds": round(seconds, 1),
        **test(model, data),
        "keras_difference": export(model, run.model, "keras", images),
        "saved_model_difference": export(model, run.saved_model, "saved_model", images),
    }
    draw_report(run.report, model, data, history, metrics)
    write_json(run.metrics, metrics)
    return run, metrics


def _train(recipe, data, run):
    """The trained model, its history, and the seconds that this took."""
    keras.utils.set_random_seed(recipe.seed)
    model = zoo.create(recipe.model)
    steps = len(data.train) // recipe.batch_size
    model.compile(
        optimizer=keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(recipe.learning_rate, steps * recipe.epochs)
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,  # Small convolutions on a CPU run slower under XLA, and take a while to compile.
    )
    checkpoint = Checkpoint(run)
    done = checkpoint.restore(model)
    start = time.perf_counter()
    model.fit(
        training_batches(data, recipe.batch_size, recipe.seed, done),
        validation_data=rotated_batches(data, "validation", _TEST_BATCH).cache(),
        steps_per_epoch=steps,
        epochs=recipe.epochs,
        initial_epoch=done,
        shuffle=False,
        callbacks=[checkpoint, keras.callbacks.TensorBoard(run.tensorboard, write_graph=False)],
    )
    return model, checkpoint.history, time.perf_counter() - start


def test(model, data):
    """Tests a model on unseen images in eight rotations, and measures how far it is from invariant.

    Args:
        model: A `keras.Model`.
        data: `LabelledImages`.

    Returns:
        A dictionary: the error in percent over all rotations and in each, and the largest relative change of the
        logits under the four rotations of p4.
    """
    predictions = model.predict(rotated_batches(data, "test", _TEST_BATCH), verbose=0).argmax(axis=1)
    wrong = predictions.reshape(len(TEST_ANGLES), len(data.test)) != data.test.labels
    return {
        "test_error": float(100 * wrong.mean()),
        "test_error_by_rotation": [float(100 * share) for share in wrong.mean(axis=1)],
        "invariance_error": equivariance_error(model, data.standardise(data.test.images), "p4"),
    }


def load_run(path):
    """Loads the model and the data of a finished run.

    Args:
        path: Folder of the run.

    Returns:
        The compiled `keras.Model` and the `LabelledImages`.

    Raises:
        ValueError: If the folder holds no finished run.
    """
    run = find_finished_run(path)
    return keras.models.load_model(run.model), datasets.load(read_json(run.config)["recipe"]["dataset"])


def _trainable_parameters(model):
    return sum(int(tf.size(variable)) for variable in model.trainable_variables)


def _environment():
    """What else a result may depend on."""
    packages = ("keras-equivariant", "keras", "tensorflow", "numpy")
    here = pathlib.Path(__file__).parent
    revision = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=False)
    return {
        "backend": keras.config.backend(),
        "versions": {package: importlib.metadata.version(package) for package in packages},
        "revision": revision.stdout.strip() or None,
    }
