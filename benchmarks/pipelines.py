"""Whether the data arrive faster than the models train: images a second of each recipe's pipeline and of its model.

    python benchmarks/pipelines.py [RECIPE ...] [--seconds N] [--json FILE]

The images are made up, of the format and number of the real ones. The pipeline runs alone, then the model's training
step on one batch again and again.
"""

import argparse
import json
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import zoo
from training.data import Split
from training.fit import build_model
from training.pipelines import training_batches
from training.preprocessing import fit_preprocessing
from training.recipes import get_recipe, list_recipes

COUNT = 12_000


def images_a_second(step, batch_size, seconds):
    """Calls a function that handles one batch for some time, after a few calls that do not count."""
    for _ in range(5):
        step()
    start, batches = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        step()
        batches += 1
    return batches * batch_size / (time.perf_counter() - start)


def measure(name, seconds):
    recipe = get_recipe(name)
    shape = zoo.create(recipe.model, **recipe.model_arguments).input_shape[1:]
    rng = np.random.default_rng(0)
    split = Split(rng.integers(0, 256, (COUNT, *shape), dtype="uint8"), rng.integers(0, 10, COUNT).astype("int32"))
    preprocess = fit_preprocessing(recipe.preprocessing, split.scaled_images())
    batches = iter(training_batches(split, preprocess, recipe.augmentation, recipe.batch_size, recipe.seed))
    pipeline = images_a_second(lambda: next(batches), recipe.batch_size, seconds)
    images, labels = (array.numpy() for array in next(batches))
    keras.utils.set_random_seed(0)
    model = build_model(recipe, steps=100)
    training = images_a_second(lambda: model.train_on_batch(images, labels), recipe.batch_size, seconds)
    return {"recipe": name, "model": recipe.model, "pipeline": pipeline, "training": training}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help="default: all")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--json", help="file to write the results to")
    arguments = parser.parse_args()
    rows = []
    print(f"{'recipe':<28}{'model':<24}{'pipeline':>10}{'training':>10}  images/s{'ratio':>8}")
    for name in arguments.recipes or list_recipes():
        row = measure(name, arguments.seconds)
        rows.append(row)
        ratio = row["pipeline"] / row["training"]
        print(f"{name:<28}{row['model']:<24}{row['pipeline']:>10.0f}{row['training']:>10.0f}{ratio:>18.1f}", flush=True)
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(rows, file, indent=2)


if __name__ == "__main__":
    main()
