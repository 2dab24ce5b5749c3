"""Objects that touch: a class for their rims against the distance from them, as what a network learns beside the mask.

    python benchmarks/touching.py [--data-dir FOLDER] [--pictures N] [--seeds N ...] [--steps N] [--json FILE]

The same p4m U-Net twice, with three maps of scores: background, inside and rim, trained by cross-entropy and Dice; or
background, object, and the distance of a pixel from the rim of its object, 1 where that is largest, trained by the same
loss of the first two plus the squared error of the third. Both turn with the picture. Objects come from the same
watershed: from where inside is the most probable class, or from where the distance is above a half. Without
`--data-dir` on drawn cells; with it, on N pictures of a folder with `images/` and `masks/`, tested on 24 others.

Prints Dice and average precision of whole pictures for each seed, and the means.
"""

import argparse
import dataclasses
import json
import os
import time

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import nuclei
import numpy as np
from keras import ops
from keras_equivariant.training.data import drawn_cells
from keras_equivariant.training.input.preprocessing import StandardiseEach, of_picture
from keras_equivariant.training.tasks.segmentation import objects
from keras_equivariant.training.tasks.segmentation.crops import Crops, training_batches
from keras_equivariant.training.tasks.segmentation.tiles import scores
from scipy import ndimage

from keras_equivariant import zoo
from keras_equivariant.losses import CrossentropyAndDice
from keras_equivariant.metrics import AveragePrecision, Dice

WAYS = ("rim", "distance")
STEPS = 1000  # of a distance, which is an integer, as classes are


def distances(mask):
    """The distance from the rim of each object, `STEPS` at its largest, of the background 0."""
    result = np.zeros(mask.shape)
    for number, box in enumerate(ndimage.find_objects(mask.astype("int32")), start=1):
        if box is not None:
            inside = np.pad(mask[box] == number, 1)
            distance = ndimage.distance_transform_edt(inside)[1:-1, 1:-1]
            result[box] = np.maximum(result[box], distance / distance.max())
    return np.rint(STEPS * result).astype("int32")


def padded(target, size):
    return np.pad(target, nuclei.missing(target, size), constant_values=-1)


@dataclasses.dataclass(frozen=True)
class DistanceCrops(Crops):
    """Crops at the same places as those of the classes, with distances instead."""

    distances: list

    def cut(self, picture, row, column):
        image, _ = super().cut(picture, row, column)
        return image, self.distances[picture][row : row + self.size[0], column : column + self.size[1]]


class Distances(keras.losses.Loss):
    """Cross-entropy and Dice of background and object, plus the squared error of the distance."""

    def call(self, y_true, y_pred):
        counted = ops.cast(y_true >= 0, "float32")
        classes = ops.where(y_true < 0, -1, ops.cast(y_true > 0, "int32"))
        distance = ops.cast(y_true, "float32") / STEPS
        error = ops.sum(counted * ops.square(y_pred[..., 2] - distance)) / ops.maximum(ops.sum(counted), 1)
        return CrossentropyAndDice(ignore_class=-1)(classes, y_pred[..., :2]) + error


def found(outputs, way):
    """Numbered objects."""
    if way == "rim":
        height = outputs[..., objects.RIM] - outputs[..., objects.INSIDE]
        return objects.number_objects(objects.parts(outputs), height)
    foreground = outputs[..., 1] > outputs[..., 0]
    parts = foreground.astype("uint8") + (foreground & (outputs[..., 2] > 0.5))
    return objects.number_objects(parts, -outputs[..., 2])


def run(way, train, test, size, seed, arguments):
    keras.utils.set_random_seed(seed)
    channels = train.images[0].shape[-1]
    model = zoo.create(
        "p4m_unet", input_shape=(None, None, channels), classes=3, filters=arguments.filters, depth=arguments.depth
    )
    images = [np.pad(image, nuclei.missing(image, size), mode="reflect") for image in train.images]
    rims, steps = ([padded(of(mask), size) for mask in train.masks] for of in (objects.rims, distances))
    crops = Crops(images, rims, size) if way == "rim" else DistanceCrops(images, rims, size, steps)
    batches = training_batches(crops, StandardiseEach(), (), 8, seed, 0, arguments.steps)
    loss = CrossentropyAndDice(ignore_class=-1) if way == "rim" else Distances()
    schedule = keras.optimizers.schedules.CosineDecay(arguments.rate, arguments.steps)
    model.compile(keras.optimizers.Adam(schedule), loss, jit_compile=False)
    start = time.process_time()
    model.fit(batches, steps_per_epoch=arguments.steps, epochs=1, verbose=0, shuffle=False)
    seconds = time.process_time() - start
    dice, precision = Dice(2, sparse_y_pred=True), AveragePrecision()
    for image, mask in zip(test.images, test.masks, strict=True):
        pixels = image.astype("float32") / 255
        predicted = found(scores(model, pixels, of_picture(StandardiseEach(), [pixels[None]])), way)
        dice.update_state((mask > 0).astype("int32")[None], (predicted > 0).astype("int32")[None])
        precision.update_state(mask, predicted)
    values = 100 * precision.by_threshold()
    row = {"way": way, "seed": seed, "seconds": round(seconds), "dice": 100 * float(dice.by_class()[1])}
    return {**row, "ap50": float(values[0]), "ap": float(values.mean())}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir")
    parser.add_argument("--pictures", type=int, default=16)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rate", type=float, default=1e-2)
    parser.add_argument("--filters", type=int, default=4)
    parser.add_argument("--depth", type=int, default=2)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    rows = []
    for seed in arguments.seeds:
        if arguments.data_dir:
            pictures, tested, others = nuclei.load(arguments.data_dir, 24)
            chosen = np.random.default_rng(seed).permutation(others)[: arguments.pictures]
            train, test, size = pictures.take(chosen), pictures.take(tested), (128, 128)
        else:
            data = drawn_cells.load()
            train, test, size = data.train, data.test, (64, 64)
        for way in WAYS:
            rows.append(run(way, train, test, size, seed, arguments))
            print(json.dumps(rows[-1]), flush=True)
            if arguments.json:
                with open(arguments.json, "w") as file:
                    json.dump(rows, file, indent=1)
    for way in WAYS:
        mine = [row for row in rows if row["way"] == way]
        means = {name: f"{np.mean([row[name] for row in mine]):.1f}" for name in ("dice", "ap50", "ap", "seconds")}
        print(way, means)


if __name__ == "__main__":
    main()
