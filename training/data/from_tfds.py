"""Labelled images from TensorFlow Datasets."""

import numpy as np

from training.data.images import LabelledImages, Split


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
    tfds = import_tfds()
    name = builder if isinstance(builder, str) else builder.name
    try:
        if isinstance(builder, str):
            builder = tfds.builder(builder, data_dir=data_dir)
        builder.download_and_prepare()
        arrays = tfds.as_numpy(builder.as_dataset(split=["train", "test"], batch_size=-1))
    except Exception as error:
        raise ValueError(
            f"The data set {name!r} could not be loaded ({type(error).__name__}: {str(error).splitlines()[0]}). It "
            f"must be prepared in `data_dir` or downloadable. Received: data_dir={data_dir}"
        ) from error
    train, test = (Split(split["image"], split["label"].astype(np.int32)) for split in arrays)
    return LabelledImages(train, test, classes=builder.info.features["label"].num_classes)


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
