"""scikit-learn's bundled handwritten digits, enlarged to the size and the margins of MNIST's."""

import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

from training.data.images import LabelledImages, Split

_SIZES = {"train": 1100, "validation": 200, "test": 497}
_DIGIT_SIZE, _MARGIN = 20, 4


def load():
    """Loads the 1,797 digits as 28x28 images, 1,100 to train on, 200 to watch the training and 497 to test on.

    The digit fills the central 20x20 pixels, so that no turn cuts anything off. The split is always the same.

    Returns:
        `LabelledImages`, with pixels between 0 and 1.
    """
    digits = load_digits()
    images = tf.image.resize(digits.images[..., None] / 16.0, (_DIGIT_SIZE, _DIGIT_SIZE), method="bicubic")
    images = np.pad(np.clip(images, 0, 1), [(0, 0), (_MARGIN, _MARGIN), (_MARGIN, _MARGIN), (0, 0)])
    order = np.random.default_rng(1797).permutation(len(images))
    parts = np.split(order, np.cumsum(list(_SIZES.values()))[:-1])
    splits = {
        name: Split(images[part].astype("float32"), digits.target[part].astype("int32"))
        for name, part in zip(_SIZES, parts, strict=True)
    }
    return LabelledImages(classes=10, **splits)
