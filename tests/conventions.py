"""The layers beside those of Keras that they resemble: what is equal, and what differs on purpose."""

import inspect
from typing import NamedTuple

import keras

from keras_equivariant import layers as own

_NAMED = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
# What Keras' public layers say to their bases.
_SAID_BY_KERAS = ("rank", "pool_dimensions", "pool_mode")
RENORMALISES = "renorm" in inspect.signature(keras.layers.BatchNormalization.__init__).parameters  # not in Keras 3.12
KERNEL = {
    "kernel_initializer": "he_normal",
    "bias_initializer": "ones",
    "kernel_regularizer": "l2",
    "bias_regularizer": "l1",
    "activity_regularizer": "l2",
    "bias_constraint": "non_neg",
}
GROUP_CONV = {"filters": 4, "padding": "same", "groups": 2, "activation": "relu", "kernel_constraint": "max_norm"}
OFFSET = {"activation": "tanh", "feature_groups": 2, "output_groups": (4, 2), "name": "offset", **KERNEL}
POOLING = {"pool_size": (2, 3), "strides": (1, 2), "padding": "same", "name": "pool"}


class Convention(NamedTuple):
    """A layer, the nearest one of Keras, and the differences that are meant; all others are errors.

    Attributes:
        layer: The class.
        nearest: The nearest class of Keras; `keras.layers.Layer` if there is none.
        arguments: Arguments of a layer to test, as many as possible not at their defaults.
        shape: The shape of its input, with the batch; a list of shapes if it takes several.
        others: Arguments that go together with `arguments` in a configuration only, not at their defaults either.
        adds: Arguments that Keras' layer has not.
        lacks: Arguments of Keras' layer that this one has not.
        fixed: Arguments that are there for their place among the others, and take one value.
        by_name: Arguments that are taken by name only.
        defaults: Other defaults than those of Keras' layer.
        masks: What becomes of a mask: `"kept"`, `"dropped"`, `"refused"` with Keras' warning, or `"made"`; `None` for
            what Keras' layer does.
        adapts: Whether low-rank adaptation works, if Keras' layer has it.
        why: The reason for the differences.
    """

    layer: type
    nearest: type
    arguments: dict
    shape: tuple | list
    others: dict = {}
    adds: tuple = ()
    lacks: tuple = ()
    fixed: tuple = ()
    by_name: tuple = ()
    defaults: dict = {}
    masks: str | None = None
    adapts: bool = False
    why: str = ""


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


