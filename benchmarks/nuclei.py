"""Masks of nuclei over the number of training pictures: U-Nets on p4m, ordinary ones, turned copies, test-time means.

    python benchmarks/nuclei.py --data-dir FOLDER [--pictures N ...] [--seeds N ...] [--steps N] [--output STEM]

FOLDER has `images/` and `masks/`, which number the nuclei. For each seed the pictures are put in an order; each number
of them is the first ones. All networks are tested on the same others, whole. Every network trains for as many steps,
each of 8 crops of 128 x 128 pixels; the ordinary one, with turned and mirrored copies, also for as many seconds as the
one on p4m took: seconds of the processor, which do not count what else a machine does. STEM.json and STEM.png are
written after each training; what the first holds is not done again.
"""

import argparse
import json
import os
import pathlib
import time

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras_equivariant.training.data.masked_folder import find_pairs, read_pairs
from keras_equivariant.training.files import replacing
from keras_equivariant.training.input.preprocessing import StandardiseEach, of_picture
from keras_equivariant.training.tasks.segmentation import objects
from keras_equivariant.training.tasks.segmentation.crops import Crops, training_batches
from keras_equivariant.training.tasks.segmentation.tiles import scores
from matplotlib.figure import Figure

from keras_equivariant import zoo
from keras_equivariant.equivariance import transform_image
from keras_equivariant.losses import CrossentropyAndDice
from keras_equivariant.metrics import AveragePrecision, Dice, IntersectionOverUnion
from keras_equivariant.symmetry import get_symmetry

SIZE = (128, 128)
BATCH = 8
TURNED = 4  # test pictures that are turned, to see what changes
SAME_TIME = "ordinary, copies, same time"
ORDER = ("p4m", "ordinary", "ordinary, copies", SAME_TIME)
VIEWS = ", 8 views"  # the mean over the turned and mirrored pictures of a test
LABELS = {"dice": "Dice (%)", "ap50": "AP at IoU 0.5 (%)", "ap": "mean AP at IoU 0.5 to 0.9 (%)"}


def load(folder, tested):
    """All pictures, and which of them are tested on, always the same, and which are not."""
    pictures, _ = read_pairs(find_pairs(pathlib.Path(folder)), "instances", None, folder)
    order = np.random.default_rng(0).permutation(len(pictures))
    return pictures, order[:tested], order[tested:]


def create(way, filters):
    """A network for pictures of any size with scores of background, inside and rim."""
    if way != "p4m":  # as many parameters: 8 orientations see each map 8 times, and one kernel makes 8 of them
        filters = [round(maps * 8**0.5) for maps in filters]
    name = "p4m_unet" if way == "p4m" else "unet"
    classes, depth = len(objects.CLASSES), len(filters) - 1
    return zoo.create(name, input_shape=(None, None, 3), classes=classes, filters=filters, depth=depth)


def train(way, pictures, filters, steps, rate, seed):
    """A trained network, its preprocessing, and the seconds that a step took."""
    keras.utils.set_random_seed(seed)
    model = create(way, filters)
    images = [np.pad(image, missing(image, SIZE), mode="reflect") for image in pictures.images]
    classes = [np.pad(objects.rims(mask), missing(mask, SIZE), constant_values=-1) for mask in pictures.masks]
    prepare = StandardiseEach()
    augmentation = ("square_symmetries",) if "copies" in way else ()
    batches = training_batches(Crops(images, classes, SIZE), prepare, augmentation, BATCH, seed, 0, steps + 1)
    schedule = keras.optimizers.schedules.CosineDecay(rate, steps)
    model.compile(keras.optimizers.Adam(schedule), CrossentropyAndDice(ignore_class=-1), jit_compile=False)
    batches = iter(batches)
    model.train_on_batch(*next(batches))  # compiles
    start = time.process_time()
    for _ in range(steps):
        loss = model.train_on_batch(*next(batches))
    float(loss)
    return model, prepare, (time.process_time() - start) / steps


def missing(array, crop):
    """How much to pad on each side, so that a crop fits."""
    more = [(0, max(side - size, 0)) for size, side in zip(array.shape[:2], crop, strict=True)]
    return more + [(0, 0)] * (array.ndim - 2)


def logarithms(model, image, prepare, views):
    """Logarithms of the probabilities of each pixel; with views, of their mean over the eight turned pictures."""
    group, prepare = get_symmetry("p4m"), of_picture(prepare, [image[None]])
    elements = range(group.order) if views else [0]
    total = 0.0
    for element in elements:
        x = scores(model, transform_image(image[None], "p4m", element)[0], prepare)
        x = np.exp(x - x.max(axis=-1, keepdims=True))
        back = transform_image((x / x.sum(axis=-1, keepdims=True))[None], "p4m", int(group.inverse[element]))[0]
        total = total + back / len(elements)
    return np.log(np.maximum(total, 1e-12))


