"""Make your CNN rotation-equivariant: two networks that differ in three lines, on digits that nobody turned."""

# %%

import keras
import numpy as np
from keras_equivariant.training.pictures.gallery import draw_feature_maps, draw_filters, draw_rotated_predictions
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

from keras_equivariant.equivariance import equivariance_error
from keras_equivariant.layers import CosetPooling, GroupConv2D

keras.utils.set_random_seed(0)
digits = load_digits()
images, labels = (digits.images[..., None] / 16).astype("float32"), digits.target
train, test = slice(0, 1200), slice(1200, None)


# %%
def ordinary():
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(32, 3, activation="relu")(inputs)
    x = keras.layers.Conv2D(32, 3, activation="relu")(x)
    x = keras.layers.GlobalMaxPooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(10)(x))


def equivariant():
    inputs = keras.Input((8, 8, 1))
    x = GroupConv2D(16, 3, "p4", activation="relu", name="lifting")(inputs)  # (6, 6, 4, 16)
    x = GroupConv2D(16, 3, "p4", activation="relu", name="hidden")(x)  # (4, 4, 4, 16)
    x = CosetPooling("p4")(x)  # (4, 4, 16)
    x = keras.layers.GlobalMaxPooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(10)(x))


# %%
def fit(model):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.005), loss, metrics=["accuracy"])
    model.fit(images[train], labels[train], batch_size=50, epochs=25, verbose=0)
    return model


models = {"ordinary": fit(ordinary()), "equivariant": fit(equivariant())}
for name, model in models.items():
    turned = [np.rot90(images[test], turns, axes=(1, 2)) for turns in range(4)]
    errors = [100 * (model.predict(x, verbose=0).argmax(1) != labels[test]).mean() for x in turned]
    print(
        f"{name}: {model.count_params():,} parameters, error {errors[0]:.1f} %, "
        f"turned by 90, 180, 270 degrees {errors[1]:.1f}, {errors[2]:.1f}, {errors[3]:.1f} %, "
        f"equivariance error {equivariance_error(model, images[test], 'p4'):.0e}"
    )

# %%
shown = np.argmax(labels[test] == 4)
image, model = images[test][shown], models["equivariant"]
figure = Figure(figsize=(9, 14), layout="constrained")
predictions, maps, filters = figure.subfigures(3, 1, height_ratios=[4, 7, 5])
rotations = {90 * turns: np.rot90(image, turns) for turns in range(4)}
draw_rotated_predictions(predictions, model, lambda x: x, rotations, label=4)
draw_feature_maps(maps, model, "lifting", image)
draw_filters(filters, model.get_layer("lifting"))
figure.savefig("rotations.png", dpi=80)
