"""What the interpolation of the test images does to the error on rotated MNIST.

    python benchmarks/interpolation.py RUN ... --data-dir DIR [--images N]

The published images were turned by a program that is not known; those made here, for want of them, with bilinear
interpolation. Each run's model is tested on the same digits at the same angles, turned with splines of order 0 (nearest
pixel), 1 (bilinear) and 3 (cubic).
"""

import argparse
import math
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from keras_equivariant.training.data.rotated_mnist import load_upright
from keras_equivariant.training.runs.finished import load_run
from scipy import ndimage


def turned(image, angle, order):
    values = ndimage.rotate(image[..., 0].astype(float), math.degrees(angle), reshape=False, order=order)
    return np.rint(values.clip(0, 255)).astype("uint8")[..., None]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN")
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--images", type=int, default=10_000)
    arguments = parser.parse_args()
    images, labels, angles = (array[12_000 : 12_000 + arguments.images] for array in load_upright(arguments.data_dir))
    for run in arguments.runs:
        loaded = load_run(run)
        for order in (0, 1, 3):
            tested = np.stack([turned(image, angle, order) for image, angle in zip(images, angles, strict=True)])
            logits = loaded.model.predict(
                np.asarray(loaded.preprocess(tested / np.float32(255))), batch_size=500, verbose=0
            )
            print(f"{run}: order {order}, {100 * (logits.argmax(-1) != labels).mean():.2f} %", flush=True)


if __name__ == "__main__":
    main()
