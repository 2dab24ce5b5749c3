"""Batches of images in memory without TensorFlow, for JAX and PyTorch: `keras.utils.PyDataset`s.

As in `pipelines`, what a training example looks like depends on the seed, the epoch and the index of its image only.
The images lie on the device if they fit, where batches are gathered and transformed; on JAX that is compiled.
"""

import math
import sys
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras_equivariant.training.input.device_augmentations import get_device_augmentation, rotate

from keras_equivariant.layers import RandomIlluminant

ON_DEVICE = 4 * 2**30  # bytes of images that are put on the device; more stay in the memory of the host
_CHUNK = 1000


class TrainingBatches(keras.utils.PyDataset):
    """Shuffles and transforms the training images anew in each epoch, without end.

    Args:
        split: `Split` of the training images.
        preprocess: What `fit_preprocessing` returned.
        augmentation: Names of augmentations, applied in this order.
        batch_size: int. A last, smaller batch is left out: `len(split) // batch_size` batches are one epoch.
        seed: int.
        initial_epoch: Number of the first epoch.
        workers: Number of processes that train together, and which of them this is, from 0: it gets its own part of
            each batch.
        steps: Number of batches in an epoch, if not all.

    Attributes:
        images: All images, on the device if they fit: preprocessed, unless a transform acts on them as they are.
        steps: Number of batches in an epoch.

    Raises:
        ValueError: If an augmentation is unknown or needs images that stay in files, or the batch does not split among
            the workers.
    """

    def __init__(
        self,
        split: Any,
        preprocess: Any,
        augmentation: Any,
        batch_size: int,
        seed: int,
        initial_epoch: int = 0,
        workers: tuple[int, int] = (1, 0),
        steps: int | None = None,
    ) -> None:
        super().__init__()
        if batch_size % workers[0] != 0:
            raise ValueError(
                f"`batch_size` must be a multiple of the number of processes. "
                f"Received: batch_size={batch_size}, workers={workers}"
            )
        transforms = [get_device_augmentation(name) for name in augmentation]
        # The order of `pipelines`: colours first, of images as they are, then the preprocessing, then the rest.
        self._raw = [t for t in transforms if t.on_raw_images]
        self._late = [t for t in transforms if not t.on_raw_images]
        self._preprocess = preprocess
        self._batch_size, self._seed, self._initial_epoch, self._processes = batch_size, seed, initial_epoch, workers
        self._labels = np.asarray(split.labels)
        self.steps = steps or len(split) // batch_size
        self._epoch = -1
        # Without transforms of the raw images, all are preprocessed once and for all.
        images = split.images if self._raw else preprocessed(split, preprocess)
        self.images = keras.ops.convert_to_tensor(images) if images.nbytes <= ON_DEVICE else images
        self._transform = compiled(self.transformed)

    @property
    def num_batches(self) -> None:
        """None: they have no end."""
        return None

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """The batch of that number, of all epochs one after the other."""
        epoch, step = divmod(index, self.steps)
        if epoch != self._epoch:
            self._epoch = epoch
            self._order, self._drawn = self.draw(self._initial_epoch + epoch)
        number, worker = self._processes
        size = self._batch_size // number
        start = step * self._batch_size + worker * size
        chosen = self._order[start : start + size]
        parameters = [array[chosen] for array in self._drawn]
        if isinstance(self.images, np.ndarray):
            images = self._transform(self.images[chosen], np.arange(size, dtype="int32"), *parameters)
        else:
            images = self._transform(self.images, chosen, *parameters)
        return for_training(images), self._labels[chosen]

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """All batches, without end."""
        index = 0
        while True:
            yield self[index]
            index += 1

    def draw(self, epoch: int) -> tuple[np.ndarray, list[np.ndarray]]:
        """The order of the images in an epoch, and parameters of all images for each transform."""
        order, *others = np.random.default_rng([self._seed, epoch]).spawn(1 + len(self._raw) + len(self._late))
        count = len(self._labels)
        drawn = [t.draw(rng, count) for t, rng in zip([*self._raw, *self._late], others, strict=True)]
        return order.permutation(count).astype("int32"), drawn

    def transformed(self, images: Any, chosen: Any, *parameters: Any) -> Any:
        """The chosen images, transformed."""
        images = keras.ops.take(images, chosen, axis=0)
        if self._raw:
            images = _scaled(images)
            for transform, rows in zip(self._raw, parameters, strict=False):
                images = transform.apply(images, rows, 0.0)
            images = self._preprocess(images)
        for transform, rows in zip(self._late, parameters[len(self._raw) :], strict=True):
            images = transform.apply(images, rows, self._preprocess.background)
        return images


