"""Estimation of the colour of the light, as in section 4.2 of Cotogni & Cusano, 2022.

    keras-equivariant fit colorchecker
    keras-equivariant fit colorchecker_original
    keras-equivariant fit nus
    keras-equivariant fit nus_original

Three-fold cross-validation; the test images are shown under further lights of random hue too, which no training sees.
Published medians of the reproduction angular error on NUS at saturation 0, 0.5 and 0.9: original 1.93, 11.5, 30.3;
offset 2.03, 2.30, 3.44 degrees.
"""

from keras_equivariant.training.recipes.recipe import Recipe

_PUBLISHED = {"nus": {"color_cerberus": 1.93, "offset_color_cerberus": 2.03}}  # medians in degrees


def _recipe(name: str, description: str, model: str, dataset: str, preprocessing: str) -> Recipe:
    return Recipe(
        name=name,
        description=description,
        model=model,
        dataset=dataset,
        epochs=60,
        batch_size=16,
        optimizer={"class_name": "Adam", "config": {"learning_rate": 3e-3}},
        schedule={"kind": "cosine"},
        loss={"class_name": "keras_equivariant>ReproductionAngularErrorLoss", "config": {}},
        preprocessing=preprocessing,
        augmentation=("square_symmetries",),
        task="illuminants",
        published=_PUBLISHED.get(dataset, {}),
    )


_SETS = {"colorchecker": "the ColorChecker photographs", "nus": "photographs in the form of NUS"}

RECIPES = [
    recipe
    for dataset, words in _SETS.items()
    for recipe in (
        _recipe(
            dataset,
            f"Offset-equivariant Color Cerberus on {words}, tested under coloured light",
            "offset_color_cerberus",
            dataset,
            "linear_log_rgb",
        ),
        _recipe(
            f"{dataset}_original",
            f"Ordinary Color Cerberus on {words}, tested under coloured light",
            "color_cerberus",
            dataset,
            "linear",
        ),
    )
]
