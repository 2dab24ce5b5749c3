import keras
import numpy as np
import pytest
from helpers import COMPILES, random_array, to_numpy

from keras_equivariant import losses, metrics


def by_the_paper(lights, estimates):
    """Equation 29, as printed."""
    lights, estimates = np.asarray(lights, "float64"), np.asarray(estimates, "float64")
    ratios = estimates / lights
    return np.degrees(np.arccos(ratios.sum(-1) / np.sqrt(3 * (ratios**2).sum(-1))))


def colours(count, seed=0):
    return np.random.default_rng(seed).uniform(0.1, 1, (count, 3)).astype("float32")


def test_formula():
    lights, estimates = colours(20), colours(20, seed=1)
    errors = to_numpy(metrics.reproduction_angular_error(lights, estimates))
    np.testing.assert_allclose(errors, by_the_paper(lights, estimates), rtol=1e-4)
    assert errors.std() > 5
    swapped = to_numpy(metrics.reproduction_angular_error(estimates, lights))
    assert np.abs(swapped - errors).max() > 1, "estimate and light do not play the same part"


def test_the_same_error_under_another_light():
    lights, estimates, other = colours(20), colours(20, seed=1), colours(20, seed=2)
    errors = metrics.reproduction_angular_error(lights, estimates)
    np.testing.assert_allclose(
        to_numpy(metrics.reproduction_angular_error(5 * lights * other, 3 * estimates * other)), errors, rtol=1e-4
    )


def test_small_angles_are_exact():
    """An arc cosine in 32 bits would lose errors below some hundredths of a degree."""
    light = np.ones((1, 3), "float32")
    estimate = np.array([[1.0, 1.0, 1.0 + 1e-5]], "float32")
    expected = np.degrees(np.sqrt(2 / 3) * (float(estimate[0, 2]) - 1) / np.sqrt(3))
    error = float(to_numpy(metrics.reproduction_angular_error(light, estimate))[0])
    assert error == pytest.approx(expected, rel=1e-2)


@pytest.mark.parametrize("estimate, expected", [([2, 2, 2], 0.0), ([0, 0, 0], 90.0), ([0, 5, 0], 54.7356)])
def test_extreme_estimates(estimate, expected):
    error = metrics.reproduction_angular_error(np.ones((1, 3), "float32"), np.array([estimate], "float32"))
    np.testing.assert_allclose(to_numpy(error), [expected], rtol=1e-5)


def test_the_metric_is_the_mean_over_all_batches():
    metric = metrics.ReproductionAngularError()
    lights, estimates = colours(10), colours(10, seed=1)
    for part in (slice(0, 3), slice(3, 10)):
        metric.update_state(lights[part], estimates[part])
    assert float(metric.result()) == pytest.approx(by_the_paper(lights, estimates).mean(), rel=1e-4)
    metric.reset_state()
    metric.update_state(lights, lights)
    assert float(metric.result()) == 0


def test_configurations():
    metric = metrics.ReproductionAngularError(name="degrees")
    again = keras.metrics.deserialize(keras.metrics.serialize(metric))
    assert type(again) is metrics.ReproductionAngularError and again.name == "degrees"
    loss = losses.ReproductionAngularError(reduction="sum", name="angle")
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(again) is losses.ReproductionAngularError
    assert (again.reduction, again.name) == ("sum", "angle")


@pytest.mark.parametrize("reduction, reduce", [("sum_over_batch_size", np.mean), ("sum", np.sum), (None, np.asarray)])
def test_the_loss_is_the_same_error(reduction, reduce):
    lights, estimates = colours(10), colours(10, seed=1)
    loss = losses.ReproductionAngularError(reduction=reduction)(lights, estimates)
    np.testing.assert_allclose(to_numpy(loss), reduce(by_the_paper(lights, estimates)), rtol=1e-4)


def test_training_to_the_right_colour_and_from_there_on():
    """At an exact estimate, and at one of zero, the gradient is no number unless it is taken care of."""
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(3, activation="relu", use_bias=False)(inputs))
    model.compile(
        keras.optimizers.Adam(0.02),
        losses.ReproductionAngularError(),
        metrics=[metrics.ReproductionAngularError()],
        jit_compile=COMPILES,
    )
    x = np.abs(random_array(16, 3)) + 0.1
    model.layers[-1].kernel.assign(np.eye(3))
    assert model.train_on_batch(x, x)[0] == 0, "nothing to learn"
    assert np.isfinite(model.get_weights()[0]).all()
    model.layers[-1].kernel.assign(np.full((3, 3), -1.0))
    assert model.train_on_batch(x, x)[0] == 90
    assert np.isfinite(model.get_weights()[0]).all()
    model.layers[-1].kernel.assign(np.eye(3) + 0.3)
    errors = [model.train_on_batch(x, x)[0] for _ in range(100)]
    assert errors[-1] < errors[0] / 3


def test_shapes_and_types():
    light, estimate = np.array([[0.5, 1.5, 2.5]]), np.array([[1, 2, 3]])
    error = metrics.reproduction_angular_error(light, estimate)
    np.testing.assert_allclose(to_numpy(error), by_the_paper(light, estimate), rtol=1e-4)
    for lights in (np.ones((2, 1)), np.ones((1, 3)), np.ones(3)):
        with pytest.raises(ValueError, match="`y_true` must have the shape of `y_pred`"):
            metrics.reproduction_angular_error(lights, np.ones((2, 3)))
    with pytest.raises(ValueError, match="`y_pred` must be colours"):
        losses.ReproductionAngularError()(np.ones((2, 4)), np.ones((2, 4)))
