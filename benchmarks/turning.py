"""How far networks are from turning with a digit, before and after training, on upright and on turned digits.

    KERAS_EQUIVARIANT_DATA=DIR python benchmarks/turning.py [--networks NAME ...] [--pictures N] [--epochs N]
        [--seed N] [--models FILE ...] [--json FILE]

DIR holds mnist.npz. Each network trains on the first N digits as they are, and again on the same digits, each turned
by a random angle of its own, without dropout, for which so few epochs are too few. Errors are those of
`turning_errors`, over turns by 22.5 degrees and over turns by 45, of 100 test digits blurred by one pixel: of the
scores, and for networks with finer turns than 90 degrees of the last map before its orientations are pooled. The test
error is that of 10,000 digits, turned by random angles.
"""

import argparse
import json
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import scipy.ndimage

from keras_equivariant import zoo
from keras_equivariant.interpolation import turning_errors
from keras_equivariant.layers import CosetPooling

ANGLES = (22.5, 45.0)
MAPS = {"p8_cnn": "p8", "p16m_cnn": "p16"}


def turned(images, rng):
    angles = rng.uniform(0, 360, len(images))
    copies = [
        scipy.ndimage.rotate(image, angle, reshape=False, order=1) for image, angle in zip(images, angles, strict=True)
    ]
    return np.stack(copies)


def standardised(images):
    return ((images / 255 - 0.1307) / 0.3081)[..., None].astype("float32")


def errors(network, model, images):
    """Mean error over the turns by each angle, forwards and backwards, of the scores and of the maps."""
    found = {}
    pooling = [layer for layer in model.layers if isinstance(layer, CosetPooling)]
    outputs = {"scores": (model, "p16")}
    if network in MAPS:
        outputs["maps"] = (keras.Model(model.input, pooling[-1].input), MAPS[network])
    for name, (part, symmetry) in outputs.items():
        measured = turning_errors(part, images, symmetry)
        found[name] = {
            angle: float(np.mean([measured[angle], measured[360 - angle]])) for angle in ANGLES if angle in measured
        }
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="*", default=("p8_cnn", "p4cnn", "z2cnn"), metavar="NAME")
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--models", nargs="+", default=(), metavar="FILE")
    parser.add_argument("--json", default="turning.json", metavar="FILE")
    arguments = parser.parse_args()
    with np.load(pathlib.Path(os.environ["KERAS_EQUIVARIANT_DATA"]) / "mnist.npz") as archive:
        x, y = archive["x_train"][: arguments.pictures], archive["y_train"][: arguments.pictures]
        x_test, y_test = archive["x_test"].astype("float32"), archive["y_test"]
    rng = np.random.default_rng(arguments.seed)
    smooth = standardised(scipy.ndimage.gaussian_filter(x_test[:100], (0, 1, 1)))
    x_test = standardised(turned(x_test, rng))
    training = {"upright": standardised(x), "turned": standardised(turned(x.astype("float32"), rng))}
    rows = []
    for path in arguments.models:
        model = keras.models.load_model(path)
        rows.append({"network": path, "after": errors(model.name, model, smooth)})
        print(json.dumps(rows[-1]), flush=True)
    for network in arguments.networks:
        for name, images in training.items():
            keras.utils.clear_session()
            keras.utils.set_random_seed(arguments.seed)
            model = zoo.create(network, dropout=0.0)
            row = {"network": network, "digits": name, "before": errors(network, model, smooth)}
            steps = arguments.epochs * (len(images) // 64)
            model.compile(
                keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(3e-3, steps)),
                keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                metrics=["accuracy"],
            )
            model.fit(images, y, batch_size=64, epochs=arguments.epochs, verbose=2)
            row["after"] = errors(network, model, smooth)
            accuracy = model.evaluate(x_test, y_test, batch_size=500, verbose=0, return_dict=True)["accuracy"]
            rows.append(row | {"test_error": round(1 - accuracy, 4)})
            print(json.dumps(rows[-1]), flush=True)
            pathlib.Path(arguments.json).write_text(json.dumps({"options": vars(arguments), "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
