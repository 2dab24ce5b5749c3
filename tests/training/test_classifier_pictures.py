"""What the pictures of classifiers show: images, probabilities, names and curves, each in its place."""

import keras
import numpy as np
import pytest
from keras_equivariant.training.data.images import LabelledImages, Split
from keras_equivariant.training.input.preprocessing import Unchanged
from keras_equivariant.training.pictures.gallery import draw_feature_maps, draw_filters, draw_oriented_predictions
from keras_equivariant.training.tasks.classification import own_report, pictures
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from keras_equivariant.layers import GroupConv2D

pytestmark = pytest.mark.usefixtures("tensorflow_backend")
NAMES = ["upper left", "upper right", "lower left", "lower right"]
ORANGE = "#ff7f0e"


def by_quarters():
    """A model of four classes, the quarters of an image: the brightest wins."""
    inputs = keras.Input((8, 8, 1))
    means = keras.layers.Flatten()(keras.layers.AveragePooling2D(4)(inputs))
    return keras.Model(inputs, keras.layers.Rescaling(20.0)(means))


def softmax(images):
    means = 20 * images.reshape(-1, 2, 4, 2, 4).mean(axis=(2, 4)).reshape(-1, 4)
    return np.exp(means) / np.exp(means).sum(axis=1, keepdims=True)


def turned(image, turns):
    """Counter-clockwise, pixel by pixel."""
    for _ in range(turns):
        image = np.array([[image[column, 7 - row] for column in range(8)] for row in range(8)])
    return image


def test_an_image_in_all_orientations():
    image = np.random.default_rng(0).uniform(size=(8, 8, 1))
    figure = Figure()
    draw_oriented_predictions(figure, by_quarters(), Unchanged(), image, 2, NAMES)
    mirrored = np.array([row[::-1] for row in image])
    expected = [turned(one, turns) for one in (image, mirrored) for turns in range(4)]
    titles = [f"{name}\n{90 * turns} degrees" for name in ("as it is", "mirrored") for turns in range(4)]
    above, below = figure.axes[:8], figure.axes[8:]
    assert [axes.get_title() for axes in above] == titles
    for shown, chart, wanted in zip(above, below, expected, strict=True):
        np.testing.assert_allclose(np.squeeze(shown.images[0].get_array()), wanted[..., 0], atol=1e-6)
        np.testing.assert_allclose([bar.get_height() for bar in chart.patches], softmax(wanted)[0], rtol=1e-4)
        assert [to_hex(bar.get_facecolor()) == ORANGE for bar in chart.patches] == [False, False, True, False]
        assert [label.get_text() for label in chart.get_xticklabels()] == NAMES
    assert NAMES[2] in figure.get_suptitle()


def test_of_many_classes_its_own_is_shown():
    inputs = keras.Input((8, 8, 1))
    scores = keras.layers.Dense(12, kernel_initializer="zeros")(keras.layers.GlobalAveragePooling2D()(inputs))
    model = keras.Model(inputs, scores)
    model.layers[-1].bias.assign(np.arange(12, dtype="float32"))
    figure = Figure()
    draw_oriented_predictions(figure, model, Unchanged(), np.zeros((8, 8, 1), "float32"), 1)
    for chart in figure.axes[8:]:
        assert [label.get_text() for label in chart.get_xticklabels()] == ["1", *map(str, range(3, 12))]
        assert to_hex(chart.patches[0].get_facecolor()) == ORANGE


