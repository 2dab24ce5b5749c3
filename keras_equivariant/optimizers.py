"""Gradient descent with a rate for each layer, or for each weight."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike

from keras_equivariant.typing import Tensor


class RatedSGD(keras.optimizers.SGD):
    """Gradient descent whose gradients are multiplied by rates; a subclass says by which."""

    def _rate(self, variable):
        raise NotImplementedError

    def build(self, variables: Sequence[keras.Variable]) -> None:
        super().build(variables)
        self._rates = [self._rate(variable) for variable in variables]

    def apply(
        self, grads: Sequence[Tensor | None], trainable_variables: Sequence[keras.Variable] | None = None
    ) -> None:
        if trainable_variables is None:
            rates = self._rates
        else:
            if not self.built:
                self.build(trainable_variables)
            rates = [self._rate(variable) for variable in trainable_variables]
        grads = [
            gradient if gradient is None or rate is None else keras.ops.multiply(gradient, rate)
            for gradient, rate in zip(grads, rates, strict=True)
        ]
        super().apply(grads, trainable_variables)


@keras.saving.register_keras_serializable(package="keras_equivariant")
class LayerwiseSGD(RatedSGD):
    """Stochastic gradient descent with a learning rate for each layer.

        w <- w - rate_of_the_layer * learning_rate * dE/dw

    The rate multiplies the gradient, which for gradient descent, with or without momentum, is the same as multiplying
    the learning rate, and works alike on every backend. It would not be for Adam, whose step does not depend on the
    size of the gradient. Clipping sees the multiplied gradients, and weight decay does not know the rates.

    Args:
        learning_rate: As in `keras.optimizers.SGD`.
        layer_rates: Dictionary from names of layers to factors of the learning rate: 0 freezes a layer. Layers that
            are not named, nor inside one that is, have the factor 1; the innermost name decides.
        momentum: As in `keras.optimizers.SGD`.
        nesterov: As in `keras.optimizers.SGD`.
        **kwargs: As in `keras.optimizers.SGD`.

    Raises:
        ValueError: If a factor is negative, or, once the variables are known, no weight belongs to a named layer.

    Example:

    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="lower"), keras.layers.Dense(1)])
    >>> model.compile(LayerwiseSGD(0.01, {"lower": 3.0}), "mse")
    >>> history = model.fit(np.ones((8, 4)), np.ones((8, 1)), verbose=0)

    Reference:
        [Bouvrie, 2006](http://cogprints.org/5869/), section 4.2.
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 0.01,
        layer_rates: Mapping[str, float] | None = None,
        momentum: float = 0.0,
        nesterov: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, momentum=momentum, nesterov=nesterov, **kwargs)
        _check_mapping("layer_rates", layer_rates)
        self.layer_rates = dict(layer_rates or {})
        if any(not rate >= 0 for rate in self.layer_rates.values()):
            raise ValueError(f"`layer_rates` must be at least 0. Received: layer_rates={self.layer_rates}")

    def build(self, variables: Sequence[keras.Variable]) -> None:
        layers = {name for variable in variables for name in variable.path.split("/")[:-1]}
        if not set(self.layer_rates) <= layers:
            raise ValueError(
                f"`layer_rates` must name layers with trainable weights, of {sorted(layers)}. "
                f"Received: layer_rates={self.layer_rates}"
            )
        super().build(variables)

    def _rate(self, variable):
        named = [name for name in variable.path.split("/")[:-1] if name in self.layer_rates]
        return self.layer_rates[named[-1]] if named else None

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "layer_rates": self.layer_rates}


@keras.saving.register_keras_serializable(package="keras_equivariant")
class WeightwiseSGD(RatedSGD):
    """Stochastic gradient descent with a learning rate for each weight.

        w_ij <- w_ij - rate_ij * learning_rate * dE/dw_ij

    As in `LayerwiseSGD`, the rate multiplies the gradient. `curvature.lecun_rates` makes rates of second derivatives.

    Args:
        learning_rate: As in `keras.optimizers.SGD`.
        weight_rates: Dictionary from paths of variables, or ends of them such as `"dense/kernel"`, to arrays of factors
            of the shape of the variable, or numbers. Variables that are not named have the factor 1.
        momentum: As in `keras.optimizers.SGD`.
        nesterov: As in `keras.optimizers.SGD`.
        **kwargs: As in `keras.optimizers.SGD`.

    Raises:
        ValueError: If a factor is negative, or, once the variables are known, a name is that of no variable or of
            several, or an array has another shape than its variable.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="head")])
    >>> model.compile(WeightwiseSGD(0.01, {"head/kernel": [[1.0], [0.0]]}), "mse")
    >>> history = model.fit(np.ones((8, 2)), np.ones((8, 1)), verbose=0)

    Reference:
        [Bouvrie, 2006](http://cogprints.org/5869/), section 2.2.
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 0.01,
        weight_rates: Mapping[str, ArrayLike] | None = None,
        momentum: float = 0.0,
        nesterov: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, momentum=momentum, nesterov=nesterov, **kwargs)
        _check_mapping("weight_rates", weight_rates)
        self.weight_rates = {path: np.asarray(rates, "float64") for path, rates in (weight_rates or {}).items()}
        for path, rates in self.weight_rates.items():
            if not (rates >= 0).all():
                raise ValueError(f"`weight_rates` must be at least 0. Received: {rates.min()} for {path!r}")

    def build(self, variables: Sequence[keras.Variable]) -> None:
        for path, rates in self.weight_rates.items():
            named = [variable for variable in variables if _ends_with(variable, path)]
            if len(named) != 1:
                raise ValueError(
                    f"`weight_rates` must name one variable each, of {[variable.path for variable in variables]}. "
                    f"Received: {path!r}, the name of {len(named)}"
                )
            if rates.ndim and rates.shape != tuple(named[0].shape):
                raise ValueError(
                    f"`weight_rates` must be of the shapes of the variables. Received: rates of shape {rates.shape} "
                    f"for {named[0].path!r} of shape {tuple(named[0].shape)}"
                )
        super().build(variables)

    def _rate(self, variable):
        named = [rates for path, rates in self.weight_rates.items() if _ends_with(variable, path)]
        return named[0].astype(variable.dtype) if named else None

    def get_config(self) -> dict[str, Any]:
        rates = {path: values.tolist() for path, values in self.weight_rates.items()}
        return {**super().get_config(), "weight_rates": rates}


def _check_mapping(name, rates):
    """Raises a ValueError unless rates, if there are any, are a dictionary."""
    if rates is not None and not isinstance(rates, Mapping):
        raise ValueError(f"`{name}` must be a dictionary from names to rates. Received: {name}={rates!r}")


def _ends_with(variable, path):
    """Whether a path is a variable's, or the end of it."""
    return f"/{variable.path}".endswith(f"/{path}")
