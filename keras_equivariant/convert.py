"""Ordinary Keras models turned into equivariant ones."""

import keras
from keras import layers

from keras_equivariant.channel_groups import check_channels
from keras_equivariant.convert_graph import exact_sizes
from keras_equivariant.convert_group import to_group_equivariant
from keras_equivariant.layers.offset_adapter import OffsetAdapter, OffsetReLU
from keras_equivariant.layers.offset_add import OffsetAdd
from keras_equivariant.layers.offset_batch_normalization import OffsetBatchNormalization
from keras_equivariant.layers.offset_concatenate import OffsetConcatenate
from keras_equivariant.layers.offset_conv import OffsetConv2D
from keras_equivariant.layers.offset_conv_transpose import OffsetConv2DTranspose
from keras_equivariant.layers.offset_dense import OffsetDense

__all__ = ["exact_sizes", "to_group_equivariant", "to_offset_equivariant"]

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
# Made offset-equivariant by equation 19: all keep the channels and their order.
_ADAPTED = (
    layers.Activation,
    layers.Dropout,
    layers.ELU,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.LayerNormalization,
    layers.LeakyReLU,
    layers.PReLU,
    layers.RMSNormalization,
    layers.ReLU,
    layers.Softmax,
    layers.SpatialDropout2D,
    layers.DepthwiseConv2D,
    layers.ZeroPadding2D,
)
_WIDENED = {
    layers.Conv2D: (OffsetConv2D, "filters"),
    layers.Conv2DTranspose: (OffsetConv2DTranspose, "filters"),
    layers.Dense: (OffsetDense, "units"),
}


