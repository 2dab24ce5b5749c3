"""The group layers beside those of Keras."""

import keras
from convention import KERNEL, RENORMALISES, Convention

from keras_equivariant import layers as own

GROUP_CONV = {"filters": 4, "padding": "same", "groups": 2, "activation": "relu", "kernel_constraint": "max_norm"}
POOLING = {"pool_size": (2, 3), "strides": (1, 2), "padding": "same", "name": "pool"}


def _group_conv(layer, nearest, shape, symmetry, subgroup, fixed=()):
    size = {"kernel_size": (3,) * (len(shape) - 3), "strides": (2,) * (len(shape) - 3)}
    return Convention(
        layer,
        nearest,
        {**GROUP_CONV, **KERNEL, **size, "symmetry": symmetry, "input_subgroup": subgroup, "name": "conv"},
        shape,
        {"strides": 1, "dilation_rate": 2, "use_bias": False, "implementation": "planar"},
        adds=("symmetry", "input_subgroup", "implementation"),
        fixed=("data_format", *fixed),
        masks="dropped",
        adapts=True,
        why="Its symmetry is as essential as its kernel size, and stands beside it. The low-rank kernel is added to "
        "the stored one, before the expansion. Output cells are not those that a mask of the input is about.",
    )


GROUPS = [
    _group_conv(own.GroupConv1D, keras.layers.Conv1D, (2, 8, 1, 4), "mirror", "mirror", fixed=("symmetry",)),
    _group_conv(own.GroupConv2D, keras.layers.Conv2D, (2, 6, 6, 2, 4), "p4m", "p4"),
    _group_conv(own.GroupConv3D, keras.layers.Conv3D, (2, 3, 4, 4, 2, 4), "D4", "C4"),
    Convention(
        own.GroupConv2DTranspose,
        keras.layers.Conv2DTranspose,
        {
            **{name: value for name, value in GROUP_CONV.items() if name != "groups"},
            **KERNEL,
            "kernel_size": (3, 3),
            "symmetry": "p4m",
            "strides": (2, 2),
            "output_padding": (0, 0),
            "output_subgroup": "p4",
            "name": "up",
        },
        (2, 5, 5, 8, 3),
        {"strides": 1, "dilation_rate": 2, "use_bias": False},
        adds=("symmetry", "output_subgroup"),
        fixed=("data_format",),
        why="As for group convolutions.",
    ),
    *(
        Convention(
            layer,
            nearest,
            {**POOLING, **added},
            (2, 6, 7, 4, 3),
            adds=tuple(added),
            fixed=("data_format",),
            defaults=defaults,
            masks="dropped",
            why="Output cells are not those that a mask of the input is about. The two poolings have one default. "
            "Turns by less than 90 degrees need a blur before a stride.",
        )
        for layer, nearest, defaults, added in (
            (own.GroupMaxPooling2D, keras.layers.MaxPooling2D, {}, {}),
            (own.GroupAveragePooling2D, keras.layers.AveragePooling2D, {"pool_size": (2, 2)}, {"blur": 0.8}),
        )
    ),
    *(
        Convention(
            layer,
            nearest,
            {
                **first,
                **{name: value for name, value in KERNEL.items() if not name.startswith("kernel")},
                **{f"{part}_initializer": "he_normal" for part in parts},
                **{f"{part}_regularizer": "l2" for part in parts},
                **{f"{part}_constraint": "max_norm" for part in parts},
                "kernel_size": (3, 3),
                "symmetry": "p4m",
                "strides": (2, 2),
                "padding": "same",
                "depth_multiplier": 2,
                "activation": "relu",
                "name": "conv",
            },
            (2, 6, 6, 8, 4),
            {"strides": 1, "dilation_rate": 2, "use_bias": False},
            adds=("symmetry", *by_name),
            by_name=by_name,
            fixed=("data_format",),
            masks="dropped",
            why="As for group convolutions.",
        )
        for layer, nearest, first, parts, by_name in (
            (own.GroupDepthwiseConv2D, keras.layers.DepthwiseConv2D, {}, ("depthwise",), ()),
            (
                own.GroupSeparableConv2D,
                keras.layers.SeparableConv2D,
                {"filters": 5, "implementation": "planar"},
                ("depthwise", "pointwise"),
                ("implementation",),
            ),
        )
    ),
    Convention(
        own.GroupUpSampling2D,
        keras.layers.UpSampling2D,
        {"size": (2, 3), "interpolation": "bilinear", "name": "up"},
        (2, 4, 5, 4, 3),
        fixed=("data_format",),
        why="",
    ),
    *(
        Convention(
            layer,
            nearest,
            {"keepdims": True, "name": "pool"},
            (2, 4, 5, 4, 3),
            {"keepdims": False},
            fixed=("data_format",),
            why="",
        )
        for layer, nearest in (
            (own.GroupGlobalAveragePooling2D, keras.layers.GlobalAveragePooling2D),
            (own.GroupGlobalMaxPooling2D, keras.layers.GlobalMaxPooling2D),
        )
    ),
    Convention(
        own.GroupBatchNormalization,
        keras.layers.BatchNormalization,
        {
            "momentum": 0.9,
            "epsilon": 0.1,
            **{f"{weight}_regularizer": "l2" for weight in ("beta", "gamma")},
            **{f"{weight}_constraint": "max_norm" for weight in ("beta", "gamma")},
            "beta_initializer": "ones",
            "gamma_initializer": "he_normal",
            "moving_mean_initializer": "ones",
            "moving_variance_initializer": "random_uniform",
            "name": "normalisation",
        },
        (2, 5, 5, 4, 3),
        {
            "center": False,
            "scale": False,
            **({"renorm": True, "renorm_clipping": {"rmax": 2.0}, "renorm_momentum": 0.9} if RENORMALISES else {}),
            **({"synchronized": True} if keras.config.backend() == "tensorflow" else {}),
        },
        fixed=("axis",) if keras.config.backend() == "tensorflow" else ("axis", "synchronized"),
        why="Channels are last, beside orientations.",
    ),
    Convention(
        own.CosetPooling,
        keras.layers.Layer,
        {"symmetry": "p4m", "subgroup": "pmm", "reduction": "mean", "name": "pool"},
        (2, 5, 4, 8, 3),
        {"subgroup": None, "region": [0, 1]},
        adds=("symmetry", "subgroup", "reduction", "region"),
        masks="dropped",
        why="Nothing in Keras pools over orientations; a mask has an axis of them.",
    ),
    Convention(
        own.TranslationCosetPooling,
        keras.layers.Layer,
        {"n": (2, 3), "reduction": "mean", "name": "pool"},
        (2, 4, 6, 4, 3),
        adds=("n", "reduction"),
        masks="refused",
        why="Nothing in Keras pools over positions that are so many cells apart.",
    ),
    Convention(
        own.SubgroupRestriction,
        keras.layers.Layer,
        {"symmetry": "p4m", "subgroup": "p2", "name": "fewer"},
        (2, 4, 5, 8, 3),
        adds=("symmetry", "subgroup"),
        masks="dropped",
        why="Nothing in Keras has orientations; a mask has an axis of them.",
    ),
    Convention(
        own.GridCentring2D,
        keras.layers.Layer,
        {"kernel_size": (2, 3), "strides": (2, 3), "padding": "valid", "name": "centring"},
        (2, 7, 6, 4, 3),
        adds=("kernel_size", "strides", "padding"),
        masks="dropped",
        why="Its arguments are those of the convolution that follows.",
    ),
    Convention(
        own.HexagonalResampling2D,
        keras.layers.Layer,
        {"size": 5, "spacing": 1.5, "name": "hexagons"},
        (2, 8, 9, 3),
        adds=("size", "spacing"),
        why="The output is a hexagon, of one size; Keras' Resizing makes rectangles.",
    ),
    Convention(
        own.HexagonalMask2D,
        keras.layers.Masking,
        {"name": "mask"},
        (2, 5, 5, 3),
        lacks=("mask_value",),
        masks="made",
        why="The shape of the map says what is masked, not its values.",
    ),
]
