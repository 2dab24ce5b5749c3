"""Which amounts of colour jitter do best under coloured light: a small search on images held out of the training.

    python benchmarks/colour_jitter.py --data-dir DIR [--model NAME] [--images N] [--held N] [--epochs N] [--json FILE]

For each set of amounts (brightness, contrast, saturation, hue) a network is trained by the recipe
`cifar10_light_jitter`, cut short, and tested on held-out training images under white light and under lights of random
hue and saturations 0.5 and 0.9. The best mean of the three wins; no test image is looked at.
"""

import argparse
import json
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from keras_equivariant.training.input.batches import lit_batches
from keras_equivariant.training.recipes import get_recipe, with_jitter
from keras_equivariant.training.runs.fit import build
from keras_equivariant.training.tasks import get_task
from keras_equivariant.training.tasks.classification.errors import wrong_predictions

AMOUNTS = [
    (0.0, 0.0, 0.0, 0.0),
    (0.2, 0.2, 0.2, 0.05),
    (0.4, 0.4, 0.4, 0.1),
    (0.4, 0.4, 0.8, 0.2),
    (0.2, 0.2, 0.8, 0.5),
    (0.8, 0.8, 0.8, 0.5),
]
SATURATIONS = (0.0, 0.5, 0.9)


def search(arguments):
    rows = []
    for amounts in AMOUNTS:
        changes = {"model": arguments.model, "epochs": arguments.epochs, "seed": arguments.seed, "validation": 5000}
        recipe = get_recipe(
            "cifar10_light_jitter", model_arguments={"input_shape": (32, 32, 3), "classes": 10}, **changes
        )
        recipe = with_jitter(recipe, amounts)
        task = get_task(recipe.task)
        data = task.load(recipe, arguments.data_dir)
        (part,) = task.parts(data)
        part = type(part)("", part.train.first(arguments.images))
        preprocess = task.fit_preprocessing(recipe, data)
        _, model = build(task, recipe, data, part)
        steps = len(part.train) // recipe.batch_size
        batches = task.batches(recipe, part, preprocess, 0)
        model.fit(batches, steps_per_epoch=steps, epochs=recipe.epochs, shuffle=False, verbose=0)
        held = data.validation.first(arguments.held)
        errors = {
            str(s): float(100 * wrong_predictions(model, lit_batches(held, preprocess, 500, s)).mean())
            for s in SATURATIONS
        }
        rows.append({"amounts": amounts, "errors": errors, "mean": float(np.mean(list(errors.values())))})
        print(rows[-1], flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", metavar="DIR", help="folder of prepared TFDS data sets")
    parser.add_argument("--model", default="resnet20", metavar="NAME")
    parser.add_argument("--images", type=int, default=45_000, metavar="N", help="to train on")
    parser.add_argument("--held", type=int, default=5000, metavar="N", help="to choose by, at most 5,000")
    parser.add_argument("--epochs", type=int, default=12, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()
    rows = search(arguments)
    best = min(rows, key=lambda row: row["mean"])
    print("best: brightness {}, contrast {}, saturation {}, hue {}".format(*best["amounts"]))
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(rows, file)


if __name__ == "__main__":
    main()
