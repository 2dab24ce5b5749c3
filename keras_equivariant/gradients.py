"""Finite differences against automatic differentiation."""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike

from keras_equivariant.typing import Tensor

# Below this part of the model's largest gradient, a weight's own gradient is too small to be a scale for its error.
_SMALL_GRADIENT = 0.01


@dataclasses.dataclass(frozen=True)
class LayerGradients:
    """How well the gradients of one layer's weights agree.

    Attributes:
        layer: Path of the layer in the model.
        weights: Number of its trainable weights.
        checked: Number of those that were compared.
        largest_gradient: Largest absolute value of its gradients by automatic differentiation.
        absolute_error: Largest absolute difference.
        relative_error: Largest difference relative to the largest gradient of the same variable, or, where that is
            tiny, to a hundredth of the largest gradient of the model.
    """

    layer: str
    weights: int
    checked: int
    largest_gradient: float
    absolute_error: float
    relative_error: float


@dataclasses.dataclass(frozen=True)
class GradientReport:
    """What `check_gradients` found; printing it shows a table.

    Attributes:
        layers: List of `LayerGradients`, one for each layer with trainable weights.
        step: The step of the differences.
        dtype: Name of the floating-point type.
    """

    layers: list[LayerGradients]
    step: float
    dtype: str

    @property
    def relative_error(self) -> float:
        """The largest relative error of all layers."""
        return float(np.max([layer.relative_error for layer in self.layers]))  # nan if one is

    def __str__(self) -> str:
        names = ("layer", "weights", "checked", "largest gradient", "absolute error", "relative error")
        rows: list[tuple[str, ...]] = [names]
        for layer in self.layers:
            *texts, gradient, absolute, relative = dataclasses.astuple(layer)
            rows.append((*map(str, texts), f"{gradient:.3g}", f"{absolute:.1e}", f"{relative:.1e}"))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([*lines, f"{self.dtype}, step {self.step:.1e}"])


def check_gradients(
    model: keras.Model,
    x: ArrayLike,
    y: ArrayLike,
    samples: int | None = None,
    seed: int = 0,
    step: float | None = None,
    dtype: str = "float64",
) -> GradientReport:
    """Compares the gradients that training uses with central differences of the loss.

        dE/dw = (E(w + h) - E(w - h)) / (2 h)  up to terms of order h**2

    E is the loss that the model was compiled with, in training mode and with all penalties, for the batch `(x, y)`. A
    copy of the model is checked, in the floating-point type asked for, and the model itself is left alone. Before each
    evaluation the copy's other variables are put back, so that batch statistics and dropout are the same each time; on
    PyTorch that needs dropout layers with a seed, because others draw from a state that is no variable of the model.

    The step: with precision e, rounding leaves an error of about e |E| / h, and the difference itself one of order
    h**2; their sum is smallest near the cube root of e, the default, times max(1, |w|): 6e-6 in float64, 5e-3 in
    float32. The 1e-8 of the notes loses half of the digits to rounding. Where a weight stands at a kink, of a ReLU or
    a maximum, the difference straddles it and the two need not agree.

    Gradients come from a training step with an optimizer that writes down the gradients that it is given and changes
    nothing, so that this is the gradient of `fit` on any backend. TensorFlow computes in float64 throughout; JAX and
    PyTorch do not for every operation, and there `dtype="float32"` and agreement to 1e-3 are what to expect.

    Args:
        model: A compiled `keras.Model` that can be saved.
        x: Array, a batch of inputs.
        y: Array, the targets.
        samples: int, how many weights of each variable to check, chosen at random, or `None` for all. Each takes two
            evaluations of the loss.
        seed: int, decides which weights are chosen.
        step: float, h for weights of up to 1, or `None` for the cube root of the precision.
        dtype: `"float64"` or `"float32"`.

    Returns:
        A `GradientReport`. The caller judges: 1e-7 is good agreement in float64, 1e-3 in float32.

    Raises:
        ValueError: If the model has not been compiled with a loss or has no trainable weights, a number is not
            positive, or the backend has no such floating-point type switched on.

    Example:

    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "tanh"), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> report = check_gradients(model, np.ones((8, 4)), np.ones((8, 1)))
    >>> len(report.layers), report.relative_error < 1e-7
    (2, True)

    Reference:
        [Bouvrie, 2006](http://cogprints.org/5869/), section 4.4.
    """
    _check(model, samples, step, dtype)
    step = float(np.finfo(dtype).eps ** (1 / 3)) if step is None else step
    with floatx(dtype):
        copy = ModelCopy(model, x, y, dtype)
        gradients = copy.gradients()
        largest = [np.abs(gradient).max() for gradient in gradients]
        small = _SMALL_GRADIENT * max(filter(np.isfinite, largest), default=0.0)
        rng = np.random.default_rng(seed)
        layers = {}
        for variable, gradient in zip(copy.model.trainable_variables, gradients, strict=True):
            size = gradient.size
            chosen = range(size) if samples is None or samples >= size else rng.choice(size, samples, replace=False)
            differences = [copy.difference(variable, i, step) for i in chosen]
            with np.errstate(invalid="ignore"):  # a gradient that is not finite has the error nan
                error = np.abs(gradient.reshape(-1)[list(chosen)] - differences).max()
                scale = np.max([np.abs(gradient).max(), np.abs(differences).max(), small])
                relative = 0.0 if scale == 0 else error / scale
            row = (size, len(chosen), np.abs(gradient).max(), error, relative)
            layers.setdefault(variable.path.rpartition("/")[0], []).append(row)
    return GradientReport([_layer_gradients(path, rows) for path, rows in layers.items()], step, dtype)


