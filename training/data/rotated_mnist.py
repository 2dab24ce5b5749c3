"""Rotated MNIST (Larochelle et al., 2007) in the form of a TFDS data set."""

import itertools
import math
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from keras_equivariant.training.data import from_tfds
from keras_equivariant.training.data.images import LabelledImages
from keras_equivariant.training.data.transforms import rotate

_FILES = {
    "train": "mnist_all_rotation_normalized_float_train_valid.amat",
    "test": "mnist_all_rotation_normalized_float_test.amat",
}
_TRAIN, _TEST = 12_000, 50_000
_SEED = 2007


class RotatedMnist(tfds.core.GeneratorBasedBuilder):
    """12,000 training and 50,000 test images of digits in uniformly random rotations.

    If the published files, `mnist_all_rotation_normalized_float_*.amat`, are in the folder `downloads/manual` of the
    data directory, they are used. Otherwise the images are made from MNIST by the same protocol: 62,000 of its 70,000
    images in a fixed random order, each turned by a fixed random angle. Results on those are close to published ones,
    but not the same.
    """

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(28, 28, 1)),
                    "label": tfds.features.ClassLabel(num_classes=10),
                }
            ),
            supervised_keys=("image", "label"),
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        published = _published_files(self)
        self.info.metadata["source"] = "published files" if published else "MNIST"
        if published:
            return {split: _numbered(_read_amat(path)) for split, path in published.items()}
        examples = _rotate_mnist(self.data_dir_root)
        return {
            "train": _numbered(itertools.islice(examples, _TRAIN)),
            "test": _numbered(itertools.islice(examples, _TEST)),
        }

    def _generate_examples(self, examples: Any) -> Iterator[tuple[str, dict]]:
        yield from examples


def load(data_dir: str | None = None) -> LabelledImages:
    """Loads the images, made first if need be."""
    builder = RotatedMnist(data_dir=data_dir)
    data = from_tfds.load(builder, data_dir)
    check_source(builder)
    return data


def check_source(builder: Any) -> None:
    """Raises a ValueError if a prepared `RotatedMnist` was made from MNIST, and the published files are there now."""
    if builder.info.metadata.get("source") == "MNIST" and _published_files(builder):
        raise ValueError(
            "The data set 'rotated_mnist' was made from MNIST, before its published files were there: remove its "
            f"folder, to have it made of them, or the files. Received: {builder.data_dir}"
        )


def _published_files(builder: Any) -> dict[str, pathlib.Path]:
    """The published file of each split, or nothing; raises a ValueError if there is one but not the other."""
    folder = pathlib.Path(builder.data_dir_root) / "downloads" / "manual"
    found = {split: folder / name for split, name in _FILES.items() if (folder / name).exists()}
    if len(found) == 1:
        raise ValueError(f"`data_dir` must hold both published files or none. Received: {folder} with {[*found]} only")
    return found


def _numbered(examples: Any) -> Iterator[tuple[str, dict]]:
    for index, (image, label) in enumerate(examples):
        yield f"{index:05d}", {"image": image, "label": int(label)}


def _read_amat(path: pathlib.Path) -> Iterator[tuple]:
    """Reads the published text files: 784 pixels between 0 and 1 and the label on each line."""
    with path.open() as file:
        for number, line in enumerate(file, 1):
            try:
                values = np.array(line.split(), dtype=np.float64)
                image = np.rint(255 * values[:-1].reshape(28, 28, 1)).astype(np.uint8)
            except ValueError as error:
                rule = "must hold 784 numbers from 0 to 1 and a label on each line"
                raise ValueError(f"The file {path} {rule}. Received: line {number} ({error})") from None
            yield image, values[-1]


def load_upright(data_dir: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The upright digits that the images are made of, their labels and their angles in radians, in the same order."""
    mnist = tfds.builder("mnist", data_dir=data_dir)
    from_tfds.prepare(mnist)
    splits = tfds.as_numpy(mnist.as_dataset(split=["train", "test"], batch_size=-1))
    images = np.concatenate([split["image"] for split in splits])
    labels = np.concatenate([split["label"] for split in splits])
    rng = np.random.default_rng(_SEED)
    order = rng.permutation(len(images))
    angles = rng.uniform(0, 2 * math.pi, len(images)).astype("float32")
    return images[order], labels[order], angles[order]


def _rotate_mnist(data_dir: Any) -> Iterator[tuple]:
    images, labels, angles = load_upright(data_dir)
    for batch in np.array_split(np.arange(len(images)), math.ceil(len(images) / 1000)):
        turned = rotate(tf.constant(images[batch], tf.float32), tf.constant(angles[batch]))
        yield from zip(np.rint(turned).astype(np.uint8), labels[batch], strict=True)
