"""Masks that turn with the picture: two U-Nets learn cells that touch, and see a picture and its turned copy."""

# %%

import keras
import numpy as np
from keras_equivariant.training.data import drawn_cells
from keras_equivariant.training.input.preprocessing import Standardise
from keras_equivariant.training.tasks.segmentation.evaluation import evaluate, predict_masks
from keras_equivariant.training.tasks.segmentation.objects import rims
from keras_equivariant.training.tasks.segmentation.pictures import overlay
from matplotlib.figure import Figure

from keras_equivariant import zoo
from keras_equivariant.losses import CrossentropyAndDice

keras.utils.set_random_seed(0)
SIDE = 48
cells = drawn_cells.load()  # grey pictures of 72 to 120 pixels a side, and the number of the cell at each pixel
standardise = Standardise.fit(image[None].astype("float32") / 255 for image in cells.train.images)
rng = np.random.default_rng(0)
images, classes = [], []
for _ in range(240):
    i = rng.integers(len(cells.train))
    row, column = (rng.integers(side - SIDE + 1) for side in cells.train.masks[i].shape)
    crop = slice(row, row + SIDE), slice(column, column + SIDE)
    images.append(standardise(cells.train.images[i][crop].astype("float32") / 255))
    classes.append(rims(cells.train.masks[i])[crop])  # 0 background, 1 inside of a cell, 2 its rim

# %%
shape = {"input_shape": (None, None, 1), "classes": 3, "depth": 2}
models = {
    "p4m_unet": zoo.create("p4m_unet", filters=3, **shape),
    "unet": zoo.create("unet", filters=(8, 17, 35), **shape),  # as many parameters
}
for name, model in models.items():
    rate = keras.optimizers.schedules.CosineDecay(0.01, 160)
    model.compile(keras.optimizers.Adam(rate), CrossentropyAndDice(), jit_compile=False)
    model.fit(np.stack(images), np.stack(classes), batch_size=6, epochs=4, verbose=0)
    found = evaluate(model, cells.test, standardise, cells.classes, instances=True)
    print(
        f"{name}: {model.count_params():,} parameters, Dice {found['dice']:.1f} %, "
        f"AP at IoU 0.5 {found['average_precision_50']:.1f} %, "
        f"when a picture turns {found['turn_change']:.3f} % of its pixels change"
    )


# %%
def numbered_like(mask, other):
    """The objects of a mask with the numbers of those of another that they cover most, for equal colours."""
    numbers = [np.bincount(other[mask == k], minlength=1) for k in range(1, mask.max() + 1)]
    return np.array([0, *(np.argmax(counts) or 20 for counts in numbers)])[mask]


def upright_and_turned(model, image):
    """The cells of a picture, those of its copy turned by 90 degrees, turned back, and where they differ."""
    _, upright = predict_masks(model, image, standardise, instances=True)
    _, turned = predict_masks(model, np.rot90(image), standardise, instances=True)
    back = numbered_like(np.rot90(turned, -1), upright)
    return upright, back, back != upright


tested = [image.astype("float32") / 255 for image in cells.test.images]
tested.sort(key=lambda image: upright_and_turned(models["unet"], image)[2].mean())
image = tested[len(tested) // 2]  # one that changes as much as most
figure = Figure(figsize=(10, 4.6), layout="constrained")
rows = figure.subplots(2, 5, width_ratios=[image.shape[1], image.shape[1], *[image.shape[0]] * 2, image.shape[1]])
for axes, (name, model) in zip(rows, models.items(), strict=True):
    upright, turned_back, changed = upright_and_turned(model, image)
    shown = [np.repeat(picture, 3, axis=-1) for picture in (image, np.rot90(image))]
    red = np.where(changed[..., None], [1.0, 0, 0], 0.5 * shown[0])
    masks = [overlay(shown[0], upright), overlay(shown[1], np.rot90(turned_back))]
    for ax, picture in zip(axes, [shown[0], masks[0], shown[1], masks[1], red], strict=True):
        ax.imshow(picture, interpolation="nearest")
        ax.set(xticks=[], yticks=[])
    axes[0].set_ylabel(name, fontsize=12)
    axes[4].set_xlabel(f"{100 * changed.mean():.1f} % of the pixels")
for ax, title in zip(rows[0], ["picture", "its cells", "turned picture", "its cells", "what changed"], strict=True):
    ax.set_title(title)
figure.savefig("masks.png", dpi=80)