def _layer_gradients(path, rows):
    weights, checked, gradients, absolute, relative = zip(*rows, strict=True)
    largest = (float(np.max(values)) for values in (gradients, absolute, relative))
    return LayerGradients(path, sum(weights), sum(checked), *largest)


class ModelCopy:
    """A model rebuilt in another floating-point type, with its loss and gradients for one batch."""

    def __init__(self, model: keras.Model, x: ArrayLike, y: ArrayLike, dtype: str) -> None:
        if np.shape(x)[:1] != np.shape(y)[:1]:
            shapes = f"inputs of shape {np.shape(x)}, targets of shape {np.shape(y)}"
            raise ValueError(f"`y` must have a target for each input. Received: {shapes}")
        config = _with_dtype(keras.saving.serialize_keras_object(model), dtype)
        self.model = keras.saving.deserialize_keras_object(config, safe_mode=False)
        self.model.set_weights(model.get_weights())
        if keras.ops.dtype(self.model.trainable_variables[0]) != dtype:
            raise ValueError(f"`dtype` must be one that the backend has switched on. Received: dtype={dtype!r}")
        loss = keras.saving.serialize_keras_object(model.loss)
        self._recorder = GradientRecorder()
        self.model.compile(
            self._recorder,
            keras.saving.deserialize_keras_object(loss, safe_mode=False),
            loss_weights=model.get_compile_config().get("loss_weights"),
            # JAX runs nothing but compiled steps fast; the others would wait longer for the compiler than they gain.
            jit_compile=keras.config.backend() == "jax",
        )
        self._recorder.build(self.model.trainable_variables)
        self._state = [(v, _to_numpy(v)) for v in self.model.non_trainable_variables]
        self._batch = (x, y)

    def loss(self) -> Any:
        for variable, value in self._state:
            variable.assign(value)
        self.model.reset_metrics()  # Keras before 3.13 returns the mean over all batches so far
        return self.model.train_on_batch(*self._batch, return_dict=True)["loss"]

    def gradients(self) -> list[np.ndarray]:
        self.loss()
        return [_to_numpy(record).astype("float64") for record in self._recorder.records]

    def difference(self, variable: keras.Variable, index: int, step: float) -> float:
        """The central difference for one weight, with the step that it has once the weights are rounded."""
        value = _to_numpy(variable)
        weight = value.flat[index]
        weights, losses = [], []
        for sign in (1, -1):
            value.flat[index] = weight + sign * step * max(1, abs(weight))
            weights.append(float(value.flat[index]))
            variable.assign(value)
            losses.append(float(self.loss()))
        value.flat[index] = weight
        variable.assign(value)
        return (losses[0] - losses[1]) / (weights[0] - weights[1])


class GradientRecorder(keras.optimizers.Optimizer):
    """Writes the gradients down and leaves the weights as they are."""

    def __init__(self) -> None:
        super().__init__(learning_rate=0.0)

    def build(self, variables: Sequence[keras.Variable]) -> None:
        super().build(variables)
        self.records = [self.add_variable_from_reference(variable, "gradient") for variable in variables]

    def apply(
        self, grads: Sequence[Tensor | None], trainable_variables: Sequence[keras.Variable] | None = None
    ) -> None:
        for record, gradient in zip(self.records, grads, strict=True):
            record.assign(keras.ops.zeros_like(record) if gradient is None else gradient)


@contextlib.contextmanager
def floatx(dtype: str) -> Iterator[None]:
    """Lets losses and metrics, too, compute in a floating-point type."""
    previous = keras.config.floatx()
    keras.config.set_floatx(dtype)
    try:
        yield
    finally:
        keras.config.set_floatx(previous)


def precision(dtype: str) -> float:
    """The precision of sums and means: JAX and PyTorch round some of them to 32 bits, whatever their type."""
    return float(np.finfo(dtype if keras.config.backend() == "tensorflow" else "float32").eps)


def _to_numpy(variable):
    """A copy: PyTorch's arrays go on changing with the variable."""
    return np.array(keras.ops.convert_to_numpy(variable))


def _with_dtype(config, dtype):
    """A serialised model with its layers' floating-point types replaced; integer inputs stay."""
    if isinstance(config, list | tuple):
        return type(config)(_with_dtype(item, dtype) for item in config)
    if not isinstance(config, dict):
        return config
    replaced = {key: _with_dtype(value, dtype) for key, value in config.items() if key != "compile_config"}
    if "dtype" in config and (not isinstance(config["dtype"], str) or "float" in config["dtype"]):
        replaced["dtype"] = dtype
    return replaced


def _check(model, samples, step, dtype):
    if not isinstance(model, keras.Model):
        raise ValueError(f"`model` must be a Keras model. Received: model={model!r}")
    if not model.compiled or model.loss is None:
        raise ValueError(f"`model` must be compiled with a loss. Received: model={model.name!r}")
    if not model.built or not model.trainable_variables:
        raise ValueError(f"`model` must be built, with trainable weights. Received: model={model.name!r}")
    for name, number in {"samples": samples, "step": step}.items():
        if number is not None and not number > 0:
            raise ValueError(f"`{name}` must be positive. Received: {name}={number!r}")
    if dtype not in ("float32", "float64"):
        raise ValueError(f"`dtype` must be 'float32' or 'float64'. Received: dtype={dtype!r}")
