"""What exact downsampling and p4m do to a small residual network on real CIFAR-10 images.

    KERAS_EQUIVARIANT_DATA=DIR python benchmarks/downsampling.py --network p4m --downsampling centred --seed 0

DIR holds cifar10.npz. The first 10,000 training images, standardised; no augmentation; Adam whose step falls from
2e-3 to zero along a half cosine; batches of 64; networks of about 20,000 parameters with one block a stage. Printed:
the error on the 10,000 test images, upright and turned by 90 degrees, and the change of the logits under p4m.
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

from keras_equivariant import zoo
from keras_equivariant.equivariance import equivariance_error

NETWORKS = {
    "z2": ("resnet44", {"filters": (8, 16, 32)}),
    "p4m": ("p4m_resnet44", {"filters": (3, 6, 11), "head": "invariant"}),
}


def load(folder, images):
    with np.load(pathlib.Path(folder) / "cifar10.npz", allow_pickle=False) as file:
        train = file["x_train"][:images].astype("float32"), file["y_train"][:images]
        test = file["x_test"].astype("float32"), file["y_test"]
    mean, deviation = train[0].mean(), train[0].std()
    return tuple(((x - mean) / deviation, y) for x, y in (train, test))


def error(model, x, y):
    return float(100 * (model.predict(x, batch_size=500, verbose=0).argmax(axis=1) != y).mean())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=NETWORKS, required=True)
    parser.add_argument("--downsampling", choices=("strided", "centred"), required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--json", help="file to append the result to, a line for each run")
    arguments = parser.parse_args()
    (x, y), (test_x, test_y) = load(os.environ["KERAS_EQUIVARIANT_DATA"], arguments.images)
    keras.utils.set_random_seed(arguments.seed)
    name, widths = NETWORKS[arguments.network]
    model = zoo.create(name, blocks=1, downsampling=arguments.downsampling, **widths)
    rate = keras.optimizers.schedules.CosineDecay(2e-3, arguments.epochs * (len(x) // 64))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"], jit_compile=False)
    start = time.perf_counter()
    history = model.fit(x, y, batch_size=64, epochs=arguments.epochs, verbose=0).history
    result = {
        **{key: value for key, value in vars(arguments).items() if key != "json"},
        "parameters": sum(int(np.prod(variable.shape)) for variable in model.trainable_variables),
        "seconds": round(time.perf_counter() - start, 1),
        "training_error": round(100 * (1 - history["accuracy"][-1]), 2),
        "test_error": round(error(model, test_x, test_y), 2),
        "test_error_turned": round(error(model, np.rot90(test_x, axes=(1, 2)), test_y), 2),
        "invariance_error": equivariance_error(model, test_x[:100], "p4m"),
    }
    print(json.dumps(result), flush=True)
    if arguments.json:
        with open(arguments.json, "a") as file:
            file.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
