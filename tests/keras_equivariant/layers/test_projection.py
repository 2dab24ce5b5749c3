"""Where the offset law can be lost: averages of weights, foreign weights; and the projection that keeps it."""

import re

import keras
import numpy as np
import pytest
from helpers import ON_TENSORFLOW, cases, random_array, randomise, relative_error
from offsets import offset_error, train

from keras_equivariant.callbacks import ProjectConstraints
from keras_equivariant.constraints import (
    ConstraintWarning,
    OffsetProjection,
    constraint_violations,
    project_constraints,
)
from keras_equivariant.equivariance import equivariance_error, equivariance_report
from keras_equivariant.layers import (
    FeatureGroupPooling,
    OffsetAffineCombination,
    OffsetConv1D,
    OffsetConv2D,
    OffsetConv2DTranspose,
    OffsetConv3D,
    OffsetDense,
    OffsetGroupConv2D,
)
from keras_equivariant.planar import to_planar

FORWARD = {
    "1-D": (lambda **kw: OffsetConv1D(6, 3, padding="same", **kw), (2, 8, 9)),
    "2-D": (lambda **kw: OffsetConv2D(6, 3, padding="same", activation="tanh", **kw), (2, 5, 6, 9)),
    "2-D edge": (lambda **kw: OffsetConv2D(6, 3, padding="edge", **kw), (2, 5, 6, 9)),
    "3-D": (lambda **kw: OffsetConv3D(6, 2, padding="same", **kw), (2, 3, 4, 3, 9)),
    "group": (lambda **kw: OffsetGroupConv2D(6, 3, "p4", padding="same", **kw), (2, 5, 5, 4, 9)),
    "spectral": (lambda **kw: OffsetGroupConv2D(6, 3, "p4", implementation="spectral", **kw), (2, 5, 5, 4, 9)),
    "hexagonal": (lambda **kw: OffsetGroupConv2D(6, 3, "p6", **kw), (1, 5, 5, 9)),
    "transposed": (lambda **kw: OffsetConv2DTranspose(6, 4, 2, padding="same", **kw), (2, 3, 4, 9)),
    "dense": (lambda **kw: OffsetDense(6, activation="tanh", **kw), (2, 9)),
}


@pytest.mark.parametrize("name", FORWARD)
def test_in_the_forward_pass_the_law_holds_whatever_changes_the_weights(name):
    make, shape = FORWARD[name]
    layer, x = make(projection="forward"), random_array(*shape)
    y = layer(x)
    as_constraint = make()
    as_constraint.build(x.shape)
    as_constraint.set_weights(layer.get_weights())
    assert relative_error(y, as_constraint(x)) < 1e-6  # the first value is projected
    randomise(layer)
    assert offset_error(layer, x, 3) < 1e-5
    as_constraint.set_weights(layer.get_weights())
    project_constraints(as_constraint)
    assert relative_error(layer(x), as_constraint(x)) < 1e-5
    rounded = [np.round(weight, 1) for weight in layer.get_weights()]
    layer.set_weights(rounded)
    assert offset_error(layer, x, 3) < 1e-5
    np.testing.assert_array_equal(layer.get_weights()[0], rounded[0])
    assert layer.kernel.shape == layer.get_weights()[0].shape and layer.get_config()["projection"] == "forward"


@pytest.mark.parametrize("name", cases(FORWARD, ["2-D edge", "spectral", "transposed", "dense"]))
def test_the_two_projections_descend_alike(name):
    """Gradients of what is projected lie in the subspace: plain descent takes the same steps."""
    make, shape = FORWARD[name]
    x = random_array(*shape)
    layers = [make(projection=projection) for projection in ("constraint", "forward")]
    for layer in layers:
        layer.build(x.shape)
    layers[1].set_weights(layers[0].get_weights())
    for layer in layers:
        train(layer, x, keras.optimizers.SGD(0.01), steps=5)
    assert relative_error(layers[1](x), layers[0](x)) < 1e-4


