"""Rotated handwritten digits, from scikit-learn: the first thing to try.

    keras-equivariant fit
    keras-equivariant fit --model z2cnn --epochs 180

About one minute on two CPU cores, and two for Z2CNN; the errors that they reach are in the README.
"""

from keras_equivariant.training.recipes.recipe import Recipe

RECIPES = [
    Recipe(
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
    ),
]