class TestBatches(keras.utils.PyDataset):
    """All images of a split in their order, in batches, each computed when it is asked for.

    Args:
        split: `Split`.
        prepare: Function of images between 0 and 1 and their indices, which returns inputs of the network.
        batch_size: int; the last batch may be smaller.
        repetitions: How often all images come, one time after the other; then `prepare` gets the number of the
            repetition too.
    """

    __test__ = False  # for pytest

    def __init__(self, split: Any, prepare: Callable, batch_size: int, repetitions: int = 1) -> None:
        super().__init__()
        self._split, self._prepare, self._batch_size = split, prepare, batch_size
        self._repetitions = repetitions

    @property
    def num_batches(self) -> int:
        """The number of batches."""
        return math.ceil(len(self._split) * self._repetitions / self._batch_size)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """A batch."""
        start = index * self._batch_size
        numbers = np.arange(start, min(start + self._batch_size, len(self._split) * self._repetitions))
        repetitions, indices = np.divmod(numbers, len(self._split))
        chosen = self._split.take(indices)
        return for_training(self._prepare(chosen.scaled_images(), indices, repetitions)), chosen.labels


def test_batches(split: Any, preprocess: Any, batch_size: int) -> TestBatches:
    """All images of a split in their order, preprocessed."""
    return TestBatches(split, lambda images, *_: preprocess(images), batch_size)


def rotated_batches(split: Any, preprocess: Any, batch_size: int, angles: np.ndarray) -> TestBatches:
    """Every image of a split under each of some rotations; all images under the first angle come first."""

    def prepare(images: Any, indices: Any, repetitions: Any) -> Any:
        return preprocess(turned(images, angles[repetitions]))

    return TestBatches(split, prepare, batch_size, len(angles))


def lit_batches(split: Any, preprocess: Any, batch_size: int, saturation: float, hues: np.ndarray) -> TestBatches:
    """All images of a split, each under a light of its own hue."""
    light = RandomIlluminant(saturation, in_prediction=True)

    def prepare(images: Any, indices: Any, repetitions: Any) -> Any:
        return preprocess(keras.ops.convert_to_numpy(light(images, hue=hues[indices])))

    return TestBatches(split, prepare, batch_size)


def turned(images: np.ndarray, angles: Any) -> np.ndarray:
    """Images turned about their centres, counter-clockwise, by angles in radians; black comes in from outside."""
    result = rotate(keras.ops.convert_to_tensor(images), np.asarray(angles, "float32"))
    return keras.ops.convert_to_numpy(result)


def preprocessed(split: Any, preprocess: Any) -> np.ndarray:
    """All images of a split through the preprocessing, in parts, to need little memory on the way."""
    parts = (split.take(slice(i, i + _CHUNK)).scaled_images() for i in range(0, len(split), _CHUNK))
    return np.concatenate([keras.ops.convert_to_numpy(preprocess(part)) for part in parts])


def for_training(images: Any) -> Any:
    """Where several devices train together, Keras spreads arrays of the host over them."""
    return images if keras.distribution.distribution() is None else keras.ops.convert_to_numpy(images)


def compiled(function: Callable) -> Callable:
    """The function as JAX compiles it; on other backends, the function itself."""
    return sys.modules["jax"].jit(function) if keras.config.backend() == "jax" else function  # Keras has imported it


def _scaled(images: Any) -> Any:
    """Bytes as floats between 0 and 1; floats as they are."""
    if "uint8" in str(images.dtype):
        return keras.ops.cast(images, "float32") / 255
    return images


class Kept(keras.utils.PyDataset):
    """Batches that are computed once, as arrays."""

    def __init__(self, batches: TestBatches) -> None:
        super().__init__()
        self._batches: list[Any] = [None] * batches.num_batches
        self._source = batches

    @property
    def num_batches(self) -> int:
        """The number of batches."""
        return len(self._batches)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """A batch."""
        if self._batches[index] is None:
            self._batches[index] = self._source[index]
        return self._batches[index]