def test(model, prepare, pictures, views):
    """The figures of one network, in percent."""
    dice, iou = (metric(2, sparse_y_pred=True) for metric in (Dice, IntersectionOverUnion))
    precision = AveragePrecision()
    changed = count = 0
    for number, (image, mask) in enumerate(zip(pictures.images, pictures.masks, strict=True)):
        image = image.astype("float32") / 255
        found = logarithms(model, image, prepare, views)
        inside = objects.is_object(found)
        for metric in (dice, iou):
            metric.update_state((mask > 0).astype("int32")[None], inside.astype("int32")[None])
        height = found[..., objects.RIM] - found[..., objects.INSIDE]
        precision.update_state(mask, objects.number_objects(objects.parts(found), height))
        if number < TURNED and not views:
            for element in range(1, 8):
                turned = logarithms(model, transform_image(image[None], "p4m", element)[0], prepare, False)
                expected = transform_image(inside[None, ..., None], "p4m", element)[0, ..., 0]
                changed, count = changed + (objects.is_object(turned) != expected).sum(), count + expected.size
    values = precision.by_threshold()
    figures = {"dice": dice.by_class()[1], "iou": iou.by_class()[1], "ap50": values[0], "ap": values.mean()}
    row = {name: round(float(100 * value), 3) for name, value in figures.items()}
    return row if views else {**row, "turn_change": round(float(100 * changed / count), 4)}


def run(arguments, rows, save):
    pictures, tested, others = load(arguments.data_dir, arguments.tested)
    for seed in arguments.seeds:
        for count in arguments.pictures:
            order = np.random.default_rng(seed).permutation(others)
            chosen = pictures.take(order[: count or len(order)])
            mine = [row for row in rows if (row["pictures"], row["seed"]) == (len(chosen), seed)]
            seconds = {row["network"]: row["seconds_a_step"] for row in mine}
            for way in ORDER:
                if way in seconds:
                    continue
                steps = arguments.steps
                if way == SAME_TIME:
                    steps = round(steps * seconds["p4m"] / seconds["ordinary, copies"])
                model, prepare, seconds[way] = train(way, chosen, arguments.filters, steps, arguments.rate, seed)
                row = {"pictures": len(chosen), "seed": seed, "steps": steps, "seconds_a_step": round(seconds[way], 3)}
                row["parameters"] = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
                for views in (False, True) if "copies" in way else (False,):
                    name = way + VIEWS * views
                    rows.append({"network": name, **row, **test(model, prepare, pictures.take(tested), views)})
                    print(json.dumps(rows[-1]), flush=True)
                save(rows)
                keras.utils.clear_session()


def draw(rows, path):
    """Each figure over the number of pictures: a line through the means of the seeds, a dot for each."""
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    shown = [
        way + views for way in ORDER for views in ("", VIEWS) if any(row["network"] == way + views for row in rows)
    ]
    for axes, (name, label) in zip(figure.subplots(1, 3), LABELS.items(), strict=True):
        for network in shown:
            mine = [row for row in rows if row["network"] == network]
            counts = sorted({row["pictures"] for row in mine})
            means = [np.mean([row[name] for row in mine if row["pictures"] == count]) for count in counts]
            style = "--" if network.endswith(VIEWS) else "-"
            colour = f"C{ORDER.index(network.removesuffix(VIEWS))}"
            axes.plot(counts, means, style, color=colour, label=network, linewidth=2.5 if network == "p4m" else 1.5)
            axes.plot([row["pictures"] for row in mine], [row[name] for row in mine], ".", color=colour, ms=4)
        axes.set(xscale="log", xlabel="training pictures", ylabel=label)
        axes.set_xticks(ticks := sorted({row["pictures"] for row in rows}), map(str, ticks), minor=False)
        axes.minorticks_off()
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=len(shown), frameon=False)
    figure.savefig(path, format="png", dpi=100)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--pictures", type=int, nargs="+", default=[4, 16, 64, 0], help="0 for all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rate", type=float, default=1e-2, help="of Adam, falling to zero along half a cosine")
    parser.add_argument(
        "--filters",
        type=int,
        nargs="+",
        default=[4, 8, 16, 32],
        help="of each level on p4m; the other network has as many parameters",
    )
    parser.add_argument("--tested", type=int, default=24, help="pictures to test on")
    parser.add_argument("--output", default="nuclei", metavar="STEM")
    arguments = parser.parse_args()
    settings = {"preprocessing": "standardise_each"}
    settings |= {name: getattr(arguments, name) for name in ("steps", "rate", "filters", "tested")}
    path = pathlib.Path(arguments.output + ".json")
    stored = json.loads(path.read_text()) if path.exists() else {"settings": settings, "rows": []}
    if stored["settings"] != settings:
        parser.error(f"{path} has other settings: {stored['settings']}")

    def save(rows):
        with replacing(path) as partial:
            lines = ",\n".join(json.dumps(row) for row in rows)
            partial.write_text(f'{{"settings": {json.dumps(settings)}, "rows": [\n{lines}\n]}}\n')
        with replacing(path.with_suffix(".png")) as partial:
            draw(rows, partial)

    run(arguments, stored["rows"], save)


if __name__ == "__main__":
    main()
