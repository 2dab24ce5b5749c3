"""The ColorChecker photographs in the form of a TFDS data set."""

import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from keras_equivariant.training.data.files import check_lights, check_not_black, manual_path
from keras_equivariant.training.data.lights import FOLDS, SIZE, LitImagesBuilder

_FILE = "colorchecker_rec568_64.npz"


class ColorChecker(LitImagesBuilder):
    """The 568 photographs of Gehler et al. (2008) in the linear form of Shi and Funt, made 64x64 pixels small.

    `downloads/manual` of the data directory must hold `colorchecker_rec568_64.npz`, with the arrays `x (n, 64, 64, 3)`
    between 0 and 1, `illuminant (n, 3)` (recommended by Hemrit et al., 2018), `name`, `camera` and `fold`, the number
    of the fold in which an image is tested.
    """

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        path = manual_path(self.data_dir_root, _FILE)
        arrays = _read_npz(path, ("x", "illuminant", "name", "camera", "fold"))
        if arrays["x"].shape[1:] != (SIZE, SIZE, 3) or len({len(array) for array in arrays.values()}) != 1:
            shapes = {key: array.shape for key, array in arrays.items()}
            raise ValueError(f"The file must hold images of 64x64, each with all else. Received: {path} {shapes}")
        if set(np.unique(arrays["fold"])) != set(range(len(FOLDS))):
            folds = np.unique(arrays["fold"]).tolist()
            raise ValueError(f"The folds must be {', '.join(map(str, range(len(FOLDS))))}. Received: {path} {folds}")
        check_lights(arrays["illuminant"], path)
        for image, name in zip(arrays["x"], arrays["name"], strict=True):
            check_not_black(image, f"{name} in {path}")
        return {fold: self._generate_examples(_rows(arrays, number)) for number, fold in enumerate(FOLDS)}


def _read_npz(path: pathlib.Path, keys: tuple[str, ...]) -> dict[str, np.ndarray]:
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            return {key: stored[key] for key in keys}
    except Exception as error:
        raise ValueError(f"The file must hold the arrays {', '.join(keys)}. Received: {path} ({error})") from None


def _rows(arrays: dict[str, np.ndarray], fold: int) -> Iterator[tuple]:
    for i in np.flatnonzero(arrays["fold"] == fold):
        yield arrays["x"][i], arrays["illuminant"][i], str(arrays["name"][i]), str(arrays["camera"][i])
