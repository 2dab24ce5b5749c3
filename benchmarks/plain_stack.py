"""Why U-Nets without batch norm fail: share of trainings that end at an IoU of 0, by network, learning rate and start.

    python benchmarks/plain_stack.py [--trainings N] [--steps N] [--json FILE]

Drawn cells in crops of 32 x 32 pixels, cell or background, cross-entropy, Adam. Networks of depth 2 whose batch norms
are replaced by biases: on p4m with 3 maps, with the maximum or the mean over the orientations at the end; an ordinary
one of as many parameters; an ordinary one with 3 maps, as few as there are to die; one with 24, whose sums have as many
terms; one on p4m with 8 maps; one on p4m with 3 maps that has its batch norms.

Prints for each the trainings that failed (IoU below 0.1), the median IoU of the others, the share of maps that are 0
everywhere at the end, and how much the first step of Adam changes the scores, as a ratio to their deviation before.
"""

import argparse
import json
import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras_equivariant.training.data import drawn_cells

from keras_equivariant import zoo
from keras_equivariant.layers import CosetPooling

SIZE, BATCH = 32, 8
P4M, PLAIN = "p4m_unet", "unet"
# Name: builder, maps of the first level, the pooling over orientations, the start, whether with batch norm.
NETWORKS = {
    "p4m, 3 maps, maximum": (P4M, 3, "max", "he_normal", False),
    "p4m, 3 maps, mean": (P4M, 3, "mean", "he_normal", False),
    "p4m, 3 maps, mean, glorot_uniform": (P4M, 3, "mean", "glorot_uniform", False),
    "p4m, 8 maps, mean": (P4M, 8, "mean", "he_normal", False),
    "ordinary, 8 maps": (PLAIN, 8, None, "he_normal", False),
    "ordinary, 3 maps": (PLAIN, 3, None, "he_normal", False),
    "ordinary, 24 maps": (PLAIN, 24, None, "he_normal", False),
    "p4m, 3 maps, batch norm": (P4M, 3, "mean", "he_normal", True),
}
RATES = (1e-2, 3e-3, 1e-3)


class Same(keras.layers.Layer):
    """In place of a batch norm."""

    def call(self, x, training=None, mask=None):
        return x


def create(name):
    builder, maps, reduction, start, norm = NETWORKS[name]
    model = zoo.create(builder, input_shape=(SIZE, SIZE, 1), classes=2, filters=maps, depth=2)

    def replace(layer):
        config = layer.get_config()
        if isinstance(layer, keras.layers.BatchNormalization) and not norm:
            return Same(name=layer.name)
        if isinstance(layer, keras.layers.Conv2D) and layer.name != "logits":
            config |= {"use_bias": not norm, "kernel_initializer": start}
        if isinstance(layer, CosetPooling):
            config["reduction"] = reduction
        return type(layer).from_config(config)

    return keras.models.clone_model(model, clone_function=replace)


def crops(pictures, count, rng):
    """Random crops, standardised, and whether each pixel is of a cell."""
    images, masks = [], []
    for _ in range(count):
        number = rng.integers(len(pictures))
        image, mask = pictures.images[number], pictures.masks[number]
        row, column = (rng.integers(0, side - SIZE + 1) for side in mask.shape)
        images.append(image[row : row + SIZE, column : column + SIZE] / 255)
        masks.append(mask[row : row + SIZE, column : column + SIZE] > 0)
    return (np.stack(images).astype("float32") - 0.35) / 0.2, np.stack(masks).astype("int32")


def train(name, rate, steps, seeds, data):
    """For each seed the IoU at the end, the share of dead maps, and the change by the first step."""
    model = create(name)
    maps = [layer.output for layer in model.layers if isinstance(layer, keras.layers.ReLU)]
    whole = keras.Model(model.input, [model.output, *maps])
    optimizer = keras.optimizers.Adam(rate)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    optimizer.build(model.trainable_variables)
    start = [np.array(variable) for variable in optimizer.variables]
    x, y = crops(data.test, 64, np.random.default_rng(0))
    for seed in seeds:
        # A new start for a model that is compiled already, which takes longer than these trainings.
        keras.utils.set_random_seed(seed)
        model.set_weights(create(name).get_weights())
        for variable, value in zip(optimizer.variables, start, strict=True):
            variable.assign(value)
        rng = np.random.default_rng(seed)
        before = np.array(model(x[:8]))
        for step in range(steps):
            model.train_on_batch(*crops(data.train, BATCH, rng))
            if step == 0:
                change = float((np.array(model(x[:8])) - before).std() / before.std())
        scores, *shown = (np.array(values) for values in whole(x))
        found = scores.argmax(axis=-1)
        iou = float(((found == 1) & (y == 1)).sum() / ((found == 1) | (y == 1)).sum())
        dead = np.concatenate([values.reshape(-1, values.shape[-1]).max(axis=0) == 0 for values in shown])
        yield iou, float(dead.mean()), change


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trainings", type=int, default=10, help="with seeds from 0 on")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--rates", type=float, nargs="+", default=RATES)
    parser.add_argument("--json", help="file to append the rows to, a line for each")
    arguments = parser.parse_args()
    data = drawn_cells.load()
    for rate in arguments.rates:
        for name in arguments.networks:
            seeds = range(arguments.trainings)
            ious, dead, changes = np.array(list(train(name, rate, arguments.steps, seeds, data))).T
            row = {"network": name, "parameters": create(name).count_params(), "rate": rate, "trainings": len(ious)}
            row |= {"failed": int((ious < 0.1).sum()), "median_iou": round(float(np.median(ious)), 3)}
            row |= {"dead": round(float(dead.mean()), 3), "first_step": round(float(np.median(changes)), 3)}
            print(json.dumps(row), flush=True)
            keras.utils.clear_session()
            if arguments.json:
                with open(arguments.json, "a") as file:
                    file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