def test_filters_and_feature_maps():
    inputs = keras.Input((8, 8, 1))
    outputs = GroupConv2D(2, 3, "p4", name="lifting")(inputs)
    model = keras.Model(inputs, outputs)
    figure = Figure()
    draw_filters(figure, model.get_layer("lifting"))
    shown = np.array([axes.images[0].get_array() for axes in figure.axes]).reshape(4, 2, 3, 3)
    for turns, copies in enumerate(shown):
        np.testing.assert_allclose(copies, np.rot90(shown[0], turns, axes=(1, 2)), atol=1e-6)
    image = np.random.default_rng(0).uniform(size=(8, 8, 1)).astype("float32")
    figure = Figure()
    draw_feature_maps(figure, model, "lifting", image, channel=1)
    shown = [axes.images[0].get_array() for axes in figure.axes]
    maps = np.asarray(model(image[None]))[0, ..., 1]
    for turns in range(4):
        row = shown[5 * turns : 5 * turns + 5]
        np.testing.assert_allclose(row[0], turned(image, turns)[..., 0], atol=1e-6)
        for orientation in range(4):
            expected = np.rot90(maps[..., (orientation - turns) % 4], turns)
            np.testing.assert_allclose(row[1 + orientation], expected, atol=1e-5)


HISTORY = [
    {"epoch": e, "loss": 2.0 - e, "accuracy": 0.5 + e / 4, "val_loss": 3.0 - e, "val_accuracy": 0.25 + e / 4}
    | {"dse": 5.0 + e, "dsmi_y": 1.0 + e}
    for e in range(2)
]
CURVES = {
    "loss": {"training": [2, 1], "validation": [3, 2]},
    "error (%)": {"training": [50, 25], "validation": [75, 50]},
}


def lines_of(axes):
    return {line.get_label(): list(line.get_ydata()) for line in axes.get_lines()}


def test_learning_curves():
    figure = Figure()
    pictures._draw_curves(figure, HISTORY)
    found = {axes.get_ylabel(): lines_of(axes) for axes in figure.axes}
    entropy = {"of the embedding": [5, 6], "shared with the labels": [1, 2]}
    assert found == CURVES | {"diffusion spectral entropy (bits)": entropy}


def test_the_report_on_people_s_own_pictures():
    rng = np.random.default_rng(0)
    images, labels = rng.uniform(size=(24, 8, 8, 1)).astype("float32"), rng.integers(0, 4, 24)
    split = Split(images, labels)
    probabilities = softmax(images)
    said = probabilities.argmax(axis=1)
    matrix = np.zeros((4, 4), int)
    np.add.at(matrix, (labels, said), 1)
    metrics = {"model": "m", "recipe": "r", "accuracy": 25.0, "calibration_error": 3.0, "parameters": 7}
    figure = Figure(layout="constrained")
    data = LabelledImages(split, split, 4, names=tuple(NAMES))
    metrics["confusion_matrix"] = matrix.tolist()
    own_report.draw_report(figure, by_quarters(), data, Unchanged(), HISTORY, metrics, NAMES)
    above, surest, wrong, oriented = figure.subfigs

    loss, error, confusion = above.axes
    assert {axes.get_ylabel(): lines_of(axes) for axes in (loss, error)} == CURVES
    cells = {text.get_position(): int(text.get_text()) for text in confusion.texts}
    assert cells == {(column, row): matrix[row, column] for row in range(4) for column in range(4)}
    assert (confusion.get_xlabel(), confusion.get_ylabel()) == ("predicted", "true")

    for shown, right in ((surest, True), (wrong, False)):
        chosen = np.flatnonzero((said == labels) == right)
        chosen = chosen[np.argsort(-probabilities[chosen].max(axis=1))][:8]
        for axes, i in zip(shown.axes, chosen, strict=False):
            text = f"{NAMES[said[i]]} ({probabilities[i].max():.0%})"
            text += "" if right else f"\nis {NAMES[labels[i]]} ({probabilities[i, labels[i]]:.0%})"
            assert axes.get_title() == text
            np.testing.assert_allclose(np.squeeze(axes.images[0].get_array()), images[i, ..., 0], atol=1e-6)
    least = probabilities.max(axis=1).argmin()
    np.testing.assert_allclose(np.squeeze(oriented.axes[0].images[0].get_array()), images[least, ..., 0], atol=1e-6)
