"""Made-up images in folders of prepared TFDS data sets, of the real ones' own form."""

import io

import numpy as np
import pytest
import tensorflow as tf

tfds = pytest.importorskip("tensorflow_datasets")


def prepare(builder, shards=1, **splits):
    """Writes a prepared data set that holds these examples, lists of dictionaries, in its splits."""

    def numbered(examples):
        return ((i, example) for i, example in enumerate(examples))

    generators = {name: numbered(examples) for name, examples in splits.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(builder), "_split_generators", lambda self, manager: generators)
        builder.download_and_prepare(download_config=tfds.download.DownloadConfig(num_shards=shards))


def small_images(count, size, channels, seed=0):
    """Random images of one size, and labels from 0 to 9."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, size, size, channels), dtype="uint8")
    return [
        {"image": image, "label": int(label)} for image, label in zip(images, rng.integers(0, 10, count), strict=True)
    ]


def photographs(count, seed=0):
    """JPEG images of different sizes: red grows downwards, green to the right, blue with the label, their number."""
    rng = np.random.default_rng(seed)
    for i in range(count):
        height, width = rng.integers(240, 400, 2)
        rows, columns = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
        image = (255 * np.stack([rows, columns, np.full(rows.shape, (i + 1) / 40)], axis=-1)).astype("uint8")
        encoded = io.BytesIO(tf.io.encode_jpeg(image, quality=100).numpy())
        yield {"image": encoded, "label": i, "file_name": f"n{i}.JPEG"}


def prepare_cifar10(data_dir, train=40, test=20):
    """A small CIFAR-10."""
    parts = {"train": small_images(train, 32, 3), "test": small_images(test, 32, 3, seed=1)}
    named = {name: [{**example, "id": "x"} for example in part] for name, part in parts.items()}
    prepare(tfds.builder("cifar10", data_dir=data_dir), **named)


def prepare_mnist(data_dir, train=40, test=20):
    """A small MNIST."""
    prepare(
        tfds.builder("mnist", data_dir=data_dir), train=small_images(train, 28, 1), test=small_images(test, 28, 1, 1)
    )


def prepare_imagenet(data_dir, train=22, test=9, shards=3):
    """A small ILSVRC 2012, in several files."""
    builder = tfds.builder("imagenet2012", data_dir=data_dir)
    prepare(builder, shards, train=photographs(train), validation=photographs(test, seed=1))
