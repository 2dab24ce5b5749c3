"""What becomes of each layer of an ordinary model that is made offset-equivariant."""

from typing import Any

import keras
from keras import layers

from keras_equivariant.convert_graph import Call
from keras_equivariant.layers.offset_adapter import OffsetAdapter, OffsetReLU
from keras_equivariant.layers.offset_add import OffsetAdd
from keras_equivariant.layers.offset_batch_normalization import OffsetBatchNormalization
from keras_equivariant.layers.offset_concatenate import OffsetConcatenate
from keras_equivariant.layers.offset_conv import OffsetConv2D
from keras_equivariant.layers.offset_conv_transpose import OffsetConv2DTranspose
from keras_equivariant.layers.offset_dense import OffsetDense
from keras_equivariant.typing import Shape

# Offset-equivariant as they are.
_KEPT = (
    layers.InputLayer,
    layers.Identity,
    layers.MaxPooling2D,
    layers.AveragePooling2D,
    layers.GlobalAveragePooling2D,
    layers.GlobalMaxPooling2D,
    layers.UpSampling2D,
    layers.Cropping2D,
    layers.Average,
    layers.Maximum,
    layers.Minimum,
)
_ELEMENTWISE = (layers.Activation, layers.ELU, layers.LeakyReLU, layers.ReLU, layers.Rescaling)
# Made offset-equivariant by equation 19: all keep the channels and their order.
_ADAPTED = (
    *_ELEMENTWISE,
    layers.Dropout,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.LayerNormalization,
    layers.PReLU,
    layers.RMSNormalization,
    layers.Softmax,
    layers.SpatialDropout2D,
    layers.DepthwiseConv2D,
    layers.ZeroPadding2D,
    layers.Normalization,
)
_WIDENED = {
    layers.Conv2D: (OffsetConv2D, "filters"),
    layers.Conv2DTranspose: (OffsetConv2DTranspose, "filters"),
    layers.Dense: (OffsetDense, "units"),
}
# Parts of `keras.applications` that multiply each channel, or a whole map, by a number.
_OF_APPLICATIONS = ("LayerScale", "StochasticDepth")
_SATURATES = ("sigmoid", "hard_sigmoid")
_ATTENTION = (
    "its scores are products of two maps, to which an offset adds what depends on the maps; put the whole model, or "
    "its attention, into an OffsetAdapter"
)
_REASONS = {
    "MultiHeadAttention": _ATTENTION,
    "GroupQueryAttention": _ATTENTION,
    "Attention": _ATTENTION,
    "AdditiveAttention": _ATTENTION,
    "Embedding": "it has no input that an offset could be added to",
    "Subtract": "an offset of both of its inputs is lost; take OffsetAffineCombination",
}


class Refused(Exception):
    """A layer that has no offset-equivariant version; its text is the reason, if there is one to give."""


def check_known(call: Call) -> None:
    """Raises `Refused` if a layer cannot be converted, whatever the widths."""
    layer, kind = call.layer, type(call.layer)
    known = _is(layer, (*_KEPT, *_ADAPTED, *_WIDENED, layers.Flatten, layers.SeparableConv2D, layers.Multiply))
    if _is(layer, (layers.Concatenate, layers.BatchNormalization, layers.Normalization)):
        axis = layer.axis[0] if isinstance(layer.axis, tuple | list) and len(layer.axis) == 1 else layer.axis
        known = axis in (-1, len(call.tensors[0].shape) - 1)
    elif kind is layers.Add:
        known = len(call.tensors) == 2 and call.tensors[0].shape == call.tensors[1].shape
    elif kind is layers.Reshape:
        known = call.tensors[0].shape[-1] == call.outputs.shape[-1]
        if not known:
            raise Refused("it mixes positions and channels")
    elif is_of_applications(kind):
        known = True
    if getattr(layer, "data_format", None) == "channels_first":
        known = False
    if not known:
        raise Refused(_REASONS.get(kind.__name__, ""))


def is_of_applications(kind: type) -> bool:
    """Whether a class is one of the parts that Keras' own models are made of."""
    return kind.__module__.startswith("keras.") and kind.__name__ in _OF_APPLICATIONS


def is_elementwise(call: Call) -> bool:
    """Whether a call treats each number alone."""
    return _is(call.layer, _ELEMENTWISE)


def gate_activation(call: Call) -> Any:
    """The activation of a layer if it has two ends, as that of a gate has; else `None`."""
    if type(call.layer) is layers.ReLU and call.layer.max_value is not None:
        return call.layer
    activation = getattr(call.layer, "activation", None)
    known = [getattr(keras.activations, name) for name in _SATURATES]
    return activation if _is(call.layer, (layers.Activation, *_WIDENED)) and activation in known else None


