"""Gradient descent with a rate for each layer."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from keras_equivariant.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_equivariant")
class LayerwiseSGD(keras.optimizers.SGD):
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
            gradient if gradient is None or rate == 1 else keras.ops.multiply(gradient, rate)
            for gradient, rate in zip(grads, rates, strict=True)
        ]
        super().apply(grads, trainable_variables)

    def _rate(self, variable):
        named = [name for name in variable.path.split("/")[:-1] if name in self.layer_rates]
        return self.layer_rates[named[-1]] if named else 1.0

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "layer_rates": self.layer_rates}
