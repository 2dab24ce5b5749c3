"""Ordinary Keras models turned into offset-equivariant ones."""

import itertools
from typing import Any

import keras
from keras import layers, tree

from keras_equivariant.channel_groups import check_channels
from keras_equivariant.convert_graph import Call, Graph
from keras_equivariant.convert_offset_rules import (
    Refused,
    check_known,
    gate_activation,
    is_elementwise,
    scores_of,
    to_offset_layer,
    to_plain_layer,
)
from keras_equivariant.layers.offset_adapter import OffsetAdapter
from keras_equivariant.layers.offset_multiply import OffsetMultiply

_REFUSED = "`model` has layers that cannot be made offset-equivariant. Received: {}"


def to_offset_equivariant(model: keras.Model, feature_groups: int = 3) -> keras.Model:
    """Builds the offset-equivariant version of an ordinary model, with new weights.

    - Convolutions, separable and transposed ones and dense layers become `Offset` layers, their widths moved to the
      closest multiple of `feature_groups`.
    - Batch normalisation and ReLU become `OffsetBatchNormalization` and `OffsetReLU`; other activations,
      normalisations, rescalings, dropout, depthwise convolutions and padding with zeros are wrapped in an
      `OffsetAdapter`.
    - Additions of two maps become `OffsetAdd`, which takes the mean away from the first, the shortcut in Keras' own
      models; concatenations become `OffsetConcatenate`.
    - A multiplication by a gate, as in squeeze-and-excitation, becomes `OffsetMultiply`; the activation that makes the
      gate, a sigmoid or a hard one, sees its input without group means, so that the gate does not change at all.
    - Vectors of features keep their groups together where a map is flattened.
    - A dense layer, or a 1x1 convolution of a single pixel, that returns an output of the model, with another width
      than `feature_groups`, is taken for class scores: it returns `feature_groups` scores for each class, taken
      relative to the mean over the classes and averaged over the groups, so that offsets do not change them at all.
      Its activation follows.

    The input has `feature_groups` channels or a multiple, such as the logarithms of linear RGB (`LogRGB`). MobileNet,
    MobileNetV3, EfficientNet, ConvNeXt, Xception and ResNet of `keras.applications` are converted, among others.
    Attention is refused: its scores are products of two maps, to which an offset adds what depends on the maps, not a
    constant; put such a model, or its attention, into an `OffsetAdapter` as a whole.

    Args:
        model: A functional or sequential `keras.Model`, such as one of `keras.applications`; models inside are taken
            apart. Weights are not taken over: the widths differ. The statistics of a `Normalization` of the input are.
        feature_groups: int, the number of groups: 3 for colour, 1 for brightness.

    Returns:
        A functional `keras.Model`.

    Raises:
        ValueError: If the model is neither functional nor sequential and built, its input channels are not a multiple
            of `feature_groups`, or it has layers that cannot be converted, which the message names.

    Example:

    >>> inputs = keras.Input((8, 8, 3))
    >>> x = keras.layers.Conv2D(16, 3, activation="relu")(inputs)
    >>> x = keras.layers.Dense(10)(keras.layers.GlobalAveragePooling2D()(x))
    >>> model = to_offset_equivariant(keras.Model(inputs, x))
    >>> [layer.output.shape[-1] for layer in model.layers[1:4]], model.output_shape
    ([15, 15, 30], (None, 10))

    Reference:
        [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), section 4.
    """
    if isinstance(feature_groups, bool) or not isinstance(feature_groups, int) or feature_groups < 1:
        raise ValueError(f"`feature_groups` must be a positive integer. Received: feature_groups={feature_groups!r}")
    graph = Graph(model)
    builder = _Builder(graph, feature_groups)
    refused = list(builder.refused())
    if refused:
        raise ValueError(_REFUSED.format(", ".join(refused)))
    for tensor in tree.flatten(graph.inputs):
        check_channels(feature_groups, tensor.shape[-1], "channels")
    return builder.build(model.name)


