"""Distributed training: several devices, or several hosts."""

import contextlib
import os
from collections.abc import Iterator

import keras
from keras_equivariant.training.model.batch_norm import inner_layers

_BACKENDS = {"mirrored": "tensorflow", "jax": "jax"}


def check_distribution(distribution: str | None) -> None:
    """Checks that the backend can distribute a training in this way.

    Raises:
        ValueError: If it cannot.
    """
    needed = _BACKENDS.get(distribution or "", keras.config.backend())
    if keras.config.backend() != needed:
        raise ValueError(
            f"`distribution` must suit the backend: {distribution!r} needs KERAS_BACKEND={needed}. "
            f"Received: distribution={distribution!r}, backend={keras.config.backend()!r}"
        )


@contextlib.contextmanager
def distributed(distribution: str | None) -> Iterator[None]:
    """Everything built and trained inside this context runs on several devices.

    Args:
        distribution: `None` for one device; `"mirrored"` for all devices of this host, with
            `tf.distribute.MirroredStrategy`; `"jax"` for all devices of all hosts, with
            `keras.distribution.DataParallel`, where each host reads its own part of each batch. The hosts find one
            another by the environment variables that `keras.distribution.initialize` reads:
            `KERAS_DISTRIBUTION_JOB_ADDRESSES`, `KERAS_DISTRIBUTION_NUM_PROCESSES` and
            `KERAS_DISTRIBUTION_PROCESS_ID`.
    """
    if distribution == "mirrored":
        import tensorflow as tf

        with tf.distribute.MirroredStrategy(_logical_devices()).scope():
            yield
    elif distribution == "jax":
        if "KERAS_DISTRIBUTION_JOB_ADDRESSES" in os.environ:
            keras.distribution.initialize()
        keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
        try:
            yield
        finally:
            keras.distribution.set_distribution(None)
    else:
        yield


def workers(distribution: str | None) -> tuple[int, int]:
    """The number of processes that train together, and which of them this is, from 0."""
    if distribution != "jax" or "KERAS_DISTRIBUTION_JOB_ADDRESSES" not in os.environ:
        return 1, 0
    return int(os.environ["KERAS_DISTRIBUTION_NUM_PROCESSES"]), int(os.environ["KERAS_DISTRIBUTION_PROCESS_ID"])


def on_this_host(model: keras.Model, distribution: str | None) -> keras.Model:
    """The model for the steps after training, which every host does by itself.

    Args:
        model: A functional `keras.Model`, trained in that distribution, which has ended.
        distribution: As in `distributed`.

    Returns:
        The model itself, or a copy of it whose variables are on this host alone.
    """
    if distribution != "jax":
        return model
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def _logical_devices() -> list[str]:
    """All GPUs, or where there are none, all (possibly virtual) CPUs."""
    import tensorflow as tf

    kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    return [f"{kind}:{i}" for i in range(len(tf.config.list_logical_devices(kind)))]


def synchronise_batch_norm(model: keras.Model, synchronised: bool) -> None:
    """Switches between batch statistics over all replicas and over each replica's part of a batch.

    Args:
        model: A `keras.Model`, with models in it or not.
        synchronised: Whether over all replicas. Only TensorFlow can do that, so switch it off before saving.
    """
    for layer in inner_layers(model):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = synchronised
