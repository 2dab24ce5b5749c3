"""What becomes of each layer of an ordinary model that is made group-equivariant."""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers

from keras_equivariant import layers as own
from keras_equivariant.convert_graph import windows_of
from keras_equivariant.harmonics import KERNEL_SIZES
from keras_equivariant.sampling import moves_of_axes
from keras_equivariant.symmetry import get_symmetry

CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D)  # which lift a picture
WITH_FILTERS = (*CONVOLUTIONS, layers.Conv2DTranspose, layers.Dense)
_GROUP_CLASSES = {
    layers.Conv2D: own.GroupConv2D,
    layers.DepthwiseConv2D: own.GroupDepthwiseConv2D,
    layers.SeparableConv2D: own.GroupSeparableConv2D,
    layers.Conv2DTranspose: own.GroupConv2DTranspose,
    layers.MaxPooling2D: own.GroupMaxPooling2D,
    layers.AveragePooling2D: own.GroupAveragePooling2D,
    layers.GlobalAveragePooling2D: own.GroupGlobalAveragePooling2D,
    layers.GlobalMaxPooling2D: own.GroupGlobalMaxPooling2D,
    layers.UpSampling2D: own.GroupUpSampling2D,
}
# Those that act on space, and what they are with an axis of orientations after it.
_SPATIAL = {layers.ZeroPadding2D: (layers.ZeroPadding3D, "padding"), layers.Cropping2D: (layers.Cropping3D, "cropping")}
_BY_CHANNEL = (
    layers.BatchNormalization,
    layers.LayerNormalization,
    layers.GroupNormalization,
    layers.RMSNormalization,
    layers.UnitNormalization,
    layers.Normalization,
    layers.Softmax,
    layers.Concatenate,
)
# Each number alone, or those of one place in several maps.
ELEMENTWISE = (
    layers.Activation,
    layers.ActivityRegularization,
    layers.AlphaDropout,
    layers.ELU,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.Identity,
    layers.LeakyReLU,
    layers.ReLU,
    layers.Rescaling,
)
MERGES = (layers.Add, layers.Average, layers.Maximum, layers.Minimum, layers.Multiply, layers.Subtract)
# On pictures, before the first convolution.
_PICTURES = (
    layers.CenterCrop,
    layers.RandomBrightness,
    layers.RandomContrast,
    layers.RandomCrop,
    layers.RandomFlip,
    layers.RandomRotation,
    layers.RandomTranslation,
    layers.RandomZoom,
    layers.Resizing,
)
# Parts of `keras.applications` that multiply each channel, or a whole map, by a number.
_OF_APPLICATIONS = ("LayerScale", "StochasticDepth")
_PLANAR = (
    *_GROUP_CLASSES,
    *_SPATIAL,
    *_BY_CHANNEL,
    *ELEMENTWISE,
    *MERGES,
    *_PICTURES,
    layers.Dropout,
    layers.SpatialDropout2D,
    layers.PReLU,
    layers.Dense,
)


class Refused(Exception):
    """A layer that has no equivariant version; its text is the reason."""


class Change(NamedTuple):
    """What an ordinary model is changed to."""

    symmetry: str
    width: float  # the filters of a layer on the group, as a share of the ordinary layer's
    copies: bool  # whether each orientation must compute what the ordinary layer does

    def filters(self, number: int) -> int:
        """The number of filters in place of that of an ordinary layer."""
        return max(1, round(self.width * number))


def to_group_layer(layer: Any, shape: tuple, channels: int | None, change: Change, keeps_filters: bool) -> Any:
    """The layer for maps or vectors on the group that stands for an ordinary one.

    Args:
        layer: The ordinary layer.
        shape: Shape of its first input.
        channels: Number of channels that the new layer's first input has, if it is known.
        change: The `Change`.
        keeps_filters: Whether the number of filters stays, since the model returns them.

    Returns:
        A new layer, not built.

    Raises:
        Refused: If there is none.
    """
    kind, config = type(layer), _config(layer)
    if kind in _GROUP_CLASSES:
        return _convolution_or_pooling(layer, config, channels, change, keeps_filters)
    if kind is layers.Dense:
        return _dense(config, shape, change, keeps_filters)
    if kind in _SPATIAL:
        with_orientations, name = _SPATIAL[kind]
        return with_orientations((*config[name], (0, 0)), name=layer.name, dtype=config["dtype"])
    if kind in (layers.Flatten, layers.Reshape):
        return _reshape(layer, shape, change)
    if kind is layers.SpatialDropout2D:
        return layers.SpatialDropout3D(layer.rate, seed=config["seed"], name=layer.name, dtype=config["dtype"])
    if kind is layers.Dropout:
        noise = config["noise_shape"]
        noise = noise if noise is None else (*noise[:-1], 1, noise[-1])
        return layers.Dropout.from_config({**config, "noise_shape": noise})
    if kind is layers.PReLU:
        space = tuple(range(1, len(shape) - 1))
        if set(config["shared_axes"] or ()) != set(space):
            raise Refused("its slopes differ from place to place; share them over height and width")
        return layers.PReLU.from_config({**config, "shared_axes": (*space, len(space) + 1)})
    if kind in _BY_CHANNEL:
        return _by_channel(layer, config, shape, change)
    if kind in ELEMENTWISE or kind in MERGES or _is_of_applications(kind):
        return kind.from_config(_resized(config, change))
    raise Refused("it has no version for maps on a group")


