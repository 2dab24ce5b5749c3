"""scikit-learn's bundled handwritten digits, enlarged to the size and the margins of MNIST's."""

import numpy as np
import tensorflow as tf
from keras_equivariant.training.data.images import LabelledImages, Split
from sklearn.datasets import load_digits

_SIZES = {"train": 1100, "validation": 200, "test": 497}
_DIGIT_SIZE, _MARGIN = 20, 4


def load(data_dir: str | None = None) -> LabelledImages:
    """Loads the 1,797 digits as 28x28 images, 1,100 to train on, 200 to watch the training and 497 to test on.

    The digit fills the central 20x20 pixels, so that no turn cuts anything off. The split is always the same.

    Args:
        data_dir: Not used: scikit-learn comes with the data.

    Returns:
        `LabelledImages`, with pixels between 0 and 1.
    """
    digits = load_digits()
    images = tf.image.resize(digits.images[..., None] / 16.0, (_DIGIT_SIZE, _DIGIT_SIZE), method="bicubic")
    images = np.pad(np.clip(images, 0, 1), [(0, 0), (_MARGIN, _MARGIN), (_MARGIN, _MARGIN), (0, 0)])
    digits = Split(images.astype("float32"), digits.target.astype("int32"))
    order = np.random.default_rng(1797).permutation(len(digits))
    parts = np.split(order, np.cumsum(list(_SIZES.values()))[:-1])
    train, validation, test = map(digits.take, parts)
    return LabelledImages(train, test, 10, validation)
