"""Test error over the number of training pictures: networks on a group, ordinary ones, turned copies, test-time means.

    python benchmarks/small_networks.py --data-dir FOLDER [--pictures N ...] [--seeds N] [--steps N] [--size N]
        [--output STEM]

FOLDER has one folder of pictures a class. For each seed, the largest of `--pictures` of each class is drawn to train
on, smaller numbers are the first of these, and all networks are tested on all others. Every network trains for as many
steps; the ordinary one, with turned and mirrored copies, also for as long as the slowest took. STEM.json and STEM.png
are written after each seed.
"""

import argparse
import json
import math
import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from keras_equivariant.training.data.transforms import fit_into
from matplotlib.figure import Figure

from keras_equivariant import zoo
from keras_equivariant.symmetry import get_symmetry

NETWORKS = {"p4m_small": "p4m_small", "p4_small": "p4_small", "small": "small", "small, copies": "small"}
SAME_TIME = "small, copies, same time"
LABELS = {
    "p4m_small": "p4m network",
    "p4_small": "p4 network",
    "small": "ordinary",
    "small, copies": "ordinary, turned copies",
    "small, copies, 8 views": "the same, mean of 8 views",
    "small, copies, same time": "ordinary, turned copies, same time as p4m",
    "small, copies, same time, 8 views": "the same, mean of 8 views",
}


def read(folder, size):
    """The pictures, between 0 and 1, whole in a square, and the number of the class of each."""
    classes = sorted(path for path in pathlib.Path(folder).iterdir() if path.is_dir())
    images, labels = [], []
    for label, path in enumerate(classes):
        for file in sorted(path.iterdir()):
            image = np.asarray(keras.utils.load_img(file), "float32") / 255
            images.append(fit_into(image, (size, size, 3)))
            labels.append(label)
    return np.stack(images), np.array(labels)


def divide(labels, count, seed):
    """Indices of the training pictures, class by class in a random order, and of the test pictures."""
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(np.flatnonzero(labels == label)) for label in range(labels.max() + 1)]
    return [order[:count] for order in orders], np.concatenate([order[count:] for order in orders])


def views(images):
    """The eight turned and mirrored copies of square images."""
    group = get_symmetry("p4m")
    flat = images.reshape(len(images), -1, images.shape[-1])
    cells = (group.act_on_grid(element, images.shape[1:3])[1].reshape(-1) for element in range(group.order))
    return [flat[:, order].reshape(images.shape) for order in cells]


def train(name, images, labels, classes, steps, copies, seed, batch_size=32):
    """A trained network, and the seconds that its steps took, the first left out."""
    keras.utils.set_random_seed(seed)
    model = zoo.create(name, input_shape=images.shape[1:], classes=classes)
    schedule = keras.optimizers.schedules.CosineDecay(3e-3, steps)
    model.compile(
        keras.optimizers.AdamW(schedule, weight_decay=1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    rng, elements = np.random.default_rng(seed), np.stack(views(images)) if copies else images[None]
    start = time.perf_counter()
    for step in range(steps):
        chosen = rng.integers(0, len(images), batch_size)
        model.train_on_batch(elements[rng.integers(0, len(elements), batch_size), chosen], labels[chosen])
        start = time.perf_counter() if step == 0 else start
    return model, time.perf_counter() - start


def errors(model, images, labels):
    """Test errors in percent: of the images as they are, and of the means of the logits over their eight views."""
    logits = [model.predict(view, batch_size=64, verbose=0) for view in views(images)]
    return [100 * float(np.mean(z.argmax(axis=-1) != labels)) for z in (logits[0], np.mean(logits, axis=0))]


def measure(images, labels, arguments, seed):
    """One row for each number of pictures and each way to train."""
    classes = int(labels.max()) + 1
    orders, test = divide(labels, max(arguments.pictures), seed)
    rows = []
    for count in arguments.pictures:
        chosen = np.concatenate([order[:count] for order in orders])
        mean, deviation = images[chosen].mean(), images[chosen].std()
        x, y = (images[chosen] - mean) / deviation, labels[chosen]
        tests = (images[test] - mean) / deviation, labels[test]
        seconds = {}

        def row(way, name, steps, copies, x=x, y=y, tests=tests, seconds=seconds, count=count):
            model, seconds[way] = train(name, x, y, classes, steps, copies, seed)
            plain, mean_of_views = errors(model, *tests)
            common = {"pictures": count, "seed": seed, "steps": steps, "seconds": round(seconds[way], 1)}
            rows.append({"way": way, "test_error": plain, **common})
            if name == "small":
                rows.append({"way": f"{way}, 8 views", "test_error": mean_of_views, **common})
            print(json.dumps(rows[-1]), flush=True)

        for way, name in NETWORKS.items():
            row(way, name, arguments.steps, "copies" in way)
        longer = seconds["p4m_small"] / seconds["small, copies"]
        row(SAME_TIME, "small", max(arguments.steps, round(arguments.steps * longer)), True)
    return rows


def write(rows, settings, stem):
    """Writes all rows, and draws the mean over the seeds with its standard deviation."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    stem.with_suffix(".json").write_text(json.dumps({"settings": settings, "rows": rows}, indent=1))
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.add_subplot()
    counts = sorted({row["pictures"] for row in rows})
    for number, (way, label) in enumerate(LABELS.items()):
        found = [[r["test_error"] for r in rows if (r["way"], r["pictures"]) == (way, n)] for n in counts]
        style = {"marker": "o", "capsize": 3, "color": f"C{number - way.endswith('views')}"}
        deviations = [np.std(e, ddof=1) if len(e) > 1 else 0 for e in found]
        line = "--" if way.endswith("views") else "-"
        axes.errorbar(counts, [np.mean(e) for e in found], deviations, label=label, linestyle=line, **style)
    axes.set(xlabel="training pictures of each class", ylabel="test error (%)", xscale="log", title=settings["title"])
    axes.set_xticks(counts, map(str, counts))
    axes.minorticks_off()
    axes.set_ylim(0)
    axes.legend(fontsize="small")
    figure.savefig(stem.with_suffix(".png"), dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--pictures", type=int, nargs="+", default=[5, 10, 15])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("small_networks"))
    arguments = parser.parse_args()
    images, labels = read(arguments.data_dir, arguments.size)
    title = f"{pathlib.Path(arguments.data_dir).name}: {labels.max() + 1} classes, {arguments.size}x{arguments.size}"
    settings = {"title": title, "steps": arguments.steps, "size": arguments.size, "tensorflow": tf.__version__}
    settings["test_pictures"] = len(labels) - max(arguments.pictures) * (labels.max().item() + 1)
    rows = []
    for seed in range(arguments.seeds):
        rows += measure(images, labels, arguments, seed)
        write(rows, settings, arguments.output)
    for way in dict.fromkeys(row["way"] for row in rows):
        found = [[r["test_error"] for r in rows if (r["way"], r["pictures"]) == (way, n)] for n in arguments.pictures]
        cells = [f"{np.mean(e):.1f} +- {np.std(e, ddof=1) if len(e) > 1 else math.nan:.1f}" for e in found]
        print(f"{way:<36}", *cells)


if __name__ == "__main__":
    main()
