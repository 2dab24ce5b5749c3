"""Made-up photographs, in the formats that those of illuminants and those for inpainting come in."""

import pathlib

import numpy as np
import scipy.io
import tensorflow as tf

COUNT = 12


def write_colorchecker(data_dir, count=COUNT, **changes):
    """An archive of grey noise under lights that the image alone tells; a chart of zeros in a corner."""
    rng = np.random.default_rng(0)
    lights = rng.uniform(0.3, 1, (count, 3))
    x = rng.uniform(0.2, 1, (count, 64, 64, 1)) * lights[:, None, None]
    x[:, :10, :12] = 0
    arrays = {
        "x": x.astype("float32"),
        "illuminant": 7 * lights,
        "name": np.array([f"photo{i}" for i in range(count)]),
        "camera": np.array(["camera"] * count),
        "fold": np.arange(count, dtype="uint8") % 3,
        **changes,
    }
    folder = data_dir / "downloads" / "manual"
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "colorchecker_rec568_64.npz", **{key: a for key, a in arrays.items() if a is not None})
    return arrays


DARK, BRIGHT = 1000, 11000
CHART = (11, 40, 21, 60)  # rows and columns, from 1, the last ones included


def write_nus(data_dir, cameras=("Canon", "Nikon"), count=3, **changes):
    """A folder for each camera: 16-bit photographs of one colour each with a white chart, and the ground truth."""
    rng = np.random.default_rng(0)
    colours = {}
    for camera in cameras:
        folder = data_dir / "downloads" / "manual" / "nus" / camera
        folder.mkdir(parents=True)
        lights = rng.uniform(0.2, 0.8, (count, 3))
        names = [f"{camera}_{i:04d}" for i in range(count)]
        for name, light in zip(names, lights, strict=True):
            image = np.full((96, 130, 3), DARK + np.rint((BRIGHT - DARK) * light), "uint16")
            image[CHART[0] - 1 : CHART[1], CHART[2] - 1 : CHART[3]] = 65535
            (folder / f"{name}.PNG").write_bytes(tf.io.encode_png(image).numpy())
            colours[name] = light
        fields = {
            "groundtruth_illuminants": lights,
            "darkness_level": DARK,
            "saturation_level": BRIGHT,
            "CC_coords": np.array([CHART] * count),
            "all_image_names": np.array(names, dtype=object)[:, None],
            **changes,
        }
        scipy.io.savemat(folder / f"{camera}_gt.mat", {key: v for key, v in fields.items() if v is not None})
    return colours


SIZES = [(128, 150), (160, 128), (140, 141), (128, 128)]
PHOTOGRAPHS = pathlib.Path("downloads") / "manual" / "photographs"


def write_photographs(data_dir, splits=("train", "test"), low=60):
    """Noise of 8 bits, different in each file, nothing near black."""
    rng = np.random.default_rng(0)
    images = {}
    for split in splits:
        folder = data_dir / PHOTOGRAPHS / split
        (folder / "below").mkdir(parents=True)
        for i, size in enumerate(SIZES):
            images[split, i] = rng.integers(low, 256, (*size, 3), dtype="uint8")
            path = folder / ("below" if i == 0 else ".") / f"{i}.png"
            path.write_bytes(tf.io.encode_png(images[split, i]).numpy())
    return images
