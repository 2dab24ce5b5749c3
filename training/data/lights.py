"""Data sets of photographs with the colour of their light, in the form of TFDS data sets.

Images are in linear raw RGB between 0 and 1; masked pixels, such as those of the colour chart that tells the light, are
zero. The data are split into three folds for cross-validation.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

FOLDS = ("fold_0", "fold_1", "fold_2")
SIZE = 64


class LitImagesBuilder(tfds.core.GeneratorBasedBuilder):
    """What both data sets share: their features, and a split for each fold."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Tensor(shape=(SIZE, SIZE, 3), dtype=np.float32),
                    "light": tfds.features.Tensor(shape=(3,), dtype=np.float32),
                    "name": tfds.features.Text(),
                    "camera": tfds.features.Text(),
                }
            ),
            supervised_keys=("image", "light"),
        )

    def _generate_examples(self, examples: Any) -> Iterator[tuple[str, dict]]:
        for index, (image, light, name, camera) in enumerate(examples):
            light = np.asarray(light, "float64")
            light = (light / np.linalg.norm(light)).astype("float32")
            yield f"{index:05d}", {"image": image, "light": light, "name": name, "camera": camera}
