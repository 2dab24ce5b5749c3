"""A generator, trained together with its adversary by an ordinary `fit`."""

from typing import Any

import keras
import tensorflow as tf
from keras import ops


class Adversarial(keras.Model):
    """Trains a generator to predict the erased centre such that a discriminator takes it for real.

    The loss of the generator is

        (1 - weight) * mean of (painted - real)^2 + weight * cross-entropy of "real" for D(painted)

    and that of the discriminator D the mean of the cross-entropies of "real" for D(real) and of "painted" for
    D(painted).
    Both are in one sum, for one optimizer that treats each weight by itself: the generator's loss sees weights of the
    discriminator through which no gradient passes, and the discriminator's sees centres through which none passes.

    Args:
        generator: `keras.Model` from images to centres.
        discriminator: `keras.Model` from centres to a logit, positive for real ones.
        weight: Share of the adversarial part in the generator's loss.

    Reference:
        [Pathak et al., 2016](https://arxiv.org/abs/1604.07379), equations 1 to 3.
    """

    def __init__(
        self, generator: keras.Model, discriminator: keras.Model, weight: float = 0.001, name: str = "adversarial"
    ) -> None:
        super().__init__(name=name)
        self.generator = generator
        self.discriminator = discriminator
        self.weight = weight
        names = ("reconstruction_loss", "generator_loss", "discriminator_loss")
        self.parts = [keras.metrics.Mean(name=name) for name in names]
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return self.generator(inputs, training=training)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        reconstruction = ops.mean(ops.square(y_pred - y))
        # Gradients and losses of the replicas of a MirroredStrategy are summed.
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        if not training:
            return reconstruction / replicas
        frozen = [ops.stop_gradient(variable.value) for variable in self.discriminator.trainable_variables]
        others = [variable.value for variable in self.discriminator.non_trainable_variables]
        judged, _ = self.discriminator.stateless_call(frozen, others, y_pred, training=True)
        generator_loss = _cross_entropy(judged, real=True)
        discriminator_loss = _cross_entropy(self.discriminator(y, training=True), real=True)
        discriminator_loss += _cross_entropy(self.discriminator(ops.stop_gradient(y_pred), training=True), real=False)
        discriminator_loss = discriminator_loss / 2
        for part, value in zip(self.parts, (reconstruction, generator_loss, discriminator_loss), strict=True):
            part.update_state(value)
        generator_part = (1 - self.weight) * reconstruction + self.weight * generator_loss
        return (generator_part + discriminator_loss) / replicas


def _cross_entropy(logits: Any, real: bool) -> Any:
    """Binary cross-entropy of a verdict, in a form that does not overflow."""
    return ops.mean(ops.softplus(-logits if real else logits))
