"""One training run, from the recipe to the report, for any task."""

import dataclasses
import itertools
import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras_equivariant.training.data import is_known
from keras_equivariant.training.data.images import LabelledImages, save_images
from keras_equivariant.training.export.formats import export, has_tensorflow, writes_saved_models
from keras_equivariant.training.files import write_csv, write_json
from keras_equivariant.training.input.preprocessing import Preprocessing, list_preprocessings, save_preprocessing
from keras_equivariant.training.model.batch_norm import check_batch_norm, reestimate_batch_norm
from keras_equivariant.training.model.devices import distributed, on_this_host, synchronise_batch_norm, workers
from keras_equivariant.training.model.network import computing_in, freeze_body, in_float32, with_xla
from keras_equivariant.training.model.optimizer import build_optimizer
from keras_equivariant.training.pictures.curves import save_figure
from keras_equivariant.training.recipes import Recipe
from keras_equivariant.training.runs.checkpoint import BestEpoch, Checkpoint
from keras_equivariant.training.runs.duration import Duration, end_of
from keras_equivariant.training.runs.folder import RunFolder, open_run
from keras_equivariant.training.runs.own import check_data, load_own
from keras_equivariant.training.runs.provenance import run_config
from keras_equivariant.training.tasks import get_task
from keras_equivariant.training.tasks.own import DATASET
from keras_equivariant.training.tasks.task import Part, Task
from matplotlib.figure import Figure


