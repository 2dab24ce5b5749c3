"""Lowering to a plain Keras model: the same function, with none of our classes in it."""

from typing import Any

import keras
import numpy as np

from keras_equivariant.layers import (
    CosetPooling,
    GridCentring2D,
    GroupAveragePooling2D,
    GroupConv2D,
    GroupMaxPooling2D,
)
from keras_equivariant.planar_classic import CLASSIC_LAYERS, apply_activation, lower_classic_layer
from keras_equivariant.planar_offset import OFFSET_LAYERS, POINTWISE, lower_offset_layer
from keras_equivariant.planar_parts import (
    CLASSIC_ACTIVATIONS,
    COLOURS,
    INACTIVE,
    Refused,
    convolution_like,
    copy,
    free,
    helper,
    is_elementwise,
    is_elementwise_layer,
    lower_colours,
    names_for,
    naming,
    to_numpy,
    with_weights,
)
from keras_equivariant.symmetry import get_symmetry


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
            layer; the message names it.

    Example:

    >>> inputs = keras.Input((9, 9, 3))
    >>> x = GroupConv2D(4, 3, "p4", activation="relu")(inputs)
    >>> planar = to_planar(keras.Model(inputs, CosetPooling("p4")(x)))
    >>> print([type(layer).__name__ for layer in planar.layers])
    ['InputLayer', 'Conv2D', 'Reshape', 'MaxPooling2D', 'Reshape']
    """
    functional = _functional(model)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64" if "float64" in {weight.dtype for weight in model.weights} else "float32")
    try:
        return _lower(functional, model.name)
    finally:
        keras.config.set_dtype_policy(before)


def _functional(model):
    if isinstance(model, keras.Sequential) and model.built:
        return keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    if isinstance(model, keras.Model) and hasattr(model, "output"):
        return keras.Model(model.input, model.output, name=model.name)
    raise ValueError(f"`model` must be a functional or a built sequential Keras model. Received: model={model!r}")


def _lower(functional, name):
    with names_for(functional):
        lowering = _Lowering(_count_uses(functional))
        lowered = keras.models.clone_model(functional, clone_function=_itself, call_function=lowering)
        outputs = keras.tree.map_structure(lowering.as_feature_map, lowered.output)
        return keras.Model(lowered.input, outputs, name=name)


def _itself(layer):
    return layer


def _count_uses(model):
    """For each call of a layer, in the order of the calls, how often its outputs are used."""
    calls, uses = [], {}

    def call(layer, *args, **kwargs):
        for tensor in keras.tree.flatten((args, kwargs)):
            uses[id(tensor)] = uses.get(id(tensor), 0) + (not isinstance(layer, INACTIVE))
        calls.append(keras.tree.flatten((args, kwargs))[0] if isinstance(layer, INACTIVE) else layer(*args, **kwargs))
        return calls[-1]

    outputs = keras.models.clone_model(model, clone_function=_itself, call_function=call).outputs
    final = {id(tensor) for tensor in outputs}
    return [
        sum(uses.get(id(tensor), 0) + (id(tensor) in final) for tensor in keras.tree.flatten(call)) for call in calls
    ]


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
        inputs: Any = args[0] if len(args) == 1 else args
        merged = id(inputs) in self._orientations
        if isinstance(layer, INACTIVE):
            return inputs
        if type(layer) in COLOURS:
            return self._keep(lower_colours(layer, inputs), self._of(inputs))
        if isinstance(layer, OFFSET_LAYERS):
            return self._offset_layer(layer, inputs)
        if isinstance(layer, GroupConv2D):
            return self._group_convolution(layer, inputs, used_once)
        if isinstance(layer, CosetPooling):
            return self._coset_pooling(layer, inputs)
        if isinstance(layer, (GroupMaxPooling2D, GroupAveragePooling2D)):
            kind = keras.layers.MaxPooling2D if isinstance(layer, GroupMaxPooling2D) else keras.layers.AveragePooling2D
            pool = kind(layer.pool_size, layer.strides, layer.padding, **naming(layer))
            inputs = self._merged(inputs)
            return self._keep(pool(inputs), self._of(inputs))
        if isinstance(layer, GridCentring2D):
            return self._centre(layer, inputs)
        if isinstance(layer, CLASSIC_LAYERS):
            return self._keep(apply_activation(layer.activation, lower_classic_layer(layer, inputs)))
        if not type(layer).__module__.startswith("keras."):
            raise ValueError(f"`model` has a layer that cannot be lowered: {layer.name!r}, a {type(layer).__name__}")
        if isinstance(layer, keras.Model):
            args, kwargs = keras.tree.map_structure(self.as_feature_map, (args, kwargs))
            return self._keep(_lower(_functional(layer), naming(layer)["name"])(*args, **kwargs))
        if isinstance(layer, keras.layers.BatchNormalization) and layer.axis in (-1, len(layer.input.shape) - 1):
            return self._batch_normalisation(layer, inputs)
        if merged and is_elementwise_layer(layer):
            return self._keep(copy(layer)(inputs), self._of(inputs))
        if isinstance(layer, keras.layers.Add) and len({self._of(x) for x in inputs}) == 1:
            return self._keep(copy(layer)(inputs), self._of(inputs[0]))
        args, kwargs = keras.tree.map_structure(self.as_feature_map, (args, kwargs))
        plain = copy(layer)
        outputs = with_weights(plain, layer.get_weights(), *args, **kwargs)
        if isinstance(getattr(layer, "activation", None), CLASSIC_ACTIVATIONS):
            outputs = apply_activation(layer.activation, outputs)
        if isinstance(layer, keras.layers.Conv2D) and used_once and layer.activation is keras.activations.linear:
            kernel, *bias = layer.get_weights()
            bias = bias[0] if bias else np.zeros(layer.filters)
            self._linear_convolutions[id(outputs)] = (layer, plain.name, args[0], kernel, bias)
        return self._keep(outputs)

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
        if layer.padding not in ("valid", "same") or layer.groups != 1:
            raise ValueError(
                f"`model` has a layer that cannot be lowered: {layer.name!r}, a group convolution with "
                f"padding={layer.padding!r} and groups={layer.groups}"
            )
        if not is_elementwise(layer.activation):
            raise ValueError(
                f"`model` has a layer that cannot be lowered: {layer.name!r}, whose activation is not elementwise"
            )
        order = get_symmetry(layer.symmetry).order
        kernel = to_numpy(layer.expanded_kernel)
        bias = np.tile(to_numpy(layer.bias), order) if layer.use_bias else np.zeros(kernel.shape[-1])
        inputs, name = self._as_planar(inputs), naming(layer)["name"]
        outputs = self._keep(_convolve(layer, name, inputs, kernel, bias), order)
        if used_once and layer.activation is keras.activations.linear:
            self._linear_convolutions[id(outputs)] = (layer, name, inputs, kernel, bias)
        return outputs

    def _offset_layer(self, layer, inputs):
        inputs = keras.tree.map_structure(self.as_feature_map if isinstance(layer, POINTWISE) else self._merged, inputs)
        first = keras.tree.flatten(inputs)[0]
        if len(first.shape) not in (2, 4) and not isinstance(layer, POINTWISE):
            raise Refused(f"its input must be a vector or a map, not of shape {first.shape}")
        orientations = self._of(first) or 1

        def convolve(x):
            if isinstance(layer, GroupConv2D):
                return self._group_convolution(layer, x, used_once=False)
            kernel, *bias = layer.get_weights()
            return _convolve(layer, naming(layer)["name"], x, kernel, bias[0] if bias else np.zeros(layer.filters))

        def normalise(x):
            return self._batch_normalisation(layer, self._keep(x, self._of(first)))

        outputs = lower_offset_layer(layer, inputs, convolve, normalise, orientations)
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
            return self._keep(_convolve(convolution, name, x, kernel * scale, bias * scale + offset), self._of(inputs))
        norm = keras.layers.BatchNormalization(epsilon=layer.epsilon, **naming(layer))
        # Its own mean is 0 and its variance 1 - epsilon, so that the scale and the offset are all there is.
        weights = [scale, offset, np.zeros_like(scale), np.ones_like(scale) - layer.epsilon]
        return self._keep(with_weights(norm, weights, inputs), self._of(inputs))

    def _coset_pooling(self, layer, inputs):
        """Pools over an axis that holds the members of a coset, in the place of an image's columns."""
        *space, channels = self._as_planar(inputs).shape[1:]
        order = get_symmetry(layer.symmetry).order
        channels //= order
        pooling = keras.layers.MaxPooling2D if layer.reduction == "max" else keras.layers.AveragePooling2D
        columns = helper(keras.layers.Reshape, (-1, order, channels))(inputs)
        members_of = layer._pooled  # row i: the elements that the output's orientation i is pooled from
        if members_of is None:
            pooled = helper(pooling, (1, order))(columns)
            return self._keep(keras.layers.Reshape((*free(space), channels), **naming(layer))(pooled))
        cropped = [((0, 0), (int(g), order - 1 - int(g))) for g in members_of.ravel()]
        members = [helper(keras.layers.Cropping2D, crop)(columns) for crop in cropped]
        members = helper(keras.layers.Concatenate, axis=2)(members) if len(members) > 1 else members[0]
        pooled = helper(pooling, (1, members_of.shape[1]))(members)
        merged = keras.layers.Reshape((*free(space), len(members_of) * channels), **naming(layer))(pooled)
        return self._keep(merged, len(members_of))

    def _centre(self, layer, inputs):
        outputs = inputs = self._merged(inputs)
        target = layer.compute_output_shape(tuple(inputs.shape))[1:3]
        for axis, window in enumerate([(2, 1), (1, 2)]):
            for _ in range(inputs.shape[1 + axis] - target[axis]):
                outputs = helper(keras.layers.AveragePooling2D, window, strides=1)(outputs)
        return self._keep(outputs, self._of(inputs))


def _convolve(layer, name, inputs, kernel, bias):
    """A plain convolution like `layer`, a Keras or a group convolution, with another kernel and bias."""
    changes = {"filters": kernel.shape[-1], "use_bias": True, "groups": layer.groups, "activation": layer.activation}
    convolution = convolution_like(layer, name=name, **changes)
    return with_weights(convolution, [kernel, bias], inputs)
