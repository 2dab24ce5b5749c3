import keras
import numpy as np
import pytest
from helpers import random_array, to_numpy

from keras_equivariant.losses import CrossentropyAndDice, HalvedSquaredError, SparseHalvedSquaredError


def targets(labels, low=-1.0, high=1.0):
    return np.where(np.arange(4) == labels[:, None], high, low).astype("float32")


@pytest.mark.parametrize("reduction, reduce", [("sum_over_batch_size", np.mean), ("sum", np.sum), (None, np.asarray)])
def test_formula(reduction, reduce):
    y, labels = random_array(5, 4), np.array([0, 3, 1, 2, 2])
    t = targets(labels)
    expected = reduce(0.5 * ((t - y) ** 2).sum(axis=1))
    np.testing.assert_allclose(to_numpy(HalvedSquaredError(reduction=reduction)(t, y)), expected, rtol=1e-5)
    for given in (labels, labels[:, None], labels.astype("float32")):
        loss = SparseHalvedSquaredError(reduction=reduction)(given, y)
        np.testing.assert_allclose(to_numpy(loss), expected, rtol=1e-5)
    loss = SparseHalvedSquaredError(0.1, 0.9, reduction=reduction)(labels, y)
    expected = reduce(0.5 * ((targets(labels, 0.1, 0.9) - y) ** 2).sum(axis=1))
    np.testing.assert_allclose(to_numpy(loss), expected, rtol=1e-5)


def test_configuration():
    loss = SparseHalvedSquaredError(0.1, 0.9, reduction="sum", name="error")
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(again) is SparseHalvedSquaredError
    assert again.get_config() == loss.get_config()
    assert (again.low, again.high, again.reduction, again.name) == (0.1, 0.9, "sum", "error")


def test_a_batch_is_the_sum_of_its_online_gradients():
    """With the summed loss: one step for all patterns moves as far as each pattern's own step from the same place."""
    x, labels = random_array(6, 3), np.array([0, 1, 2, 3, 0, 1])
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, use_bias=False)])
    start = model.get_weights()[0]
    model.compile(keras.optimizers.SGD(0.1), SparseHalvedSquaredError(reduction="sum"), jit_compile=False)

    def step(at):
        model.set_weights([start])
        model.train_on_batch(x[at], labels[at])
        return model.get_weights()[0] - start

    online = sum(step(slice(i, i + 1)) for i in range(6))
    np.testing.assert_allclose(step(slice(6)), online, atol=1e-6)


def test_bad_targets():
    with pytest.raises(ValueError, match="`low` must be below `high`. Received: low=1, high=1"):
        SparseHalvedSquaredError(low=1, high=1)


def test_targets_are_not_broadcast():
    y, t = random_array(5, 1), random_array(5, seed=1)
    losses = [HalvedSquaredError(reduction=None)(given, y) for given in (t, t[:, None])]
    for loss in losses:
        np.testing.assert_allclose(to_numpy(loss), 0.5 * (t - y[:, 0]) ** 2, rtol=1e-5)
    for shape in ((5, 4), (4, 1), (5,)):
        with pytest.raises(ValueError, match="`y_true` must have the shape of `y_pred`. Received: shapes"):
            HalvedSquaredError()(np.ones(shape), np.ones((5, 3)))


def crossentropy_and_dice(labels, logits, ignored=None):
    """Per pattern, in 64 bits: the entropy over its own pixels, and Dice of the whole batch, over the classes in it."""
    p = np.exp(logits.astype("float64"))
    p /= p.sum(axis=-1, keepdims=True)
    counted = labels != ignored
    entropy = [
        -np.log([q[k] for q, k in zip(p[i][c], labels[i][c], strict=True)]).mean() for i, c in enumerate(counted)
    ]
    dice = []
    for k in np.unique(labels[counted]):
        t, q = (labels == k)[counted], p[..., k][counted]
        dice.append(1 - 2 * q[t].sum() / (t.sum() + q.sum()))
    return np.array(entropy) + np.mean(dice)


@pytest.mark.parametrize("ignored", [None, -1, 2])
def test_masks(ignored):
    logits = random_array(3, 4, 5, 4)
    labels = np.random.default_rng(0).integers(0, 3, (3, 4, 5))  # class 3 is never shown
    labels[0, :2] = labels[0, :2] if ignored is None else ignored
    loss = CrossentropyAndDice(ignored, reduction=None)
    np.testing.assert_allclose(
        to_numpy(loss(labels, logits)), crossentropy_and_dice(labels, logits, ignored), rtol=1e-5
    )
    mean = keras.losses.deserialize(keras.losses.serialize(CrossentropyAndDice(ignored)))
    assert mean.ignore_class == ignored
    expected = crossentropy_and_dice(labels, logits, ignored).mean()
    assert float(mean(labels, logits)) == pytest.approx(expected, rel=1e-5)


def test_masks_of_which_nothing_counts_and_perfect_ones():
    logits = random_array(2, 3, 3, 2)
    assert float(CrossentropyAndDice(-1)(np.full((2, 3, 3), -1), logits)) == 0
    labels = np.random.default_rng(0).integers(0, 2, (2, 3, 3))
    assert float(CrossentropyAndDice()(labels, 100 * np.eye(2, dtype="float32")[labels])) == pytest.approx(0, abs=1e-6)
    with pytest.raises(ValueError, match="must have the shape"):
        CrossentropyAndDice()(labels[:, :2], logits)