def fit(
    recipe: Recipe,
    output: str,
    resume: bool = False,
    data_dir: str | None = None,
    time_limit: float | None = None,
    data: Any = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> tuple[RunFolder, dict[str, Any]]:
    """Trains a model by a recipe, tests it, saves it and draws a report.

    Args:
        recipe: A `Recipe`.
        output: Folder of the run.
        resume: Whether to go on with an interrupted run in that folder, if there is one, or with a finished one for
            more epochs.
        data_dir: Folder of prepared TFDS data sets, or `None` for that of TFDS; of people's own pictures, their folder.
        time_limit: Minutes from now after which the training ends, in the middle of an epoch if need be; then the model
            is tested and saved, which takes its own time. With `resume`, the run goes on later from its last whole
            epoch, as if it had not been ended. `None` for no limit.
        data: The data set, if it is loaded already. `LabelledImages` in memory, with a recipe whose data set is none of
            ours (`dataset="own_pictures"`, say), are kept in the run, for `evaluate` and `export`.
        callbacks: Callbacks of your own, for Weights & Biases, MLflow and the like.

    Returns:
        The run's folder and its metrics, a dictionary.

    Raises:
        ValueError: If the recipe names something unknown, the data or the folder cannot be used, the time limit is not
            positive, or the loss is not a number.
    """
    deadline = end_of(time_limit, recipe.distribution)
    task = get_task(recipe.task)
    task.check(recipe)
    data = _load(task, recipe, output, data_dir) if data is None else data
    parts = task.parts(data)
    _check_sizes(recipe, min(len(part.train) for part in parts))
    preprocess = task.fit_preprocessing(recipe, data)
    if (preprocess is not None) != (recipe.preprocessing in list_preprocessings()):
        raise ValueError(
            f"`preprocessing` must name one of {list_preprocessings()} exactly where the task fits one: so the run is "
            f"loaded again. Received: preprocessing={recipe.preprocessing!r} for the task {recipe.task!r}"
        )
    with distributed(recipe.distribution):
        built = [build(task, recipe, data, part) for part in parts]
        run = open_run(output, run_config(recipe, data_dir), resume)
        if rows := getattr(data, "rows", ()):
            write_csv(run.split, rows)
        elif _are_unknown(recipe, data):
            save_images(run.images, data)
        if preprocess is not None:
            save_preprocessing(run.preprocessing, preprocess)
        if (labels := task.labels(data)) is not None:
            write_json(run.labels, labels)
        checkpoints = [
            _train(task, network, model, recipe, part, preprocess, run, callbacks, _share(deadline, len(parts) - i))
            for i, ((network, model), part) in enumerate(zip(built, parts, strict=True))
        ]
    networks = [
        _finished(network, task, recipe, part, preprocess) for (network, _), part in zip(built, parts, strict=True)
    ]
    model = task.join(networks)
    history = _mean_history([[*checkpoint.history, *checkpoint.unfinished] for checkpoint in checkpoints])
    write_csv(run.history, history, ["epoch"])
    checked, _ = task.examples(data, task.checked_images)
    inputs = np.asarray(checked if preprocess is None else preprocess(checked))
    metrics = {
        "recipe": recipe.name,
        "model": recipe.model,
        "parameters": sum(int(np.prod(variable.shape)) for variable in networks[0].trainable_variables),
        **_epochs(recipe, checkpoints),
        "seed": recipe.seed,
        "fit_seconds": round(sum(checkpoint.seconds for checkpoint in checkpoints), 1),
        **task.evaluate(recipe, model, data, preprocess),
        "keras_difference": export(model, run.model, "keras", inputs),
    }
    if writes_saved_models():
        metrics["saved_model_difference"] = export(model, run.saved_model, "saved_model", inputs)
    figure = Figure(layout="constrained")
    task.draw(figure, model, data, preprocess, history, metrics)
    save_figure(figure, run.report)
    write_json(run.metrics, metrics)
    return run, metrics


def _load(task: Task, recipe: Recipe, output: str, data_dir: str | None) -> Any:
    """The data set of a recipe; of people's own pictures only that of a run that goes on."""
    if recipe.dataset != DATASET:
        return task.load(recipe, data_dir)
    if data_dir is None or not RunFolder(output).split.exists():
        raise ValueError("`data` must be that of `from_folder` for people's own pictures. Received: data=None")
    return load_own(RunFolder(output), recipe, check_data(data_dir))


def _are_unknown(recipe: Recipe, data: Any) -> bool:
    """Whether images are people's own arrays, which nobody could load again."""
    return isinstance(data, LabelledImages) and not is_known(recipe.dataset) and data.train.in_memory


def build(task: Task, recipe: Recipe, data: Any, part: Part) -> tuple[keras.Model, keras.Model]:
    """Builds the network of one part of a run, and the compiled model that trains it, from the recipe's seed.

    Raises:
        ValueError: If the recipe's model does not fit the data.
    """
    keras.utils.set_random_seed(recipe.seed)
    with computing_in(recipe.precision):
        network = task.network(recipe, data, part.name)
        model = task.trainable(recipe, network)
    if recipe.reestimate_batch_norm:
        check_batch_norm(network)
    synchronise_batch_norm(model, recipe.distribution == "mirrored")
    if recipe.freeze:
        freeze_body(network)
    _compile(task, model, recipe, part)
    return network, model


def _compile(task: Task, model: keras.Model, recipe: Recipe, part: Part) -> None:
    optimizer = build_optimizer(recipe, steps_per_epoch(recipe, part))
    model.compile(optimizer, task.loss(recipe), metrics=list(task.metrics) or None, jit_compile=with_xla(recipe))


def steps_per_epoch(recipe: Recipe, part: Part) -> int:
    """The number of training steps in an epoch."""
    return recipe.steps_per_epoch or len(part.train) // recipe.batch_size


def _share(deadline: float | None, trainings: float) -> float | None:
    """The end of the first of some trainings that share the time until a deadline."""
    return None if deadline is None else time.monotonic() + (deadline - time.monotonic()) / trainings


def _epochs(recipe: Recipe, checkpoints: list[Checkpoint]) -> dict[str, float]:
    """How many epochs were trained, and, if they are fewer, how many the recipe has."""
    done = float(np.mean([len(found.history) + found.share_of_unfinished for found in checkpoints]))
    if done < recipe.epochs:
        return {"epochs": round(done, 3), "planned_epochs": recipe.epochs}
    return {"epochs": round(done)}


def _check_sizes(recipe: Recipe, images: int) -> None:
    if recipe.batch_size > images:
        raise ValueError(
            f"`batch_size` must be at most the number of training images, {images}. "
            f"Received: batch_size={recipe.batch_size}"
        )
    if (recipe.steps_per_epoch or 1) > images // recipe.batch_size:
        raise ValueError(
            f"`steps_per_epoch` must be at most {images // recipe.batch_size}, the number of whole batches of the "
            f"training images. Received: steps_per_epoch={recipe.steps_per_epoch}"
        )


def _train(
    task: Task,
    network: keras.Model,
    model: keras.Model,
    recipe: Recipe,
    part: Part,
    preprocess: Preprocessing | None,
    run: RunFolder,
    callbacks: Sequence[keras.callbacks.Callback],
    deadline: float | None = None,
) -> Checkpoint:
    """Trains the model of a part; returns its checkpoint, with the history and the seconds that it took."""
    folder = RunFolder(run.path / part.name)
    seconds = 0.0
    if recipe.weights is not None and not recipe.freeze and not folder.checkpoint.exists():
        # A new head on trained layers would first spoil them. Its training has a checkpoint of its own to go on from.
        first = dataclasses.replace(recipe, epochs=max(1, recipe.epochs // 5), patience=None)
        freeze_body(network)
        _compile(task, model, first, part)
        end, head = _share(deadline, (first.epochs + recipe.epochs) / first.epochs), RunFolder(folder.path / "head")
        seconds = _fit_epochs(task, model, first, part, preprocess, head, callbacks, 0.0, end).seconds
        freeze_body(network, False)
        _compile(task, model, recipe, part)
    return _fit_epochs(task, model, recipe, part, preprocess, folder, callbacks, seconds, deadline)


def _fit_epochs(
    task: Task,
    model: keras.Model,
    recipe: Recipe,
    part: Part,
    preprocess: Preprocessing | None,
    folder: RunFolder,
    callbacks: Sequence[keras.callbacks.Callback],
    seconds: float = 0.0,
    deadline: float | None = None,
) -> Checkpoint:
    folder.path.mkdir(parents=True, exist_ok=True)
    checkpoint = Checkpoint(folder, seconds)
    done = checkpoint.restore(model)
    best = BestEpoch(folder, recipe.patience, checkpoint.history)
    if best.ended:
        best.restore(model)
        return checkpoint
    model.fit(
        task.batches(recipe, part, preprocess, done, workers(recipe.distribution)),
        validation_data=task.validation(recipe, part, preprocess),
        steps_per_epoch=steps_per_epoch(recipe, part),
        epochs=recipe.epochs,
        initial_epoch=done,
        shuffle=False,
        class_weight=dict(enumerate(recipe.class_weights)) or None,
        callbacks=[
            keras.callbacks.TerminateOnNaN(),
            Duration(deadline),
            *task.callbacks(recipe, part, preprocess),
            best,
            checkpoint,
            *([keras.callbacks.TensorBoard(folder.tensorboard, write_graph=False)] if has_tensorflow() else []),
            *callbacks,
        ],
    )
    if not best.ended:
        checkpoint.raise_if_failed()
    best.restore(model)
    return checkpoint


def _finished(
    network: keras.Model, task: Task, recipe: Recipe, part: Part, preprocess: Preprocessing | None
) -> keras.Model:
    """A trained network as it is tested and saved: on this host alone, in 32 bits, with statistics of its own."""
    synchronise_batch_norm(network, False)
    network = on_this_host(network, recipe.distribution)
    if recipe.freeze:
        freeze_body(network, False)
    if recipe.reestimate_batch_norm and not recipe.freeze:
        batches = task.batches(recipe, part, preprocess, recipe.epochs)
        reestimate_batch_norm(network, itertools.islice(batches, steps_per_epoch(recipe, part)))
    # 16 bits are for training: no two runtimes round them alike.
    return in_float32(network) if recipe.precision == "mixed_bfloat16" else network


def _mean_history(histories: list[list[dict[str, float]]]) -> list[dict[str, float]]:
    """One row for each epoch: the means over the parts."""
    if len(histories) == 1:
        return histories[0]
    return [
        {"epoch": rows[0]["epoch"], **{k: float(np.mean([row[k] for row in rows])) for k in rows[0] if k != "epoch"}}
        for rows in zip(*histories, strict=False)  # those that a time limit ended may differ in length
    ]
