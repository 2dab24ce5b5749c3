"""Ordinary Keras models made group-equivariant."""

import warnings
from typing import Any

import keras
from keras import layers, tree

from keras_equivariant.convert_graph import WINDOWED, Graph, is_even, windows_of
from keras_equivariant.convert_plan import Plan, is_map
from keras_equivariant.convert_rules import (
    CONVOLUTIONS,
    Change,
    Refused,
    copy_weights,
    to_group_layer,
    to_ordinary_layer,
)
from keras_equivariant.layers import CosetPooling, GridCentring2D, GroupConv2D, GroupDepthwiseConv2D
from keras_equivariant.sampling import EquivarianceWarning, warn_of
from keras_equivariant.symmetry import get_symmetry

_CHOICES = {
    "weights": ("new", "copy"),
    "widths": ("same", "parameters"),
    "reduction": (None, "max", "mean"),
    "flatten": ("refuse", "pool"),
}


def to_group_equivariant(
    model: keras.Model,
    symmetry: str = "p4",
    weights: str = "new",
    widths: str = "same",
    reduction: str | None = None,
    exact: bool = False,
    keep_head: bool = True,
    flatten: str = "refuse",
) -> keras.Model:
    """Builds the group-equivariant version of an ordinary model.

    What it returns is planar again. A vector, such as class scores, becomes invariant: it does not change when the
    picture turns. A map, such as a mask, turns with the picture. So a vector that should turn itself, such as a
    direction, is beyond it.

    - The first convolution lifts the picture to a map on the group; all later ones are group convolutions, depthwise,
      separable and transposed ones too. Dense layers on maps are 1x1 convolutions.
    - Pooling, upsampling, padding and cropping act on each orientation by itself; normalisations, activations, dropout
      and what joins several maps stay Keras' own.
    - With new weights, orientations are pooled before the head: before the global pooling of a classifier, or the 1x1
      convolution that a map ends with, else at the output.
    - Copied weights stand at the identity orientation of each kernel, with zeros elsewhere. Then orientation s computes
      `g_s model(g_s^-1 x)`, and all are pooled at the output,

          y(x) = mean over s of g_s model(g_s^-1 x)    or their maximum,

      exactly the mean of the model over all turned inputs, before any training. Training makes a group network of it.

    A strided layer that does not sample its input symmetrically about the centre, or a padding that differs from side
    to side, turns only approximately: an `EquivarianceWarning` names these layers, `equivariance_report` measures them,
    and `exact_sizes` tells input sizes without them.

    Args:
        model: A functional or built sequential `keras.Model` of a picture, with channels last. Models inside are taken
            apart. It is left as it is.
        symmetry: Name of the symmetry group, not one of a hexagonal grid.
        weights: `"new"`, or `"copy"` for those of the model.
        widths: `"same"` number of filters in each layer, or `"parameters"`: fewer, for about as many parameters as the
            model has. Copied weights need `"same"`.
        reduction: How orientations are pooled: `"max"` or `"mean"`. `None` for `"mean"` with copied weights, else
            `"max"`.
        exact: bool, whether to make the result exactly equivariant: `GridCentring2D` before each strided layer that
            needs it, padding as wide on both sides. Such a model computes something slightly different.
        keep_head: bool, whether a 1x1 group convolution gives the head as many channels as it had, where
            `widths="parameters"` leaves fewer: after pooling over orientations nothing else tells features apart.
        flatten: `"refuse"`, or `"pool"`: the mean over all places instead of a `Flatten` of a map.

    Returns:
        A functional `keras.Model` with the inputs and outputs of `model` and the names of its layers.

    Raises:
        ValueError: If the model is of another kind, has no convolution, or has layers that cannot be converted, all of
            which the message names, with the reason; if arguments do not go together; or if `exact` cannot be had.

    Example:

    >>> inputs = keras.Input((15, 15, 3))
    >>> x = keras.layers.Conv2D(16, 3, activation="relu")(inputs)
    >>> x = keras.layers.Dense(10)(keras.layers.GlobalAveragePooling2D()(x))
    >>> model = to_group_equivariant(keras.Model(inputs, x), "p4")
    >>> print([type(layer).__name__ for layer in model.layers])
    ['InputLayer', 'GroupConv2D', 'CosetPooling', 'GlobalAveragePooling2D', 'Dense']

    Reference:
        [Cohen & Welling, 2016](https://arxiv.org/abs/1602.07576), sections 6 and 8.
    """
    group = get_symmetry(symmetry)
    chosen = {"weights": weights, "widths": widths, "reduction": reduction, "flatten": flatten}
    for name, value in chosen.items():
        if value not in _CHOICES[name]:
            raise ValueError(f"`{name}` must be one of {_CHOICES[name]}. Received: {name}={value!r}")
    if group.dimension != 2:
        raise ValueError(f"`symmetry` must act on 2 dimensions. Received: symmetry={symmetry!r}")
    copies = weights == "copy"
    if copies and widths != "same":
        raise ValueError(f"weights='copy' needs `widths='same'`. Received: widths={widths!r}")
    if group.hexagonal:
        raise ValueError(
            f"`symmetry` must map squares of pixels onto squares: on a hexagonal grid each map needs a "
            f"`HexagonalMask2D`, and windows of pooling and upsampling do not turn. Received: symmetry={symmetry!r}"
        )
    if copies and len(group.exact_elements) != group.order:
        raise ValueError(
            f"weights='copy' needs a symmetry that maps the pixels of a picture onto pixels. Received: "
            f"symmetry={symmetry!r}"
        )
    plan = Plan(Graph(model), Change(symmetry, 1.0, copies), keep_head, flatten)
    if widths == "parameters":
        plan.keep_the_number_of_parameters()
    builder = _Builder(plan, reduction or ("mean" if copies else "max"), exact)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EquivarianceWarning)
        converted = builder.build(model.name)
    if builder.uneven:
        warn_of(
            f"`model` turns only approximately: {', '.join(builder.uneven)} treat one side of their input differently "
            f"from the other. `exact=True` makes them even; `exact_sizes` finds input sizes that suit."
        )
    return converted


