"""Batch norm of group maps: `GroupBatchNormalization` beside `keras.layers.BatchNormalization`, forward and backward.

    python benchmarks/batch_norm.py [--rounds N]

Prints for each size the median milliseconds of both, and how many times faster ours is, with its 95 % interval. They
take turns. KERAS_BACKEND says on which backend.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from timing import time_ratio

from keras_equivariant.layers import GroupBatchNormalization

SHAPES = ((8, 128, 128, 8, 6), (64, 28, 28, 8, 10), (32, 28, 28, 16, 10), (64, 28, 28, 4, 10), (8, 32, 32, 8, 45))


def step_of(layer, shape):
    """A function that computes the gradients of the sum of squares of the outputs in training."""
    layer.build(shape)
    x = keras.ops.convert_to_tensor(np.random.default_rng(0).normal(size=shape).astype("float32"))
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        @tf.function
        def gradients(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                loss = tf.reduce_sum(layer(x, training=True) ** 2)
            return tape.gradient(loss, [x, *(variable.value for variable in layer.trainable_variables)])

        return lambda: gradients(x)[0].numpy()
    if keras.config.backend() == "jax":
        import jax

        weights = [variable.value for variable in layer.trainable_variables]
        others = [variable.value for variable in layer.non_trainable_variables]

        def loss(weights, x):
            return (layer.stateless_call(weights, others, x, training=True)[0] ** 2).sum()

        gradients = jax.jit(jax.grad(loss, (0, 1)))
        return lambda: jax.block_until_ready(gradients(weights, x))

    def step():
        (layer(x.clone().requires_grad_(True), training=True) ** 2).sum().backward()

    return step


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12)
    arguments = parser.parse_args()
    for shape in SHAPES:
        steps = [step_of(layer, shape) for layer in (keras.layers.BatchNormalization(), GroupBatchNormalization())]
        (theirs, ours), ratio, (low, high) = time_ratio(*steps, arguments.rounds)
        print(f"{shape}: Keras {1e3 * theirs:.1f} ms, here {1e3 * ours:.1f} ms, {ratio:.2f} ({low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()
