"""Watch a training with diffusion spectral entropy: a callback whose figures the other callbacks use."""

# %%
import csv

import keras
import numpy as np
from keras_equivariant.training.pictures.gallery import draw_entropy
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

from keras_equivariant.callbacks import DiffusionSpectralEntropy
from keras_equivariant.entropy import diffusion_spectral_entropy

keras.utils.set_random_seed(0)
digits = load_digits()
images, labels = (digits.images[..., None] / 16).astype("float32"), digits.target
train, test = slice(0, 1200), slice(1200, None)

# %%
clusters = np.repeat(np.eye(5), 100, axis=0) * 100
entropy = diffusion_spectral_entropy(clusters, sigma=1.0)
print(f"five tight, distant clusters: {entropy:.3f} bits; log2(5) is {np.log2(5):.3f}")

# %%
inputs = keras.Input((8, 8, 1))
x = keras.layers.Conv2D(16, 3, activation="relu")(inputs)
x = keras.layers.Conv2D(16, 3, activation="relu")(x)
x = keras.layers.Flatten()(x)
x = keras.layers.Dense(32, activation="relu", name="embedding")(x)
model = keras.Model(inputs, keras.layers.Dense(10)(x))
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(keras.optimizers.Adam(0.002), loss, metrics=["accuracy"])

# %%
watch = DiffusionSpectralEntropy(images[test], labels[test], layer="embedding", sigma="median")
callbacks = [
    watch,  # first: those after it see `dse` and `dsmi_y`
    keras.callbacks.CSVLogger("entropy.csv"),
    keras.callbacks.EarlyStopping("dsmi_y", mode="max", patience=5),
]
model.fit(images[train], labels[train], batch_size=50, epochs=20, callbacks=callbacks, verbose=0)
with open("entropy.csv") as log:
    rows = list(csv.DictReader(log))
for row in rows[:: max(1, len(rows) // 4)]:
    print(f"epoch {row['epoch']}: entropy {float(row['dse']):.2f} bits, with the labels {float(row['dsmi_y']):.2f}")

# %%
figure = Figure(figsize=(6, 4), layout="constrained")
columns = {name: [float(row[name]) for row in rows] for name in ("epoch", "dse", "dsmi_y")}
draw_entropy(figure.subplots(), columns["epoch"], columns["dse"], columns["dsmi_y"])
figure.savefig("entropy.png", dpi=80)