TABLE = [
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
            adds=("symmetry",),
            fixed=("data_format",),
            masks="dropped",
            why="As for group convolutions.",
        )
        for layer, nearest, first, parts in (
            (own.GroupDepthwiseConv2D, keras.layers.DepthwiseConv2D, {}, ("depthwise",)),
            (
                own.GroupSeparableConv2D,
                keras.layers.SeparableConv2D,
                {"filters": 5},
                ("depthwise", "pointwise"),
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
    *(
        Convention(
            layer,
            nearest,
            {"filters": 6, "kernel_size": size, "strides": strides, "padding": "same", **OFFSET},
            shape,
            {"strides": 1, "padding": "edge", "dilation_rate": 2, "use_bias": False, "projection": "forward"},
            adds=("feature_groups", "output_groups", "projection"),
            fixed=("data_format", "groups", "kernel_constraint"),
            masks="refused",
            why="The projection is the kernel's constraint, or takes its place; a low-rank kernel added to it would "
            "leave its subspace. Means are over all positions, masked ones too.",
        )
        for layer, nearest, size, strides, shape in (
            (own.OffsetConv1D, keras.layers.Conv1D, (3,), (2,), (2, 6, 4)),
            (own.OffsetConv2D, keras.layers.Conv2D, (3, 2), (2, 1), (2, 6, 5, 4)),
            (own.OffsetConv3D, keras.layers.Conv3D, (3, 2, 2), (2, 1, 1), (2, 4, 3, 3, 4)),
        )
    ),
    Convention(
        own.OffsetGroupConv2D,
        keras.layers.Conv2D,
        {"filters": 6, "kernel_size": 3, "symmetry": "p4m", "input_subgroup": "p4", "padding": "same", **OFFSET},
        (2, 6, 6, 2, 4),
        {"strides": 2, "use_bias": False, "implementation": "planar", "projection": "forward"},
        adds=("symmetry", "feature_groups", "output_groups", "projection", "input_subgroup", "implementation"),
        fixed=("data_format", "groups", "kernel_constraint", "dilation_rate"),
        masks="dropped",
        why="As for group convolutions and for offset convolutions.",
    ),
    Convention(
        own.OffsetConv2DTranspose,
        keras.layers.Conv2DTranspose,
        {"filters": 6, "kernel_size": (3, 2), "strides": (2, 2), "output_padding": (1, 1), "padding": "same", **OFFSET},
        (2, 6, 5, 4),
        {"strides": 1, "dilation_rate": 2, "output_padding": None, "use_bias": False, "projection": "forward"},
        adds=("feature_groups", "output_groups", "projection"),
        fixed=("data_format", "kernel_constraint"),
        why="As for offset convolutions.",
    ),
    Convention(
        own.OffsetDense,
        keras.layers.Dense,
        {"units": 6, **OFFSET},
        (2, 5, 6),
        {"use_bias": False, "projection": "forward"},
        adds=("feature_groups", "output_groups", "projection"),
        fixed=("kernel_constraint", "quantization_config"),
        by_name=("lora_rank", "lora_alpha", "quantization_config"),
        masks="refused",
        why="As for offset convolutions; rounded kernels leave the subspace too. The activation is taken about means "
        "over all positions.",
    ),
    Convention(
        own.OffsetAdapter,
        keras.layers.Wrapper,
        {
            "layer": keras.layers.Conv2D(4, 3),
            "feature_groups": 2,
            "reduction": "linear",
            "scope": "local",
            "output_reduction": "max",
            "output_scope": "global",
            "output_groups": (3, 1),
            "name": "adapter",
        },
        (2, 5, 6, 4),
        {"invariant": True, "output_reduction": None, "output_scope": None},
        adds=("feature_groups", "invariant", "reduction", "scope", "output_reduction", "output_scope", "output_groups"),
        why="It pools over feature groups.",
    ),
    Convention(
        own.Maxout,
        keras.layers.Layer,
        {"pieces": 3, "name": "maxout"},
        (2, 4, 5, 6),
        adds=("pieces",),
        masks="kept",
        why="Nothing in Keras takes the largest of several channels. Every position stays in its place.",
    ),
    Convention(
        own.OffsetReLU,
        keras.layers.ReLU,
        {"feature_groups": 2, "reduction": "linear", "scope": "local", "name": "relu"},
        (2, 5, 5, 4),
        adds=("feature_groups", "reduction", "scope"),
        lacks=("max_value", "negative_slope", "threshold"),
        masks="refused",
        why="OffsetAdapter takes any other rectifier. The means are over all positions.",
    ),
    Convention(
        own.OffsetBatchNormalization,
        keras.layers.BatchNormalization,
        {
            "momentum": 0.9,
            "epsilon": 0.1,
            "feature_groups": 2,
            "activation": "relu",
            **{f"{weight}_regularizer": "l2" for weight in ("beta", "gamma")},
            **{f"{weight}_constraint": "max_norm" for weight in ("beta", "gamma")},
            "beta_initializer": "ones",
            "gamma_initializer": "he_normal",
            "moving_mean_initializer": "ones",
            "moving_variance_initializer": "random_uniform",
            "name": "normalisation",
        },
        (2, 5, 5, 4),
        {
            "center": False,
            "scale": False,
            **({"renorm": True, "renorm_clipping": {"rmax": 2.0}, "renorm_momentum": 0.9} if RENORMALISES else {}),
            **({"synchronized": True} if keras.config.backend() == "tensorflow" else {}),
        },
        adds=("feature_groups", "activation"),
        fixed=("axis",) if keras.config.backend() == "tensorflow" else ("axis", "synchronized"),
        masks="refused",
        why="The rectifier after it comes almost free. The means are over all positions.",
    ),
    Convention(
        own.FeatureGroupPooling,
        keras.layers.Layer,
        {"feature_groups": 2, "reduction": "linear", "scope": "local", "name": "pool"},
        (2, 5, 5, 4),
        adds=("feature_groups", "reduction", "scope"),
        why="Nothing in Keras pools over blocks of channels.",
    ),
    Convention(
        own.OffsetAdd,
        keras.layers.Add,
        {"feature_groups": 2, "strides": 2, "shortcut_groups": (3, 1), "name": "add"},
        [(2, 3, 3, 6), (2, 5, 5, 4)],
        adds=("feature_groups", "strides", "shortcut_groups"),
        masks="refused",
        why="A residual and a shortcut, which may be larger. The means are over all positions.",
    ),
    Convention(
        own.OffsetAffineCombination,
        keras.layers.Add,
        {"coefficients": [2.0, -1.0], "name": "combine"},
        [(2, 3, 4), (2, 3, 4)],
        adds=("coefficients",),
        masks="refused",
        why="It adds with weights. No one has asked for masks.",
    ),
    Convention(
        own.OffsetMultiply,
        keras.layers.Multiply,
        {"feature_groups": (3, 1), "name": "gate"},
        [(2, 3, 5, 4), (2, 1, 1, 4)],
        adds=("feature_groups",),
        masks="refused",
        why="A map and a gate. The means are over all positions.",
    ),
    Convention(
        own.OffsetConcatenate,
        keras.layers.Concatenate,
        {"feature_groups": ((3, 1), (1, 0)), "name": "join"},
        [(2, 3, 4), (2, 3, 2)],
        adds=("feature_groups",),
        lacks=("axis",),
        masks="refused",
        why="Channels are last. No one has asked for masks.",
    ),
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


def arguments_of(layer_class):
    """Names and defaults of what a constructor takes; last, what the classes take that it passes arguments on to."""
    found = {}
    for parent in layer_class.__mro__:
        if "__init__" in vars(parent):
            given = inspect.signature(parent.__init__).parameters
            for name, parameter in list(given.items())[1:]:
                if parameter.kind in _NAMED and name not in _SAID_BY_KERAS:
                    found.setdefault(name, parameter.default)
            if parent is keras.layers.Layer or not any(p.kind is p.VAR_KEYWORD for p in given.values()):
                return found
    raise AssertionError(f"{layer_class} is no layer")
