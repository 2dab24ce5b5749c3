"""Image transforms for tf.data pipelines. Nothing here draws random numbers: pass the parameters."""

import tensorflow as tf


def rotate(images, angles):
    """Turns images about their centres, counter-clockwise, with bilinear interpolation; what comes in is zero.

    Args:
        images: Float tensor `(batch, height, width, channels)`.
        angles: Float tensor `(batch,)`, in radians.

    Returns:
        The rotated images.
    """
    height, width = tf.shape(images)[1], tf.shape(images)[2]
    centre_x, centre_y = tf.cast(width - 1, tf.float32) / 2, tf.cast(height - 1, tf.float32) / 2
    cosine, sine, zero = tf.cos(angles), tf.sin(angles), tf.zeros_like(angles)
    # The output pixel (x, y), rows downwards, shows the input at (c x - s y + dx, s x + c y + dy): it was there before
    # the turn.
    shift_x = centre_x - cosine * centre_x + sine * centre_y
    shift_y = centre_y - sine * centre_x - cosine * centre_y
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack([cosine, -sine, shift_x, sine, cosine, shift_y, zero, zero], axis=1),
        output_shape=tf.stack([height, width]),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