class _Builder:
    """Calls the new layers one after the other."""

    def __init__(self, plan: Plan, reduction: str, exact: bool) -> None:
        self._plan, self._reduction, self._exact = plan, reduction, exact
        self._made: dict[tuple, Any] = {}  # the new layers, one for all calls of an ordinary one
        self._new: dict[int, Any] = {}  # the new tensors, by the identity of the model's own
        self._pooled: dict[int, Any] = {}  # the same, after pooling over orientations
        self._names: set[str] = set()
        self.uneven: list[str] = []  # places of the layers that treat two sides of a map differently

    def build(self, name: str) -> keras.Model:
        graph = self._plan.graph
        inputs = tree.map_structure(_input_like, graph.inputs)
        old = tree.flatten(graph.inputs)
        self._new.update((id(x), new) for x, new in zip(old, tree.flatten(inputs), strict=True))
        for call in graph.calls:
            try:
                outputs = self._call(call)
            except (Refused, ValueError) as reason:
                advice = "; take widths='same', which rounds none" if self._plan.change.width < 1 else ""
                raise ValueError(
                    f"`model` has a layer that does not fit into the equivariant model. Received: {call.place} "
                    f"({type(call.layer).__name__}): {reason}{advice}"
                ) from reason
            pairs = zip(tree.flatten(call.outputs), tree.flatten(outputs), strict=True)
            self._new.update((id(x), new) for x, new in pairs)
        return keras.Model(inputs, tree.map_structure(self._output, graph.outputs), name=name)

    def _call(self, call):
        plan = self._plan
        on_group = call in plan.on_group
        first = call.tensors[0] if call.tensors else None
        args, kwargs = call.args, {name: value for name, value in call.kwargs.items() if name != "mask"}
        if call in plan.head:
            args, kwargs = tree.map_structure(self._planar, (args, kwargs))
        elif on_group and type(call.layer) not in CONVOLUTIONS and not _is_dense_on_map(call):
            args, kwargs = tree.map_structure(self._lifted, (args, kwargs))
        else:
            args, kwargs = tree.map_structure(self._as_it_is, (args, kwargs))
        new_first = tree.flatten((args, kwargs))[0]
        layer = self._layer(call, on_group, new_first.shape[-1] if first is not None else None)
        if first is not None and is_map(first) and call not in plan.head:
            args, kwargs = self._even(call, args, kwargs)
        first_call = not layer.built
        outputs = layer(*args, **kwargs)
        if first_call and call.layer.weights and (plan.change.copies or isinstance(layer, layers.Normalization)):
            copy_weights(call.layer, layer)
        return outputs

    def _layer(self, call, on_group, channels):
        key = id(call.layer), on_group
        if key not in self._made:
            if on_group:
                new = to_group_layer(
                    call.layer, call.tensors[0].shape, channels, self._plan.change, call in self._plan.last
                )
            else:
                new = to_ordinary_layer(call.layer, call.tensors[0].shape if call.tensors else ())
            if self._exact and isinstance(new, layers.ZeroPadding2D | layers.ZeroPadding3D):
                new = type(new)(
                    tuple((max(sides), max(sides)) for sides in new.padding), name=new.name, dtype=new.dtype_policy
                )
            returned = on_group and any(self._plan.graph.is_output(x) for x in tree.flatten(call.outputs))
            name = self._unused(f"{call.layer.name}_orientations" if returned else call.layer.name)
            self._made[key] = new if new.name == name else type(new).from_config({**new.get_config(), "name": name})
        return self._made[key]

    def _unused(self, name):
        """A name that no layer has yet: layers of two models inside may share one."""
        found, number = name, 0
        while found in self._names:
            number += 1
            found = f"{name}_{number}"
        self._names.add(found)
        return found

    def _even(self, call, args, kwargs):
        """Centres the input of a strided layer that needs it, or notes that it would."""
        x = tree.flatten((args, kwargs))[0]
        even = is_even(call.layer, x.shape[1:3], self._plan.change.symmetry)
        if not even and self._exact and isinstance(call.layer, WINDOWED):
            centring = GridCentring2D(
                windows_of(call.layer),
                call.layer.strides,
                call.layer.padding,
                name=self._unused(f"{call.layer.name}_centring"),
                dtype=call.layer.dtype_policy,
            )
            return (centring(x),), {}
        if not even and not (self._exact and isinstance(call.layer, layers.ZeroPadding2D)):
            if self._exact:
                raise Refused("exact=True cannot make it even; another kernel size or cropping can")
            self.uneven.append(call.place)
        return args, kwargs

    def _as_it_is(self, x):
        return self._new.get(id(x), x)

    def _lifted(self, x):
        """The tensor on the group; one that is not yet is repeated for each orientation."""
        new = self._as_it_is(x)
        if new is x or id(x) in self._plan.lifted:
            return new
        symmetry, dtype = self._plan.change.symmetry, self._plan.policy
        if len(x.shape) == 2:
            return layers.RepeatVector(get_symmetry(symmetry).order, dtype=dtype)(new)
        if len(x.shape) != 4:
            raise Refused(f"it joins a map with a tensor of shape {x.shape}")
        ones = {"depthwise_initializer": "ones", "use_bias": False, "trainable": False}
        return GroupDepthwiseConv2D(1, symmetry, dtype=dtype, **ones)(new)

    def _planar(self, x):
        """The tensor pooled over the orientations, for the head."""
        new = self._as_it_is(x)
        if id(x) not in self._plan.lifted:
            return new
        if id(x) not in self._pooled:
            self._pooled[id(x)] = self._pool(new, self._plan.widened(x), None)
        return self._pooled[id(x)]

    def _pool(self, new, channels, name):
        symmetry, dtype = self._plan.change.symmetry, self._plan.policy
        if channels is not None:
            new = GroupConv2D(channels, 1, symmetry, name=self._unused("widening"), dtype=dtype)(new)
        if len(new.shape) == 5:
            return CosetPooling(symmetry, reduction=self._reduction, name=name, dtype=dtype)(new)
        pooling = layers.GlobalMaxPooling1D if self._reduction == "max" else layers.GlobalAveragePooling1D
        return pooling(name=name, dtype=dtype)(new)

    def _output(self, x):
        if id(x) not in self._plan.lifted:
            return self._as_it_is(x)
        if id(x) not in self._pooled:
            self._pooled[id(x)] = self._pool(
                self._as_it_is(x), self._plan.widened(x), self._unused(self._plan.name_of(x))
            )
        return self._pooled[id(x)]


def _input_like(x):
    return keras.Input(batch_shape=x.shape, dtype=x.dtype, name=x.name)


def _is_dense_on_map(call):
    return type(call.layer) is layers.Dense and len(call.tensors[0].shape) == 4
