"""Automatic colour balancing: an estimate of the light is taken out of each image, of training and test alike."""

import contextlib
import dataclasses
import functools
import pathlib
import sys
import tempfile
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
from keras_equivariant.training.input.coloured_light import colour_statistics
from keras_equivariant.training.input.numerics import as_given, numerics, tensor
from keras_equivariant.zoo.pretrained import read_model

from keras_equivariant.layers import ApplyGamma, RemoveGamma
from keras_equivariant.typing import Tensor


@dataclasses.dataclass(frozen=True)
class PowerMean:
    """Takes the light for a power mean of each colour in linear RGB, and standardises what is left.

        light = (mean of x^p)^(1/p),    y = x max(light) / light

    The largest gain is that of the weakest colour, the smallest is 1, as in cameras. What gets brighter than white is
    white.

    Reference:
        Finlayson and Trezzi, Shades of Gray and Colour Constancy, 2004; p = 1 is the grey-world assumption.
    """

    power: ClassVar[int]
    mean: Sequence[float]
    deviation: Sequence[float]

    @classmethod
    def fit(cls, images: Iterable[np.ndarray]) -> "PowerMean":
        """Takes mean and deviation of each colour over all balanced images, which come in parts."""
        return cls(*colour_statistics(as_given(balance(part, cls._light), part) for part in images))

    @classmethod
    def _light(cls, linear: Tensor) -> Tensor:
        return numerics(linear).mean(linear**cls.power, axis=(1, 2), keepdims=True) ** (1 / cls.power)

    @property
    def background(self) -> Any:
        """What a black pixel becomes."""
        return -np.asarray(self.mean, "float32") / np.asarray(self.deviation, "float32")

    def __call__(self, images: Tensor) -> Tensor:
        """Balances and standardises sRGB images between 0 and 1."""
        balanced = balance(images, self._light)
        standardised = (balanced - np.asarray(self.mean, "float32")) / np.asarray(self.deviation, "float32")
        return as_given(standardised, images)


class GreyWorld(PowerMean):
    """The light is the mean of each colour."""

    power = 1


class ShadesOfGrey(PowerMean):
    """The light is the mean of the sixth powers."""

    power = 6


@dataclasses.dataclass(frozen=True)
class EstimatedLight:
    """Takes out the light that a trained network estimates, and standardises what is left.

    Attributes:
        mean: Mean of each colour over the balanced training images.
        deviation: Their standard deviation.
        estimator: The `.keras` file of the network, as bytes: a run stays whole wherever it is moved.
    """

    mean: Sequence[float]
    deviation: Sequence[float]
    estimator: np.ndarray

    @classmethod
    def fit(cls, images: Iterable[np.ndarray], estimator: str | None = None) -> "EstimatedLight":
        """Takes mean and deviation of each colour over all balanced images.

        Args:
            images: The training images, in parts.
            estimator: Folder of a finished run of a network from linear RGB to the light.

        Raises:
            ValueError: If there is no such run.
        """
        path = pathlib.Path(estimator or "") / "model.keras"
        if estimator is None or not path.is_file():
            raise ValueError(f"`estimator` must be the folder of a finished run. Received: estimator={estimator!r}")
        file = np.frombuffer(path.read_bytes(), "uint8")
        model = _load(file.tobytes())
        if model.output_shape != (None, 3) or model.input_shape[-1] != 3:
            raise ValueError(f"`estimator` must be a run that estimates the light. Received: estimator={estimator!r}")
        light = functools.partial(_estimate, model)
        return cls(*colour_statistics(as_given(balance(part, light), part) for part in images), file)

    @property
    def background(self) -> Any:
        """What a black pixel becomes."""
        return -np.asarray(self.mean, "float32") / np.asarray(self.deviation, "float32")

    def __call__(self, images: Tensor) -> Tensor:
        """Balances and standardises sRGB images between 0 and 1."""
        balanced = balance(images, functools.partial(_estimate, _load(self.estimator.tobytes())))
        standardised = (balanced - np.asarray(self.mean, "float32")) / np.asarray(self.deviation, "float32")
        return as_given(standardised, images)


def balance(images: Tensor, light: Any) -> Tensor:
    """Takes the light out of sRGB images between 0 and 1; it is a function of the images in linear RGB."""
    linear = RemoveGamma()(tensor(images))
    functions = numerics(linear)
    colour = functions.maximum(light(linear), _DARKEST)
    gains = functions.max(colour, axis=-1, keepdims=True) / colour
    return ApplyGamma()(functions.clip(linear * gains, 0.0, 1.0))


def _estimate(model: Any, linear: Tensor) -> Tensor:
    """The light by a network, which takes images of its own size without black pixels."""
    functions = numerics(linear)
    small = functions.image.resize(linear, model.input_shape[1:3], antialias=True)
    visible = functions.cast(functions.min(small, axis=-1, keepdims=True) > 0, "float32")
    mean = functions.sum(small * visible, axis=(1, 2), keepdims=True)
    mean = mean / functions.maximum(functions.sum(visible, axis=(1, 2), keepdims=True), 1.0)
    return functions.reshape(model(small * visible + mean * (1 - visible), training=False), (-1, 1, 1, 3))


@functools.lru_cache(maxsize=2)
def _load(file: bytes) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.keras"
        path.write_bytes(file)
        with _outside_of_graphs():  # the first call may come while a graph is built
            return read_model(path)


def _outside_of_graphs() -> Any:
    tf = sys.modules.get("tensorflow")
    return contextlib.nullcontext() if tf is None else tf.init_scope()


_DARKEST = 1e-4  # of a light, in linear RGB: no colour is missing altogether
