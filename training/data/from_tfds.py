"""Labelled images from TensorFlow Datasets."""

import contextlib

import numpy as np
import tensorflow as tf

from training.data.images import LabelledImages, Split
from training.data.streamed import StreamedSplit


def load(builder, data_dir=None):
    """Loads the splits "train" and "test" of a TFDS data set with the features "image" and "label" into memory.

    Args:
        builder: Name of the data set in TFDS, or a builder.
        data_dir: Folder of prepared data sets, or `None` for that of TFDS, `~/tensorflow_datasets`. What is not yet
            prepared is downloaded and prepared there.

    Returns:
        `LabelledImages`.

    Raises:
        ValueError: If TFDS is not installed, or the data set is not there and cannot be prepared.
    """
    with _readable(builder, data_dir) as builder:
        arrays = import_tfds().as_numpy(builder.as_dataset(split=["train", "test"], batch_size=-1))
    train, test = (Split(split["image"], split["label"].astype(np.int32)) for split in arrays)
    return _labelled(train, test, builder)


def load_arrays(builder, splits, data_dir=None, batch_size=-1):
    """Loads splits of a TFDS data set, prepared first if need be.

    Args:
        builder: Name of the data set in TFDS, or a builder.
        splits: List of names of splits.
        data_dir: As in `load`.
        batch_size: -1 for one array of each feature, `None` for one example after the other, when sizes differ.

    Returns:
        For each split a dictionary of arrays, or a list of such.

    Raises:
        ValueError: As in `load`.
    """
    with _readable(builder, data_dir) as builder:
        arrays = import_tfds().as_numpy(builder.as_dataset(split=splits, batch_size=batch_size))
        # One after the other, they are not read before they are asked for.
        return arrays if batch_size is not None else [list(split) for split in arrays]


def stream(builder, data_dir=None, size=224, test="validation"):
    """Opens a TFDS data set of JPEG images, with the features "image" and "label", that stay in their files.

    Args:
        builder: Name of the data set in TFDS, or a builder.
        data_dir: As in `load`.
        size: Height and width of the images that are cut out, in pixels.
        test: Name of the split to test on.

    Returns:
        `LabelledImages`, of two `StreamedSplit`.

    Raises:
        ValueError: As in `load`, and if the data set was prepared in another format than TFRecord.
    """
    with _readable(builder, data_dir) as builder:
        train, test = (_streamed(builder.info, split, size) for split in ("train", test))
    return _labelled(train, test, builder)


def _labelled(train, test, builder):
    label = builder.info.features["label"]
    return LabelledImages(train, test, classes=label.num_classes, names=tuple(label.names))


def _streamed(info, name, size):
    split, features = info.splits[name], info.features
    if info.file_format.value != "tfrecord":
        raise ValueError(f"it must be prepared as TFRecord files. Received: file_format={info.file_format.value}")

    def parse(serialised):
        skip = {"image": import_tfds().decode.SkipDecoding()}
        example = features.deserialize_example(serialised, decoders=skip)
        return example["image"], tf.cast(example["label"], tf.int32)

    return StreamedSplit(tuple(map(str, split.filepaths)), tuple(split.shard_lengths), parse, size)


@contextlib.contextmanager
def _readable(builder, data_dir):
    """A prepared builder; what goes wrong with it becomes a ValueError."""
    tfds = import_tfds()
    name = builder if isinstance(builder, str) else builder.name
    try:
        if isinstance(builder, str):
            builder = tfds.builder(builder, data_dir=data_dir)
        builder.download_and_prepare()
        yield builder
    except Exception as error:
        raise ValueError(
            f"The data set {name!r} could not be loaded ({type(error).__name__}: {str(error).splitlines()[0]}). It "
            f"must be prepared in `data_dir` or downloadable. Received: data_dir={data_dir}"
        ) from error


def import_tfds():
    """Imports TFDS, which is installed on demand.

    Raises:
        ValueError: If it is not installed.
    """
    try:
        import tensorflow_datasets
    except ImportError as error:
        raise ValueError(
            f'This data set needs TensorFlow Datasets: pip install "keras-equivariant[datasets]". Received: {error}'
        ) from None
    return tensorflow_datasets
