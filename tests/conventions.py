"""All layers beside those of Keras that they resemble."""

import keras
from convention import KERNEL, Convention
from conventions_of_groups import GROUPS
from conventions_of_offsets import OFFSETS

from keras_equivariant import layers as own

TABLE = [
    *GROUPS,
    *OFFSETS,
    *(
        Convention(
            layer,
            keras.layers.Rescaling,
            {**arguments, "name": "colours"},
            (2, 4, 5, 3),
            adds=tuple(arguments),
            lacks=("scale", "offset"),
            why="A function of each value, as Rescaling is, but of this one.",
        )
        for layer, arguments in (
            (own.LogRGB, {"epsilon": 0.01}),
            (own.InverseLogRGB, {}),
            (own.RemoveGamma, {}),
            (own.ApplyGamma, {}),
        )
    ),
    Convention(
        own.RandomIlluminant,
        keras.layers.RandomHue,
        {"saturation": 0.3, "gamma": False, "seed": 4, "name": "light"},
        (2, 4, 5, 3),
        {"in_prediction": True},
        adds=("saturation", "gamma", "in_prediction"),
        lacks=("factor", "value_range", "data_format", "bounding_box_format"),
        masks="kept",
        why="The hue is that of the light, and any; values are between 0 and 1. Every pixel stays in its place.",
    ),
    *(
        Convention(
            layer,
            keras.layers.Layer,
            {
                "n": 3,
                "activation": "tanh",
                "reduction": "decimate",
                **{f"beta_{what[5:]}": value for what, value in KERNEL.items() if what.startswith("bias_")},
                **{name: value for name, value in KERNEL.items() if name.startswith("bias_")},
                "name": "subsampling",
            },
            shape,
            {"use_bias": False},
            adds=(
                "n",
                "reduction",
                "activation",
                "use_bias",
                *(
                    f"{weight}_{what}"
                    for what in ("initializer", "regularizer", "constraint")
                    for weight in ("beta", "bias")
                ),
            ),
            why="Keras' pooling layers have no weights. n, beta and b are the paper's.",
        )
        for layer, shape in (
            (own.Subsampling1D, (2, 7, 3)),
            (own.Subsampling2D, (2, 7, 6, 3)),
            (own.Subsampling3D, (2, 4, 5, 6, 3)),
        )
    ),
    *(
        Convention(
            layer,
            nearest,
            {
                "filters": 5,
                "kernel_size": (3, 2)[: len(shape) - 2],
                "strides": (2, 2)[: len(shape) - 2],
                "padding": "same",
                "activation": "tanh",
                "depthwise_initializer": "he_normal",
                "pointwise_initializer": "random_normal",
                "bias_initializer": "ones",
                "depthwise_regularizer": "l2",
                "bias_regularizer": "l1",
                "activity_regularizer": "l2",
                "depthwise_constraint": "max_norm",
                "pointwise_constraint": "max_norm",
                "bias_constraint": "non_neg",
                "mixing": "sparsemax",
                "mixing_regularizer": "l2",
                "name": "combination",
            },
            shape,
            {
                "strides": 1,
                "dilation_rate": 2,
                "use_bias": False,
                "mixing_regularizer": None,
                "pointwise_regularizer": "l2",
            },
            adds=("mixing", "mixing_regularizer"),
            fixed=("data_format", "depth_multiplier"),
            by_name=("depth_multiplier",),
            defaults={"pointwise_initializer": "zeros"},
            why="One kernel for each input map; zeros give each map an equal share.",
        )
        for layer, nearest, shape in (
            (own.CombinationConv1D, keras.layers.SeparableConv1D, (2, 6, 4)),
            (own.CombinationConv2D, keras.layers.SeparableConv2D, (2, 6, 8, 4)),
        )
    ),
    Convention(
        own.CombinationConv3D,
        keras.layers.Conv3D,
        {
            "filters": 5,
            "kernel_size": (3, 2, 2),
            "strides": (2, 2, 2),
            "padding": "same",
            "activation": "tanh",
            "depthwise_initializer": "he_normal",
            "pointwise_initializer": "random_normal",
            "bias_initializer": "ones",
            "depthwise_regularizer": "l2",
            "bias_regularizer": "l1",
            "activity_regularizer": "l2",
            "depthwise_constraint": "max_norm",
            "pointwise_constraint": "max_norm",
            "bias_constraint": "non_neg",
            "mixing": "sparsemax",
            "mixing_regularizer": "l2",
            "name": "combination",
        },
        (2, 4, 5, 4, 3),
        {
            "strides": 1,
            "dilation_rate": 2,
            "use_bias": False,
            "mixing_regularizer": None,
            "pointwise_regularizer": "l2",
        },
        adds=(
            "mixing",
            "mixing_regularizer",
            "depth_multiplier",
            *(
                f"{part}_{what}"
                for part in ("depthwise", "pointwise")
                for what in ("initializer", "regularizer", "constraint")
            ),
        ),
        lacks=("groups", "kernel_initializer", "kernel_regularizer", "kernel_constraint"),
        fixed=("data_format", "depth_multiplier"),
        why="Keras has no separable convolution of volumes: this is one, with one kernel for each input map.",
    ),
    *(
        Convention(
            layer,
            nearest,
            {
                "connection_table": [[0, 1], [3], [0, 2, 3], [1, 2]],
                "kernel_size": (3, 2, 2)[: len(shape) - 2],
                "strides": (2, 2, 2)[: len(shape) - 2],
                "padding": "same",
                "activation": "tanh",
                "kernel_constraint": "max_norm",
                "name": "table",
                **KERNEL,
            },
            shape,
            {"strides": 1, "dilation_rate": 2, "use_bias": False},
            adds=("connection_table",),
            lacks=("filters",),
            fixed=("data_format", "groups"),
            by_name=("groups",),
            why="The table says how many filters there are, and what each reads. Kernels are stored one by one.",
        )
        for layer, nearest, shape in (
            (own.TableConv1D, keras.layers.Conv1D, (2, 6, 4)),
            (own.TableConv2D, keras.layers.Conv2D, (2, 6, 7, 4)),
            (own.TableConv3D, keras.layers.Conv3D, (2, 4, 5, 4, 4)),
        )
    ),
]
