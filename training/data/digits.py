"""scikit-learn's bundled handwritten digits, enlarged to the size and the margins of MNIST's."""

import keras
import numpy as np
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
    images = _enlarged(digits.images / 16.0, _DIGIT_SIZE)
    images = np.pad(np.clip(images, 0, 1), [(0, 0), (_MARGIN, _MARGIN), (_MARGIN, _MARGIN), (0, 0)])
    digits = Split(images.astype("float32"), digits.target.astype("int32"))
    order = np.random.default_rng(1797).permutation(len(digits))
    parts = np.split(order, np.cumsum(list(_SIZES.values()))[:-1])
    train, validation, test = map(digits.take, parts)
    return LabelledImages(train, test, 10, validation)


def _enlarged(images: np.ndarray, size: int) -> np.ndarray:
    """Images `(n, height, width)` by bicubic interpolation."""
    if keras.config.backend() == "tensorflow":  # to the bit as the published figures were measured
        import tensorflow as tf

        return tf.image.resize(images[..., None], (size, size), method="bicubic").numpy()
    weights = _bicubic(images.shape[1], size)
    return np.einsum("ri,nij,cj->nrc", weights, images, weights)[..., None]


def _bicubic(old: int, new: int) -> np.ndarray:
    """The matrix `(new, old)` that enlarges a row of pixels by cubic interpolation, as TensorFlow does.

    It rounds positions to 1/1024 of a pixel. At the edges, the weights of the pixels that there are add up to 1.

    Reference:
        Keys, Cubic convolution interpolation for digital image processing, 1981, with a = -1/2.
    """
    positions = ((np.arange(new) + 0.5) * old / new - 0.5)[:, None]
    whole = np.floor(positions)
    distance = np.abs(whole + np.rint((positions - whole) * 1024) / 1024 - np.arange(old))
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    weights = np.where(distance < 1, near, np.where(distance < 2, far, 0.0))
    return weights / weights.sum(axis=1, keepdims=True)
