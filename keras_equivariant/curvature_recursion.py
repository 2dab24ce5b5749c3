"""LeCun's recursion for second derivatives; `curvature.diagonal_hessian` is what users call."""

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from keras_equivariant.activations import Logistic, ScaledTanh
from keras_equivariant.gradients import GradientRecorder, precision
from keras_equivariant.layers.subsampling import Subsampling1D, Subsampling2D, Subsampling3D
from keras_equivariant.layers.table_conv import TableConv1D, TableConv2D, TableConv3D

_LINEAR = (
    keras.layers.Dense,
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    TableConv1D,
    TableConv2D,
    TableConv3D,
)
_GAINS = (Subsampling1D, Subsampling2D, Subsampling3D)
# Each number goes to one place, or to none.
_MOVES = (
    keras.layers.InputLayer,
    keras.layers.Flatten,
    keras.layers.Reshape,
    keras.layers.Permute,
    keras.layers.Identity,
    keras.layers.Dropout,
    keras.layers.ZeroPadding1D,
    keras.layers.ZeroPadding2D,
    keras.layers.ZeroPadding3D,
)
_ACTIVATIONS = (keras.layers.Activation, keras.layers.ReLU)


def chain_of(model: keras.Model) -> list[Any]:
    """The layers of a model in the order in which they are applied, after a check that the recursion knows them."""
    for layer in model.layers:
        kind = type(layer)
        if kind in _LINEAR and getattr(layer, "groups", 1) == 1 and not getattr(layer, "lora_enabled", False):
            _derivative(layer)
        elif kind in (*_GAINS, *_ACTIVATIONS):
            _derivative(layer)
        elif kind not in _MOVES:
            raise ValueError(
                f"`model` has a layer for which the recursion has no rule; take method='finite_differences'. "
                f"Received: {layer.name} ({kind.__name__})"
            )
    chained = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    straight = len(model.inputs) == 1 and all(
        after.input is before.output for before, after in zip(chained[:-1], chained[1:], strict=True)
    )
    if not straight or chained[-1].output is not model.outputs[0]:
        raise ValueError(f"`model` must be a chain of layers, each called once. Received: model={model.name!r}")
    return chained


def _derivative(layer):
    """The derivative of a layer's activation, as a function of what the activation returns."""
    if type(layer) is keras.layers.ReLU and layer.max_value is None and not (layer.negative_slope or layer.threshold):
        return lambda y: y > 0
    activation = getattr(layer, "activation", None)
    if isinstance(activation, ScaledTanh):
        return lambda y: activation.slope * (activation.amplitude - y**2 / activation.amplitude)
    if isinstance(activation, Logistic):
        return lambda y: activation.slope * y * (1 - y)
    rules = {
        "linear": np.ones_like,
        "relu": lambda y: y > 0,
        "tanh": lambda y: 1 - y**2,
        "sigmoid": lambda y: y * (1 - y),
    }
    name = getattr(activation, "__name__", "")
    if type(layer) is keras.layers.ReLU or name not in rules or getattr(keras.activations, name) is not activation:
        raise ValueError(
            f"`model` has an activation for which the recursion has no rule; take method='finite_differences'. "
            f"Received: {layer.name} ({activation or type(layer).__name__})"
        )
    return rules[name]


def second_derivatives(model: keras.Model, chain: list[Any], x: ArrayLike, y: ArrayLike) -> list[np.ndarray]:
    """LeCun's recursion, as the gradient of a network whose weights are squares."""
    steps, constants, value = [], [], np.asarray(x)
    for layer in chain:
        step = _Step(layer)
        if step.squared is not None:
            constants.append(step.linear_part(value) ** 2)
        value = value if isinstance(layer, keras.layers.Dropout) else ops.convert_to_numpy(layer(value))
        if step.derivative is not None:
            constants.append(np.asarray(step.derivative(value), value.dtype) ** 2)
        steps.append(step)
    network = _Squares(steps)
    curvature = _of_the_loss(model, value, np.asarray(y))
    recorder = GradientRecorder()
    network.compile(recorder, _Sum(), jit_compile=False)
    network(constants)
    network.set_squares(constants)
    recorder.build(network.trainable_variables)
    network.train_on_batch(constants, curvature)
    return [np.array(ops.convert_to_numpy(record)) for record in recorder.records]


