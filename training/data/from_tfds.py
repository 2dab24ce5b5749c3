"""Labelled images from TensorFlow Datasets."""

import contextlib
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from keras_equivariant.training.data.images import LabelledImages, Split
from keras_equivariant.training.data.streamed import StreamedSplit

_PATIENCE = 10  # seconds to wait for a server


def load(builder: Any, data_dir: str | None = None) -> LabelledImages:
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


def load_arrays(builder: Any, splits: list[str], data_dir: str | None = None, batch_size: int | None = -1) -> list[Any]:
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
        # With batch_size=None TFDS is lazy, so read everything while errors are still caught.
        return arrays if batch_size is not None else [list(split) for split in arrays]


def stream(builder: Any, data_dir: str | None = None, size: int = 224, test: str = "validation") -> LabelledImages:
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
        streams = [_streamed(builder.info, split, size) for split in ("train", test)]
    return _labelled(streams[0], streams[1], builder)


def _labelled(train: Any, test: Any, builder: Any) -> LabelledImages:
    label = builder.info.features["label"]
    return LabelledImages(train, test, classes=label.num_classes, names=tuple(label.names))


def _streamed(info: Any, name: str, size: int) -> StreamedSplit:
    split, features = info.splits[name], info.features
    if info.file_format.value != "tfrecord":
        raise ValueError(f"it must be prepared as TFRecord files. Received: file_format={info.file_format.value}")

    def parse(serialised: Any) -> tuple[Any, Any]:
        skip = {"image": import_tfds().decode.SkipDecoding()}
        example = features.deserialize_example(serialised, decoders=skip)
        return example["image"], tf.cast(example["label"], tf.int32)

    return StreamedSplit(tuple(map(str, split.filepaths)), tuple(split.shard_lengths), parse, size)


@contextlib.contextmanager
def _readable(builder: Any, data_dir: str | None) -> Iterator[Any]:
    """A prepared builder; what goes wrong with it becomes a ValueError."""
    tfds = import_tfds()
    name = builder if isinstance(builder, str) else builder.name
    try:
        if isinstance(builder, str):
            builder = tfds.builder(builder, data_dir=data_dir)
        prepare(builder)
        yield builder
    except Exception as error:
        line = next(iter(str(error).splitlines()), "")
        raise ValueError(
            f"The data set {name!r} could not be loaded ({type(error).__name__}: {line}). It "
            f"must be prepared in `data_dir` or downloadable. Received: data_dir={data_dir}"
        ) from error


def prepare(builder: Any) -> None:
    """Downloads and prepares a data set, unless it is there already.

    Without a network it fails at once, where TFDS would try for minutes. A failure leaves no new file behind.

    Raises:
        ConnectionError: If something must be downloaded, and its server cannot be reached.
    """
    if builder.data_path.exists():
        return builder.download_and_prepare()
    root = pathlib.Path(builder.data_dir_root)
    if root.is_file():
        raise NotADirectoryError("it is a file")
    before = _contents(root, builder.name)
    try:
        _check_network(builder, root / "downloads")
        builder.download_and_prepare()
    except BaseException:
        for path in sorted(_contents(root, builder.name) - before, reverse=True):
            with contextlib.suppress(OSError):  # a folder may hold what another process writes
                path.rmdir() if path.is_dir() else path.unlink()
        raise


def _contents(root: pathlib.Path, name: str) -> set[pathlib.Path]:
    """The paths that the preparation of a data set may create, as far as they exist."""
    folders = [root / name, root / "downloads"]
    inside = [path for folder in folders for path in folder.rglob("*")]
    return {path for path in (*folders, root, *root.parents, *inside) if path.exists()}


def _check_network(builder: Any, downloads: pathlib.Path) -> None:
    """Asks the server of the first file that was not downloaded before; through a proxy, where there is one."""
    import requests  # TFDS downloads by it

    known = "".join(path.read_text() for path in downloads.rglob("*.INFO"))
    missing = [url for url in builder.url_infos or () if url.startswith("http") and url not in known]
    if missing and builder.MANUAL_DOWNLOAD_INSTRUCTIONS is None:
        try:
            requests.head(missing[0], timeout=_PATIENCE)
        except requests.RequestException:
            raise ConnectionError(f"no connection to {missing[0]}") from None


def import_tfds() -> Any:
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
