"""CIFAR-10 and CIFAR-10+ as in section 8.2 of Cohen & Welling, 2016.

    keras-equivariant fit cifar10_all_cnn
    keras-equivariant fit cifar10_plus_resnet44 --model resnet44

Models: all_cnn_c, p4_all_cnn_c, p4m_all_cnn_c; resnet44, p4m_resnet44, resnet26, p4m_resnet26. The plus stands for
random shifts by up to 4 pixels and flips. Published test errors, plain and plus: All-CNN 9.44 and 8.86 (planar),
8.84 and 7.67 (p4), 7.59 and 7.04 % (p4m); ResNet44 9.45 and 5.61 (planar), 6.46 and 4.94 % (p4m); ResNet26, plus, 5.27
(planar) and 4.19 % (p4m). The strides are those of the paper, off the centre of 32x32 pixels; the p4m ResNets here end
in the mean over orientations, the paper's in all of them (`head="oriented"`). These recipes take days on a CPU and have
not been run to their end here.

The schedule of the ResNets is that of the paper, which does not say the size of the batch; that of All-CNN is
Springenberg et al.'s (2015), section 3.2, with the largest learning rate of those that they tried but 0.25 and 0.1.
Their weight decay of 1e-3 is part of the gradient; Keras takes it off the weights instead, so that momentum 0.9 does
not add it up ten times: hence 1e-2. With `--epochs N`, the learning rate falls after the same shares of the training.
"""

from typing import Any

from keras_equivariant.training.recipes.recipe import Recipe

_AUGMENTATIONS = {"": (), "_plus": ("shift_and_flip",)}


def _recipe(name: str, published: dict[str, tuple[float, float]], **fields: Any) -> list[Recipe]:
    return [
        Recipe(
            name=f"cifar10{plus}_{name}",
            dataset="cifar10",
            batch_size=128,
            preprocessing="contrast_zca",
            model_arguments={"downsampling": "strided"},
            augmentation=augmentation,
            published={model: errors[i] for model, errors in published.items()},
            **fields,
        )
        for i, (plus, augmentation) in enumerate(_AUGMENTATIONS.items())
    ]


RECIPES = [
    *_recipe(
        "all_cnn",
        description="All-CNN-C on p4m, 350 epochs, as in Cohen & Welling, 2016, and Springenberg et al., 2015",
        model="p4m_all_cnn_c",
        published={"all_cnn_c": (9.44, 8.86), "p4_all_cnn_c": (8.84, 7.67), "p4m_all_cnn_c": (7.59, 7.04)},
        epochs=350,
        optimizer={
            "class_name": "SGD",
            "config": {"learning_rate": 0.05, "momentum": 0.9, "weight_decay": 1e-2},
        },
        schedule={"kind": "steps", "epochs": [200, 250, 300], "of": 350, "factor": 0.1},
    ),
    *_recipe(
        "resnet44",
        description="ResNet44 on p4m, 300 epochs, as in Cohen & Welling, 2016",
        model="p4m_resnet44",
        published={
            "resnet44": (9.45, 5.61),
            "p4m_resnet44": (6.46, 4.94),
            "resnet26": (8.95, 5.27),
            "p4m_resnet26": (5.74, 4.19),
        },
        epochs=300,
        optimizer={"class_name": "SGD", "config": {"learning_rate": 0.05, "momentum": 0.9}},
        schedule={"kind": "steps", "epochs": [50, 100, 150], "of": 300, "factor": 0.1},
    ),
]
