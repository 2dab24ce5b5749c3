"""One adversarial training of a painter of missing centres, from the recipe to the report."""

import keras
import numpy as np
from keras import layers

import zoo
from keras_equivariant.layers import ApplyGamma, LogRGB
from training.checkpoint import Checkpoint
from training.devices import distributed, synchronise_batch_norm
from training.export import export
from training.fit import build_optimizer, check_batch_size, check_names
from training.inpainting.adversary import Adversarial
from training.inpainting.evaluation import measure
from training.inpainting.images import HOLE, SIZE, central_crops, erase, load, training_batches
from training.inpainting.report import draw_report
from training.networks import check_shapes, computing_in, create_network, in_float32, with_xla
from training.provenance import run_config
from training.run_folder import open_run, write_json

PREPROCESSINGS = ("srgb", "linear_log_rgb")
_CHECKED_IMAGES = 4


def fit(recipe, output, resume=False, data_dir=None):
    """Trains a painter with its adversary, tests it under coloured light, saves it and draws a report.

    The model of the run takes linear RGB with an erased centre and returns the centre in sRGB, in [-1, 1].

    Args:
        recipe: A `Recipe` of the task "inpainting".
        output: Folder of the run.
        resume: Whether to go on with an interrupted run in that folder, if there is one.
        data_dir: Folder of TFDS data sets, or `None` for that of TFDS.

    Returns:
        The run's folder and its metrics, a dictionary.

    Raises:
        ValueError: If the recipe names something unknown or is to be distributed by JAX, the data or the folder cannot
            be used, or the loss is not a number.
    """
    if recipe.distribution == "jax":
        raise ValueError(
            "`distribution` must be None or 'mirrored' for a recipe that draws. "
            f"Received: distribution={recipe.distribution!r}"
        )
    check_names(recipe, PREPROCESSINGS)
    train, test = load(data_dir)
    check_batch_size(recipe, len(train))
    with distributed(recipe.distribution):
        keras.utils.set_random_seed(recipe.seed)
        model = build_adversarial(recipe, len(train) // recipe.batch_size)
        run = open_run(output, run_config(recipe, data_dir), resume)
        history, seconds = _train(model, recipe, train, run)
    painter, images = model.painter, central_crops(test)
    if recipe.precision == "mixed_bfloat16":
        painter = in_float32(painter, recipe, _painter)
    ratios = measure(painter, images)
    checked = np.asarray(erase(images[:_CHECKED_IMAGES]))
    metrics = {
        "recipe": recipe.name,
        "model": recipe.model,
        "parameters": sum(int(np.prod(variable.shape)) for variable in painter.trainable_variables),
        "discriminator_parameters": sum(int(np.prod(v.shape)) for v in model.discriminator.trainable_variables),
        "epochs": len(history),
        "seed": recipe.seed,
        "fit_seconds": round(seconds, 1),
        "images": len(images),
        "psnr": ratios["psnr_by_saturation"]["0.0"],
        **ratios,
        "keras_difference": export(painter, run.model, "keras", checked),
        "saved_model_difference": export(painter, run.saved_model, "saved_model", checked),
    }
    draw_report(run.report, painter, images, history, metrics)
    write_json(run.metrics, metrics)
    return run, metrics


def build_adversarial(recipe, steps):
    """Builds and compiles a recipe's painter, with its discriminator.

    Args:
        recipe: A `Recipe` of the task "inpainting".
        steps: Number of training steps in an epoch.

    Returns:
        The compiled `Adversarial`.

    Raises:
        ValueError: If the recipe's model is none from images to centres.
    """
    config = recipe.loss["config"]
    with computing_in(recipe.precision):
        painter = _painter(recipe)
        discriminator = zoo.context_discriminator(config["discriminator_filters"])
    model = Adversarial(painter, discriminator, config["adversarial_weight"])
    synchronise_batch_norm(model, recipe.distribution == "mirrored")
    model.compile(build_optimizer(recipe, steps), jit_compile=with_xla(recipe))
    return model


def _painter(recipe):
    """A recipe's generator with all conversions around it: linear RGB to sRGB in [-1, 1]."""
    generator = create_network(recipe)
    check_shapes(recipe, generator, (SIZE, SIZE, 3), (HOLE, HOLE, 3))
    inputs = keras.Input(generator.input_shape[1:])
    if recipe.preprocessing == "linear_log_rgb":
        x = layers.Rescaling(0.5, 0.5)(generator(LogRGB()(inputs)))
        outputs = layers.Rescaling(2.0, -1.0)(ApplyGamma()(x))
    else:
        outputs = generator(layers.Rescaling(2.0, -1.0)(ApplyGamma()(inputs)))
    return keras.Model(inputs, outputs, name="painter")


def _train(model, recipe, train, run):
    """Trains a model; returns its history, and the seconds that this took."""
    checkpoint = Checkpoint(run)
    done = checkpoint.restore(model)
    model.fit(
        training_batches(train, recipe.batch_size, recipe.seed, done),
        steps_per_epoch=len(train) // recipe.batch_size,
        epochs=recipe.epochs,
        initial_epoch=done,
        shuffle=False,
        callbacks=[
            keras.callbacks.TerminateOnNaN(),
            checkpoint,
            keras.callbacks.TensorBoard(run.tensorboard, write_graph=False),
        ],
    )
    checkpoint.raise_if_failed()
    synchronise_batch_norm(model, False)
    return checkpoint.history, checkpoint.seconds
