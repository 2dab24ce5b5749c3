"""Drawing of the missing centre of photographs, as in section 4.3 of Cotogni & Cusano, 2022.

    keras-equivariant fit inpainting
    keras-equivariant fit inpainting_original
    keras-equivariant fit inpainting_small
    keras-equivariant fit inpainting_small_original

The photographs are those of a folder, each resampled to 128x128 pixels as a whole, as in the paper. The recipes that
end in `_crops` cut 128x128 pixels out of them instead. The loss of the offset networks is in linear RGB, that of the
ordinary ones in sRGB, both scaled to [-1, 1]. Published ratios on Paris StreetView, under the light, at saturation 0,
0.5 and 0.9: original 17.65, 18.44, 19.05; offset 17.67, 18.68, 19.78 dB. The small networks have half as many channels
and a bottleneck of 510 features: for one processor.
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
    dataset: str = "photographs",
    **model_arguments: Any,
) -> Recipe:
    return Recipe(
        name=name,
        description=description,
        model=model,
        model_arguments=model_arguments,
        dataset=dataset,
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
_WHAT = "Context Encoder with an adversary on a folder of photographs"

_FULL: dict[str, Any] = {"epochs": 500, "batch_size": 64, "rate": 2e-4}
_SMALL: dict[str, Any] = {"epochs": 40, "batch_size": 10, "rate": 1e-3, "discriminator_filters": 16, "bottleneck": 510}
_DATA = {"": ("photographs", "resampled"), "_crops": ("photograph_crops", "cut out")}

RECIPES = [
    _recipe(f"{name}{ending}", f"{kind} {_WHAT} {how}, tested under coloured light", *which, dataset=dataset, **fields)
    for ending, (dataset, how) in _DATA.items()
    for name, kind, which, fields in (
        ("inpainting", "Offset-equivariant", _OFFSET, _FULL),
        ("inpainting_original", "Ordinary", _ORIGINAL, _FULL),
        ("inpainting_small", "Small offset-equivariant", _OFFSET, {"filters": 30, **_SMALL}),
        ("inpainting_small_original", "Small ordinary", _ORIGINAL, {"filters": 32, **_SMALL}),
    )
]
