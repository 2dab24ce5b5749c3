"""Rotated handwritten digits, from scikit-learn: the first thing to try.

    keras-equivariant fit
    keras-equivariant fit rotated_digits_ordinary

About three minutes each on two CPU cores; the errors that they reach are in the README. The ordinary network takes
three times as many epochs in that time. It is without the dropout of its paper, which suits larger data: with it, the
error is larger.
"""

import dataclasses

from keras_equivariant.training.recipes.recipe import Recipe

_ROTATED = Recipe(
    name="rotated_digits",
    description="P4CNN on scikit-learn's handwritten digits, freshly rotated in each epoch",
    model="p4cnn",
    dataset="digits",
    epochs=60,
    batch_size=50,
    optimizer={"class_name": "Adam", "config": {"learning_rate": 2e-3}},
    schedule={"kind": "cosine"},
    augmentation=("rotate",),
    reestimate_batch_norm=True,
    evaluation="rotations",
)

RECIPES = [
    _ROTATED,
    dataclasses.replace(
        _ROTATED,
        name="rotated_digits_ordinary",
        description="Z2CNN, the ordinary network, on the same digits, in about the same time",
        model="z2cnn",
        model_arguments={"dropout": 0.0},
        epochs=180,
    ),
]
