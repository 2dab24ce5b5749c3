"""Make your network equivariant: any Keras model of a picture, in one line."""

# %%
import warnings

import keras
import numpy as np
from keras import layers


def block(x, filters):
    shortcut = layers.Conv2D(filters, 1)(x)
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    return layers.Add()([layers.Conv2D(filters, 3, padding="same")(x), shortcut])


keras.utils.set_random_seed(0)
inputs = keras.Input((32, 32, 3))
x = layers.MaxPooling2D()(block(inputs, 16))
x = layers.MaxPooling2D()(block(x, 32))
x = layers.GlobalAveragePooling2D()(block(x, 64))
model = keras.Model(inputs, layers.Dense(10)(x))

# %%
from keras_equivariant.convert import to_group_equivariant

equivariant = to_group_equivariant(model, "p4m")

# %%
from keras_equivariant.equivariance import equivariance_error

pictures = np.random.default_rng(0).normal(size=(4, 32, 32, 3)).astype("float32")
for name, network in (("ordinary", model), ("equivariant", equivariant)):
    print(f"{name}: {network.count_params():,} parameters, error {equivariance_error(network, pictures, 'p4m'):.0e}")

# %%
copied = to_group_equivariant(model, "p4m", weights="copy")
turned = [np.rot90(picture, k, axes=(1, 2)) for picture in (pictures, pictures[:, :, ::-1]) for k in range(4)]
mean = np.mean([model.predict(picture, verbose=0) for picture in turned], axis=0)
difference = np.abs(copied.predict(pictures, verbose=0) - mean).max() / np.abs(mean).max()
print(f"copied weights: {difference:.0e} from the mean over eight turned and mirrored inputs")

# %%
narrow = to_group_equivariant(model, "p4m", widths="parameters")
print(f"as many parameters: {narrow.count_params():,}")

# %%
from keras_equivariant.convert import exact_sizes

strided = keras.Sequential(
    [
        keras.Input((224, 224, 3)),
        layers.Conv2D(16, 7, strides=2, padding="same", activation="relu", name="stem"),
        layers.MaxPooling2D(3, strides=2, padding="same", name="pool"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(10),
    ]
)
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    to_group_equivariant(strided, "p4")
print(told[0].message)
print("exact sizes:", exact_sizes(strided, range(215, 240)))
centred = to_group_equivariant(strided, "p4", exact=True)
print(f"centred, at 224 pixels: error {equivariance_error(centred, np.resize(pictures, (1, 224, 224, 3))):.0e}")

# %%
flat = keras.Sequential([keras.Input((32, 32, 3)), layers.Conv2D(8, 3), layers.Flatten(), layers.Dense(10)])
try:
    to_group_equivariant(flat)
except ValueError as error:
    print(error)
pooled = to_group_equivariant(flat, flatten="pool")
