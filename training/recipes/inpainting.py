"""Drawing of the missing centre of photographs, as in section 4.3 of Cotogni & Cusano, 2022.

    keras-equivariant fit inpainting
    keras-equivariant fit inpainting_original
    keras-equivariant fit inpainting_small
    keras-equivariant fit inpainting_small_original

The photographs are those of a folder. Published ratios on Paris StreetView, under the light, at saturation 0, 0.5 and
0.9: original 17.65, 18.44, 19.05; offset 17.67, 18.68, 19.78 dB. The small networks have half as many channels and a
bottleneck of 510 features: for one processor.
"""

from typing import Any

from keras_equivariant.training.recipes.recipe import Recipe


def _recipe(
    name: str,
    description: str,
    model: str,
    preprocessing: str,
    epochs: int,
    batch_size: int,
    rate: float,
    discriminator_filters: int = 64,
    **model_arguments: Any,
) -> Recipe:
    return Recipe(
        name=name,
        description=description,
        model=model,
        model_arguments=model_arguments,
        dataset="photographs",
        epochs=epochs,
        batch_size=batch_size,
        optimizer={"class_name": "Adam", "config": {"learning_rate": rate, "beta_1": 0.5}},
        schedule={"kind": "cosine"},
        loss={
            "class_name": "adversarial",
            "config": {"adversarial_weight": 0.001, "discriminator_filters": discriminator_filters},
        },
        preprocessing=preprocessing,
        task="inpainting",
    )


_OFFSET, _ORIGINAL = ("offset_context_encoder", "linear_log_rgb"), ("context_encoder", "srgb")
_WHAT = "Context Encoder with an adversary on a folder of photographs, tested under coloured light"

_SMALL = {"epochs": 40, "batch_size": 10, "rate": 1e-3, "discriminator_filters": 16, "bottleneck": 510}

RECIPES = [
    _recipe("inpainting", f"Offset-equivariant {_WHAT}", *_OFFSET, 500, 64, 2e-4),
    _recipe("inpainting_original", f"Ordinary {_WHAT}", *_ORIGINAL, 500, 64, 2e-4),
    _recipe("inpainting_small", f"Small offset-equivariant {_WHAT}", *_OFFSET, filters=30, **_SMALL),
    _recipe("inpainting_small_original", f"Small ordinary {_WHAT}", *_ORIGINAL, filters=32, **_SMALL),
]
