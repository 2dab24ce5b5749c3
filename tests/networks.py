"""The networks of the zoo, small enough to try things on all of them."""

import keras
import numpy as np

from keras_equivariant import zoo

_STAGES = {"filters": (3, 6, 6), "blocks": 1}
_SMALL = {
    **dict.fromkeys(["z2cnn", "p4cnn", "p4cnn_rotation_pooling"], {"filters": 3}),
    **dict.fromkeys(["all_cnn_c", "p4_all_cnn_c", "p4m_all_cnn_c"], {"filters": (3, 4)}),
    **dict.fromkeys([*zoo.list_models("*resnet2?"), *zoo.list_models("*resnet44")], _STAGES),
    **dict.fromkeys(zoo.list_models("*cerberus"), {"filters": (3, 6), "input_shape": (16, 16, 3), "units": 6}),
    **dict.fromkeys(zoo.list_models("*context_encoder"), {"filters": 3, "bottleneck": 6}),
    **dict.fromkeys(["p8_cnn", "p16m_cnn"], {"filters": (2, 3, 2, 3, 2), "features": 5, "input_shape": (24, 24, 1)}),
    "context_discriminator": {"filters": 3},
    **dict.fromkeys(zoo.list_models("*small"), {"filters": (3, 4), "features": 5, "input_shape": (16, 16, 3)}),
    **dict.fromkeys(zoo.list_models("*unet"), {"filters": 2, "depth": 2, "input_shape": (13, 8, 3)}),
    **dict.fromkeys(
        [*zoo.list_models("*resnet50"), *zoo.list_models("*resnet18")],
        {"filters": 3, "input_shape": (32, 32, 3), "classes": 7, "blocks": (1, 1, 1, 1)},
    ),
    **dict.fromkeys(zoo.list_models("*wide_resnet"), {"depth": 10, "widen_factor": 0.5, "input_shape": (12, 12, 3)}),
    **dict.fromkeys(zoo.list_models("*densenet"), {"growth_rate": 3, "blocks": (1, 2), "input_shape": (17, 17, 3)}),
}


def arguments_of_small(name):
    """What makes a network of the zoo narrow and shallow."""
    return dict(_SMALL.get(name, {}))


def small_network(name, precision="float32"):
    """A narrow, shallow model whose weights and statistics are all different from those that layers start with."""
    keras.config.set_dtype_policy(precision)
    try:
        model = zoo.create(name, **_SMALL.get(name, {}))
    finally:
        keras.config.set_dtype_policy("float32")
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
        elif getattr(layer, "bias", None) is not None:
            layer.bias.assign(rng.normal(scale=0.1, size=layer.bias.shape))
    return model


def create_with_random_statistics(name, **arguments):
    """A network with batch-norm scales and statistics that no symmetry could come from."""
    model = zoo.create(name, **arguments)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
    return model


def perfect(classes):
    """A network that tells bright pixels from dark ones; of three classes, all that is bright is inside."""
    inputs = keras.Input((None, None, 1))
    layer = keras.layers.Conv2D(classes, 1)
    model = keras.Model(inputs, layer(inputs))
    layer.set_weights([10 * np.eye(classes)[1][None, None, None], 2 * np.eye(classes)[0]])
    return model
