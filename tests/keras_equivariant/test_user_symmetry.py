"""A group from outside of the library, from its matrices to a model loaded in another process."""

import sys

import numpy as np
from helpers import random_array, run_python

_DEFINE = """
import sys, warnings
import keras, numpy as np
from keras_equivariant import SymmetryGroup, register_symmetry
from keras_equivariant.equivariance import equivariance_error
from keras_equivariant.layers import CosetPooling, GroupConv2D, GroupConv2DTranspose

folder = sys.argv[1]
identity, mirror, other_mirror = [[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1], [-1, 0]]
register_symmetry(SymmetryGroup("slanted mirror", [identity, mirror]))
register_symmetry(SymmetryGroup("crossed mirrors", [identity, mirror, other_mirror, [[-1, 0], [0, -1]]]))
x = np.load(folder + "/x.npy")
"""
_SAVE = """
layers = [
    GroupConv2D(3, 3, "crossed mirrors", activation="relu"),
    CosetPooling("crossed mirrors", "slanted mirror"),
    GroupConv2D(3, 3, "crossed mirrors", input_subgroup="slanted mirror"),
    keras.layers.BatchNormalization(),
    GroupConv2DTranspose(2, 3, "crossed mirrors"),
]
model = keras.Sequential([keras.Input((7, 7, 2)), *layers])
np.save(folder + "/y.npy", model(x))
model.save(folder + "/model.keras")
print(equivariance_error(model, x))
"""
_LOAD = """
model = keras.models.load_model(folder + "/model.keras")
print(np.abs(np.asarray(model(x)) - np.load(folder + "/y.npy")).max())
"""


def test_registered_used_saved_and_loaded_in_a_new_process(tmp_path, monkeypatch, capsys, tensorflow_backend):
    np.save(tmp_path / "x.npy", random_array(2, 7, 7, 2))
    monkeypatch.setattr(sys, "argv", ["script", str(tmp_path)])
    exec(_DEFINE + _SAVE, {})  # noqa: S102
    assert float(capsys.readouterr().out) < 1e-5
    assert float(run_python(_DEFINE + _LOAD, tmp_path)) < 1e-6
