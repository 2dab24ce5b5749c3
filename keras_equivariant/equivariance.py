"""How far a model is from commuting with a symmetry: of images, of feature maps, of offsets."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from keras_equivariant.advice import check_layer, check_model  # noqa: F401 - they belong together
from keras_equivariant.channel_groups import assignment_matrix, check_feature_groups, count_groups, describes
from keras_equivariant.constraints import OffsetProjection, warn_of_violation
from keras_equivariant.inference import infer
from keras_equivariant.interpolation import turning_errors  # noqa: F401 - it, too
from keras_equivariant.moved_inputs import run_moved
from keras_equivariant.symmetry import get_symmetry
from keras_equivariant.transforms import transform_array, transform_feature_map, transform_image  # noqa: F401
from keras_equivariant.typing import FeatureGroups, Tensor


def equivariance_error(
    model: Callable[..., Any],
    inputs: Tensor,
    symmetry: str | None = None,
    input_subgroup: str | None = None,
    output_subgroup: str | None = None,
    feature_groups: FeatureGroups | None = None,
    output_groups: FeatureGroups | None = None,
) -> float:
    """Measures how far a model or layer is from commuting with a symmetry group.

    The largest relative deviation over the elements g of the point group that map pixels onto pixels,

        max over g of  max |model(L_g x) - L_g model(x)| / max |model(x)|

    How an array transforms is read off its rank: `(batch, *space, S, channels)` as a feature map, `(batch, *space,
    channels)` as a planar map, and `(batch, channels)`, such as logits, not at all, so that the error then says how
    far the model is from invariant. These elements are all of a group but p8 and the like; `turning_errors` measures
    their finer turns.

    Args:
        model: A Keras model or layer, or any function of one array. It runs in inference mode.
        inputs: Array, a batch of images or feature maps. Give it no symmetry of its own.
        symmetry: Name of the symmetry group, or `None` for the one that the model's own layers name.
        input_subgroup: Name of the subgroup whose cosets the input's orientations are, if it is a map on a quotient.
        output_subgroup: The same for the output.
        feature_groups: int, the number of feature groups, or a description of the input's as in `OffsetConv2D`, to
            measure how far the model is from passing offsets on, f(x + G d) from f(x) + G d, for random d; or from
            ignoring them, f(x + G d) from f(x), where that is closer or the output channels do not split into groups,
            as those of logits. With a symmetry too, both count.
        output_groups: The same about the output; `None` for equal contiguous blocks, or for `feature_groups` where
            there are as many channels.

    Returns:
        The deviation as a float: about 1e-7 for an equivariant model in float32, about 1 for an ordinary one. If the
        model has a fixed input that is not square, it is that under the elements that keep its sides, half turns and
        mirrors; a warning names them.

    Raises:
        ValueError: If a name is unknown, `symmetry` is `None` and the layers name none or several, or an array has
            an unsuitable shape.

    Example:

    >>> import keras
    >>> image = np.random.default_rng(0).normal(size=(1, 7, 7, 3)).astype("float32")
    >>> equivariance_error(keras.layers.GlobalMaxPooling2D(), image, "p4m")
    0.0

    Reference:
        [Cohen & Welling, 2016](https://arxiv.org/abs/1602.07576), equation 1.
    """
    if symmetry is None and feature_groups is None:
        symmetry = _symmetry_of(model)
    inputs = ops.convert_to_numpy(inputs)
    if inputs.size == 0:
        raise ValueError(f"`inputs` must hold something. Received: an array of shape {inputs.shape}")
    outputs = _run(model, inputs)
    scale = np.abs(outputs).max()
    deviations = []
    if feature_groups is not None:
        deviations.append(_offset_deviation(model, inputs, outputs, feature_groups, output_groups))
    if symmetry is not None:
        elements = get_symmetry(symmetry).exact_elements.tolist()
        moves = {element: transform_array(inputs, symmetry, element, input_subgroup) for element in elements}
        for element, found in run_moved(lambda x: _run(model, x), inputs, moves):
            moved_outputs = transform_array(outputs, symmetry, element, output_subgroup)
            deviations.append(np.abs(found - moved_outputs).max())
    largest = np.max(deviations)  # nan if one is
    return float(largest / scale if scale > 0 else largest)


def equivariance_report(
    model: keras.Model, inputs: Tensor, symmetry: str | None = None, feature_groups: FeatureGroups | None = None
) -> dict[str, float]:
    """Measures the equivariance of each layer's output, to find where a functional model first loses it.

    The error of a layer is that of `equivariance_error`, for the model up to and including the layer. How its output
    transforms is read off the layers before it: as a feature map on the group or quotient that the last of this
    library's layers returned, else as a planar map, else, if it has no spatial axes, not at all, but for the vectors
    `(batch, S, channels)` of a global pooling of each orientation, which permute.

    Kernels that have left their `OffsetProjection` are told by a `ConstraintWarning`, whatever is measured.

    Args:
        model: A functional or sequential Keras model of one input, an image; no layer may be called twice. It runs in
            inference mode.
        inputs: Array, a batch of images, square if the symmetry exchanges axes. Give it no symmetry of its own.
        symmetry: Name of the symmetry group, or `None` for the one that the model's own layers name. After a
            `SubgroupRestriction` only the subgroup's elements act on the later layers, so name the subgroup.
        feature_groups: int, the number of feature groups, or a description of the input's as in `OffsetConv2D`: measure
            offsets instead, or with `symmetry` too. `None` for those of the first offset-equivariant layer if no layer
            names a symmetry.

    Returns:
        A dictionary from the names of the layers, in the order of their computation, to their errors. Layers whose
        outputs are no such maps, or that change the size of a turned map otherwise than that of the upright one, have
        the error `nan`.

    Raises:
        ValueError: If the name is unknown, `symmetry` is `None` and the layers name several, or none and there are no
            feature groups, a layer acts on a group that has not this symmetry, or the model is not functional.

    Example:

    >>> import keras
    >>> from keras_equivariant.layers import CosetPooling, GroupConv2D
    >>> layers = [GroupConv2D(2, 3, "p4"), CosetPooling("p4"), keras.layers.Conv2D(2, 3, name="ordinary")]
    >>> model = keras.Sequential([keras.Input((7, 7, 3)), *layers])
    >>> image = np.random.default_rng(0).normal(size=(1, 7, 7, 3)).astype("float32")
    >>> errors = equivariance_report(model, image)
    >>> next(name for name, error in errors.items() if error > 1e-4)
    'ordinary'
    """
    if symmetry is None and feature_groups is None:
        described = [layer.feature_groups for layer in _layers(model) if hasattr(layer, "feature_groups")]
        if described and not _named_symmetries(model):
            feature_groups = described[0]
        else:
            symmetry = _symmetry_of(model)
    # Without a symmetry, that of one element.
    layers, kinds = _layers_and_kinds(model, symmetry or "p1")
    until = keras.Model(model.inputs[0], [layer.output for layer in layers])
    inputs = ops.convert_to_numpy(inputs)
    for variable in model.variables:
        if isinstance(variable.constraint, OffsetProjection):
            warn_of_violation(variable)

    def run(x):
        return [ops.convert_to_numpy(y).astype("float64") for y in infer(until, x)]

    outputs = run(inputs)
    deviations = np.zeros(len(layers))
    if symmetry is not None:
        elements = get_symmetry(symmetry).exact_elements.tolist()
        moves = {element: transform_array(inputs, symmetry, element) for element in elements}
        for element, moved in run_moved(run, inputs, moves):
            for i, (output, kind) in enumerate(zip(outputs, kinds, strict=True)):
                deviations[i] = np.maximum(deviations[i], _deviation(moved[i], output, kind, symmetry, element))
    if feature_groups is not None:
        offsets, shifted = _with_offsets(inputs, feature_groups)
        groups = [_groups_after(layer, feature_groups, output) for layer, output in zip(layers, outputs, strict=True)]
        measured = zip(run(shifted), outputs, groups, strict=True)
        found = [_offset_law(*one, offsets) / max(np.abs(one[1]).max(), np.finfo("float64").tiny) for one in measured]
        deviations = np.maximum(deviations, found)
    return {layer.name: float(d) for layer, d in zip(layers, deviations, strict=True)}


def _run(model, inputs):
    return ops.convert_to_numpy(infer(model, inputs)).astype("float64")


def _layers_and_kinds(model, symmetry):
    """The layers with an output of their own, and for each the group and the subgroup that its orientations are of."""
    try:
        layers = [layer for layer in model.layers if not isinstance(layer.output, (list, tuple, dict))]
        kind_of = {}
        for layer in layers:
            before = [kind_of.get(id(x), (symmetry, None)) for x in tree.flatten(layer.input)]
            own = getattr(layer, "output_symmetry", getattr(layer, "symmetry", None))
            kind = (
                (own, getattr(layer, "output_subgroup", None))
                if isinstance(own, str)
                else (before or [(symmetry, None)])[0]
            )
            kind_of[id(layer.output)] = kind
    except (AttributeError, ValueError) as error:
        raise ValueError(
            f"`model` must be a functional or built sequential model whose layers are each called once. "
            f"Received: model={model}"
        ) from error
    return layers, [kind_of[id(layer.output)] for layer in layers]


def _deviation(moved, output, kind, symmetry, element):
    """Relative deviation of one layer's output under one element; nan where it is no map of a known kind."""
    own_symmetry, subgroup = kind
    group = get_symmetry(own_symmetry)
    element = int(group.subgroup(symmetry)[element])
    if output.ndim == 3 and group.dimension == 2 and output.shape[1] == group.order:  # a vector for each orientation
        output, moved = output[:, None, None], moved[:, None, None]
    orientations = output.ndim == get_symmetry(symmetry).dimension + 3
    try:
        expected = transform_array(output, own_symmetry, element, subgroup if orientations else None)
    except ValueError:
        return np.nan
    if expected.shape != moved.shape:
        return np.nan
    return np.abs(moved - expected).max() / max(np.abs(output).max(), np.finfo("float64").tiny)


def _offset_deviation(model, inputs, outputs, feature_groups, output_groups):
    """The largest deviation over random offsets, one for each image and feature group, from the closer of two laws."""
    offsets, shifted = _with_offsets(inputs, feature_groups)
    if output_groups is None:
        output_groups = feature_groups if describes(feature_groups, outputs.shape[-1]) else count_groups(feature_groups)
    return _offset_law(_run(model, shifted), outputs, output_groups, offsets)


def _with_offsets(inputs, feature_groups):
    """Random offsets, one for each image and feature group, and the inputs with them."""
    try:
        groups = check_feature_groups(feature_groups)
    except ValueError:
        groups = None
    if groups is None or not describes(groups, inputs.shape[-1]):
        raise ValueError(
            f"`feature_groups` must be positive and divide the number of input channels, or describe these. "
            f"Received: feature_groups={feature_groups}, inputs of shape {inputs.shape}"
        )
    offsets = np.random.default_rng(0).normal(size=(len(inputs), count_groups(groups)))
    return offsets, (inputs + _spread(offsets, inputs, groups)).astype(inputs.dtype)


def _spread(offsets, like, groups):
    channels = offsets @ assignment_matrix(groups, like.shape[-1]).T
    return channels.reshape(len(like), *[1] * (like.ndim - 2), like.shape[-1])


def _offset_law(moved, outputs, groups, offsets):
    """How far an output is from having taken the offsets on, or from ignoring them, whichever is closer."""
    invariance = np.abs(moved - outputs).max()
    if not describes(groups, outputs.shape[-1]):
        return invariance
    return min(invariance, np.abs(moved - outputs - _spread(offsets, outputs, groups)).max())


def _groups_after(layer, feature_groups, output):
    """The groups of a layer's output channels, as far as the layer says."""
    known = (getattr(layer, name, None) for name in ("output_groups", "feature_groups"))
    for groups in (*known, feature_groups):
        if isinstance(groups, int) or (groups and all(isinstance(n, int) for n in groups)):
            if describes(groups, output.shape[-1]):
                return groups
    return count_groups(feature_groups)


def _symmetry_of(model):
    named = _named_symmetries(model)
    if len(named) != 1:
        raise ValueError(
            f"`symmetry` must be given unless the model's layers name exactly one. "
            f"Received: symmetry=None, layers naming {sorted(named)}"
        )
    return named.pop()


def _named_symmetries(model):
    return {layer.symmetry for layer in _layers(model) if isinstance(getattr(layer, "symmetry", None), str)}


def _layers(layer):
    yield layer
    for inner in getattr(layer, "layers", []):
        yield from _layers(inner)
