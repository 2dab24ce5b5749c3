"""Images under coloured light: inputs of offset-equivariant networks, and test errors under lights not seen before."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras_equivariant.training.data.images import LabelledImages, Split
from keras_equivariant.training.data.transforms import scaled

from keras_equivariant.layers import ApplyGamma, InverseLogRGB, LogRGB, RandomIlluminant, RemoveGamma
from keras_equivariant.typing import Tensor

SATURATIONS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_SEED = 0
_BATCH_SIZE = 500
_SAMPLE = 5000


@dataclasses.dataclass(frozen=True)
class StandardisedLogRGB:
    """Logarithms of linear RGB, of which one mean and one deviation for each colour are removed."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    background: float = 0.0  # pixels from outside are of the mean colour, not black

    @classmethod
    def fit(cls, images: Iterable[np.ndarray]) -> "StandardisedLogRGB":
        """Takes mean and deviation of each colour over all pixels of all images, which come in parts."""
        return cls(*colour_statistics(np.asarray(_log_rgb(part)) for part in images))

    def __call__(self, images: Tensor) -> Tensor:
        """Converts sRGB images between 0 and 1."""
        return (_log_rgb(images) - np.array(self.mean, "float32")) / np.array(self.deviation, "float32")


@dataclasses.dataclass(frozen=True)
class SameLight:
    """Removes the colour of the light from each image before the model's own preprocessing.

    Around a whole model f of the logarithms x of linear RGB, the invariant `OffsetAdapter` is f(x - G phi(x)), with phi
    the mean of each colour over the image. Here f adds the mean colour of the training images, goes back to sRGB, and
    is the ordinary model from there: it works as trained, and no longer sees the light.

    Attributes:
        preprocess: The model's own preprocessing.
        mean: Mean logarithm of each colour over the training images.
    """

    preprocess: Callable
    mean: tuple[float, ...]

    def __call__(self, images: Tensor) -> Tensor:
        """Converts sRGB images between 0 and 1."""
        logarithms = _log_rgb(images)
        logarithms += np.array(self.mean, "float32") - tf.reduce_mean(logarithms, axis=(1, 2), keepdims=True)
        return self.preprocess(tf.clip_by_value(ApplyGamma()(InverseLogRGB()(logarithms)), 0.0, 1.0))


def _log_rgb(images: Tensor) -> Tensor:
    # On a TensorFlow tensor the layers return one, whatever the backend.
    return LogRGB()(RemoveGamma()(tf.convert_to_tensor(images)))


def colour_statistics(parts: Iterable[np.ndarray]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each colour over all pixels of images, `(n, height, width, channels)` a part."""
    sums: Any = 0.0
    for part in parts:
        values = part.astype("float64")
        pixels = values.size / values.shape[-1]
        sums += np.stack([np.full(values.shape[-1], pixels), values.sum((0, 1, 2)), (values**2).sum((0, 1, 2))])
    mean, square = sums[1:] / sums[0]
    return tuple(mean.tolist()), tuple(np.sqrt(np.maximum(square - mean**2, 0)).tolist())


def draw_jitter(
    key: Tensor, count: int, brightness: float = 0.4, contrast: float = 0.4, saturation: float = 0.4, hue: float = 0.1
) -> Tensor:
    """Factors of brightness, contrast and saturation about 1, and turns of the hue; the arguments limit all four."""
    factors_key, hues_key = tf.unstack(tf.random.split(key))
    amounts = tf.constant([brightness, contrast, saturation])
    factors = 1 + amounts * tf.random.stateless_uniform((count, 3), factors_key, -1.0, 1.0)
    return tf.concat([factors, hue * tf.random.stateless_uniform((count, 1), hues_key, -1.0, 1.0)], axis=1)


def jitter(images: Tensor, parameters: Tensor, background: Any = None) -> Tensor:
    """Changes brightness, contrast, saturation and hue, each image by its own parameters, in this order."""
    brightness, contrast, saturation, hue = tf.unstack(parameters[:, :, None, None], axis=1)
    images = images * brightness[..., None]
    grey = tf.reduce_mean(tf.image.rgb_to_grayscale(images), axis=(1, 2), keepdims=True)
    images = tf.clip_by_value(grey + (images - grey) * contrast[..., None], 0.0, 1.0)
    hues, saturations, values = tf.unstack(tf.image.rgb_to_hsv(images), axis=-1)
    saturations = tf.clip_by_value(saturations * saturation, 0.0, 1.0)
    return tf.image.hsv_to_rgb(tf.stack([tf.math.floormod(hues + hue, 1.0), saturations, values], axis=-1))


def lit_batches(split: Any, preprocess: Callable, batch_size: int, saturation: float) -> tf.data.Dataset:
    """All images of a split, each under a light of its own hue, the same hue at every saturation.

    Args:
        split: `Split`.
        preprocess: What `fit_preprocessing` returned.
        batch_size: int.
        saturation: float between 0 and 1.

    Returns:
        `tf.data.Dataset` of `(images, labels)`.
    """
    light = RandomIlluminant(saturation, in_prediction=True)
    hues = np.random.default_rng(_SEED).uniform(size=len(split)).astype("float32")

    def lit(examples: tuple[Tensor, Tensor], hues: Tensor) -> tuple[Tensor, Tensor]:
        images, labels = examples
        return preprocess(light(scaled(images), hue=hues)), labels

    data = tf.data.Dataset.zip(split.examples(), tf.data.Dataset.from_tensor_slices(hues))
    return data.batch(batch_size).map(lit).prefetch(tf.data.AUTOTUNE)


def wrong_predictions(model: keras.Model, batches: Iterable[tuple[Tensor, Tensor]]) -> np.ndarray:
    """Whether the largest logit is that of another class, for each image of batches of `(images, labels)`."""
    return np.concatenate([model.predict_on_batch(np.asarray(x)).argmax(axis=1) != y.numpy() for x, y in batches])


def test_saturations(model: keras.Model, data: LabelledImages, preprocess: Callable) -> dict[str, Any]:
    """Test errors in percent: as the images are, and by the saturation of a light of random hue.

    An ordinary model is also tested inside an adapter that makes it invariant: see `SameLight`.
    """
    errors = _sweep(model, data.test, preprocess)
    figures = {"test_error": errors["0.0"], "test_error_by_saturation": errors}
    if not isinstance(preprocess, StandardisedLogRGB):
        mean = StandardisedLogRGB.fit([data.train.first(_SAMPLE).scaled_images()]).mean
        figures["adapted_error_by_saturation"] = _sweep(model, data.test, SameLight(preprocess, mean))
    return figures


def _sweep(model: keras.Model, split: Split, preprocess: Callable) -> dict[str, float]:
    return {
        str(s): float(100 * wrong_predictions(model, lit_batches(split, preprocess, _BATCH_SIZE, s)).mean())
        for s in SATURATIONS
    }
