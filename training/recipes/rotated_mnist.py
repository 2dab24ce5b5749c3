"""Rotated MNIST as in section 8.1 of Cohen & Welling, 2016: 12,000 images to train on, 50,000 to test on.

    keras-equivariant fit rotated_mnist
    keras-equivariant fit rotated_mnist --model z2cnn --epochs 300
    keras-equivariant fit rotated_mnist --model p4cnn_rotation_pooling

P4CNN takes about 6 seconds an epoch on two CPU cores with nothing else to do. Its error is in docs/results.md.
"""

from keras_equivariant.training.recipes.recipe import Recipe

RECIPES = [
    Recipe(
        name="rotated_mnist",
        description="P4CNN on rotated MNIST, 12,000 training images, as in Cohen & Welling, 2016",
        model="p4cnn",
        dataset="rotated_mnist",
        epochs=100,
        batch_size=128,
        optimizer={"class_name": "Adam", "config": {"learning_rate": 1e-3}},
        augmentation=("rotate",),
        published={"p4cnn": 2.28, "p4cnn_rotation_pooling": 3.21, "z2cnn": 5.03},
        reestimate_batch_norm=True,
    ),
]
