"""What a converted network gains: a digit classifier, trained on upright digits, meets 500 turned ones.

    KERAS_EQUIVARIANT_DATA=DIR python benchmarks/fine_tuning.py --seeds 0 1 2 --json results.jsonl

DIR holds mnist.npz. An ordinary Z2CNN trains on 10,000 upright digits, without its dropout, which needs hundreds of
epochs. Then it is tuned on 500 other digits, each turned by an angle of its own, once as it is and once with copies
turned anew in each epoch; and so is what `to_group_equivariant(model, "p4", weights="copy")` makes of it. The same
steps and batches for all, and for each the better of two learning rates, on 500 more turned digits; for the ordinary
one with turned copies also as many seconds of the processor as the converted one takes. The test is on 10,000 turned
digits.
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

_RATES = (1e-3, 1e-2)
_LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def load(folder):
    """Upright digits to train on, 500 turned ones to tune on, 500 to choose a rate by, 10,000 to test on."""
    with np.load(pathlib.Path(folder) / "mnist.npz", allow_pickle=False) as file:
        x, y, test_x, test_y = (file[name] for name in ("x_train", "y_train", "x_test", "y_test"))
    x, test_x = (images[..., None].astype("float32") / 255 for images in (x, test_x))
    rng = np.random.default_rng(0)
    return (
        (x[:10_000], y[:10_000]),
        (turned(x[10_000:10_500], rng), y[10_000:10_500]),
        (turned(x[20_000:20_500], rng), y[20_000:20_500]),
        (turned(test_x, rng), test_y),
    )


def turned(images, rng):
    """Each image turned by a random angle."""
    angles = rng.uniform(0, 360, len(images))
    pairs = zip(images, angles, strict=True)
    return np.stack([scipy.ndimage.rotate(image, angle, reshape=False, order=1) for image, angle in pairs])


def tune(model, rate, x, y, epochs, rng=None, seconds=None):
    """Trains; with a generator, on images turned anew in each epoch, until the seconds are over if they are given."""
    model.compile(keras.optimizers.Adam(rate), _LOSS, jit_compile=False)
    model.fit(x[:50], y[:50], batch_size=50, epochs=1, verbose=0)  # compiles
    start, done = time.process_time(), 0
    while done < epochs or (seconds is not None and time.process_time() - start < seconds):
        images = x if rng is None else turned(x, rng)
        model.fit(images, y, batch_size=50, epochs=1, verbose=0)
        done += 1
    return time.process_time() - start, done


def error(model, x, y):
    return float(100 * (model.predict(x, batch_size=500, verbose=0).argmax(axis=1) != y).mean())


def copy_of(model):
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def run(seed, epochs, upright, few, chosen_by, test):
    """Yields a row for each way."""
    keras.utils.set_random_seed(seed)
    ordinary = zoo.z2cnn(dropout=0.0)
    ordinary.compile(keras.optimizers.Adam(1e-3), _LOSS, jit_compile=False)
    ordinary.fit(*upright, batch_size=100, epochs=4, verbose=0)
    models = {"ordinary": ordinary, "converted": to_group_equivariant(ordinary, "p4", weights="copy")}
    for name, model in models.items():
        yield {
            "seed": seed,
            "way": f"{name}, not tuned",
            "parameters": model.count_params(),
            "error": error(model, *test),
        }
    spent = 0.0
    for name, copies, in_seconds in (
        ("ordinary", False, False),
        ("converted", False, False),
        ("converted", True, False),
        ("ordinary", True, False),
        ("ordinary", True, True),
    ):
        found = []
        for rate in _RATES:
            model = copy_of(models[name])
            rng = np.random.default_rng(seed) if copies else None
            seconds, done = tune(model, rate, *few, epochs, rng, spent if in_seconds else None)
            found.append((error(model, *chosen_by), error(model, *test), rate, round(seconds, 1), done))
        _, tested, rate, seconds, done = min(found)
        spent = seconds if name == "converted" else spent
        way = f"{name}, tuned{' on turned copies' * copies}{', as many seconds' * in_seconds}"
        yield {"seed": seed, "way": way, "error": tested, "rate": rate, "seconds": seconds, "epochs": done}


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
