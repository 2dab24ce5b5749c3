"""Any angle: filters that turn by 22.5 degrees, and feature maps that follow."""

# %%

import keras
import numpy as np
from matplotlib.figure import Figure
from scipy import ndimage
from sklearn.datasets import load_sample_image

from keras_equivariant.equivariance import equivariance_error, transform_array, turning_errors
from keras_equivariant.layers import CosetPooling, GroupAveragePooling2D, GroupConv2D

keras.utils.set_random_seed(0)
flower = load_sample_image("flower.jpg").mean(axis=-1)[:, 100:527] / 255
image = ndimage.zoom(ndimage.gaussian_filter(flower, 4), 97 / 427)[None, :, :, None].astype("float32")
image -= image.mean()


# %%
def convolutions(symmetry):
    inputs = keras.Input((97, 97, 1))
    x = GroupConv2D(8, 7, symmetry, padding="same", activation="relu", name="lifting")(inputs)  # (97, 97, 16, 8)
    x = GroupAveragePooling2D(1, strides=2, blur=0.66)(x)  # (49, 49, 16, 8)
    x = GroupConv2D(8, 5, symmetry, padding="same", activation="relu", name="maps")(x)  # (49, 49, 16, 8)
    return keras.Model(inputs, x)


model = convolutions("p16")
x = CosetPooling("p16")(model.output)
vector = keras.Model(model.input, keras.layers.GlobalAveragePooling2D()(x))

# %%
print(f"quarter turns: {equivariance_error(model, image):.0e}")
ordinary = keras.Sequential(
    [
        keras.Input((97, 97, 1)),
        keras.layers.Conv2D(32, 7, padding="same", activation="relu"),
        keras.layers.AveragePooling2D(2),
        keras.layers.Conv2D(32, 5, padding="same", activation="relu"),
    ]
)
networks = {
    "p16, maps": (model, "p16"),
    "p16, one vector": (vector, "p16"),
    "p4, maps": (convolutions("p4"), "p4"),
    "ordinary, maps": (ordinary, "p16"),
}
for name, (network, symmetry) in networks.items():
    errors = turning_errors(network, image, symmetry)
    print(f"{name}:", ", ".join(f"{errors[angle]:.2%} at {angle:g}" for angle in (22.5, 45.0, 90.0) if angle in errors))

# %%
figure = Figure(figsize=(9, 7), layout="constrained")
filters, maps = figure.subfigures(2, 1, height_ratios=[1, 2])
filters.suptitle("One 7x7 filter at sixteen angles")
copies = np.asarray(model.get_layer("lifting").expanded_kernel).reshape(7, 7, 16, 8)[..., 0]
for turn, axes in enumerate(filters.subplots(2, 8).flat):
    axes.imshow(copies[:, :, turn], cmap="RdBu", vmin=-np.abs(copies).max(), vmax=np.abs(copies).max())
    axes.set_title(f"{22.5 * turn:g}°", fontsize=8)
    axes.set(xticks=[], yticks=[])
maps.suptitle("One feature map, of the picture and of the picture turned by 22.5 degrees")
turned = transform_array(image, "p16", 1)
before, after = np.asarray(model(image)), np.asarray(model(turned))
expected = transform_array(before, "p16", 1)
shown = [image[0, ..., 0], before[0, :, :, 0, 0], after[0, :, :, 1, 0]]
shown += [turned[0, ..., 0], expected[0, :, :, 1, 0], (after - expected)[0, :, :, 1, 0]]
titles = ["picture", "its map, orientation 0", "map of the turned picture, orientation 1"]
titles += ["turned picture", "the map turned", "difference"]
for panel, title, axes in zip(shown, titles, maps.subplots(2, 3).flat, strict=True):
    limits = {"vmin": 0, "vmax": before.max()} if "map" in title else {}
    axes.imshow(panel, **(limits | {"cmap": "gray" if panel.shape == (97, 97) else "viridis"}))
    if title == "difference":
        axes.images[0].set_clim(-before.max(), before.max())
        axes.images[0].set_cmap("RdBu")
    axes.set_title(title, fontsize=9)
    axes.set(xticks=[], yticks=[])
figure.savefig("any_angle.png", dpi=80)