def test_a_file_holds_what_is_stored(tmp_path):
    inputs = keras.Input((9,))
    model = keras.Model(inputs, OffsetDense(6, projection="forward")(inputs))
    randomise(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for old, new in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    model.save_weights(tmp_path / "model.weights.h5")
    loaded.load_weights(tmp_path / "model.weights.h5")
    assert relative_error(to_planar(model)(random_array(2, 9)), loaded(random_array(2, 9))) < 1e-5


def test_mixed_precision_projects_before_it_rounds():
    layer = OffsetConv2D(6, 5, projection="forward", dtype="mixed_bfloat16")
    x = random_array(2, 9, 9, 9)
    assert "bfloat16" in str(layer(x).dtype)
    assert "float32" in str(layer.kernel.dtype)
    assert constraint_violations(OffsetDense(6)) == {}
    assert OffsetProjection(3).violation(layer.kernel) < 1e-5


def test_small_weights_are_always_projected_in_the_forward_pass():
    pooling, combine = FeatureGroupPooling(2, "linear"), OffsetAffineCombination()
    x = random_array(3, 4, 6)
    pooling(x), combine([x, x])
    for layer in (pooling, combine):
        randomise(layer)
    assert offset_error(pooling, x, 2) < 1e-5
    assert relative_error(combine([x, x]), x) < 1e-5


# Averages of an optimizer.


def averaging_model(projection="constraint", in_a_graph=False):
    """In a graph once; else TensorFlow runs one operation at a time, which takes less time for a few steps."""
    inputs = keras.Input((6, 6, 3))
    x = OffsetConv2D(6, 3, padding="same", projection=projection)(inputs)
    model = keras.Model(inputs, OffsetConv2D(3, 3, projection=projection)(x))
    model.compile(keras.optimizers.Adam(0.05, use_ema=True, ema_momentum=0.8), "mse", jit_compile=False)
    model.run_eagerly = ON_TENSORFLOW and not in_a_graph
    return model


X, Y = random_array(8, 6, 6, 3), random_array(8, 4, 4, 3, seed=1)
OPTIONS = {"epochs": 3, "batch_size": 4, "verbose": 0}


def test_averages_of_an_optimizer_break_the_constraint_and_a_warning_says_so():
    model = averaging_model(in_a_graph=True)
    with pytest.warns(ConstraintWarning, match=re.escape("`callbacks.ProjectConstraints()`")):
        model.fit(X, Y, **OPTIONS)
    assert max(constraint_violations(model).values()) > 1e-3
    assert offset_error(model, X, 3) > 1e-4
    with pytest.warns(ConstraintWarning, match="project_constraints"):
        report = equivariance_report(model, X)
    assert max(report.values()) > 1e-4
    project_constraints(model)
    assert max(equivariance_report(model, X).values()) < 1e-5


class Recorder(keras.callbacks.Callback):
    """How far the constraints are violated when tests are made."""

    def __init__(self):
        super().__init__()
        self.found = []

    def on_test_batch_begin(self, batch, logs=None):
        self.found.append(max(constraint_violations(self.model).values()))


@pytest.mark.parametrize("swap_on_epoch", [False, True])
@pytest.mark.parametrize("order", ["after", "before"])
def test_the_callback_projects_averages(swap_on_epoch, order):
    model, recorder = averaging_model(), Recorder()
    callbacks = [keras.callbacks.SwapEMAWeights(swap_on_epoch), ProjectConstraints()]
    callbacks = [*(callbacks if order == "after" else callbacks[::-1]), recorder]
    model.fit(X, Y, validation_data=(X, Y), callbacks=callbacks, **OPTIONS)  # without a warning
    assert recorder.found and max(recorder.found) < 1e-5
    assert max(constraint_violations(model).values()) < 1e-5
    assert offset_error(model, X, 3) < 1e-5
    model.evaluate(X, Y, verbose=0, callbacks=callbacks)
    assert max(recorder.found) < 1e-5
    predicted = model.predict(X, verbose=0, callbacks=[ProjectConstraints()])
    assert predicted.shape == (8, 4, 4, 3)


def test_without_the_callback_tests_see_averages_that_break_the_constraint():
    model, recorder = averaging_model(), Recorder()
    with pytest.warns(ConstraintWarning):
        model.fit(X, Y, validation_data=(X, Y), callbacks=[keras.callbacks.SwapEMAWeights(False), recorder], **OPTIONS)
    assert max(recorder.found) > 1e-4


def test_projected_in_the_forward_pass_averages_need_nothing():
    model = averaging_model("forward")
    model.fit(X, Y, validation_data=(X, Y), callbacks=[keras.callbacks.SwapEMAWeights(False)], **OPTIONS)
    assert offset_error(model, X, 3) < 1e-5
    assert constraint_violations(model) == {}


def test_averages_over_runs_are_as_good_as_the_runs():
    """The constraint is linear: a mean of kernels that satisfy it does, too."""
    models = [train(OffsetConv2D(6, 3), random_array(2, 6, 6, 3), "adam", steps=5) for _ in range(3)]
    means = [np.mean(weights, axis=0) for weights in zip(*(model.get_weights() for model in models), strict=True)]
    models[0].set_weights(means)
    assert max(constraint_violations(models[0]).values()) < 1e-5


# Weights from elsewhere.


def test_foreign_weights_are_told_when_a_file_is_loaded(tmp_path):
    model = keras.Sequential([keras.Input((6, 6, 3)), OffsetConv2D(6, 3), keras.layers.Flatten(), OffsetDense(3)])
    model.save_weights(tmp_path / "good.weights.h5")
    model.load_weights(tmp_path / "good.weights.h5")  # without a warning: they are errors here
    randomise(model)
    model.save_weights(tmp_path / "foreign.weights.h5")
    with pytest.warns(ConstraintWarning, match="is not offset-equivariant.*ProjectConstraints") as caught:
        model.load_weights(tmp_path / "foreign.weights.h5")
    assert [warning.category for warning in caught].count(ConstraintWarning) == 2
    project_constraints(model)
    model.layers[0].kernel.assign(np.full(model.layers[0].kernel.shape, np.nan))
    with pytest.warns(ConstraintWarning, match="off by nan"):
        model.save_weights(tmp_path / "damaged.weights.h5")
        model.load_weights(tmp_path / "damaged.weights.h5")


def test_weights_that_are_set_by_hand_are_told_by_the_report():
    model = keras.Sequential(
        [keras.Input((6, 6, 3)), OffsetConv2D(6, 3, name="first"), OffsetConv2D(3, 3, name="last")]
    )
    weights = model.get_weights()
    weights[2] = weights[2] + 0.01
    model.set_weights(weights)
    with pytest.warns(ConstraintWarning, match="last/kernel"):
        report = equivariance_report(model, random_array(2, 6, 6, 3))
    assert report["first"] < 1e-5 < 1e-3 < report["last"]
    assert equivariance_error(model, random_array(2, 6, 6, 3), feature_groups=3) > 1e-3
    with pytest.warns(ConstraintWarning, match="last/kernel"):
        assert "first" in equivariance_report(model, random_array(2, 6, 6, 3), "p4", feature_groups=3)


def test_bad_arguments():
    with pytest.raises(ValueError, match="`projection` must be one of .* Received: projection='never'"):
        OffsetDense(3, projection="never")
    with pytest.raises(ValueError, match="`kernel_constraint` must be None"):
        OffsetDense(3, projection="forward", kernel_constraint="non_neg")
    with pytest.raises(AttributeError, match="must build the layer|has no attribute 'kernel'"):
        _ = OffsetDense(3).kernel
