"""Trainings by the recipes of classifiers, many steps in one compiled call, on JAX: a part of `device.py`."""

import contextlib
import dataclasses
import os
import time

import device_layers
import jax
import keras
import numpy as np
from keras_equivariant.training.data import arrays
from keras_equivariant.training.data.images import LabelledImages, Split
from keras_equivariant.training.input.batches import lit_batches, test_batches
from keras_equivariant.training.input.device import TrainingBatches
from keras_equivariant.training.input.preprocessing import fit_preprocessing
from keras_equivariant.training.model.optimizer import build_optimizer
from keras_equivariant.training.recipes import get_recipe
from keras_equivariant.training.tasks.classification.errors import wrong_predictions

from keras_equivariant import zoo

SATURATIONS = (0.0, 0.5, 0.9)
_LONGEST = 100  # steps in one compiled call


def load(name, data_dir, scale):
    """A data set, or so large a part of it; made-up images in its place if there is no folder."""
    path = arrays.path_of(name, data_dir)
    if path is not None:
        data = arrays.load(name, path)
    else:
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (12_000, 32, 32, 3), dtype="uint8")
        split = Split(images, rng.integers(0, 10, len(images)).astype("int32"))
        data = LabelledImages(split, split, 10)
    counts = [max(64, round(scale * len(part))) for part in (data.train, data.test)]
    return dataclasses.replace(data, train=data.train.first(counts[0]), test=data.test.first(counts[1])), path is None


def pieces(steps):
    """Equal numbers of steps that make an epoch."""
    longest = max(n for n in range(1, min(steps, _LONGEST) + 1) if steps % n == 0)
    return [longest] * (steps // longest)


def train(model, recipe, data, deadline, precision):
    """Trains a model by a recipe until a deadline; returns the epochs done, the seconds and the losses."""
    preprocess = fit_preprocessing(recipe.preprocessing, data.train.parts())
    batches = TrainingBatches(data.train, preprocess, recipe.augmentation, recipe.batch_size, recipe.seed)
    labels = jax.numpy.asarray(data.train.labels)
    optimizer = build_optimizer(recipe, batches.steps)
    with precision:
        step, state = device_layers.step_of(model, optimizer, keras.losses.get(recipe.loss))

        def steps(state, images, order, drawn):
            def one(state, chosen):
                order, drawn = chosen
                return step(state, batches.transformed(images, order, *drawn), labels[order])

            return jax.lax.scan(one, state, (order, drawn))

        run = jax.jit(steps, donate_argnums=0)
        start, first, losses, done = time.monotonic(), None, [], 0.0
        for epoch in range(recipe.epochs):
            order, drawn = batches.draw(epoch)
            order = order[: batches.steps * recipe.batch_size].reshape(batches.steps, recipe.batch_size)
            drawn = [rows[order] for rows in drawn]
            at, found = 0, []
            for count in pieces(batches.steps):
                chosen = slice(at, at + count)
                state, values = run(state, batches.images, order[chosen], [rows[chosen] for rows in drawn])
                found.append(np.asarray(values))
                at += count
                done += count / batches.steps
                if first is None:  # which compiles
                    first = time.monotonic() - start
                if time.monotonic() > deadline:
                    break
            losses.append(float(np.concatenate(found).mean()))
            if time.monotonic() > deadline or not np.isfinite(losses[-1]):
                break
    seconds = time.monotonic() - start
    trainable, others, _ = state
    for variables, values in ((model.trainable_variables, trainable), (model.non_trainable_variables, others)):
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
    calls = max(1, round(done * batches.steps) // pieces(batches.steps)[0])
    steady = (seconds - first) / (calls - 1) * calls if calls > 1 else seconds
    return preprocess, {
        "epochs": round(done, 3),
        "planned_epochs": recipe.epochs,
        "training_images": len(data.train),
        "seconds": seconds,
        "images_a_second": done * batches.steps * recipe.batch_size / steady,
        "loss": losses,
    }


def cifar10(recipe, model, share, data_dir, scale, seconds, seed=0):
    """Trains by a recipe on a share of its epochs, for at most so many seconds, and tests."""
    data, made_up = load("cifar10", data_dir, scale)
    recipe = get_recipe(recipe, model=model, seed=seed)
    recipe = dataclasses.replace(recipe, epochs=max(1, round(recipe.epochs * share)))
    recipe = dataclasses.replace(recipe, batch_size=min(recipe.batch_size, max(8, len(data.train) // 8)))
    keras.utils.set_random_seed(recipe.seed)
    network = zoo.create(recipe.model, **recipe.model_arguments, **device_layers.sizes(recipe.model, scale))
    precision = jax.default_matmul_precision("tensorfloat32")
    preprocess, found = train(network, recipe, data, time.monotonic() + seconds, precision)
    found = {"model": model, "parameters": network.count_params(), "made_up": made_up, "precision": "TF32", **found}
    if recipe.evaluation == "saturations":
        tests = {str(s): lit_batches(data.test, preprocess, 500, s) for s in SATURATIONS}
        errors = {s: 100 * float(wrong_predictions(network, batches).mean()) for s, batches in tests.items()}
        return {**found, "test_error": errors["0.0"], "test_error_by_saturation": errors}
    wrong = wrong_predictions(network, test_batches(data.test, preprocess, 500))
    return {**found, "test_error": 100 * float(wrong.mean())}


def feeding(recipe, data_dir, scale):
    """Images a second of the input alone, without a network: how fast batches are gathered and transformed."""
    data, _ = load("cifar10", data_dir, scale)
    recipe = get_recipe(recipe)
    size = min(recipe.batch_size, len(data.train) // 2)
    preprocess = fit_preprocessing(recipe.preprocessing, data.train.parts(2000))
    batches = TrainingBatches(data.train, preprocess, recipe.augmentation, size, 0)
    jax.block_until_ready(batches[0][0])
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < 2:
        jax.block_until_ready(batches[count][0])
        count += 1
    return {"recipe": recipe.name, "images_a_second": count * size / (time.perf_counter() - start)}


def pack(path, folder, parts=4):
    """Divides the file of a data set into files that are small enough to be carried one by one."""
    with np.load(path, allow_pickle=False) as file:
        values = {key: file[key] for key in ("x_train", "y_train", "x_test", "y_test")}
    os.makedirs(folder, exist_ok=True)
    for i in range(parts):
        target = os.path.join(folder, f"{os.path.basename(path)[:-4]}-{i}.npz")
        np.savez_compressed(target, **{key: np.array_split(value, parts)[i] for key, value in values.items()})
        print(target, f"{os.path.getsize(target) / 2**20:.1f} MiB", flush=True)


def join(folder, name="cifar10"):
    """Puts such files together again."""
    files = sorted(file for file in os.listdir(folder) if file.startswith(f"{name}-") and file.endswith(".npz"))
    with contextlib.ExitStack() as stack:
        loaded = [stack.enter_context(np.load(os.path.join(folder, file), allow_pickle=False)) for file in files]
        np.savez(
            os.path.join(folder, f"{name}.npz"),
            **{
                key: np.concatenate([part[key] for part in loaded])
                for key in ("x_train", "y_train", "x_test", "y_test")
            },
        )
    print(os.path.join(folder, f"{name}.npz"), f"of {len(files)} files", flush=True)
