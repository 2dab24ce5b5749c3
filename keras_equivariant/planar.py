"""Lowering to a plain Keras model: the same function, with none of our classes in it."""

from typing import Any

import keras
import numpy as np

from keras_equivariant.channels import channels_last
from keras_equivariant.layers import (
    CosetPooling,
    GridCentring2D,
    GroupBatchNormalization,
    GroupConv2D,
    GroupConv2DTranspose,
    GroupDepthwiseConv2D,
    GroupSeparableConv2D,
    Maxout,
    SubgroupRestriction,
)
from keras_equivariant.layers.group_separable_conv import Pointwise
from keras_equivariant.planar_check import check_same
from keras_equivariant.planar_classic import CLASSIC_LAYERS, apply_activation, lower_classic_layer
from keras_equivariant.planar_group import (
    GLOBAL_POOLINGS,
    SPATIAL,
    check_elementwise,
    concatenate,
    convolve,
    convolve_in_blocks,
    expanded_bias,
    lower_depthwise,
    lower_spatial,
    lower_transposed,
    pool_cosets,
    restrict,
)
from keras_equivariant.planar_offset import OFFSET_LAYERS, POINTWISE, lower_offset_layer, weights_in_use
from keras_equivariant.planar_parts import (
    CLASSIC_ACTIVATIONS,
    COLOURS,
    INACTIVE,
    MERGES,
    Refused,
    as_functional,
    copy,
    count_uses,
    free,
    helper,
    is_elementwise_layer,
    itself,
    lower_colours,
    names_for,
    naming,
    to_numpy,
    with_weights,
)
from keras_equivariant.symmetry import get_symmetry

_BATCH_NORMS = (keras.layers.BatchNormalization, GroupBatchNormalization)
_ON_GROUPS = (
    CosetPooling,
    GroupConv2D,
    GroupConv2DTranspose,
    GroupDepthwiseConv2D,
    GroupSeparableConv2D,
    SubgroupRestriction,
    *GLOBAL_POOLINGS,
)


def to_planar(model: keras.Model) -> keras.Model:
    """Makes an ordinary convolutional network of an equivariant one, for deployment.

    A feature map on a group becomes a planar map of S * channels channels; a group convolution, a convolution with
    the expanded kernel; batch normalisation is folded into the convolution before it. What acts in training only,
    such as dropout, regularizers and constraints, is left out; models inside are lowered too. The result loads and
    runs where this package is not installed, and in any runtime that Keras exports to.

    Args:
        model: A functional or sequential `keras.Model` of our layers and Keras', in any precision.

    Returns:
        A functional `keras.Model` of Keras layers, and of Keras operations for the arithmetic of colours, with the same
        inputs and outputs, in 32 bits, or 64 if the model's weights are.

    Raises:
        ValueError: If the model is of another kind, or has a layer that cannot be lowered, or an operation that is no
            layer, which the message names; or if the result computes something else on a random input.

    Example:

    >>> inputs = keras.Input((9, 9, 3))
    >>> x = GroupConv2D(4, 3, "p4", activation="relu")(inputs)
    >>> planar = to_planar(keras.Model(inputs, CosetPooling("p4")(x)))
    >>> print([type(layer).__name__ for layer in planar.layers])
    ['InputLayer', 'Conv2D', 'Reshape', 'MaxPooling2D', 'Reshape']
    """
    functional = as_functional(model)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64" if "float64" in {weight.dtype for weight in model.weights} else "float32")
    try:
        lowered = _lower(functional, model.name)
    finally:
        keras.config.set_dtype_policy(before)
    check_same(functional, lowered)
    return lowered


def _lower(functional, name):
    with names_for(functional), channels_last():
        lowering = _Lowering(count_uses(functional))
        lowered = keras.models.clone_model(functional, clone_function=itself, call_function=lowering)
        outputs = keras.tree.map_structure(lowering.as_feature_map, lowered.output)
        return keras.Model(lowered.input, outputs, name=name)