def to_offset_equivariant(model: keras.Model, feature_groups: int = 3) -> keras.Model:
    """Builds the offset-equivariant version of an ordinary model, with new weights.

    - Convolutions, transposed convolutions and dense layers become `Offset` layers, their widths moved to the closest
      multiple of `feature_groups`.
    - Batch normalisation and ReLU become `OffsetBatchNormalization` and `OffsetReLU`; other activations,
      normalisations, dropout and padding with zeros are wrapped in an `OffsetAdapter`.
    - Additions of two maps become `OffsetAdd`, which takes the mean away from the first, the shortcut in Keras' own
      models; concatenations become `OffsetConcatenate`.
    - Vectors of features keep their groups together where a map is flattened.
    - A dense layer that returns an output of the model, with another width than `feature_groups`, is taken for class
      scores: it returns `feature_groups` scores for each class, taken relative to the mean over the classes and
      averaged over the groups, so that offsets do not change them at all. Its activation follows.

    The input has `feature_groups` channels or a multiple, such as the logarithms of linear RGB (`LogRGB`).

    Args:
        model: A functional or sequential `keras.Model`, such as one of `keras.applications`. Weights are not taken
            over: the widths differ.
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
    if isinstance(model, keras.Sequential) and model.built:
        model = keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    if not isinstance(model, keras.Model) or not hasattr(model, "operations"):
        raise ValueError(f"`model` must be a functional or a built sequential Keras model. Received: model={model!r}")
    refused = [f"{operation.name} ({type(operation).__name__})" for operation in _refused(model)]
    if refused:
        raise ValueError(f"`model` has layers that cannot be made offset-equivariant. Received: {', '.join(refused)}")
    for tensor in model.inputs:
        check_channels(feature_groups, tensor.shape[-1], "channels")
    scores = _score_layers(model, feature_groups)

    def convert(layer):
        return layer if layer in scores else _converted(layer, feature_groups)

    def call(layer, *args, **kwargs):
        if layer in scores:
            x = args[0] if args else kwargs["inputs"]
            for part in scores[layer]:
                x = part(x)
            return x
        if isinstance(layer, OffsetAdd):
            shortcut, residual = args[0]
            return layer([residual, shortcut])
        kwargs.pop("mask", None)  # of batch normalisation; images have none
        return layer(*args, **kwargs)

    return keras.models.clone_model(model, clone_function=convert, call_function=call)


def _is(layer, classes):
    """Whether a layer is of one of these very classes: a subclass may compute something else."""
    return type(layer) in classes


def _refused(model):
    for operation in model.operations:
        known = _is(operation, (*_KEPT, *_ADAPTED, *_WIDENED, layers.Flatten))
        if _is(operation, (layers.Concatenate, layers.BatchNormalization)):
            known = operation.axis in (-1, len(operation.output.shape) - 1)
        elif _is(operation, (layers.Add,)):
            known = len(operation.input) == 2 and operation.input[0].shape == operation.input[1].shape
        if getattr(operation, "data_format", None) == "channels_first":
            known = False
        if not _is(operation, (layers.DepthwiseConv2D,)) and getattr(operation, "groups", 1) != 1:
            known = False
        if not known:
            yield operation


def _score_layers(model, feature_groups):
    """Dense layers that return an output of the model, and activations between the two, with what replaces each."""
    calls = {}

    def call(layer, *args, **kwargs):
        outputs = layer(*args, **kwargs)
        calls[id(outputs)] = layer, keras.tree.flatten((args, kwargs))[0]
        return outputs

    found = {}
    for output in keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call).outputs:
        layer, x = calls.get(id(output), (None, None))
        activations = {}
        while _is(layer, (layers.Activation, layers.Softmax)):
            activations[layer] = [type(layer).from_config(layer.get_config())]
            layer, x = calls.get(id(x), (None, None))
        if _is(layer, (layers.Dense,)) and layer.units != feature_groups and len(x.shape) == 2:
            found = {layer: _averaged_scores(layer, feature_groups), **activations, **found}
    return found


def _averaged_scores(dense, groups):
    """Layers that return scores of each class, averaged over the feature groups."""
    config = {**dense.get_config(), "units": groups * dense.units, "activation": None, "name": f"{dense.name}_scores"}
    scores = [
        _offset_layer(OffsetDense, config, groups),
        OffsetAdapter(layers.Identity(), groups, invariant=True),
        layers.Reshape((groups, dense.units)),
        layers.GlobalAveragePooling1D(name=dense.name),
    ]
    return scores if dense.activation is keras.activations.linear else [*scores, layers.Activation(dense.activation)]


def _offset_layer(offset_class, config, groups):
    for name in ("groups", "quantization_config"):
        config.pop(name, None)
    return offset_class.from_config({**config, "kernel_constraint": None, "feature_groups": groups})


def _converted(layer, groups):
    """The offset-equivariant version of one layer."""
    config = layer.get_config()
    if type(layer) in _WIDENED:
        offset_class, width = _WIDENED[type(layer)]
        config[width] = groups * max(1, round(config[width] / groups))
        return _offset_layer(offset_class, config, groups)
    if _is(layer, (layers.BatchNormalization,)):
        return OffsetBatchNormalization.from_config({**config, "axis": -1, "feature_groups": groups})
    if _is(layer, (layers.Add,)):
        return OffsetAdd(groups, name=layer.name)
    if _is(layer, (layers.Concatenate,)):
        return OffsetConcatenate(groups, name=layer.name)
    if _is(layer, (layers.Flatten,)) and len(layer.input.shape) == 4:
        # Channels first, so that those of a group stay together.
        return keras.Sequential([layers.Permute((3, 1, 2)), layers.Flatten()], name=layer.name)
    plain = {"max_value": None, "negative_slope": 0.0, "threshold": 0.0}
    if (_is(layer, (layers.Activation,)) and layer.activation is keras.activations.relu) or (
        _is(layer, (layers.ReLU,)) and plain.items() <= config.items()
    ):
        return OffsetReLU(groups, name=layer.name)
    again = type(layer).from_config(config)
    return OffsetAdapter(again, groups, name=f"offset_{layer.name}") if _is(layer, _ADAPTED) else again
