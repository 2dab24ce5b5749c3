"""A folder of photographs in the form of a TFDS data set."""

import pathlib
from collections.abc import Iterator
from typing import Any

import tensorflow_datasets as tfds
from keras_equivariant.training.data.files import check_not_black, manual_path, read_image

SPLITS = ("train", "test")
_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp")
_SMALLEST = 128


class Photographs(tfds.core.GeneratorBasedBuilder):
    """Photographs of any size, but at least 128x128 pixels, in sRGB.

    `downloads/manual/photographs` of the data directory must hold the folders `train` and `test`, with JPEG, PNG or
    BMP files of 8 bits in them or in folders below.
    """

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {"image": tfds.features.Image(shape=(None, None, 3)), "name": tfds.features.Text()}
            ),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        folders = {split: manual_path(self.data_dir_root, f"photographs/{split}") for split in SPLITS}
        files = {split: _find_images(folder) for split, folder in folders.items()}
        return {split: self._generate_examples(folders[split], files[split]) for split in SPLITS}

    def _generate_examples(self, folder: pathlib.Path, paths: list[pathlib.Path]) -> Iterator[tuple[str, dict]]:
        for path in paths:
            image = read_image(path, bits=8)
            if min(image.shape[:2]) < _SMALLEST:
                raise ValueError(
                    f"The image must be at least {_SMALLEST} pixels wide and high. Received: {path} {image.shape[:2]}"
                )
            check_not_black(image, path)
            name = str(path.relative_to(folder))
            yield name, {"image": image, "name": name}


def _find_images(folder: pathlib.Path) -> list[pathlib.Path]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _ENDINGS)
    if not paths:
        raise ValueError(f"The folder must hold photographs ({', '.join(_ENDINGS)}). Received: {folder}")
    return paths
