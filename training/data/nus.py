"""Photographs in the form of the NUS data set, as a TFDS data set."""

import pathlib
from typing import Any

import numpy as np
import scipy.io
from keras_equivariant.training.data.files import check_lights, check_not_black, manual_path, read_image, shrink
from keras_equivariant.training.data.lights import FOLDS, SIZE, LitImagesBuilder

_SEED = 0
_FIELDS = ("groundtruth_illuminants", "darkness_level", "saturation_level", "CC_coords", "all_image_names")


class Nus(LitImagesBuilder):
    """Photographs in the form of the data set of the National University of Singapore (Cheng et al., 2014).

    `downloads/manual/nus` of the data directory must hold a folder for each camera, with its photographs as PNG files
    of 16 bits and one file `*_gt.mat`, which names them (`all_image_names`) and holds the colours of their lights
    (`groundtruth_illuminants`), the raw values of black and white (`darkness_level`, `saturation_level`) and the
    first and last row and column of the colour chart (`CC_coords`), counted from 1.

    Black is subtracted, the chart masked, and each image made 64x64 pixels small by means of its visible pixels. The
    folds are random, always the same.
    """

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        folder = manual_path(self.data_dir_root, "nus")
        cameras = sorted(path for path in folder.iterdir() if path.is_dir())
        photographs = [photograph for camera in cameras for photograph in _read_ground_truth(camera)]
        if len(photographs) < len(FOLDS):
            raise ValueError(f"The folder must hold at least {len(FOLDS)} photographs. Received: {folder}")
        order = np.random.default_rng(_SEED).permutation(len(photographs))
        return {
            fold: self._generate_examples(_read_photograph(*photographs[i]) for i in order[number :: len(FOLDS)])
            for number, fold in enumerate(FOLDS)
        }


def _read_ground_truth(camera: pathlib.Path) -> list[tuple]:
    """What `_read_photograph` needs of each photograph of a camera; all files are there."""
    files = sorted(camera.glob("*_gt.mat"))
    if len(files) != 1:
        raise ValueError(f"The folder of a camera must hold one file *_gt.mat. Received: {camera}, with {len(files)}")
    try:
        content = scipy.io.loadmat(files[0], squeeze_me=False)
        lights, dark, bright, charts, names = (content[field] for field in _FIELDS)
        names = [str(np.squeeze(name)) for name in np.ravel(names)]
        dark, bright, charts = float(np.squeeze(dark)), float(np.squeeze(bright)), charts.astype(int)
    except Exception as error:
        raise ValueError(f"The ground truth must have {', '.join(_FIELDS)}. Received: {files[0]} ({error})") from None
    check_lights(lights, files[0])
    if charts.shape != (len(names), 4) or len(lights) != len(names) or not dark < bright:
        raise ValueError(
            f"The ground truth must have one light and one chart for each name, and black below white. Received: "
            f"{files[0]} with {len(names)} names, {len(lights)} lights, charts {charts.shape}, {dark} and {bright}"
        )
    photographs = {path.stem: path for path in camera.rglob("*") if path.suffix.lower() == ".png"}
    missing = [name for name in names if name not in photographs]
    if missing:
        raise ValueError(f"The folder must hold all photographs. Received: {camera} without {missing[0]}.PNG")
    return [(photographs[n], light, dark, bright, chart) for n, light, chart in zip(names, lights, charts, strict=True)]


def _read_photograph(path: pathlib.Path, light: np.ndarray, dark: float, bright: float, chart: np.ndarray) -> tuple:
    raw = read_image(path, bits=16)
    if min(raw.shape[:2]) < SIZE:
        raise ValueError(f"The image must be at least {SIZE} pixels wide and high. Received: {path} {raw.shape[:2]}")
    image = np.clip((raw.astype("float32") - dark) / (bright - dark), 0, 1)
    top, bottom, left, right = chart
    if not (0 < top <= bottom <= image.shape[0] and 0 < left <= right <= image.shape[1]):
        raise ValueError(f"The chart must be inside of the image. Received: {path} {raw.shape[:2]}, {chart.tolist()}")
    visible = np.ones((*image.shape[:2], 1), "float32")
    visible[top - 1 : bottom, left - 1 : right] = 0
    image = shrink(image, visible, SIZE)
    check_not_black(image, path)
    return image, light, path.stem, pathlib.Path(path).parent.name
