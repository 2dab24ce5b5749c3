"""ILSVRC 2012 under coloured light, as in section 4.1.2 of Cotogni & Cusano, 2022.

    keras-equivariant fit imagenet_light --data-dir DIR
    keras-equivariant fit imagenet_light_original --data-dir DIR
    keras-equivariant fit imagenet_light_jitter --data-dir DIR
    keras-equivariant lights RUN RUN RUN

TFDS prepares `imagenet2012` in DIR from the two archives of ILSVRC 2012, which it cannot download: see its catalogue.
The images stay in their files; the 50,000 of the validation set are tested on. Published test errors at saturation 0,
0.5 and 0.9: original 24.59, 26.09, 31.17; jitter 28.09, 29.21, 33.91; offset 24.85, 24.92, 25.71 %. None of this has
been run here on the real images: it takes days on several GPUs.

The paper gives the size of the batch, 48, and for the rest the procedure of He et al. (2016): a rate of 0.1 for batches
of 256, so a proportional one here; divided by 10 after each third of 90 epochs; and a weight decay of 1e-4 in the
gradient. Keras takes it off the weights instead, so that momentum 0.9 does not add it up ten times: hence 1e-3.
"""

from typing import Any

from keras_equivariant.training.recipes.recipe import Recipe


def _recipe(
    name: str, description: str, model: str, augmentation: tuple[str, ...] = ("random_crop", "flip"), **fields: Any
) -> Recipe:
    return Recipe(
        name=name,
        description=description,
        model=model,
        dataset="imagenet2012",
        epochs=90,
        batch_size=48,
        optimizer={
            "class_name": "SGD",
            "config": {"learning_rate": 0.1 * 48 / 256, "momentum": 0.9, "weight_decay": 1e-3},
        },
        schedule={"kind": "steps", "epochs": [30, 60], "of": 90, "factor": 0.1},
        augmentation=augmentation,
        evaluation="saturations",
        **fields,
    )


RECIPES = [
    _recipe(
        "imagenet_light",
        "Offset-equivariant ResNet-50 on ILSVRC 2012, tested under coloured light, as in Cotogni & Cusano, 2022",
        "offset_resnet50",
        published={"offset_resnet50": 24.85},
        preprocessing="log_rgb",
    ),
    _recipe(
        "imagenet_light_original",
        "Ordinary ResNet-50 on ILSVRC 2012, tested under coloured light",
        "resnet50",
        published={"resnet50": 24.59},
    ),
    _recipe(
        "imagenet_light_jitter",
        "Ordinary ResNet-50 on ILSVRC 2012 trained with colour jitter, tested under coloured light",
        "resnet50",
        published={"resnet50": 28.09},
        augmentation=("random_crop", "colour_jitter", "flip"),
    ),
]