def scores_of(layer: Any, outputs: Any, groups: int) -> list[keras.layers.Layer]:
    """Layers that return scores of each class, averaged over the feature groups, in the shape of the ordinary ones."""
    classes = outputs.shape[-1]
    parts = ("initializer", "regularizer", "constraint")
    kept = (
        "use_bias",
        "dtype",
        "activity_regularizer",
        *(f"{name}_{part}" for name in ("kernel", "bias") for part in parts),
    )
    config = {name: value for name, value in layer.get_config().items() if name in kept}
    config |= {"kernel_constraint": None, "units": groups * classes, "feature_groups": groups}
    pixel = [layers.Flatten(name=f"{layer.name}_pixel")] if len(outputs.shape) == 4 else []
    shaped = [layers.Reshape((1, 1, classes), name=f"{layer.name}_classes")] if pixel else []
    scores = [
        *pixel,
        OffsetDense.from_config({**config, "name": f"{layer.name}_scores"}),
        OffsetAdapter(layers.Identity(), groups, invariant=True),
        layers.Reshape((groups, classes)),
        layers.GlobalAveragePooling1D(name=layer.name),
        *shaped,
    ]
    return scores if layer.activation is keras.activations.linear else [*scores, layers.Activation(layer.activation)]


def to_plain_layer(call: Call, shape: Shape) -> Any:
    """A new layer like an ordinary one, for as many channels as there are now."""
    config = _config(call.layer)
    if type(call.layer) is layers.Reshape:
        config["target_shape"] = _reshaped(call, shape)
    return type(call.layer).from_config(config)


def to_offset_layer(call: Call, shape: Shape, groups: int, **changes: Any) -> Any:
    """The offset-equivariant version of one layer, for a first input of a shape."""
    layer = call.layer
    config = {**_config(layer), **changes}
    if _is(layer, (layers.Conv2D,)) and layer.groups > 1:
        return _adapted(_blockwise(layer, config, shape[-1], groups), layer, groups)
    if type(layer) in _WIDENED:
        offset_class, width = _WIDENED[type(layer)]
        return _offset_layer(offset_class, {**config, width: _closest(config[width], groups)}, groups)
    if _is(layer, (layers.SeparableConv2D,)):
        return _separable(layer, config, groups)
    if _is(layer, (layers.BatchNormalization,)):
        return OffsetBatchNormalization.from_config({**config, "axis": -1, "feature_groups": groups})
    if _is(layer, (layers.Add,)):
        return OffsetAdd(groups, name=layer.name)
    if _is(layer, (layers.Concatenate,)):
        return OffsetConcatenate(groups, name=layer.name)
    if _is(layer, (layers.Flatten,)) and len(shape) == 4:
        # Channels first, so that those of a group stay together.
        return keras.Sequential([layers.Permute((3, 1, 2)), layers.Flatten()], name=layer.name)
    if _is(layer, (layers.Reshape,)):
        return layers.Reshape(_reshaped(call, shape), name=layer.name, dtype=layer.dtype_policy)
    plain = {"max_value": None, "negative_slope": 0.0, "threshold": 0.0}
    if (_is(layer, (layers.Activation,)) and layer.activation is keras.activations.relu) or (
        _is(layer, (layers.ReLU,)) and plain.items() <= config.items()
    ):
        return OffsetReLU(groups, name=layer.name)
    if "projection_dim" in config:
        config["projection_dim"] = shape[-1]
    again = type(layer).from_config(config)
    return _adapted(again, layer, groups) if _is(layer, _ADAPTED) or is_of_applications(type(layer)) else again


def _is(layer, classes):
    """Whether a layer is of one of these very classes: a subclass may compute something else."""
    return type(layer) in classes


def _config(layer):
    config = layer.get_config()
    for name in ("quantization_config", "quantized_dtype"):
        config.pop(name, None)
    return config


def _closest(width, groups):
    return groups * max(1, round(width / groups))


def _adapted(again, layer, groups):
    return OffsetAdapter(again, groups, name=f"offset_{layer.name}")


def _offset_layer(offset_class, config, groups):
    config.pop("groups", None)
    return offset_class.from_config({**config, "kernel_constraint": None, "feature_groups": groups})


def _blockwise(layer, config, channels, groups):
    """A convolution in blocks of channels, whose number and width follow the new channels."""
    depthwise = layer.groups == layer.kernel.shape[2] * layer.groups
    blocks = channels if depthwise else layer.groups
    filters = channels * (layer.filters // layer.groups) if depthwise else _closest(layer.filters, groups)
    if channels % blocks or filters % blocks:
        raise Refused(f"its {blocks} blocks do not divide {channels} channels and {filters} filters")
    return layers.Conv2D.from_config({**config, "groups": blocks, "filters": filters})


def _separable(layer, config, groups):
    """A depthwise convolution by equation 19, and an offset-equivariant one of single pixels."""
    spatial = ("kernel_size", "strides", "padding", "dilation_rate", "depth_multiplier", "dtype")
    depthwise = {name: config[name] for name in spatial} | {
        f"depthwise_{name}": config[f"depthwise_{name}"] for name in ("initializer", "regularizer", "constraint")
    }
    pointwise = {name: config[name] for name in config if name.startswith("bias_")} | {
        f"kernel_{name}": config[f"pointwise_{name}"] for name in ("initializer", "regularizer")
    }
    pointwise |= {name: config[name] for name in ("activation", "use_bias", "activity_regularizer", "dtype")}
    parts = [
        OffsetAdapter(layers.DepthwiseConv2D(use_bias=False, **depthwise), groups, name="depthwise"),
        OffsetConv2D(_closest(layer.filters, groups), 1, feature_groups=groups, name="pointwise", **pointwise),
    ]
    return keras.Sequential(parts, name=layer.name)


def _reshaped(call, shape):
    """The new target of a reshape that leaves the channels alone."""
    return (*call.outputs.shape[1:-1], shape[-1])
