"""The missing centre of photographs, learned with an adversary, tested under coloured light."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from keras_equivariant.training.data.files import check_not_black
from keras_equivariant.training.model.network import create_network
from keras_equivariant.training.recipes import Recipe
from keras_equivariant.training.tasks.inpainting import pictures
from keras_equivariant.training.tasks.inpainting.adversary import Adversarial
from keras_equivariant.training.tasks.inpainting.evaluation import measure, paint_centres, signal_to_noise
from keras_equivariant.training.tasks.inpainting.images import (
    HOLE,
    SIZE,
    Photographs,
    central_crops,
    centre,
    erase,
    load,
    training_batches,
)
from keras_equivariant.training.tasks.task import (
    Batches,
    BySaturation,
    Curve,
    Figure,
    Labels,
    Models,
    Part,
    Prediction,
    Prepare,
    Task,
)
from matplotlib.figure import FigureBase

from keras_equivariant import zoo
from keras_equivariant.layers import ApplyGamma, LogRGB, RemoveGamma

Data = tuple[Photographs, Photographs]  # to train on and to test on
_LINEAR = "linear_centre"  # of the offset network, in linear RGB, in [-1, 1]


class Inpainting(Task[Data]):
    """A network from linear RGB with an erased centre to the centre in sRGB, in [-1, 1]."""

    name = "inpainting"
    preprocessings = ("srgb", "linear_log_rgb")
    figures = {"psnr": Figure("PSNR of the centre (dB)")}
    higher_is_better = True
    curves = (
        Curve("reconstruction_loss", "reconstruction loss"),
        Curve("generator_loss", "generator loss"),
        Curve("discriminator_loss", "discriminator loss"),
    )
    distributions = (None, "mirrored")
    checked_images = 4

    def load(self, recipe: Recipe, data_dir: str | None) -> Data:
        return load(recipe.dataset, data_dir)

    def parts(self, data: Data) -> list[Part]:
        return [Part("", data[0])]

    def network(self, recipe: Recipe, data: Data, name: str) -> keras.Model:
        """The recipe's network with all conversions around it."""
        generator = create_network(recipe, (SIZE, SIZE, 3), (HOLE, HOLE, 3))
        inputs = keras.Input((SIZE, SIZE, 3))
        if recipe.preprocessing == "linear_log_rgb":
            scaled = layers.Rescaling(1.0, name=_LINEAR)(generator(LogRGB()(inputs)))
            outputs = layers.Rescaling(2.0, -1.0)(ApplyGamma()(layers.Rescaling(0.5, 0.5)(scaled)))
        else:
            outputs = generator(layers.Rescaling(2.0, -1.0)(ApplyGamma()(inputs)))
        return keras.Model(inputs, outputs, name="generator")

    def trainable(self, recipe: Recipe, network: keras.Model) -> keras.Model:
        """Each network is trained, and judged, in the space that it draws in."""
        if recipe.preprocessing == "linear_log_rgb":
            network = keras.Model(network.input, network.get_layer(_LINEAR).output)
        config = recipe.loss["config"]
        discriminator = zoo.context_discriminator(config["discriminator_filters"])
        return Adversarial(network, discriminator, config["adversarial_weight"])

    def loss(self, recipe: Recipe) -> None:
        """None: `Adversarial` has its own."""

    def batches(
        self, recipe: Recipe, part: Part, preprocess: Prepare, epoch: int, workers: tuple[int, int] = (1, 0)
    ) -> Batches:
        linear = recipe.preprocessing == "linear_log_rgb"
        how = (recipe.batch_size, recipe.seed, epoch)
        return training_batches(part.train, *how, linear=linear, steps=recipe.steps_per_epoch)

    def examples(self, data: Data, count: int, split: str = "test") -> tuple[np.ndarray, np.ndarray]:
        crops = central_crops(data[0] if split == "train" else data[1], count)
        return np.asarray(erase(crops)), 2 * np.asarray(ApplyGamma()(centre(crops))) - 1

    def evaluate(self, recipe: Recipe, model: keras.Model, data: Data, preprocess: Prepare) -> dict[str, Any]:
        images = central_crops(data[1])
        ratios = measure(model, images)
        discriminator = zoo.context_discriminator(recipe.loss["config"]["discriminator_filters"])
        count = sum(int(np.prod(variable.shape)) for variable in discriminator.trainable_variables)
        return {
            "discriminator_parameters": count,
            "images": len(images),
            "psnr": ratios["psnr_by_saturation"]["0.0"],
            **ratios,
        }

    def draw(
        self,
        figure: FigureBase,
        model: keras.Model,
        data: Data,
        preprocess: Prepare,
        history: list[dict[str, float]],
        metrics: dict[str, Any],
    ) -> None:
        pictures.draw_report(figure, model, central_crops(data[1]), history, metrics)

    def predict(self, model: keras.Model, image: np.ndarray, preprocess: Prepare, labels: Labels) -> Prediction:
        """Paints the centre of the picture's central square, reduced to the size of the network, as if it were lost."""
        check_not_black(image, "it")
        side = min(image.shape[:2])
        if side < SIZE:
            raise ValueError(f"The image must be at least {SIZE} pixels wide and high. Received: {image.shape[:2]}")
        square = tf.image.resize_with_crop_or_pad(image, side, side)
        small = np.clip(tf.image.resize(square, (SIZE, SIZE), antialias=True), 0, 1)[None].astype("float32")
        linear = np.asarray(RemoveGamma()(small))
        painted = paint_centres(model, linear)
        ratio = signal_to_noise(painted, centre(linear))
        corner = (SIZE - HOLE) // 2
        small[:, corner : corner + HOLE, corner : corner + HOLE] = ApplyGamma()(painted)
        return Prediction(f"PSNR {ratio:.2f} dB", {"prediction": f"{ratio:.2f}", "psnr": ratio}, small[0])

    def error(self, outputs: np.ndarray, targets: np.ndarray) -> float:
        outputs, targets = (np.asarray(RemoveGamma()(((x + 1) / 2).clip(0, 1))) for x in (outputs, targets))
        return signal_to_noise(outputs, targets)

    def by_saturation(self, label: str, metrics: dict[str, Any]) -> BySaturation:
        return {
            f"{label}, light taken out": metrics["psnr_by_saturation"],
            f"{label}, under the light": metrics["tinted_psnr_by_saturation"],
            "mean colour, light taken out": metrics["mean_psnr_by_saturation"],
        }

    def draw_under_light(self, figure: FigureBase, models: Models, data: Data, count: int) -> None:
        networks = {label: model for label, (model, _) in models.items()}
        pictures.draw_centres(figure, networks, central_crops(data[1]), count)


TASK = Inpainting()