class _Builder:
    """Calls the new layers one after the other."""

    def __init__(self, graph: Graph, groups: int) -> None:
        self._graph, self._groups = graph, groups
        self._names: set[str] = set()
        self._made: dict[tuple, Any] = {}  # the new layers, one for all calls of an ordinary one
        self._new: dict[int, Any] = {}  # the new tensors, by the identity of the model's own
        self._invariant: set[int] = set()  # the model's own tensors that offsets do not change any more
        self._producer = {id(x): call for call in graph.calls for x in tree.flatten(call.outputs)}
        self._scores = self._find_scores()
        self._gates: dict[int, Any] = {}  # for each multiplication by a gate, by identity, the gate
        self._begins: set[int] = set()  # calls of the activations with which a gate begins
        for call in graph.calls:
            if type(call.layer) is layers.Multiply:
                self._find_gate(call)

    def refused(self):
        """Names the layers that cannot be converted, each with the reason if there is one to give."""
        for call in self._graph.calls:
            try:
                if type(call.layer) is layers.Multiply and id(call) not in self._gates:
                    raise Refused("neither of its inputs is a gate, the output of a sigmoid")
                if call.layer not in self._scores:
                    check_known(call)
            except Refused as reason:
                yield f"{call.place} ({type(call.layer).__name__}{f': {reason}' if str(reason) else ''})"

    def _find_scores(self):
        """Layers that return class scores, an output of the model but for activations and changes of shape."""
        found = set()
        for output in tree.flatten(self._graph.outputs):
            call = self._producer.get(id(output))
            while call is not None and _is_after_scores(call):
                call = self._producer.get(id(call.tensors[0]))
            if call is not None and _returns_scores(call, self._groups):
                found.add(call.layer)
        return found

    def _find_gate(self, call):
        """Notes the gate of a multiplication, and where it begins: the first of the elementwise layers that make it."""
        if len(call.tensors) != 2:
            return
        for gate in call.tensors[::-1]:
            first, saturates = None, False
            maker = self._producer.get(id(gate))
            while maker is not None and (
                is_elementwise(maker) or type(maker.layer) in (layers.Reshape, layers.Dropout)
            ):
                if is_elementwise(maker):
                    first, saturates = maker, saturates or gate_activation(maker) is not None
                maker = self._producer.get(id(maker.tensors[0]))
            if maker is not None and gate_activation(maker) is not None:
                first, saturates = maker, True
            if first is not None and saturates:
                self._gates[id(call)] = gate
                self._begins.add(id(first))
                return

    def build(self, name: str) -> keras.Model:
        graph = self._graph
        inputs = tree.map_structure(
            lambda x: keras.Input(batch_shape=x.shape, dtype=x.dtype, name=x.name), graph.inputs
        )
        pairs = zip(tree.flatten(graph.inputs), tree.flatten(inputs), strict=True)
        self._new.update((id(x), new) for x, new in pairs)
        for call in graph.calls:
            pairs = zip(tree.flatten(call.outputs), tree.flatten(self._call(call)), strict=True)
            self._new.update((id(x), new) for x, new in pairs)
        return keras.Model(inputs, tree.map_structure(self._as_new, graph.outputs), name=name)

    def _as_new(self, x):
        return self._new.get(id(x), x)

    def _call(self, call):
        # Images have no masks.
        args, kwargs = call.args, {name: value for name, value in call.kwargs.items() if name != "mask"}
        args, kwargs = tree.map_structure(self._as_new, (args, kwargs))
        first = tree.flatten((args, kwargs))[0]
        after = [id(x) in self._invariant for x in call.tensors]
        returned = [id(x) for x in tree.flatten(call.outputs)]
        if call.layer in self._scores:
            self._invariant.update(returned)
            return self._through("scores", call, lambda: scores_of(call.layer, call.outputs, self._groups), first)
        if id(call) in self._gates:
            gate = self._gates[id(call)]
            x = next(tensor for tensor in call.tensors if tensor is not gate)
            layer = self._layer("gated", call, lambda: [OffsetMultiply(self._groups, name=call.layer.name)])[0]
            return layer([self._as_new(x), self._as_new(gate)])
        if after and all(after):
            self._invariant.update(returned)
            layer = self._layer("plain", call, lambda: [to_plain_layer(call, first.shape)])[0]
            return layer(*args, **kwargs)
        if any(after):
            raise ValueError(_REFUSED.format(f"{call.place} ({type(call.layer).__name__}: it joins a gate with a map)"))
        if id(call) in self._begins:
            self._invariant.update(returned)
            return self._through("gate", call, lambda: self._gate_of(call, first.shape), first)
        layer = self._layer("offset", call, lambda: [to_offset_layer(call, first.shape, self._groups)])[0]
        if type(call.layer) is layers.Add:
            shortcut, residual = args[0]
            return layer([residual, shortcut])
        outputs = layer(*args, **kwargs)
        inside = getattr(layer, "layer", layer)
        if isinstance(inside, layers.Normalization) and len(call.layer.weights) == len(inside.weights):
            inside.set_weights(call.layer.get_weights())
            inside.finalize_state()
        return outputs

    def _gate_of(self, call, shape):
        """A layer without its activation, if it has another part, and the activation, which offsets do not change."""
        if is_elementwise(call):
            return [OffsetAdapter(to_plain_layer(call, shape), self._groups, True, name=f"offset_{call.layer.name}")]
        activation = layers.Activation(gate_activation(call), name=f"{call.layer.name}_gate")
        linear = to_offset_layer(call, shape, self._groups, activation="linear")
        return [linear, OffsetAdapter(activation, self._groups, True, name=f"{call.layer.name}_offset_gate")]

    def _layer(self, kind, call, make):
        key = kind, id(call.layer)
        if key not in self._made:
            try:
                self._made[key] = [self._named(layer) for layer in make()]
            except Refused as reason:
                raise ValueError(_REFUSED.format(f"{call.place} ({type(call.layer).__name__}: {reason})")) from None
        return self._made[key]

    def _named(self, layer):
        """The layer, with a number if another has its name: layers of two models inside may share one."""
        name = next(
            name for i in itertools.count() if (name := f"{layer.name}_{i}" if i else layer.name) not in self._names
        )
        self._names.add(name)
        return layer if name == layer.name else type(layer).from_config({**layer.get_config(), "name": name})

    def _through(self, kind, call, make, x):
        for layer in self._layer(kind, call, make):
            x = layer(x)
        return x


def _is_after_scores(call: Call) -> bool:
    shapes = type(call.layer) in (layers.Reshape, layers.Flatten)
    return type(call.layer) in (layers.Activation, layers.Softmax, layers.Dropout) or (
        shapes and all(size == 1 for size in call.tensors[0].shape[1:-1])
    )


def _returns_scores(call: Call, groups: int) -> bool:
    if type(call.layer) is layers.Dense:
        return call.layer.units != groups and len(call.tensors[0].shape) == 2
    if type(call.layer) is not layers.Conv2D or call.layer.filters == groups or call.layer.groups != 1:
        return False
    return call.layer.kernel_size == (1, 1) and all(size == 1 for size in call.tensors[0].shape[1:-1])
