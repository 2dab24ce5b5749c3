"""A few images and their batches."""

import numpy as np
from keras_equivariant.training.data.images import Split
from keras_equivariant.training.input.pipelines import training_batches
from keras_equivariant.training.input.preprocessing import Standardise


def small_split(count=23, dtype="float32"):
    """Each label is the number of its image."""
    images = np.random.default_rng(0).uniform(0, 255, (count, 8, 8, 3))
    images = images.astype("uint8") if dtype == "uint8" else (images / 255).astype("float32")
    return Split(images, np.arange(count, dtype="int32"))


PREPROCESS = Standardise(mean=0.4, deviation=0.5)


def batches_of(split, count, **arguments):
    arguments = {"augmentation": ["rotate"], "seed": 0, **arguments}
    batches = training_batches(split, PREPROCESS, batch_size=5, **arguments)
    return [(x.numpy(), y.numpy()) for x, y in batches.take(count)]
