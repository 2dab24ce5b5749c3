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


@pytest.mark.parametrize("ignored", [None, -1])
def test_dice_and_iou(ignored):
    rng = np.random.default_rng(0)
    true, predicted = rng.integers(0, 3, (2, 4, 6, 5))
    true[:, 0] = true[:, 0] if ignored is None else ignored
    counted = true != ignored
    hits = [((true == k) & (predicted == k)).sum() for k in range(4)]
    sizes = [(true == k).sum() + ((predicted == k) & counted).sum() for k in range(4)]
    dice, iou = (
        metric(4, ignore_class=ignored, sparse_y_pred=True) for metric in (metrics.Dice, metrics.IntersectionOverUnion)
    )
    for metric in (dice, iou):
        for half in (slice(2), slice(2, 4)):  # the class 3 is neither there nor predicted
            metric.update_state(true[half], predicted[half])
    expected = [2 * h / s if s else np.nan for h, s in zip(hits, sizes, strict=True)]
    np.testing.assert_allclose(dice.by_class(), expected)
    assert float(dice.result()) == pytest.approx(np.nanmean(expected), rel=1e-6)
    expected = [h / (s - h) if s else np.nan for h, s in zip(hits, sizes, strict=True)]
    np.testing.assert_allclose(iou.by_class(), expected)
    assert float(iou.result()) == pytest.approx(np.nanmean(expected), rel=1e-6)
    again = keras.metrics.deserialize(keras.metrics.serialize(dice))
    assert type(again) is metrics.Dice and again.get_config() == dice.get_config()


def test_dice_of_scores():
    metric = metrics.Dice(3, sparse_y_pred=False)
    metric.update_state(np.array([0, 1, 2]), np.array([[5.0, 1, 0], [2, 1, 0], [0, 1, 3]]))
    np.testing.assert_allclose(metric.by_class(), [2 / 3, 0, 1])


def label_image(*boxes, size=(20, 20)):
    image = np.zeros(size, int)
    for number, (rows, columns) in enumerate(boxes, start=1):
        image[slice(*rows), slice(*columns)] = 3 * number
    return image


def test_average_precision_by_hand():
    true = label_image(((0, 4), (0, 5)), ((6, 10), (0, 5)), ((12, 16), (0, 5)))
    # IoU 1, then 16 of 20 cells, 0.8, then 8 of 20, 0.4, and one beside it all.
    predicted = label_image(((6, 10), (0, 4)), ((0, 4), (0, 5)), ((12, 16), (0, 2)), ((12, 16), (10, 15)))
    metric = metrics.AveragePrecision((0.3, 0.5, 0.8, 0.81, 1.0))
    metric.update_state(true, predicted)
    np.testing.assert_allclose(metric.by_threshold(), [3 / 4, 2 / 5, 2 / 5, 1 / 6, 1 / 6])
    np.testing.assert_allclose(metric.f1_by_threshold(), [6 / 7, 4 / 7, 4 / 7, 2 / 7, 2 / 7])
    assert float(metric.result()) == pytest.approx(np.mean([3 / 4, 2 / 5, 2 / 5, 1 / 6, 1 / 6]), rel=1e-6)
    metric.update_state(
        np.stack([true, true]), np.stack([true, np.zeros_like(true)])
    )  # counts, not their ratios, add up
    np.testing.assert_allclose(metric.by_threshold()[1], (2 + 3 + 0) / (5 + 3 + 3))
    metric.reset_state()
    np.testing.assert_array_equal(metric.by_threshold(), 1)


def test_no_object_is_in_two_pairs():
    """At small thresholds, one predicted object overlaps two true ones, and these in turn two predicted ones."""
    true = label_image(((0, 2), (0, 10)), ((2, 4), (0, 10)))
    predicted = label_image(((0, 4), (0, 6)), ((0, 2), (6, 10)))
    metric = metrics.AveragePrecision((0.3,))
    metric.update_state(
        true, predicted
    )  # the first true one has 12 cells of 32 in common with one, 8 of 20 with another
    np.testing.assert_allclose(metric.by_threshold(), [2 / 2])
    metric = metrics.AveragePrecision((0.3,))
    metric.update_state(true, label_image(((0, 4), (0, 6))))
    np.testing.assert_allclose(metric.by_threshold(), [1 / 2])


def test_average_precision_turns_and_is_stored():
    rng = np.random.default_rng(0)
    true, predicted = np.kron(rng.integers(0, 9, (2, 6, 6)), np.ones((4, 4), int))
    found = []
    for change in (lambda x: x, np.rot90, np.transpose):
        metric = metrics.AveragePrecision()
        metric.update_state(change(true), change(np.roll(true, 1, axis=1)))
        found.append(metric.by_threshold())
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
    assert 0 < found[0].mean() < 1
    again = keras.metrics.deserialize(keras.metrics.serialize(metrics.AveragePrecision((0.6, 0.7), name="ap")))
    assert (again.thresholds, again.name) == ([0.6, 0.7], "ap")


@pytest.mark.parametrize("shapes", [((4, 4), (4, 5)), ((4,), (4,))])
def test_label_images_of_other_shapes(shapes):
    with pytest.raises(
        ValueError, match="must be integers .height, width., or batches of them, of one shape. Received"
    ):
        metrics.AveragePrecision().update_state(*(np.zeros(shape, int) for shape in shapes))


def test_bad_label_images_and_thresholds():
    with pytest.raises(ValueError, match="must be integers .*Received: float64 .4, 4. and int64"):
        metrics.AveragePrecision().update_state(np.zeros((4, 4)), np.zeros((4, 4), int))
    for thresholds in [(), (0.0, 0.5), (1.1,)]:
        with pytest.raises(ValueError, match="`thresholds` must be above 0 and up to 1. Received: thresholds="):
            metrics.AveragePrecision(thresholds)
