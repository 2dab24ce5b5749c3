"""What a converted network gains: a digit classifier, trained on upright digits, meets 500 turned ones.

    KERAS_EQUIVARIANT_DATA=DIR python benchmarks/fine_tuning.py --seeds 0 1 2 --json results.jsonl

DIR holds mnist.npz. An ordinary Z2CNN trains on 10,000 upright digits. Then it is tuned on 500 other digits, each
turned by an angle of its own, once as it is and once with copies turned anew in each epoch; and so is what
`to_group_equivariant(model, "p4", weights="copy")` makes of it. The same steps, batches and rates for all; for the
ordinary one with turned copies also as many seconds as the converted one takes. The test is on 10,000 turned digits.
"""

import argparse
import json
import os
import pathlib
import time

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import scipy.ndimage

from keras_equivariant import zoo
from keras_equivariant.convert import to_group_equivariant

_LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def load(folder):
    """Upright digits to train on, 500 turned ones to tune on, 10,000 turned ones to test on."""
    with np.load(pathlib.Path(folder) / "mnist.npz", allow_pickle=False) as file:
        x, y, test_x, test_y = (file[name] for name in ("x_train", "y_train", "x_test", "y_test"))
    x, test_x = (images[..., None].astype("float32") / 255 for images in (x, test_x))
    rng = np.random.default_rng(0)
    return (
        (x[:10_000], y[:10_000]),
        (turned(x[10_000:10_500], rng), y[10_000:10_500]),
        (turned(test_x, rng), test_y),
    )


def turned(images, rng):
    """Each image turned by a random angle."""
    angles = rng.uniform(0, 360, len(images))
    pairs = zip(images, angles, strict=True)
    return np.stack([scipy.ndimage.rotate(image, angle, reshape=False, order=1) for image, angle in pairs])


def tune(model, x, y, epochs, rng=None, seconds=None):
    """Trains; with a generator, on images turned anew in each epoch, until the seconds are over if they are given."""
    model.compile(keras.optimizers.Adam(3e-4), _LOSS, jit_compile=False)
    model.fit(x[:50], y[:50], batch_size=50, epochs=1, verbose=0)  # compiles
    start, done = time.perf_counter(), 0
    while done < epochs or (seconds is not None and time.perf_counter() - start < seconds):
        images = x if rng is None else turned(x, rng)
        model.fit(images, y, batch_size=50, epochs=1, verbose=0)
        done += 1
    return time.perf_counter() - start, done


def error(model, x, y):
    return float(100 * (model.predict(x, batch_size=500, verbose=0).argmax(axis=1) != y).mean())


def copy_of(model):
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def run(seed, epochs, upright, few, test):
    """Yields a row for each way."""
    keras.utils.set_random_seed(seed)
    ordinary = zoo.z2cnn()
    ordinary.compile(keras.optimizers.Adam(1e-3), _LOSS, jit_compile=False)
    ordinary.fit(*upright, batch_size=100, epochs=4, verbose=0)
    converted = to_group_equivariant(ordinary, "p4", weights="copy")

    def row(way, model, tuned=(0.0, 0)):
        figures = {"parameters": model.count_params(), "error": error(model, *test)}
        return {"seed": seed, "way": way, **figures, "seconds": round(tuned[0], 1), "epochs": tuned[1]}

    yield row("ordinary, not tuned", ordinary)
    yield row("converted, not tuned", converted)
    for way, model in (("ordinary", ordinary), ("converted", converted)):
        plain = copy_of(model)
        yield row(f"{way}, tuned", plain, tune(plain, *few, epochs))
    with_copies = copy_of(converted)
    tuned = tune(with_copies, *few, epochs, np.random.default_rng(seed))
    yield row("converted, tuned on turned copies", with_copies, tuned)
    for way, seconds in (("the same steps", None), ("the same seconds", tuned[0])):
        model = copy_of(ordinary)
        spent = tune(model, *few, epochs, np.random.default_rng(seed), seconds)
        yield row(f"ordinary, tuned on turned copies, {way}", model, spent)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--json", help="file to append the rows to, a line for each")
    arguments = parser.parse_args()
    data = load(os.environ["KERAS_EQUIVARIANT_DATA"])
    for seed in arguments.seeds:
        for row in run(seed, arguments.epochs, *data):
            print(json.dumps(row), flush=True)
            if arguments.json:
                with open(arguments.json, "a") as file:
                    file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
