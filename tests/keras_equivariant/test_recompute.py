"""The wrapper of docs/speed.md that computes blocks again instead of keeping their maps."""

import re

import keras
import numpy as np
import pytest
from helpers import COMPILES, ROOT, cases, random_array, to_numpy

from keras_equivariant.layers import GroupConv2D, GroupSeparableConv2D

(CODE,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "speed.md").read_text(), re.S)
NAMES = {}
exec(compile(CODE, "docs/speed.md", "exec"), NAMES)  # noqa: S102
Recompute = NAMES["Recompute"]


def block(kind, dropout):
    inputs = x = keras.Input((6, 6, 8, 4))
    x = kind(4, 3, "p4m", padding="same")(x)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.5)(x))
    if dropout:
        x = keras.layers.Dropout(0.5, seed=1)(x)
    return keras.Model(inputs, keras.layers.Add()([inputs, x]))


def network(kind, recompute, dropout):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 6, 3))
    x = GroupConv2D(4, 3, "p4m", padding="same")(inputs)
    for _ in range(2):
        part = block(kind, dropout)
        x = Recompute(part)(x) if recompute else part(x)
    return keras.Model(inputs, keras.layers.Dense(1)(keras.layers.GlobalAveragePooling3D()(x)))


WAYS = [(GroupConv2D, False), (GroupSeparableConv2D, COMPILES)]


@pytest.mark.parametrize("kind, compiles", cases([*WAYS, (GroupConv2D, COMPILES), (WAYS[1][0], False)], WAYS, WAYS))
def test_training_is_the_same(kind, compiles):
    x, y = random_array(3, 6, 6, 3), random_array(3, 1)
    weights = []
    for recompute in (False, True):
        model = network(kind, recompute, dropout=not compiles)  # compiled, each network draws numbers of its own
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=compiles)
        before = model.get_weights()
        for _ in range(3):
            model.train_on_batch(x, y)
        weights.append(model.get_weights())
        changed = [(old != new).any() for old, new in zip(before, weights[-1], strict=True)]
        assert all(changed)
    for kept, again in zip(*weights, strict=True):
        np.testing.assert_allclose(again, kept, rtol=1e-4, atol=1e-6)


def test_saving(tmp_path):
    model, x = network(GroupConv2D, True, True), random_array(2, 6, 6, 3)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(to_numpy(loaded(x)), to_numpy(model(x)))
    kept = network(GroupConv2D, False, True)
    np.testing.assert_allclose(to_numpy(model(x)), to_numpy(kept(x)), rtol=1e-5, atol=1e-6)


def test_the_benchmark_measures_the_same():
    wrapper = CODE.partition("@keras")[2]
    assert wrapper and wrapper in (ROOT / "benchmarks" / "recompute.py").read_text()
