"""Whether the data arrive faster than the models train: images a second of each recipe's pipeline and of its model.

    [KERAS_BACKEND=jax] python benchmarks/pipelines.py [RECIPE ...] [--seconds N] [--rounds N] [--json FILE]

The images are made up, of the format of the real ones. In each round the pipeline runs alone, then the model's training
step on one batch again and again, then both together; the figures are medians over the rounds. Recipes whose images
stay in files are measured on photographs of 500x375 pixels. Of classifiers, the backend decides who makes the batches.
"""

import argparse
import json
import os
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from keras_equivariant.training.data.images import LabelledImages, Split
from keras_equivariant.training.input.batches import training_batches
from keras_equivariant.training.input.preprocessing import fit_preprocessing
from keras_equivariant.training.recipes import get_recipe, list_recipes
from keras_equivariant.training.runs.fit import build
from keras_equivariant.training.tasks import get_task
from keras_equivariant.training.tasks.task import Part

from keras_equivariant import zoo

COUNT = 12_000
WARM_UP = 5  # steps that do not count


def images_a_second(step, batch_size, seconds):
    """Calls a function that handles one batch for some time, after a few calls that do not count."""
    for _ in range(WARM_UP):
        step()
    start, batches = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        step()
        batches += 1
    return batches * batch_size / (time.perf_counter() - start)


def wait(batch):
    """Until the images are there: JAX returns before they are."""
    images, _ = batch
    if hasattr(images, "block_until_ready"):
        images.block_until_ready()
    return batch


def made_up_split(recipe, shape, classes, folder):
    """Random images as the recipe's data set has them: bytes in memory, or encoded photographs in a file."""
    rng = np.random.default_rng(0)
    if recipe.dataset != "imagenet2012":
        images = rng.integers(0, 256, (COUNT, *shape), dtype="uint8")
        return Split(images, rng.integers(0, classes, COUNT).astype("int32"))
    import tensorflow as tf
    from keras_equivariant.training.data.streamed import StreamedSplit

    smooth = tf.image.resize(rng.uniform(0, 255, (64, 24, 32, 3)), (375, 500), "bicubic")
    encoded = [tf.io.encode_jpeg(tf.cast(tf.clip_by_value(image, 0, 255), tf.uint8)).numpy() for image in smooth]
    path = os.path.join(folder, "photographs.tfrecord")
    with tf.io.TFRecordWriter(path) as file:
        for i in range(COUNT // 10):
            file.write(encoded[i % len(encoded)])
    return StreamedSplit((path,), (COUNT // 10,), lambda image: (image, tf.constant(0)), shape[0])


def measure(name, seconds, rounds, folder):
    recipe = get_recipe(name)
    model = zoo.create(recipe.model, **recipe.model_arguments)
    split = made_up_split(recipe, model.input_shape[1:], model.output_shape[-1], folder)
    preprocess = fit_preprocessing(recipe.preprocessing, split.first(COUNT // 10).scaled_images())
    batches = iter(training_batches(split, preprocess, recipe.augmentation, recipe.batch_size, recipe.seed))
    images, labels = (np.asarray(array) for array in next(batches))
    data = LabelledImages(split, split, model.output_shape[-1])
    _, model = build(get_task(recipe.task), recipe, data, Part("", range(100 * recipe.batch_size)))
    steps = (
        lambda: wait(next(batches)),
        lambda: model.train_on_batch(images, labels),
        lambda: model.train_on_batch(*next(batches)),
    )
    rates = [[images_a_second(step, recipe.batch_size, seconds) for step in steps] for _ in range(rounds)]
    pipeline, training, both = np.median(rates, axis=0).tolist()
    return {"recipe": name, "model": recipe.model, "pipeline": pipeline, "training": training, "both": both}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help="default: all")
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", help="file to write the results to")
    arguments = parser.parse_args()
    rows = []
    print(f"{'recipe':<28}{'model':<24}{'pipeline':>10}{'network':>10}{'both':>10}  images/s{'ratio':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.recipes or list_recipes():
            row = measure(name, arguments.seconds, arguments.rounds, folder)
            rows.append(row)
            rates = "".join(f"{row[key]:>10.0f}" for key in ("pipeline", "training", "both"))
            rates += f"{row['pipeline'] / row['training']:>18.1f}"
            print(f"{name:<28}{row['model']:<24}{rates}", flush=True)
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(rows, file, indent=2)


if __name__ == "__main__":
    main()
