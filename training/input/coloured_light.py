"""Images under coloured light: inputs of offset-equivariant networks, and test errors under lights not seen before."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import numpy as np
from keras_equivariant.training.data.images import LabelledImages, Split
from keras_equivariant.training.input.batches import lit_batches
from keras_equivariant.training.input.numerics import as_given, numerics, tensor

from keras_equivariant.layers import ApplyGamma, InverseLogRGB, LogRGB, RemoveGamma
from keras_equivariant.typing import Tensor

SATURATIONS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
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
        return cls(*colour_statistics(keras.ops.convert_to_numpy(_log_rgb(part)) for part in images))

    def __call__(self, images: Tensor) -> Tensor:
        """Converts sRGB images between 0 and 1."""
        standardised = (_log_rgb(images) - np.array(self.mean, "float32")) / np.array(self.deviation, "float32")
        return as_given(standardised, images)


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
        functions = numerics(logarithms)
        means = functions.mean(logarithms, axis=(1, 2), keepdims=True)
        logarithms = logarithms + (np.array(self.mean, "float32") - means)
        balanced = functions.clip(ApplyGamma()(InverseLogRGB()(logarithms)), 0.0, 1.0)
        return self.preprocess(as_given(balanced, images))


def _log_rgb(images: Tensor) -> Tensor:
    # On a TensorFlow tensor the layers return one, whatever the backend.
    return LogRGB()(RemoveGamma()(tensor(images)))


def colour_statistics(parts: Iterable[np.ndarray]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each colour over all pixels of images, `(n, height, width, channels)` a part."""
    sums: Any = 0.0
    for part in parts:
        values = part.astype("float64")
        pixels = values.size / values.shape[-1]
        sums += np.stack([np.full(values.shape[-1], pixels), values.sum((0, 1, 2)), (values**2).sum((0, 1, 2))])
    mean, square = sums[1:] / sums[0]
    return tuple(mean.tolist()), tuple(np.sqrt(np.maximum(square - mean**2, 0)).tolist())


def wrong_predictions(model: keras.Model, batches: Iterable[tuple[Tensor, Tensor]]) -> np.ndarray:
    """Whether the largest logit is that of another class, for each image of batches of `(images, labels)`."""
    return np.concatenate([model.predict_on_batch(np.asarray(x)).argmax(axis=1) != np.asarray(y) for x, y in batches])


def counted(batches: Iterable[tuple[Tensor, Tensor]], images: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The same batches, while a progress bar counts their images, of that number in all."""
    progress = keras.utils.Progbar(images, unit_name="image")
    for x, y in batches:
        yield x, y
        progress.add(len(y))


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
    progress, errors = keras.utils.Progbar(len(SATURATIONS), unit_name="light"), {}
    for s in SATURATIONS:
        errors[str(s)] = float(100 * wrong_predictions(model, lit_batches(split, preprocess, _BATCH_SIZE, s)).mean())
        progress.add(1)
    return errors
