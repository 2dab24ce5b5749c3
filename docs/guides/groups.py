"""Add a group: the mirrors in both diagonals, from its matrices alone."""

# %%
import keras
import numpy as np

from keras_equivariant import SymmetryGroup, get_symmetry, register_symmetry
from keras_equivariant.equivariance import equivariance_error
from keras_equivariant.layers import CosetPooling, GroupConv2D

identity, half_turn = [[1, 0], [0, 1]], [[-1, 0], [0, -1]]
main_diagonal, other_diagonal = [[0, 1], [1, 0]], [[0, -1], [-1, 0]]
register_symmetry(SymmetryGroup("diagonals", [identity, half_turn, main_diagonal, other_diagonal]))
group = get_symmetry("diagonals")
print(f"order {group.order}; products of the elements:\n{group.product}")

# %%
keras.utils.set_random_seed(0)
inputs = keras.Input((15, 15, 1))
x = GroupConv2D(8, 3, "diagonals", activation="relu")(inputs)  # (13, 13, 4, 8)
x = GroupConv2D(8, 3, "diagonals", activation="relu")(x)
x = CosetPooling("diagonals")(x)
x = keras.layers.GlobalAveragePooling2D()(x)
model = keras.Model(inputs, keras.layers.Dense(3)(x))

# %%
images = np.random.default_rng(0).normal(size=(4, 15, 15, 1)).astype("float32")
print(f"under the diagonals {equivariance_error(model, images, 'diagonals'):.0e}")
print(f"under quarter turns {equivariance_error(model, images, 'p4'):.0e}")

# %%
try:
    SymmetryGroup("incomplete", [identity, [[0, -1], [1, 0]]])  # a quarter turn without the half turn
except ValueError as error:
    print(f"refused: {error}")
