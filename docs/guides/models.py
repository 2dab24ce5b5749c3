"""Add a model to the zoo: a builder, its recipe, a run."""

# %%
import json

import keras
from keras_equivariant.zoo.registry import register

from keras_equivariant import zoo
from keras_equivariant.layers import CosetPooling, GroupConv2D


@register
def tiny_p4(input_shape=(28, 28, 1), classes=10, filters=8, name="tiny_p4"):
    """Two p4 convolutions, invariant to quarter turns."""
    inputs = keras.Input(input_shape)
    x = GroupConv2D(filters, 4, "p4", strides=3, activation="relu")(inputs)  # 28 - 4 is a multiple of 3
    x = GroupConv2D(2 * filters, 3, "p4", activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(CosetPooling("p4")(x))
    return keras.Model(inputs, keras.layers.Dense(classes, name="logits")(x), name=name)


print(f"{zoo.list_models('tiny*')}: {zoo.create('tiny_p4').count_params():,} parameters")

# %%
from keras_equivariant.training.recipes import Recipe
from keras_equivariant.training.runs.fit import fit

recipe = Recipe(
    name="tiny_digits",
    description="The tiny network on rotated digits",
    model="tiny_p4",
    dataset="digits",
    epochs=6,
    batch_size=50,
    optimizer={"class_name": "Adam", "config": {"learning_rate": 0.01}},
    augmentation=("rotate",),
    evaluation="rotations",
)
run, metrics = fit(recipe, "tiny_p4")
print(json.dumps(metrics, indent=2))
