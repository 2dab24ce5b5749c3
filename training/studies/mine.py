"""Mutual information by a network that is trained to tell pairs from strangers, for comparison."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import ArrayLike

from keras_equivariant.typing import Tensor

UNITS, LEARNING_RATE = 128, 1e-3
_AVERAGED = 10  # The estimate is the mean over the last tenth of the steps.


class DonskerVaradhan(keras.losses.Loss):
    """The negative of a lower bound on the mutual information of vectors and labels, in nats.

        log mean_i sum_y p(y) exp T(x_i, y) - mean_i T(x_i, y_i)

    The first mean is over all pairs of a vector and a label: labels are few, so that none need be drawn.

    Args:
        shares: p(y), the share of each label.

    Input shape:
        `y_true` `(n,)`, the labels as integers, and `y_pred` `(n, labels)`, T of each vector with each label.

    Output shape:
        A scalar, of the batch as a whole.

    Reference:
        [Belghazi et al., 2018](https://arxiv.org/abs/1801.04062), equation 10.
    """

    def __init__(self, shares: Sequence[float], name: str = "donsker_varadhan", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.shares = [float(share) for share in shares]

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        labels = ops.cast(ops.reshape(y_true, (-1, 1)), "int32")
        together = ops.mean(ops.take_along_axis(y_pred, labels, axis=1))
        strangers = ops.logsumexp(y_pred + ops.log(ops.convert_to_tensor(self.shares, y_pred.dtype)), axis=1)
        count = ops.cast(ops.shape(y_pred)[0], y_pred.dtype)
        return ops.logsumexp(strangers) - ops.log(count) - together

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "shares": self.shares}


def neural_mutual_information(x: ArrayLike, labels: ArrayLike, steps: int = 500, seed: int = 0) -> float:
    """Estimates the mutual information between vectors and labels by MINE.

    The statistics network, of two hidden layers, has an output for each label. All points are in each step, so that
    gradients are those of the bound itself and need no correction. As in the paper, the bound is maximised and read
    off on the same points: a network that learns them by heart reads the entropy of the labels off any labels.

    Args:
        x: Array `(n, d)`.
        labels: Array `(n,)`.
        steps: Number of training steps.
        seed: Decides the initial weights.

    Returns:
        The estimate in bits, a float.

    Reference:
        [Belghazi et al., 2018](https://arxiv.org/abs/1801.04062), algorithm 1.
    """
    points = np.asarray(x, dtype="float32")
    points = (points - points.mean()) / points.std()
    classes, labels, counts = np.unique(labels, return_inverse=True, return_counts=True)
    model = keras.Sequential([keras.Input(points.shape[1:])])
    for index, (units, activation) in enumerate(((UNITS, "relu"), (UNITS, "relu"), (len(classes), None))):
        initialiser = keras.initializers.GlorotUniform(seed + index)
        model.add(layers.Dense(units, activation, kernel_initializer=initialiser))
    model.compile(
        keras.optimizers.Adam(LEARNING_RATE), DonskerVaradhan((counts / len(points)).tolist()), jit_compile=False
    )
    losses = [float(model.train_on_batch(points, labels)) for _ in range(steps)]
    return -float(np.mean(losses[-max(steps // _AVERAGED, 1) :])) / np.log(2)
