"""Memory and time of `predict` for one large picture: by tiles, a network of masks never holds all of it as floats.

    keras-equivariant fit drawn_cells --output RUN
    python benchmarks/large_picture.py RUN [--side N] [--threshold]

Draws a grey picture of N x N pixels with some 25 cells in each 300 x 300, asks the command line for its masks, and
prints the largest memory of that process, with and without the bytes of the picture, TensorFlow and all included.
With `--threshold`, a blur and a threshold take the network's place: all the memory but that of its tiles, whose size is
the same for all pictures, in a small part of the time. The difference of the two on a small picture is the tiles'.
"""

import argparse
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np
from keras_equivariant.training.data import drawn_cells
from PIL import Image

_APART = 300  # pixels from one drawn picture to the next
_GIB = 2**30
Image.MAX_IMAGE_PIXELS = None  # the mask that is opened is our own


def draw(side):
    """Drawn pictures on a ground of their brightness, with noise."""
    rng = np.random.default_rng(0)
    picture = np.empty((side, side), "uint8")
    for row in picture:
        row[:] = rng.normal(60, 12, side).clip(0, 255)
    images = drawn_cells.load().test.images
    for number, (row, column) in enumerate(np.ndindex(side // _APART, side // _APART)):
        image = images[number % len(images)][..., 0]
        picture[row * _APART :, column * _APART :][: image.shape[0], : image.shape[1]] = image
    return picture


def with_threshold(run, copy):
    """A copy of a run whose network is a blur and a threshold."""
    import keras

    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("saved_model", "tensorboard"))
    with np.load(copy / "preprocessing.npz") as stored:
        threshold = ((0.4 - stored["mean"]) / stored["deviation"]).item()
    inputs = keras.Input((None, None, 1))
    blur, scores = keras.layers.Conv2D(1, 5, padding="same", use_bias=False), keras.layers.Conv2D(3, 1)
    model = keras.Model(inputs, scores(blur(inputs)))
    # Scores of background, inside and rim: 0, how far it is above the threshold, and never.
    model.set_weights([np.full((5, 5, 1, 1), 1 / 25), np.eye(3)[1][None, None, None], np.array([0, -threshold, -9])])
    model.save(copy / "model.keras")
    return copy


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--side", type=int, default=10_000)
    parser.add_argument("--threshold", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file, output = pathlib.Path(folder, "large.png"), pathlib.Path(folder, "said")
        Image.fromarray(draw(arguments.side)).save(file)
        run = with_threshold(arguments.run, pathlib.Path(folder, "run")) if arguments.threshold else arguments.run
        command = [sys.executable, "-m", "keras_equivariant", "predict", str(run), str(file), "--output"]
        start = time.perf_counter()
        subprocess.run([*command, str(output)], check=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"})
        seconds = time.perf_counter() - start
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        with Image.open(output / "masks" / "large.png") as mask:
            row = {
                "side": arguments.side,
                "threshold": arguments.threshold,
                "mask": f"{mask.size[0]}x{mask.size[1]}, {mask.mode}",
            }
        row["objects"] = (output / "objects.csv").read_text().count("\n") - 1
        row |= {"seconds": round(seconds), "processor_seconds": round(used.ru_utime + used.ru_stime)}
        row["peak_gib"] = round(used.ru_maxrss * 1024 / _GIB, 2)
        row["peak_beside_the_picture_gib"] = round((used.ru_maxrss * 1024 - arguments.side**2) / _GIB, 2)
        print(json.dumps(row))


if __name__ == "__main__":
    main()