class _Lowering:
    """Replaces one layer's call after the other; `keras.models.clone_model` leads it through the model."""

    def __init__(self, uses):
        self._uses = iter(uses)
        self._orientations = {}  # of the tensors, by identity, that are feature maps on a group, merged to planar maps
        self._linear_convolutions = {}  # the convolutions, by the identity of their outputs, that a norm can go into
        self._tensors = []  # all tensors met, so that no identity is used twice

    def __call__(self, layer, *args, **kwargs):
        used_once = next(self._uses) == 1
        try:
            return self._lower(layer, used_once, *args, **kwargs)
        except Refused as refused:
            raise ValueError(
                f"`model` has a layer that cannot be lowered: {layer.name!r}, a {type(layer).__name__}: {refused}"
            ) from None

    def _lower(self, layer, used_once, *args, **kwargs):
        if not isinstance(layer, keras.layers.Layer):
            raise Refused("it is an operation on tensors; use the layer that computes it")
        if "inputs" in kwargs:
            args = (kwargs.pop("inputs"), *args)
        if kwargs.get("training"):
            raise Refused("it is called with training=True")
        inputs: Any = args[0] if len(args) == 1 else args
        kind, orientations = type(layer), self._of(inputs)
        if kind in INACTIVE:
            return inputs
        if kind in COLOURS:
            return self._keep(lower_colours(layer, inputs), orientations)
        if kind in OFFSET_LAYERS:
            return self._offset_layer(layer, inputs)
        if kind in _ON_GROUPS:
            return self._on_group(layer, inputs, used_once)
        if kind in SPATIAL and (orientations is not None or len(inputs.shape) == 5 or kind is GridCentring2D):
            merged = self._merged(inputs)
            return self._keep(lower_spatial(layer, merged), self._of(merged))
        if kind in CLASSIC_LAYERS:
            return self._keep(apply_activation(layer.activation, lower_classic_layer(layer, inputs)))
        if kind in _BATCH_NORMS and layer.axis in (-1, len(layer.input.shape) - 1):
            return self._batch_normalisation(layer, inputs)
        if not kind.__module__.startswith("keras."):
            raise Refused("it is no layer of Keras or of this package, which are all that is known here")
        if isinstance(layer, keras.Model):
            args, kwargs = keras.tree.map_structure(self.as_feature_map, (args, kwargs))
            return self._keep(_lower(as_functional(layer), naming(layer)["name"])(*args, **kwargs))
        if orientations is not None and is_elementwise_layer(layer):
            return self._keep(copy(layer)(inputs), orientations)
        if kind in MERGES:
            of = {self._of(x) for x in inputs}
            if len(of) == 1 and (kind is not keras.layers.Concatenate or of == {None}):
                return self._keep(copy(layer)(inputs), self._of(inputs[0]))
            if len(of) == 1 and inputs[0].shape[1] is None and inputs[0].shape[2] is None:
                return self._keep(concatenate(layer, inputs, orientations := self._of(inputs[0])), orientations)
        args, kwargs = keras.tree.map_structure(self.as_feature_map, (args, kwargs))
        plain = copy(layer)
        outputs = with_weights(plain, layer.get_weights(), *args, **kwargs)
        if isinstance(getattr(layer, "activation", None), CLASSIC_ACTIVATIONS):
            outputs = apply_activation(layer.activation, outputs)
        if kind is keras.layers.Conv2D and used_once and layer.activation is keras.activations.linear:
            kernel, *bias = layer.get_weights()
            bias = bias[0] if bias else np.zeros(layer.filters)
            self._linear_convolutions[id(outputs)] = (layer, plain.name, args[0], kernel, bias)
        return self._keep(outputs)

    def _on_group(self, layer, inputs, used_once):
        """A layer of ours that reads or returns a map on a group."""
        if type(layer) is GroupConv2D:
            return self._group_convolution(layer, inputs, used_once)
        lifts = self._of(inputs) is None and len(inputs.shape) == 4
        inputs = self._merged(inputs)
        if type(layer) is CosetPooling:
            return self._keep(*pool_cosets(layer, inputs))
        if type(layer) is SubgroupRestriction:
            return self._keep(*restrict(layer, inputs))
        if type(layer) in GLOBAL_POOLINGS:
            pooling = GLOBAL_POOLINGS[type(layer)](keepdims=layer.keepdims, **naming(layer))
            outputs = self._keep(pooling(inputs), self._of(inputs))
            return outputs if layer.keepdims else self._keep(self.as_feature_map(outputs))
        order = get_symmetry(layer.symmetry).order
        if type(layer) is GroupConv2DTranspose:
            outputs = lower_transposed(layer, inputs)
            left = None if layer.output_subgroup == layer.symmetry else outputs.shape[-1] // layer.filters
            return self._keep(outputs, left)
        outputs = self._keep(lower_depthwise(layer, inputs, lifts), order)
        if type(layer) is GroupDepthwiseConv2D:
            return outputs
        check_elementwise(layer)
        kernel = to_numpy(layer.expanded_pointwise_kernel)
        return self._linear(layer, outputs, kernel, expanded_bias(layer, kernel.shape[-1]), order, used_once)

    def as_feature_map(self, tensor):
        """Gives a merged feature map its axis of orientations again; leaves other tensors as they are."""
        if self._of(tensor) is None:
            return tensor
        *space, channels = tensor.shape[1:]
        orientations = self._of(tensor)
        return helper(keras.layers.Reshape, (*free(space), orientations, channels // orientations))(tensor)

    def _as_planar(self, tensor):
        if len(tensor.shape) == 4:
            return tensor
        *space, orientations, channels = tensor.shape[1:]
        return helper(keras.layers.Reshape, (*free(space), orientations * channels))(tensor)

    def _merged(self, tensor):
        """The same map, with its axis of orientations, if it has one, merged into the channels."""
        if len(tensor.shape) != 5:
            return tensor
        if tensor.shape[-2] is None:
            raise Refused("its input must have a known number of orientations")
        return self._keep(self._as_planar(tensor), tensor.shape[-2])

    def _of(self, tensor):
        """The number of orientations of a merged feature map, else `None`."""
        return self._orientations.get(id(tensor))

    def _keep(self, tensor, orientations=None):
        self._tensors.append(tensor)
        if orientations is not None:
            self._orientations[id(tensor)] = orientations
        return tensor

    def _group_convolution(self, layer, inputs, used_once):
        if layer.padding not in ("valid", "same", "edge"):
            raise Refused(f"padding={layer.padding!r} has no plain form")
        check_elementwise(layer)
        if layer.groups != 1:
            outputs = convolve_in_blocks(layer, self._as_planar(inputs))
            return self._keep(outputs, get_symmetry(layer.symmetry).order)
        kernel = to_numpy(layer.expanded_kernel)
        bias = expanded_bias(layer, kernel.shape[-1])
        order = get_symmetry(layer.symmetry).order
        return self._linear(layer, self._as_planar(inputs), kernel, bias, order, used_once)

    def _linear(self, layer, inputs, kernel, bias, order, used_once):
        """A plain convolution, noted down for a norm after it."""
        name = naming(layer)["name"]
        plain = Pointwise(layer) if isinstance(layer, GroupSeparableConv2D) else layer
        outputs = self._keep(convolve(plain, name, inputs, kernel, bias), order)
        if used_once and layer.activation is keras.activations.linear:
            self._linear_convolutions[id(outputs)] = (plain, name, inputs, kernel, bias)
        return outputs

    def _offset_layer(self, layer, inputs):
        inputs = keras.tree.map_structure(self.as_feature_map if isinstance(layer, POINTWISE) else self._merged, inputs)
        first = keras.tree.flatten(inputs)[0]
        if len(first.shape) not in (2, 4) and not isinstance(layer, (Maxout, *POINTWISE)):
            raise Refused(f"its input must be a vector or a map, not of shape {first.shape}")
        orientations = self._of(first) or 1

        def convolve_plainly(x):
            if isinstance(layer, GroupConv2D):
                return self._group_convolution(layer, x, used_once=False)
            kernel, *bias = weights_in_use(layer)
            return convolve(layer, naming(layer)["name"], x, kernel, bias[0] if bias else np.zeros(layer.filters))

        def normalise(x):
            return self._batch_normalisation(layer, self._keep(x, self._of(first)))

        outputs = lower_offset_layer(layer, inputs, convolve_plainly, normalise, orientations)
        is_group_convolution = isinstance(layer, GroupConv2D)
        return self._keep(outputs, get_symmetry(layer.symmetry).order if is_group_convolution else self._of(first))

    def _batch_normalisation(self, layer, inputs):
        copies = self._of(inputs) or 1
        gamma = to_numpy(layer.gamma) if layer.scale else 1.0
        beta = to_numpy(layer.beta) if layer.center else 0.0
        mean, variance = (to_numpy(x) for x in (layer.moving_mean, layer.moving_variance))
        scale = np.tile(gamma / np.sqrt(variance + layer.epsilon), copies)
        offset = np.tile(beta - gamma * mean / np.sqrt(variance + layer.epsilon), copies)
        if id(inputs) in self._linear_convolutions:
            convolution, name, x, kernel, bias = self._linear_convolutions[id(inputs)]
            return self._keep(convolve(convolution, name, x, kernel * scale, bias * scale + offset), self._of(inputs))
        norm = keras.layers.BatchNormalization(epsilon=layer.epsilon, **naming(layer))
        # Its own mean is 0 and its variance 1 - epsilon, so that the scale and the offset are all there is.
        weights = [scale, offset, np.zeros_like(scale), np.ones_like(scale) - layer.epsilon]
        return self._keep(with_weights(norm, weights, inputs), self._of(inputs))
