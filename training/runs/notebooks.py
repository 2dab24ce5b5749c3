"""People's own pictures for `model.fit`, without a run: in notebooks, and in training loops of one's own."""

import dataclasses
from typing import Any

import keras
from keras_equivariant.training.runs.fit import build, steps_per_epoch
from keras_equivariant.training.tasks import get_task
from keras_equivariant.training.tasks.own import OwnPictures


def ready_to_fit(own: OwnPictures) -> tuple[keras.Model, dict[str, Any], Any]:
    """Makes a compiled model of a folder of pictures, and what Keras fits and evaluates it on.

    The batches are of pictures as the model takes them, standardised: a `tf.data.Dataset` with Keras on TensorFlow, a
    `keras.utils.PyDataset` on JAX and PyTorch.

    Args:
        own: What `from_folder` returned.

    Returns:
        The compiled model; the arguments of `model.fit`: `x`, `validation_data`, `steps_per_epoch`, `epochs`, `shuffle`
        and `class_weight`; and the batches of the pictures to test on. A training that starts from other weights does
        not train the head first.

    Raises:
        ValueError: If the recipe cannot be used.

    Example:

    ```python
    model, batches, test = ready_to_fit(from_folder("pictures"))
    model.fit(**batches)
    model.evaluate(test)
    ```
    """
    recipe, data = own.recipe, own.data
    task = get_task(recipe.task)
    task.check(recipe)
    preprocess = task.fit_preprocessing(recipe, data)
    (part,) = task.parts(data)
    (tested,) = task.parts(dataclasses.replace(data, validation=data.test))
    _, model = build(task, recipe, data, part)
    batches = {
        "x": task.batches(recipe, part, preprocess, 0),
        "validation_data": task.validation(recipe, part, preprocess),
        "steps_per_epoch": steps_per_epoch(recipe, part),
        "epochs": recipe.epochs,
        "shuffle": False,
        "class_weight": dict(enumerate(recipe.class_weights)) or None,
    }
    return model, batches, task.validation(recipe, tested, preprocess)
