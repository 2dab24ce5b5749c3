"""What `implementation="auto"` decided for each group convolution of a model, and why."""

import keras

from keras_equivariant.arguments import check_model
from keras_equivariant.layers.group_convolution import GroupConvolution
from keras_equivariant.layers.group_separable_conv import GroupSeparableConv2D, Pointwise
from keras_equivariant.layers.implementation import why_planar
from keras_equivariant.spectral_rule import expected_gain
from keras_equivariant.symmetry import get_symmetry


def implementation_report(model: keras.Model | keras.layers.Layer) -> list[str]:
    r"""Tells how each group convolution of a model is computed: as a planar convolution or by the Fourier transform.

    Args:
        model: A model or layer, built; models inside of it are looked into.

    Returns:
        A list of one line for each group convolution, in the order of the layers: its name, its channels and kernel,
        its group, `planar` or `spectral`, and why. Either way, weights and results are the same up to rounding. Of a
        separable one, it is the 1x1 convolution.

    Raises:
        ValueError: If `model` is neither, or a group convolution is not built.

    Example:

    >>> from keras_equivariant.layers import GroupConv2D
    >>> inputs = keras.Input((16, 16, 3))
    >>> x = GroupConv2D(8, 3, "p4m", name="first")(inputs)
    >>> print(*implementation_report(keras.Model(inputs, GroupConv2D(8, 3, "p4m", name="second")(x))), sep="\n")
    first: 3 to 8 channels, 3x3, p4m: planar (its input is a planar map)
    second: 8 to 8 channels, 3x3, p4m: planar (fewer than 32 channels in or out)
    """
    check_model(model)
    kinds = GroupConvolution | GroupSeparableConv2D
    return [_describe(layer, layer.name) for layer in _layers(model) if isinstance(layer, kinds)]


def _describe(layer, name):
    shape = (layer.get_build_config() or {}).get("input_shape")
    if not layer.built or shape is None:
        raise ValueError(f"`model` must be built. Received: {name!r} that is not")
    group = get_symmetry(layer.symmetry)
    if isinstance(layer, GroupSeparableConv2D):
        channels = shape[-1] * layer.depth_multiplier
        layer, shape = Pointwise(layer), (*layer.compute_output_shape(shape)[:-1], channels)
    reason = why_planar(layer, group, shape)
    choice = "planar" if reason else "spectral"
    if reason is None and layer.implementation == "spectral":
        reason = "asked for"
    elif reason is None:
        gain = expected_gain(group, shape[-1], layer.filters, layer.kernel_size[0])
        reason = f"{gain:.2f} times less work"
    size = "x".join(map(str, layer.kernel_size))
    return f"{name}: {shape[-1]} to {layer.filters} channels, {size}, {layer.symmetry}: {choice} ({reason})"


def _layers(layer):
    inner = getattr(layer, "layers", None)
    if not inner:
        yield layer
    for part in inner or []:
        yield from _layers(part)
