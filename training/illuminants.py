"""Images under coloured light: what goes into offset-equivariant networks, and how well a model bears a new light.

    python -m training.illuminants RUN [RUN ...] [--output FILE]

draws the test errors of runs that were tested by the evaluation "saturations", as in figures 2 and 4 of Cotogni &
Cusano, 2022.
"""

import argparse
import dataclasses

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from keras_equivariant.layers import LogRGB, RandomIlluminant, RemoveGamma
from training.run_folder import find_finished_run, read_json, replacing

SATURATIONS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_SEED = 0
_BATCH_SIZE = 500


@dataclasses.dataclass(frozen=True)
class StandardisedLogRGB:
    """Logarithms of linear RGB, of which one mean and one deviation for each colour are removed."""

    mean: tuple
    deviation: tuple
    background: float = 0.0  # pixels from outside are of the mean colour, not black

    @classmethod
    def fit(cls, images, chunk=5000):
        """Takes mean and deviation of each colour over all pixels of all images."""
        sums = np.zeros((2, images.shape[-1]))
        for start in range(0, len(images), chunk):
            logarithms = np.asarray(_log_rgb(images[start : start + chunk]), "float64")
            sums += np.stack([logarithms.sum((0, 1, 2)), (logarithms**2).sum((0, 1, 2))])
        mean, square = sums / (images.size / images.shape[-1])
        return cls(tuple(mean.tolist()), tuple(np.sqrt(square - mean**2).tolist()))

    def __call__(self, images):
        """Converts sRGB images between 0 and 1."""
        return (_log_rgb(images) - np.float32(self.mean)) / np.float32(self.deviation)


def _log_rgb(images):
    # On a TensorFlow tensor the layers return one, whatever the backend.
    return LogRGB()(RemoveGamma()(tf.convert_to_tensor(images)))


def draw_jitter(key, count):
    """Factors of brightness, contrast and saturation between 0.6 and 1.4, and turns of the hue by up to a tenth."""
    factors_key, hues_key = tf.unstack(tf.random.split(key))
    factors = tf.random.stateless_uniform((count, 3), factors_key, 0.6, 1.4)
    return tf.concat([factors, tf.random.stateless_uniform((count, 1), hues_key, -0.1, 0.1)], axis=1)


def jitter(images, parameters, background=None):
    """Changes brightness, contrast, saturation and hue, each image by its own parameters, in this order."""
    brightness, contrast, saturation, hue = tf.unstack(parameters[:, :, None, None], axis=1)
    images = images * brightness[..., None]
    grey = tf.reduce_mean(tf.image.rgb_to_grayscale(images), axis=(1, 2), keepdims=True)
    images = tf.clip_by_value(grey + (images - grey) * contrast[..., None], 0.0, 1.0)
    hues, saturations, values = tf.unstack(tf.image.rgb_to_hsv(images), axis=-1)
    saturations = tf.clip_by_value(saturations * saturation, 0.0, 1.0)
    return tf.image.hsv_to_rgb(tf.stack([tf.math.floormod(hues + hue, 1.0), saturations, values], axis=-1))


def lit_batches(split, preprocess, batch_size, saturation):
    """All images of a split, each under a light of its own hue, the same hue at every saturation.

    Args:
        split: `Split`.
        preprocess: What `fit_preprocessing` returned.
        batch_size: int.
        saturation: float between 0 and 1.

    Returns:
        `tf.data.Dataset` of `(images, labels)`.
    """
    light = RandomIlluminant(saturation, in_prediction=True)
    hues = np.random.default_rng(_SEED).uniform(size=len(split)).astype("float32")

    def lit(images, labels, hues):
        images = tf.cast(images, tf.float32) / 255 if images.dtype == tf.uint8 else images
        return preprocess(light(images, hue=hues)), labels

    data = tf.data.Dataset.from_tensor_slices((split.images, split.labels, hues))
    return data.batch(batch_size).map(lit).prefetch(tf.data.AUTOTUNE)


def test_saturations(model, data, preprocess):
    """Test errors in percent: as the images are, and by the saturation of a light of random hue."""
    errors = {}
    for saturation in SATURATIONS:
        predictions = model.predict(lit_batches(data.test, preprocess, _BATCH_SIZE, saturation), verbose=0)
        errors[str(saturation)] = float(100 * (predictions.argmax(axis=1) != data.test.labels).mean())
    return {"test_error": errors["0.0"], "test_error_by_saturation": errors}


def draw_saturations(paths, output):
    """Draws the errors of any number of runs over the saturation of the light.

    Args:
        paths: Folders of runs whose evaluation was "saturations".
        output: PNG file to write.

    Raises:
        ValueError: If a folder holds no finished run, or one with another evaluation.
    """
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    for path in paths:
        metrics = read_json(find_finished_run(path).metrics)
        errors = metrics.get("test_error_by_saturation")
        if errors is None:
            raise ValueError(f'The run must have been tested by the evaluation "saturations". Received: {path}')
        axes.plot([float(s) for s in errors], list(errors.values()), marker="o", label=str(path))
    axes.set(xlabel="saturation of the light", ylabel="test error (%)")
    axes.grid(alpha=0.3)
    axes.legend()
    with replacing(output) as partial:
        figure.savefig(partial, dpi=110, format="png")


def main():
    """Runs the command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="folders of runs")
    parser.add_argument("--output", default="saturations.png", help="picture to write")
    arguments = parser.parse_args()
    draw_saturations(arguments.runs, arguments.output)


if __name__ == "__main__":
    main()
