"""Callbacks: entropies during training, and weights that stay where a symmetry wants them."""

import contextlib
import warnings
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike

from keras_equivariant.constraints import OffsetProjection, project_constraints
from keras_equivariant.entropy import cluster_reference, diffusion_spectral_entropy
from keras_equivariant.entropy import diffusion_spectral_mutual_information as mutual_information
from keras_equivariant.entropy.clusters import check_clusters
from keras_equivariant.entropy.entropy import check_options
from keras_equivariant.entropy.matrix import check_bandwidth, check_points, check_positive
from keras_equivariant.entropy.mutual_information import as_labels


class ProjectConstraints(keras.callbacks.Callback):
    """Projects weights back where something else than an update of the optimizer has changed them.

    Keras applies constraints after each update. The moving average that an optimizer with `use_ema=True` keeps is one
    of weights before that, so what is used in its place at the end of training, or what `SwapEMAWeights` puts there for
    a test, does not satisfy the constraints of offset-equivariant layers. This callback applies them once more:
    after each epoch, before each test and prediction, and at the end. Put it after `SwapEMAWeights` and before what
    saves weights: `callbacks=[SwapEMAWeights(True), ProjectConstraints(), ModelCheckpoint(...)]`; give it to `evaluate`
    and `predict` too where `SwapEMAWeights` is.

    Layers with `projection="forward"` need none of this.

    Example:

    >>> from keras_equivariant.layers import OffsetDense
    >>> model = keras.Sequential([keras.Input((3,)), OffsetDense(6)])
    >>> model.compile(keras.optimizers.Adam(use_ema=True), "mse")
    >>> history = model.fit(np.ones((4, 3)), np.ones((4, 6)), verbose=0, callbacks=[ProjectConstraints()])

    Reference:
        [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), equation 11.
    """

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Says that averages are taken care of, so that no warning is needed."""
        for variable in self.model.variables:
            if isinstance(variable.constraint, OffsetProjection):
                variable.constraint.is_projected_elsewhere()

    def _project(self):
        project_constraints(self.model)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Projects what another callback may have put into the variables."""
        self._project()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Projects the averages that the optimizer has left."""
        self._project()

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Projects what another callback may have put into the variables."""
        self._project()

    def on_test_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Projects once more, for a callback that came after this one."""
        if batch == 0:
            self._project()

    def on_predict_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Projects what another callback may have put into the variables."""
        self._project()

    def on_predict_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Projects once more, for a callback that came after this one."""
        if batch == 0:
            self._project()


class DiffusionSpectralEntropy(keras.callbacks.Callback):
    """Measures the embedding of a fixed sample at the end of epochs, and adds the results to the logs.

    - `dse`: the diffusion spectral entropy of the embedding Z,
    - `dsmi_y`: its mutual information with the labels, if there are any,
    - `dsmi_x`: its mutual information with the inputs, which are divided into clusters once.

    All are in bits. Callbacks that come after this one, and the history, treat them like any metric, so put it first:
    `callbacks=[DiffusionSpectralEntropy(...), EarlyStopping("dsmi_y", mode="max")]`. Of several layers, the names are
    followed by the layer's: `dse_dense_1`. A degenerate embedding, such as a constant one, is NaN in the logs, with a
    warning the first time, and so are the epochs that `every` leaves out.

    Args:
        inputs: Array `(n, ...)` of inputs as the model takes them; or a list or dictionary of such arrays.
        labels: Array `(n,)` of integers, booleans or strings; or `None`.
        layer: Name of the layer, or of the model inside, whose output is the embedding, or a list of names. `None`
            stands for the input of the classification head, which is the last layer with a kernel in the order of the
            model's layers.
        every: Measure after every so many epochs, the first included.
        sigma: Width of the Gaussian kernel, in the units of the embedding; or `"median"` for the median distance
            between the points, each time anew, which suits every network and every epoch. A number, such as the 10 of
            `diffusion_spectral_entropy`, compares epochs on one scale; but where all distances are far below it, as in
            a small network, the curve is flat: all points look like one.
        t: Diffusion time, any positive number.
        clusters: Number of clusters of the inputs, or the classes that `cluster_reference` returned, or `None` for no
            `dsmi_x`.
        method: `"exact"` or `"approximate"`; see `diffusion_spectral_entropy`.
        batch_size: Number of inputs in one pass through the model.
        seed: Decides the clustering and the subsets that mutual information is measured with.

    Raises:
        ValueError: If there are fewer than two inputs, all are equal or one is not finite, the labels have another
            length, or an argument is out of range. When training begins: if the model has no layer of that name.

    Example:

    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dense(2)])
    >>> model.compile("sgd", "mse")
    >>> x = np.random.default_rng(0).normal(size=(20, 3))
    >>> callback = DiffusionSpectralEntropy(x, labels=np.arange(20) % 2, clusters=3)
    >>> history = model.fit(x, np.zeros((20, 2)), verbose=0, callbacks=[callback])
    >>> print(sorted(history.history))
    ['dse', 'dsmi_x', 'dsmi_y', 'loss']

    Reference:
        Liu, A Novel Entropy and Mutual Information Measure for High Dimensional Data and Deep Neural Networks,
        section 5.3.
    """

    def __init__(
        self,
        inputs: Any,
        labels: ArrayLike | None = None,
        layer: str | Sequence[str] | None = None,
        every: int = 1,
        sigma: float | str = "median",
        t: float = 1,
        clusters: int | ArrayLike | None = 10,
        method: str = "exact",
        batch_size: int = 256,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self._inputs = keras.tree.map_structure(np.asarray, inputs)
        flat = [check_points(part, "inputs") for part in keras.tree.flatten(self._inputs)]
        if len({len(part) for part in flat}) != 1:
            raise ValueError(
                f"`inputs` must be arrays of one length. Received: arrays of lengths {[len(part) for part in flat]}"
            )
        check_options(t, "symmetric", method, None)
        if not (isinstance(sigma, str) and sigma == "median"):
            check_positive("sigma", sigma, "a positive number or 'median'")
        for name, value in (("every", every), ("batch_size", batch_size)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r}")
        self._points = np.concatenate(flat, axis=1)
        self._labels = None if labels is None else _check_length("labels", labels, len(self._points))
        if isinstance(clusters, int):
            check_clusters(clusters, len(self._points))
        elif clusters is not None:
            clusters = _check_length("clusters", clusters, len(self._points))
        self._clusters = clusters
        self._layers = list(layer) if isinstance(layer, list | tuple) else [layer]
        names = [name for name in self._layers if layer is not None]
        if not self._layers or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
            raise ValueError(
                f"`layer` must be the name of a layer, a list of different names, or None. Received: layer={layer!r}"
            )
        self._every, self._batch_size = every, batch_size
        self._arguments = {"sigma": sigma, "t": t, "method": method, "max_points": None, "seed": seed}
        self._warned = False

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Finds the layers, and divides the inputs into clusters the first time."""
        for name in self._layers:
            if name is not None:  # kernels may not be there yet
                _find_layer(self.model, name)
        if isinstance(self._clusters, int):
            self._clusters = cluster_reference(self._points, self._clusters, self._arguments["seed"])

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds the measurements to the logs."""
        if logs is None:
            return
        embeddings = self._embed() if epoch % self._every == 0 else [None] * len(self._layers)
        for name, embedding in zip(self._layers, embeddings, strict=True):
            suffix = f"_{name}" if len(self._layers) > 1 else ""
            for quantity, value in self._measure(embedding, epoch).items():
                logs[quantity + suffix] = value

    def _measure(self, embedding, epoch):
        references = {"dsmi_y": self._labels, "dsmi_x": self._clusters}
        references = {quantity: labels for quantity, labels in references.items() if labels is not None}
        not_measured = dict.fromkeys(["dse", *references], float("nan"))
        if embedding is None:
            return not_measured
        try:
            embedding = check_points(embedding)
            arguments = {**self._arguments, "sigma": check_bandwidth(self._arguments["sigma"], embedding)}
            measured = {"dse": diffusion_spectral_entropy(embedding, **arguments)}
            for quantity, labels in references.items():
                measured[quantity] = mutual_information(embedding, labels, **arguments)
            return measured
        except ValueError as error:
            if not self._warned:
                self._warned = True
                warnings.warn(f"The embedding of epoch {epoch + 1} is degenerate: {error}", stacklevel=2)
            return not_measured

    def _embed(self):
        """The embeddings of the sample, one array for each layer."""
        targets = [_find_layer(self.model, name) for name in self._layers]
        embeddings = [[] for _ in targets]
        with contextlib.ExitStack() as stack:
            recorded = [
                stack.enter_context(_recording(layer, "input" if name is None else "output"))
                for name, layer in zip(self._layers, targets, strict=True)
            ]
            for start in range(0, len(self._points), self._batch_size):
                batch = slice(start, start + self._batch_size)
                self.model(
                    keras.tree.map_structure(lambda part, batch=batch: part[batch], self._inputs), training=False
                )
                for parts, values in zip(embeddings, recorded, strict=True):
                    parts.append(keras.ops.convert_to_numpy(values[-1]))
        return [np.concatenate([part.reshape(len(part), -1) for part in parts]) for parts in embeddings]


@contextlib.contextmanager
def _recording(layer, what):
    """Notes what a layer is given, or what it returns, in a list, whatever kind of model it is in."""
    values, call = [], layer.call

    def call_and_record(*args, **kwargs):
        outputs = call(*args, **kwargs)
        seen = args[0] if what == "input" else outputs
        values[:] = [keras.tree.flatten(seen)[0]]
        return outputs

    layer.call = call_and_record
    try:
        yield values
    finally:
        del layer.call  # which uncovers that of the class


def _find_layer(model, name):
    """The layer of that name, in the model or a model within it; without a name, the classification head."""
    layers = list(_inner_layers(model))
    if name is None:
        layers = [
            layer
            for layer in layers
            if not getattr(layer, "layers", None) and any(len(weight.shape) > 1 for weight in layer.weights)
        ]
        if layers:
            return layers[-1]
        raise ValueError("`layer` must be given for a model in which no layer has a kernel. Received: layer=None")
    for layer in layers:
        if layer.name == name:
            return layer
    names = [layer.name for layer in layers]
    raise ValueError(f"`layer` must be the name of a layer, one of {names}. Received: layer={name!r}")


def _inner_layers(model):
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _inner_layers(layer)
        yield layer


def _check_length(name, labels, length):
    labels = np.asarray(labels)
    if labels.ndim == 0 or len(labels) != length:
        raise ValueError(
            f"`{name}` must have as many entries as there are inputs, {length}. "
            f"Received: {name} of shape {labels.shape}"
        )
    if labels.size != length or labels.dtype.kind not in "iubUS":
        raise ValueError(f"`{name}` must be one integer, boolean or string for each input. Received: {labels.dtype}")
    return as_labels(labels, length)
