"""Cross-validation of a network that estimates the colour of the light, from the recipe to the report."""

import dataclasses

import keras
import numpy as np

from keras_equivariant.layers import LogRGB
from keras_equivariant.losses import ReproductionAngularError
from training.checkpoint import Checkpoint
from training.data import Split
from training.devices import distributed, on_this_host, workers
from training.export import export
from training.fit import CHECKED_IMAGES, build_optimizer, check_batch_size, check_names
from training.illumination.evaluation import cross_validated_errors, deviation_from_equivariance
from training.illumination.images import fill, load, visible_pixels
from training.illumination.report import draw_report
from training.networks import check_shapes, computing_in, create_network, in_float32, with_xla
from training.pipelines import training_batches
from training.provenance import run_config
from training.run_folder import RunFolder, open_run, write_history, write_json

PREPROCESSINGS = ("linear", "linear_log_rgb")


def fit(recipe, output, resume=False, data_dir=None):
    """Trains a network on all folds but one, for each fold, and tests it on that one, beside classic estimates.

    The model of the run is the mean of the networks of all folds. It takes linear RGB images without hidden pixels.

    Args:
        recipe: A `Recipe` of the task "illuminants".
        output: Folder of the run. Each fold's training is kept in a folder `fold_N` there.
        resume: Whether to go on with an interrupted run in that folder, if there is one.
        data_dir: Folder of TFDS data sets, or `None` for that of TFDS.

    Returns:
        The run's folder and its metrics, a dictionary.

    Raises:
        ValueError: If the recipe names something unknown, the data or the folder cannot be used, or the loss is not a
            number.
    """
    check_names(recipe, PREPROCESSINGS)
    data = load(recipe.dataset, data_dir)
    check_batch_size(recipe, min((data.folds != fold).sum() for fold in np.unique(data.folds)))
    with distributed(recipe.distribution):
        folds = np.unique(data.folds)
        models = [_new_model(recipe, data, fold) for fold in folds]
        run = open_run(output, run_config(recipe, data_dir), resume)
        trained = [_train(model, recipe, data, fold, run) for model, fold in zip(models, folds, strict=True)]
    histories, seconds = zip(*trained, strict=True)
    models = [on_this_host(model, recipe.distribution) for model in models]
    if recipe.precision == "mixed_bfloat16":
        shape = data.images.shape[1:]
        models = [in_float32(m, recipe, lambda recipe, m=m: _estimator(recipe, shape, m.name)) for m in models]
    history = _mean_history(histories)
    write_history(run.history, history)
    model = _mean_of(models)
    errors = cross_validated_errors(models, data)
    network = errors["network"]
    metrics = {
        "recipe": recipe.name,
        "model": recipe.model,
        "parameters": sum(int(np.prod(variable.shape)) for variable in models[0].trainable_variables),
        "epochs": len(history),
        "seed": recipe.seed,
        "fit_seconds": round(sum(seconds), 1),
        "images": len(data),
        "median_error": network["0.0"]["median"],
        "median_error_by_saturation": {saturation: row["median"] for saturation, row in network.items()},
        "errors": errors,
        "equivariance_error": deviation_from_equivariance(models, data),
        "keras_difference": export(model, run.model, "keras", data.images[:CHECKED_IMAGES]),
        "saved_model_difference": export(model, run.saved_model, "saved_model", data.images[:CHECKED_IMAGES]),
    }
    draw_report(run.report, models, data, history, metrics)
    write_json(run.metrics, metrics)
    return run, metrics


def build_estimator(recipe, image_shape, steps, name="estimator"):
    """Builds and compiles a recipe's network, from linear RGB to the colour of the light.

    Args:
        recipe: A `Recipe` of the task "illuminants".
        image_shape: `(height, width, 3)`.
        steps: Number of training steps in an epoch.
        name: Name of the model.

    Returns:
        The compiled `keras.Model`; it begins with `LogRGB` if the recipe says so.

    Raises:
        ValueError: If the recipe's model is none from images to colours.
    """
    with computing_in(recipe.precision):
        model = _estimator(recipe, image_shape, name)
    model.compile(build_optimizer(recipe, steps), ReproductionAngularError(), jit_compile=with_xla(recipe))
    return model


def _estimator(recipe, image_shape, name):
    network = create_network(recipe, input_shape=image_shape)
    check_shapes(recipe, network, image_shape, (3,))
    inputs = keras.Input(image_shape)
    x = LogRGB()(inputs) if recipe.preprocessing == "linear_log_rgb" else inputs
    return keras.Model(inputs, network(x), name=name)


def _new_model(recipe, data, fold):
    keras.utils.set_random_seed(recipe.seed)
    steps = int((data.folds != fold).sum()) // recipe.batch_size
    return build_estimator(recipe, data.images.shape[1:], steps, name=f"fold_{fold}")


def _train(model, recipe, data, fold, run):
    """Trains a network on all folds but one; returns its history, and the seconds that this took."""
    folder = RunFolder(run.path / f"fold_{fold}")
    folder.path.mkdir(exist_ok=True)
    train = data.take(data.folds != fold)
    checkpoint = Checkpoint(folder)
    done = checkpoint.restore(model)
    split = Split(fill(train.images, visible_pixels(train.images)), train.lights)
    how = (recipe.augmentation, recipe.batch_size, recipe.seed, done)
    model.fit(
        training_batches(split, _Unchanged(), *how, workers=workers(recipe.distribution)),
        steps_per_epoch=len(train) // recipe.batch_size,
        epochs=recipe.epochs,
        initial_epoch=done,
        shuffle=False,
        callbacks=[
            keras.callbacks.TerminateOnNaN(),
            checkpoint,
            keras.callbacks.TensorBoard(folder.tensorboard, write_graph=False),
        ],
    )
    checkpoint.raise_if_failed()
    return checkpoint.history, checkpoint.seconds


@dataclasses.dataclass(frozen=True)
class _Unchanged:
    """No preprocessing: what the network needs done is in the model."""

    background: float = 0.0

    def __call__(self, images):
        return images


def _mean_of(models):
    inputs = keras.Input(models[0].input_shape[1:])
    return keras.Model(inputs, keras.layers.Average()([model(inputs) for model in models]), name="estimator")


def _mean_history(histories):
    """One row for each epoch: the means over the folds."""
    return [
        {"epoch": rows[0]["epoch"], **{k: float(np.mean([row[k] for row in rows])) for k in rows[0] if k != "epoch"}}
        for rows in zip(*histories, strict=True)
    ]
