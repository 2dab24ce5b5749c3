"""Which predictions of a classifier are wrong, as the images are and under coloured light."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import numpy as np
from keras_equivariant.training.data.images import LabelledImages, Split
from keras_equivariant.training.input.batches import lit_batches
from keras_equivariant.training.input.coloured_light import SameLight, StandardisedLogRGB

from keras_equivariant.typing import Tensor

SATURATIONS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
BATCH_SIZE = 500
_SAMPLE = 5000


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
        errors[str(s)] = float(100 * wrong_predictions(model, lit_batches(split, preprocess, BATCH_SIZE, s)).mean())
        progress.add(1)
    return errors
