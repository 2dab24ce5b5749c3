"""Which parts of an ordinary model act on the group once it is converted, and where the orientations are pooled."""

import math

import keras
from keras import layers, tree

from keras_equivariant.convert_graph import Call, Graph
from keras_equivariant.convert_rules import (
    ELEMENTWISE,
    FLATTENED,
    WITH_FILTERS,
    Change,
    Refused,
    check_planar,
    to_group_layer,
)
from keras_equivariant.symmetry import get_symmetry

_NAMED = 8  # layers in an error message


class Plan:
    """Decides what each call of a layer becomes; all that cannot be converted is found before a weight is made.

    Args:
        graph: The `Graph` of the model.
        change: The `Change`.
        keep_head: bool, whether the head keeps the number of channels that it reads.
        flatten: `"refuse"` or `"pool"`.

    Attributes:
        change: The `Change`.
        head: The calls after the pooling over orientations.
        last: The calls after which only activations follow: the model returns their channels.
        lifted: The identities of the tensors that are on the group in the new model.
        on_group: The calls that return them.
        policy: The dtype policy of the layers that no ordinary one stands for.

    Raises:
        ValueError: If some cannot be converted, or none is a convolution.
    """

    def __init__(self, graph: Graph, change: Change, keep_head: bool, flatten: str) -> None:
        self.graph, self.change = graph, change
        self._keep_head, self._flatten = keep_head, flatten
        self._made_by = {id(x): call for call in graph.calls for x in tree.flatten(call.outputs)}
        self.head: set[Call] = set()
        self.last: set[Call] = set()
        self.lifted: set[int] = set()
        self.on_group: set[Call] = set()
        self._find_the_head()
        refused: list[str] = []
        for call in graph.calls:
            try:
                self._consider(call)
            except Refused as reason:
                refused.append(f"{call.place} ({type(call.layer).__name__}): {reason}")
        if refused:
            more = f"; and {len(refused) - _NAMED} more" if len(refused) > _NAMED else ""
            raise ValueError(
                f"`model` has layers that cannot be made group-equivariant. Received: "
                f"{'; '.join(refused[:_NAMED])}{more}"
            )
        if not self.lifted:
            raise ValueError(
                "`model` must have a convolution that reads a picture (batch, height, width, channels). Received: none"
            )
        self.policy = next(call.layer.dtype_policy for call in graph.calls if call in self.on_group)

    def _find_the_head(self):
        """The calls from which on there are no maps; or the 1x1 convolution that returns a map, and what follows."""
        after = {
            call: [follower for x in tree.flatten(call.outputs) for follower in self.graph.consumers.get(id(x), [])]
            for call in self.graph.calls
        }
        for call in reversed(self.graph.calls):
            if all(follower in self.last and type(follower.layer) in ELEMENTWISE for follower in after[call]):
                self.last.add(call)
            if not any(map(is_map, tree.flatten(call.outputs))) and all(f in self.head for f in after[call]):
                self.head.add(call)
        if self.change.copies:
            self.head.clear()  # each orientation computes all that the model does
            return
        for call in self.graph.calls:
            follows = any(self._made_by.get(id(x)) in self.head for x in call.tensors)
            if call in self.last and (follows or _is_pointwise(call)):
                self.head.add(call)

    def _consider(self, call):
        first = call.tensors[0] if call.tensors else None
        maps = first is not None and is_map(first)
        shape = first.shape if first is not None else ()
        if type(call.layer) is layers.Flatten and maps and (call not in self.head or self._flatten == "refuse"):
            raise Refused(FLATTENED)
        if call in self.head:
            return
        on_group = any(id(x) in self.lifted for x in call.tensors) or (maps and type(call.layer) in WITH_FILTERS)
        if on_group:
            to_group_layer(call.layer, shape, None, self.change, call in self.last)
            self.on_group.add(call)
            self.lifted.update(id(x) for x in tree.flatten(call.outputs))
        elif maps:
            check_planar(call.layer, shape)

    def widened(self, tensor: keras.KerasTensor) -> int | None:
        """How many channels a 1x1 convolution gives a tensor before it is pooled, or `None` where there is none."""
        return None if self.change.width == 1 else self._own_channels(tensor)

    def _own_channels(self, tensor):
        """The channels of a map that the head reads, or `None` if a layer that keeps its filters returned it."""
        maker = self._made_by[id(tensor)]
        if not self._keep_head or len(tensor.shape) != 4:
            return None
        while type(maker.layer) in ELEMENTWISE and maker in self.last:
            maker = self._made_by[id(maker.tensors[0])]
        keeps_filters = maker in self.last and type(maker.layer) in WITH_FILTERS
        return None if keeps_filters else tensor.shape[-1]

    def name_of(self, tensor: keras.KerasTensor) -> str:
        """The name of the layer that returned a tensor."""
        return self._made_by[id(tensor)].layer.name

    def keep_the_number_of_parameters(self) -> None:
        """Sets the width with which the new model has about as many parameters as the ordinary one.

        With a share r of the filters, a layer between two maps on the group has `S r^2` times as many weights, S being
        the order of the group, the first one and those for single channels r times, and the head as many. So r solves a
        quadratic equation.
        """
        order = get_symmetry(self.change.symmetry).order
        shares = [0.0, 0.0, 0.0]  # of r^0, r^1 and r^2
        total = 0
        for call in {id(call.layer): call for call in self.graph.calls}.values():
            for weight in call.layer.weights:
                count = math.prod(weight.shape)
                total += count
                mixes = weight.name in ("kernel", "pointwise_kernel") and call in self.on_group
                reads = mixes and (id(call.tensors[0]) in self.lifted or weight.name == "pointwise_kernel")
                writes = call in self.on_group and not (mixes and call in self.last)
                shares[reads + writes] += count * (order if reads else 1)
        ends = {id(x): x for call in self.head for x in call.tensors if id(x) in self.lifted}
        ends.update((id(x), x) for x in tree.flatten(self.graph.outputs) if id(x) in self.lifted)
        shares[1] += sum(order * (self._own_channels(tensor) or 0) ** 2 for tensor in ends.values())
        constant, linear, quadratic = shares[0] - total, shares[1], shares[2]
        if quadratic == 0:
            width = -constant / linear if linear else 1.0
        else:
            width = (-linear + math.sqrt(linear**2 - 4 * quadratic * constant)) / (2 * quadratic)
        self.change = self.change._replace(width=min(width, 1.0))


def is_map(tensor: keras.KerasTensor) -> bool:
    """Whether a tensor of the ordinary model is a picture or a map of more than one place."""
    return len(tensor.shape) == 4 and tuple(tensor.shape[1:3]) != (1, 1)


def _is_pointwise(call):
    if type(call.layer) is layers.Dense:
        return len(call.tensors[0].shape) == 4
    if type(call.layer) is not layers.Conv2D:
        return False
    return call.layer.kernel_size == (1, 1) == call.layer.strides
