"""A painter of centres, trained together with its adversary by an ordinary `fit`."""

import keras
import tensorflow as tf
from keras import ops


class Adversarial(keras.Model):
    """Trains a painter to draw what was there, and so that a discriminator takes it for real.

    The loss of the painter is

        (1 - weight) * mean of (drawn - real)^2 + weight * cross-entropy of "real" for D(drawn)

    and that of the discriminator D the mean of the cross-entropies of "real" for D(real) and of "drawn" for D(drawn).
    Both are in one sum, for one optimizer that treats each weight by itself: the painter's loss sees weights of the
    discriminator through which no gradient passes, and the discriminator's sees centres through which none passes.

    Args:
        painter: `keras.Model` from images to centres.
        discriminator: `keras.Model` from centres to a logit, positive for real ones.
        weight: Share of the adversarial part in the painter's loss.

    Reference:
        [Pathak et al., 2016](https://arxiv.org/abs/1604.07379), equations 1 to 3.
    """

    def __init__(self, painter, discriminator, weight=0.001, name="adversarial"):
        super().__init__(name=name)
        self.painter = painter
        self.discriminator = discriminator
        self.weight = weight
        names = ("reconstruction", "deceit", "judgement")
        self.parts = [keras.metrics.Mean(name=name) for name in names]
        self.built = True

    def call(self, inputs, training=None):
        return self.painter(inputs, training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        reconstruction = ops.mean(ops.square(y_pred - y))
        # Gradients and losses of the replicas of a MirroredStrategy are summed.
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        if not training:
            return reconstruction / replicas
        frozen = [ops.stop_gradient(variable.value) for variable in self.discriminator.trainable_variables]
        others = [variable.value for variable in self.discriminator.non_trainable_variables]
        judged, _ = self.discriminator.stateless_call(frozen, others, y_pred, training=True)
        deceit = _cross_entropy(judged, real=True)
        judgement = _cross_entropy(self.discriminator(y, training=True), real=True)
        judgement += _cross_entropy(self.discriminator(ops.stop_gradient(y_pred), training=True), real=False)
        judgement = judgement / 2
        for part, value in zip(self.parts, (reconstruction, deceit, judgement), strict=True):
            part.update_state(value)
        return ((1 - self.weight) * reconstruction + self.weight * deceit + judgement) / replicas


def _cross_entropy(logits, real):
    """Binary cross-entropy of a verdict, in a form that does not overflow."""
    return ops.mean(ops.softplus(-logits if real else logits))
