"""Every model of the zoo in every runtime: how far its outputs are from Keras'.

    python benchmarks/runtimes.py --data DIR [--models PATTERN] [--json FILE]
    python benchmarks/runtimes.py --table FILE

Each model is saved as it is and planar, loaded in the format's own runtime, and run on 32 random inputs and 8 real
ones, in batches of 7 and one by one. DIR holds mnist.npz, cifar10.npz and photos as JPEG files; without it all 40
inputs are random. What was measured is added to FILE, line by line, and not measured again; the second command prints
it as a table of largest differences, relative to the largest output. Some 40 minutes for all of them on two cores; a
minute for the rotated-MNIST networks.
"""

import argparse
import fnmatch
import json
import pathlib
import sys
import tempfile
import time

import keras
import numpy as np
import tensorflow as tf
from keras_equivariant.training.export.formats import export, load

from keras_equivariant import zoo
from keras_equivariant.layers import LogRGB, RemoveGamma
from keras_equivariant.planar import to_planar

FORMATS = {"saved_model": "", "onnx": ".onnx", "litert": ".tflite"}
# Smaller inputs where the published ones would take hours of conversion, and half the width of a network whose
# conversion takes more than 24 GB.
SMALLER = {
    **dict.fromkeys(
        ("resnet18", "p4m_resnet18", "resnet50", "p4m_resnet50", "offset_resnet50"), {"input_shape": (64, 64, 3)}
    ),
    "offset_context_encoder": {"filters": 33, "bottleneck": 1998},
}
RANDOM, REAL, BATCH = 32, 8, 7


def build(name):
    """A trained model where there is one, else one whose statistics are not those that layers start with."""
    if zoo.list_weights(name):
        return zoo.create(name, weights=zoo.list_weights(name)[0])
    keras.utils.set_random_seed(0)
    model = zoo.create(name, **SMALLER.get(name, {}))
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.7, 1.4, weight.shape) for weight in layer.get_weights()])
        elif getattr(layer, "bias", None) is not None:
            layer.bias.assign(rng.normal(scale=0.1, size=layer.bias.shape))
    return model


def real_images(folder, shape):
    """Images between 0 and 1, of a shape."""
    height, width, channels = shape
    if channels == 1:
        with np.load(folder / "mnist.npz", allow_pickle=False) as arrays:
            images = arrays["x_test"][:REAL, ..., None] / 255
        margin = (height - 28) // 2
        return np.pad(images, ((0, 0), (margin, margin), (margin, margin), (0, 0)))
    if shape == (32, 32, 3):
        with np.load(folder / "cifar10.npz", allow_pickle=False) as arrays:
            return arrays["x_test"][:REAL] / 255
    photos = [tf.io.decode_jpeg(path.read_bytes()) for path in sorted(folder.rglob("*.jpg"))[:REAL]]
    return np.stack([tf.image.resize_with_crop_or_pad(photo, height, width) for photo in photos]) / 255


def inputs_of(name, model, folder):
    """Random inputs, and real ones as the model takes them."""
    shape = model.input_shape[1:]
    rng = np.random.default_rng(0)
    if folder is None:
        return rng.normal(size=(RANDOM + REAL, *shape)).astype("float32")
    images = real_images(folder, shape).astype("float32")
    if "offset" in name:
        images = np.asarray(LogRGB()(RemoveGamma()(images)))
    images = (images - images.mean()) / images.std()
    return np.concatenate([rng.normal(size=(RANDOM, *shape)), images]).astype("float32")


def measure(name, folder):
    """Yields a row for each of the formats, of the model as it is and planar."""
    model = build(name)
    inputs = inputs_of(name, model, folder)
    expected = model.predict(inputs, batch_size=8, verbose=0)
    scale = np.abs(expected).max()
    for planar in (False, True):
        made = to_planar(model) if planar else model
        for file_format, ending in FORMATS.items():
            start = time.perf_counter()
            row = {"model": name, "input_shape": model.input_shape[1:], "planar": planar, "format": file_format}
            row["real"] = folder is not None
            with tempfile.TemporaryDirectory() as temporary:
                path = pathlib.Path(temporary) / f"model{ending}"
                try:
                    export(made, path, file_format, inputs[:BATCH], expected[:BATCH])
                    run = load(path, file_format)
                    batches = [run(inputs[i : i + BATCH]) for i in range(0, len(inputs), BATCH)]
                    singles = [run(inputs[i : i + 1]) for i in range(len(inputs))]
                    row["sevens"] = float(np.abs(np.concatenate(batches) - expected).max() / scale)
                    row["ones"] = float(np.abs(np.concatenate(singles) - expected).max() / scale)
                except Exception as error:
                    row["error"] = str(error).splitlines()[0]
            yield {**row, "seconds": round(time.perf_counter() - start, 1)}


def table(rows):
    """The largest differences as a Markdown table, a line for each model."""
    columns = [(planar, file_format) for planar in (False, True) for file_format in FORMATS]
    lines = ["| model | input | " + " | ".join(f"{f}{', planar' if p else ''}" for p, f in columns) + " |"]
    lines.append("| --- " * (len(columns) + 2) + "|")
    for name in sorted({row["model"] for row in rows}):
        cells = {(row["planar"], row["format"]): row for row in rows if row["model"] == name}
        shape = "x".join(map(str, next(iter(cells.values()))["input_shape"]))
        lines.append(f"| {name} | {shape} | " + " | ".join(_cell(cells.get(column)) for column in columns) + " |")
    return "\n".join(lines)


def _cell(row):
    if row is None:
        return "not measured"
    return row.get("error") or f"{max(row['sevens'], row['ones']):.0e}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--models", default="*", metavar="PATTERN")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="lines to add to")
    parser.add_argument("--table", type=pathlib.Path, metavar="FILE", help="only print these lines as a table")
    arguments = parser.parse_args()
    if arguments.table:
        print(table([json.loads(line) for line in arguments.table.read_text().splitlines()]))
        return
    file = arguments.json
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file and file.exists() else []
    done = {row["model"] for row in rows}
    for name in sorted(set(fnmatch.filter(zoo.list_models(), arguments.models)) - done):
        new = list(measure(name, arguments.data))
        rows += new
        if file:
            with file.open("a") as lines:
                lines.writelines(json.dumps(row) + "\n" for row in new)
        print(name, f"{sum(row['seconds'] for row in new):.0f} s", file=sys.stderr)
    print(table(rows))


if __name__ == "__main__":
    main()
