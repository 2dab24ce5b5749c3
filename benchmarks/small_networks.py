"""Test error over the number of training pictures: networks on a group, ordinary ones, turned copies, test-time means.

    python benchmarks/small_networks.py --data-dir FOLDER [--pictures N ...] [--seeds N] [--steps N] [--size N]
        [--output STEM]

FOLDER has one folder of pictures a class. For each seed, the largest of `--pictures` of each class is drawn to train
on, smaller numbers are the first of these, and all networks are tested on all others. Every network trains for as many
steps; with most pictures the ordinary one, on turned and mirrored copies, also for as long as the slowest took.
STEM.json and STEM.png are written whenever all networks have seen as many pictures.
"""

import argparse
import json
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
    """A trained network, and the processor's seconds that its steps took, the first left out."""
    keras.utils.set_random_seed(seed)
    model = zoo.create(name, input_shape=images.shape[1:], classes=classes)
    schedule = keras.optimizers.schedules.CosineDecay(3e-3, steps)
    model.compile(
        keras.optimizers.AdamW(schedule, weight_decay=1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,  # which takes longer on processors
    )
    rng, elements = np.random.default_rng(seed), np.stack(views(images)) if copies else images[None]
    start = time.process_time()
    for step in range(steps):
        chosen = rng.integers(0, len(images), batch_size)
        model.train_on_batch(elements[rng.integers(0, len(elements), batch_size), chosen], labels[chosen])
        start = time.process_time() if step == 0 else start
    return model, time.process_time() - start


def error(model, pictures, labels):
    """Test error in percent, of the means of the logits over some views of each picture."""
    logits = np.mean([model.predict(view, batch_size=64, verbose=0) for view in pictures], axis=0)
    return 100 * float(np.mean(logits.argmax(axis=-1) != labels))


def measure(images, labels, arguments, seed):
    """One row for each number of pictures and each way to train, as many pictures at a time."""
    classes = int(labels.max()) + 1
    orders, test = divide(labels, max(arguments.pictures), seed)
    for count in arguments.pictures:
        rows = []
        chosen = np.concatenate([order[:count] for order in orders])
        mean, deviation = images[chosen].mean(), images[chosen].std()
        x, y = (images[chosen] - mean) / deviation, labels[chosen]
        shown = views((images[test] - mean) / deviation)
        seconds = {}

        def row(way, name, steps, copies, rows=rows, x=x, y=y, shown=shown, seconds=seconds, count=count):
            model, seconds[way] = train(name, x, y, classes, steps, copies, seed)
            common = {"pictures": count, "seed": seed, "steps": steps, "seconds": round(seconds[way], 1)}
            rows.append({"way": way, "test_error": error(model, shown[:1], labels[test]), **common})
            print(json.dumps(rows[-1]), flush=True)
            if name == "small":
                rows.append({"way": f"{way}, 8 views", "test_error": error(model, shown, labels[test]), **common})
                print(json.dumps(rows[-1]), flush=True)

        for way, name in NETWORKS.items():
            row(way, name, arguments.steps, "copies" in way)
        if count == max(arguments.pictures):
            longer = seconds["p4m_small"] / seconds["small, copies"]
            row(SAME_TIME, "small", max(arguments.steps, round(arguments.steps * longer)), True)
        yield rows


def errors_of(rows, way, pictures):
    """The test errors of all seeds."""
    return [row["test_error"] for row in rows if (row["way"], row["pictures"]) == (way, pictures)]


def deviation(errors):
    """Their standard deviation; 0 of a single one."""
    return float(np.std(errors, ddof=1)) if len(errors) > 1 else 0.0


def write(rows, settings, stem):
    """Writes all rows, and draws the mean over the seeds with its standard deviation."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    stem.with_suffix(".json").write_text(json.dumps({"settings": settings, "rows": rows}, indent=1))
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.add_subplot()
    counts = sorted({row["pictures"] for row in rows})
    for number, (way, label) in enumerate(LABELS.items()):
        found = {n: errors for n in counts if (errors := errors_of(rows, way, n))}
        style = {"marker": "o", "capsize": 3, "color": f"C{number - way.endswith('views')}"}
        deviations = [deviation(e) for e in found.values()]
        line = "--" if way.endswith("views") else "-"
        means = [np.mean(e) for e in found.values()]
        axes.errorbar(list(found), means, deviations, label=label, linestyle=line, **style)
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
        for measured in measure(images, labels, arguments, seed):
            rows += measured
            write(rows, settings, arguments.output)
    for way in dict.fromkeys(row["way"] for row in rows):
        found = [errors_of(rows, way, n) for n in arguments.pictures]
        print(f"{way:<36}", *(f"{np.mean(e):.1f} +- {deviation(e):.1f}" if e else "-" for e in found))


if __name__ == "__main__":
    main()
