"""Make it robust to the colour of the light: convert a model, train both under white light, test under tinted ones."""

# %%

import keras
import numpy as np
from keras_equivariant.training.pictures.gallery import draw_lit_predictions
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

from keras_equivariant.convert import to_offset_equivariant
from keras_equivariant.equivariance import equivariance_error
from keras_equivariant.layers import LogRGB, OffsetAdapter, RandomIlluminant, RemoveGamma

keras.utils.set_random_seed(0)
random = np.random.default_rng(0)
digits = load_digits()
strokes, labels = (digits.images[..., None] / 16).astype("float32"), digits.target
# Coloured ink on coloured paper, neither of them ever black: there the logarithm has no tint to lose.
ink, paper = random.uniform(0.1, 0.9, (2, len(strokes), 1, 1, 3)).astype("float32")
images = strokes * ink + (1 - strokes) * paper
train, test = slice(0, 1200), slice(1200, None)


def logarithms(images):
    return np.asarray(LogRGB()(RemoveGamma()(images)))


# %%
inputs = keras.Input((8, 8, 3))
x = keras.layers.Conv2D(48, 3, padding="same")(inputs)
x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(x))
x = keras.layers.Conv2D(48, 3)(x)
x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(x))
x = keras.layers.GlobalAveragePooling2D()(x)
ordinary = keras.Model(inputs, keras.layers.Dense(30)(x))

# %%
equivariant = to_offset_equivariant(ordinary, feature_groups=3)


def classifier(body):
    """Ten scores for each colour; relative to their mean, and averaged over the colours, they ignore the light."""
    scores = OffsetAdapter(keras.layers.Identity(), feature_groups=3, invariant=True)(body.output)
    return keras.Model(body.input, keras.layers.GlobalAveragePooling1D()(keras.layers.Reshape((3, 10))(scores)))


models = {"ordinary": classifier(ordinary), "offset-equivariant": classifier(equivariant)}

# %%
saturations = np.linspace(0, 1, 6)
hues = random.uniform(size=len(images[test])).astype("float32")
errors = {}
for name, model in models.items():
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.003), loss, metrics=["accuracy"])
    model.fit(logarithms(images[train]), labels[train], batch_size=50, epochs=30, verbose=0)
    lights = [RandomIlluminant(saturation, in_prediction=True) for saturation in saturations]
    lit = [logarithms(np.asarray(light(images[test], hue=hues))) for light in lights]
    errors[name] = [100 * (model.predict(x, verbose=0).argmax(1) != labels[test]).mean() for x in lit]
    print(
        f"{name}: error {errors[name][0]:.1f} %, at saturation 1 {errors[name][-1]:.1f} %; change of the logits by "
        f"an offset {equivariance_error(model, logarithms(images[test]), feature_groups=3):.0e}"
    )

# %%
figure = Figure(figsize=(8, 10), layout="constrained")
sweep, predictions = figure.subfigures(2, 1, height_ratios=[3, 4])
axes = sweep.subplots()
for name, values in errors.items():
    axes.plot(saturations, values, marker="o", label=name)
axes.set(xlabel="saturation of the light", ylabel="test error (%)", ylim=(0, 100))
axes.legend()
draw_lit_predictions(predictions, models["offset-equivariant"], logarithms, images[test][0], labels[test][0])
figure.savefig("light.png", dpi=80)