def to_ordinary_layer(layer: Any, shape: tuple) -> Any:
    """A new layer like an ordinary one, for what is on no group; of a map, the mean over its places is flat."""
    if type(layer) is layers.Flatten and len(shape) == 4 and tuple(shape[1:3]) != (1, 1):
        return layers.GlobalAveragePooling2D(name=layer.name, dtype=layer.dtype_policy)
    return type(layer).from_config(layer.get_config())


def check_planar(layer: Any, shape: tuple) -> None:
    """Raises `Refused` if a layer before the first convolution does not turn with its picture."""
    if isinstance(layer, layers.Flatten):
        raise Refused(FLATTENED)
    if type(layer) not in _PLANAR and not _is_of_applications(type(layer)):
        raise Refused("it does not act on all places of a picture alike, as far as is known")
    if type(layer) in _BY_CHANNEL:
        _check_axis(layer, shape)


FLATTENED = (
    "it gives each place of a map weights of its own. Pool globally instead, or let `flatten='pool'` put the mean over "
    "the places in its stead"
)


def _config(layer):
    if getattr(layer, "data_format", None) == "channels_first":
        raise Refused("its channels come first; make the model with data_format='channels_last'")
    config = layer.get_config()
    for name in ("quantization_config", "quantized_dtype"):
        config.pop(name, None)
    return config


def _convolution_or_pooling(layer, config, channels, change, keeps_filters):
    group = get_symmetry(change.symmetry)
    if hasattr(layer, "kernel_size"):
        config["symmetry"] = change.symmetry
        if len(set(windows_of(layer))) > 1 and moves_of_axes(group, 2)[1]:
            raise Refused(f"its kernel is not square, and {change.symmetry!r} exchanges rows and columns")
        if len(group.exact_elements) < group.order and layer.kernel_size[0] not in KERNEL_SIZES:
            raise Refused(f"the turns of {change.symmetry!r} need an odd kernel of at most {max(KERNEL_SIZES)} pixels")
    if isinstance(layer, layers.UpSampling2D) and layer.interpolation not in ("nearest", "bilinear"):
        raise Refused(f"interpolation={layer.interpolation!r} has no version for maps on a group")
    if "filters" in config and not keeps_filters:
        config["filters"] = change.filters(layer.filters)
    if getattr(layer, "groups", 1) > 1 and channels is not None:
        if layer.groups == layer.kernel.shape[2] * layer.groups:  # one channel for each block, as in a depthwise one
            config["groups"] = channels
            config["filters"] = channels * (layer.filters // layer.groups)
        elif channels % layer.groups or config["filters"] % layer.groups:
            raise Refused(
                f"its {layer.groups} blocks do not divide {channels} channels and {config['filters']} filters"
            )
    return _GROUP_CLASSES[type(layer)].from_config(config)


def _dense(config, shape, change, keeps_filters):
    """A dense layer on a map is a 1x1 convolution; one on a vector reads each orientation by itself."""
    units = config.pop("units") if keeps_filters else change.filters(config.pop("units"))
    if len(shape) == 4:
        return own.GroupConv2D.from_config({**config, "filters": units, "kernel_size": 1, "symmetry": change.symmetry})
    return layers.Dense.from_config({**config, "units": units})


def _reshape(layer, shape, change):
    """A reshape from a vector to a map of one pixel, or back; orientations stay before the channels."""
    target = layer.compute_output_shape(shape)[1:]
    if any(size != 1 for size in (*shape[1:-1], *target[:-1])):
        raise Refused(FLATTENED if isinstance(layer, layers.Flatten) else "it mixes places and channels")
    orientations = get_symmetry(change.symmetry).order
    sizes = (*target[:-1], orientations, change.filters(target[-1]))
    return layers.Reshape(sizes, name=layer.name, dtype=layer.dtype_policy)


def _check_axis(layer, shape):
    axis = getattr(layer, "axis", -1)
    axes = list(axis) if isinstance(axis, list | tuple) else [axis]
    if axes not in ([-1], [len(shape) - 1]):
        raise Refused(f"axis={axis} is not that of the channels alone")


def _by_channel(layer, config, shape, change):
    _check_axis(layer, shape)
    if change.copies and isinstance(layer, layers.GroupNormalization):
        raise Refused("its statistics are those of all orientations together; weights='new' takes it")
    if isinstance(layer, layers.GroupNormalization) and change.filters(shape[-1]) % max(layer.groups, 1):
        raise Refused(f"its {layer.groups} groups do not divide {change.filters(shape[-1])} channels")
    return type(layer).from_config({**config, "axis": -1} if "axis" in config else config)


def _is_of_applications(kind):
    return kind.__module__.startswith("keras.") and kind.__name__ in _OF_APPLICATIONS


def _resized(config, change):
    if "projection_dim" in config:
        return {**config, "projection_dim": change.filters(config["projection_dim"])}
    return config


def copy_weights(ordinary: keras.layers.Layer, new: keras.layers.Layer) -> None:
    """Gives a layer on the group the weights of an ordinary one: kernels at the identity, zeros elsewhere."""
    weights = []
    for value, target in zip(ordinary.get_weights(), new.get_weights(), strict=True):
        if value.size == target.size:
            weights.append(value.reshape(target.shape))
            continue
        kernel = np.zeros_like(target)
        kernel[..., 0, :, :] = value
        weights.append(kernel)
    new.set_weights(weights)
    if isinstance(new, layers.Normalization):
        new.finalize_state()
