"""Convert and ship: a trained equivariant network leaves as an ordinary one."""

# %%
import subprocess
import sys

import keras
import numpy as np
import tensorflow as tf

from keras_equivariant import zoo
from keras_equivariant.planar import to_planar

keras.utils.set_random_seed(0)
model = zoo.p4cnn()  # train it here
images = np.random.default_rng(0).normal(size=(4, 28, 28, 1)).astype("float32")

# %%
planar = to_planar(model)
difference = np.abs(planar.predict(images, verbose=0) - model.predict(images, verbose=0)).max()
print(f"{model.count_params():,} parameters become {planar.count_params():,}; outputs differ by {difference:.0e}")
print("kinds of layers:", ", ".join(sorted({type(layer).__name__ for layer in planar.layers})))

# %%
planar.save("planar.keras")
without_us = """
import sys, keras
sys.modules["keras_equivariant"] = None  # cannot be imported
print("loaded without the package:", keras.models.load_model('planar.keras').output_shape)
"""
print(subprocess.run([sys.executable, "-c", without_us], check=True, capture_output=True, text=True).stdout, end="")

# %%
model.export("saved_model", verbose=False)
served = tf.saved_model.load("saved_model")
difference = np.abs(served.serve(images).numpy() - model.predict(images, verbose=0)).max()
print(f"SavedModel, run by TensorFlow alone: outputs differ by {difference:.0e}")
