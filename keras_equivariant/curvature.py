"""The diagonal of the Hessian, by LeCun's recursion or by finite differences, and the learning rates that it gives."""

from collections.abc import Mapping

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from keras_equivariant.arguments import check_number
from keras_equivariant.curvature_recursion import chain_of, second_derivatives
from keras_equivariant.gradients import ModelCopy, floatx, precision

_METHODS = ("lecun", "finite_differences")


def diagonal_hessian(
    model: keras.Model,
    x: ArrayLike,
    y: ArrayLike,
    method: str = "lecun",
    step: float | None = None,
    dtype: str = "float64",
) -> dict[str, np.ndarray]:
    """Computes the second derivative of the loss with respect to each weight.

    LeCun's recursion goes back through the layers as the gradient does, with squares: of a layer `y = f(a)`, `a = W x`,

        d2E/da_i^2 = f'(a_i)^2 d2E/dy_i^2,   d2E/dw_ij^2 = d2E/da_i^2 x_j^2,   d2E/dx_j^2 = sum_i w_ij^2 d2E/da_i^2

    and sums over the places that share a weight. It leaves out the terms with f'' and those between different units, so
    that no value is negative, and costs as much as a gradient. It is exact for a network that is linear between its
    kinks, up to the first of two layers of several units; further back, and for curved activations, it is an estimate.

    `"finite_differences"` is the true diagonal, from differences of the gradient, two for each weight: for small
    models, and to compare with.

    Args:
        model: A compiled `keras.Model`, for LeCun's recursion a sequential one, or a chain: of dense layers,
            convolutions, `TableConv`, `Subsampling`, paddings and changes of shape, and activations that are linear,
            ReLU, tanh, sigmoid, `ScaledTanh` or `Logistic`.
        x: Array, a batch of inputs.
        y: Array, the targets.
        method: `"lecun"` or `"finite_differences"`.
        step: float, of the finite differences for weights of up to 1; `None` for the cube root of the precision.
        dtype: `"float64"` or `"float32"`, in which a copy of the model computes. JAX and PyTorch round some sums to 32
            bits in either: three digits are right there.

    Returns:
        A dictionary from the paths of the trainable variables to arrays of their shapes. The loss is that of `fit`, the
        mean over the batch, but penalties of weights are left out by LeCun's recursion.

    Raises:
        ValueError: If the method is unknown, the model is not compiled, or it has a layer or an activation that the
            recursion does not know, which the message names.

    Example:

    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "tanh"), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> curvatures = diagonal_hessian(model, np.ones((8, 4)), np.ones((8, 1)))
    >>> [values.shape for values in curvatures.values()]
    [(4, 3), (3,), (3, 1), (1,)]

    Reference:
        [Bouvrie, 2006](http://cogprints.org/5869/), section 4.2; LeCun, Bottou, Orr & Mueller, 1998, Efficient
        BackProp, sections 7.3 and 9.2.
    """
    if method not in _METHODS:
        raise ValueError(f"`method` must be one of {_METHODS}. Received: method={method!r}")
    if not isinstance(model, keras.Model):
        raise ValueError(f"`model` must be a Keras model. Received: model={model!r}")
    if step is not None:
        check_number("step", step, "a positive number", 0, np.finfo(float).max, open_below=True)
    if not model.compiled or model.loss is None:
        raise ValueError(f"`model` must be compiled with a loss. Received: model={model.name!r}")
    paths = [variable.path for variable in model.trainable_variables]
    if method == "lecun":
        chain = chain_of(model)
    with floatx(dtype):
        copy = ModelCopy(model, x, y, dtype)
        if method == "finite_differences":
            step = precision(dtype) ** (1 / 3) if step is None else step
            values = [_second_differences(copy, i, step) for i in range(len(paths))]
        else:
            values = second_derivatives(copy.model, [copy.model.get_layer(layer.name) for layer in chain], x, y)
    return dict(zip(paths, values, strict=True))


def lecun_rates(curvatures: Mapping[str, ArrayLike], damping: float = 0.1) -> dict[str, np.ndarray]:
    """Learning rates for `optimizers.WeightwiseSGD`, larger where the loss is flat.

        rate = 1 / (|d2E/dw^2| + damping)

    Args:
        curvatures: What `diagonal_hessian` returned.
        damping: float, keeps the rates bounded where the loss is flat; in units of the curvature.

    Returns:
        A dictionary from the paths of the variables to arrays of rates.

    Raises:
        ValueError: If the damping is not positive, or `curvatures` is no dictionary.

    Example:

    >>> lecun_rates({"dense/kernel": np.array([[0.0, 0.9]])})["dense/kernel"].tolist()
    [[10.0, 1.0]]

    Reference:
        [Bouvrie, 2006](http://cogprints.org/5869/), sections 2.2 and 4.2; LeCun, Bottou, Orr & Mueller, 1998, Efficient
        BackProp, section 9.1.
    """
    check_number("damping", damping, "a positive number", 0, np.finfo(float).max, open_below=True)
    if not isinstance(curvatures, Mapping):
        raise ValueError(f"`curvatures` must be what `diagonal_hessian` returns. Received: {type(curvatures).__name__}")
    return {path: 1 / (np.abs(np.asarray(values)) + damping) for path, values in curvatures.items()}


def _second_differences(copy, index, step):
    """The diagonal for one variable, from central differences of its gradient."""
    variable = copy.model.trainable_variables[index]
    value = np.array(ops.convert_to_numpy(variable))
    found = np.zeros(value.shape)
    for i in range(value.size):
        weight, ends = value.flat[i], []
        for sign in (1, -1):
            value.flat[i] = weight + sign * step * max(1, abs(weight))
            moved = float(value.flat[i])
            variable.assign(value)
            ends.append((moved, copy.gradients()[index].flat[i]))
        value.flat[i] = weight
        variable.assign(value)
        found.flat[i] = (ends[0][1] - ends[1][1]) / (ends[0][0] - ends[1][0])
    return found
