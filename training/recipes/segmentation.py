"""Segmentation: the objects of pictures, in masks that turn with them.

    keras-equivariant fit drawn_cells
    keras-equivariant fit nuclei --data-dir FOLDER

The first draws its pictures itself: cells that touch, as under a microscope. The second reads a folder with `images/`
and `masks/`, which number the objects of each picture: made for the nuclei of the 2018 Data Science Bowl.
"""

import dataclasses

from keras_equivariant.training.recipes.recipe import Recipe

_CELLS = Recipe(
    name="drawn_cells",
    description="The p4m U-Net parts drawn cells that touch",
    task="segmentation",
    model="p4m_unet",
    model_arguments={"input_shape": (64, 64, 1), "filters": 4, "depth": 2},
    dataset="drawn_cells",
    epochs=20,
    batch_size=8,
    optimizer={"class_name": "Adam", "config": {"learning_rate": 1e-2}},
    schedule={"kind": "cosine"},
    loss={"class_name": "keras_equivariant>CrossentropyAndDice", "config": {"ignore_class": -1}},
)
RECIPES = [
    _CELLS,
    dataclasses.replace(
        _CELLS,
        name="nuclei",
        description="The p4m U-Net finds the nuclei of cells under the microscope",
        model_arguments={"input_shape": (128, 128, 3)},
        preprocessing="standardise_each",  # dark pictures from fluorescence beside bright ones
        dataset="masked_folder",
        epochs=10,
        optimizer={"class_name": "Adam", "config": {"learning_rate": 3e-3}},
    ),
]
