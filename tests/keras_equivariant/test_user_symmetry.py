"""A group from outside of the library, from its matrices to a model loaded in another process."""

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
register_symmetry(SymmetryGroup("diagonal", [identity, mirror]))
register_symmetry(SymmetryGroup("diagonals", [identity, mirror, other_mirror, [[-1, 0], [0, -1]]]))
x = np.load(folder + "/x.npy")
"""
_SAVE = """
layers = [
    GroupConv2D(3, 3, "diagonals", activation="relu"),
    CosetPooling("diagonals", "diagonal"),
    GroupConv2D(3, 3, "diagonals", input_subgroup="diagonal"),
    keras.layers.BatchNormalization(),
    GroupConv2DTranspose(2, 3, "diagonals"),
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


def test_registered_in_a_script_used_saved_and_loaded_in_a_new_process(tmp_path, tensorflow_backend):
    np.save(tmp_path / "x.npy", random_array(2, 7, 7, 2))
    assert float(run_python(_DEFINE + _SAVE, tmp_path)) < 1e-5
    assert float(run_python(_DEFINE + _LOAD, tmp_path)) < 1e-6