def _of_the_loss(model, outputs, y):
    """Second derivatives of the loss of a batch with respect to each output, by differences of each example's."""
    loss = keras.losses.get(model.loss)
    example = loss.call if isinstance(loss, keras.losses.Loss) else loss
    share = len(outputs) if getattr(loss, "reduction", "mean").endswith(("mean", "batch_size")) else 1
    width = precision(outputs.dtype) ** 0.25
    flat = outputs.reshape(len(outputs), -1)
    found = np.zeros_like(flat)

    def losses(values):
        result = ops.convert_to_numpy(example(y, values.reshape(outputs.shape)))
        return result.reshape(len(outputs), -1).sum(1) / result.reshape(len(outputs), -1).shape[1]

    middle = losses(flat)
    for i in range(flat.shape[1]):
        sides = []
        for sign in (1, -1):
            moved = flat.copy()
            moved[:, i] += sign * width
            sides.append(losses(moved))
        found[:, i] = (sides[0] - 2 * middle + sides[1]) / width**2
    return found.reshape(outputs.shape) / share


class _Step:
    """One layer of the network of squares."""

    def __init__(self, layer):
        self.layer = layer
        self.derivative = _derivative(layer) if type(layer) in (*_LINEAR, *_GAINS, *_ACTIVATIONS) else None
        self.squared = None
        if type(layer) in _LINEAR:
            config = layer.get_config()
            config.update({name: None for name in config if name.endswith(("regularizer", "constraint"))})
            self.squared = type(layer).from_config({**config, "activation": None})
        elif type(layer) in _GAINS:
            self.squared = _Gain(layer.use_bias, name=layer.name, dtype=layer.dtype_policy)

    def linear_part(self, x):
        """What the weights are multiplied with."""
        return ops.convert_to_numpy(self.layer.down(x)) if type(self.layer) in _GAINS else x

    def move(self, u):
        """What comes to the weights, of what comes to the layer."""
        return self.layer.down(u) if type(self.layer) in _GAINS else u


class _Gain(keras.layers.Layer):
    """The gains and biases of sub-sampling, in the order of its weights."""

    def __init__(self, use_bias, **kwargs):
        super().__init__(**kwargs)
        self.use_bias = use_bias

    def build(self, input_shape):
        self.beta = self.add_weight(name="beta", shape=(input_shape[-1],))
        self.bias = self.add_weight(name="bias", shape=(input_shape[-1],)) if self.use_bias else None
        self.built = True

    def call(self, x):
        outputs = self.beta * x
        return outputs if self.bias is None else outputs + self.bias


class _Squares(keras.Model):
    """A network whose gradients are curvatures, from the squares of all inputs and derivatives of the true one.

    A layer's squared inputs are constants to its weights; to the layers before, its input is what they computed.
    """

    def __init__(self, steps):
        super().__init__(name="squares", dtype=steps[0].layer.dtype_policy)
        self.steps = steps
        self.squared = [step.squared for step in steps if step.squared is not None]

    def call(self, constants):
        constants, u = list(constants), None
        for step in self.steps:
            if step.squared is not None:
                known = constants.pop(0)
                if u is not None:
                    moved = step.move(u)
                    known = known + (moved - ops.stop_gradient(moved))
                u = step.squared(known)
            elif u is not None and step.derivative is None:
                u = step.layer(u)
            if step.derivative is not None:
                slopes = constants.pop(0)
                u = None if u is None else u * slopes
        return u

    def set_squares(self, constants):
        for step in self.steps:
            if step.squared is not None:
                step.squared.set_weights([weight**2 for weight in step.layer.get_weights()])


class _Sum(keras.losses.Loss):
    """What is to be differentiated: the outputs, weighted with the curvature of the loss."""

    def __init__(self):
        super().__init__(reduction="sum")

    def call(self, y_true, y_pred):
        return ops.sum(y_true * y_pred, axis=tuple(range(1, len(y_pred.shape))))
