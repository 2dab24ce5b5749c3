"""Which of people's own pictures are trained on, which watch the training, and which test it."""

import collections
import csv
import pathlib
from collections.abc import Callable, Iterable

import numpy as np
from keras_equivariant.training.data.own import PARTS, Found, Row, count

TEST = 0.2  # share of the pictures


def assign(found: Found, validation: float, seed: int, label: Callable[[Row], str]) -> list[str]:
    """Gives each row that has none its part, always alike for a seed, and as large a share of each label.

    Files of equal bytes get the same part. A label with a single picture is trained on; with more, one at least is
    tested on, and from three on one validates. Where `train`, `validation` or `test` are given, what is missing is
    taken from the training pictures.

    Args:
        found: What there is; its rows are changed.
        validation: Share of the pictures that watch the training.
        seed: Decides which.
        label: Function of a row.

    Returns:
        Lines for people.
    """
    given = {row["split"] for row in found.rows} - {""}
    shares = {"test": TEST, "validation": validation}
    shares = {part: share for part, share in shares.items() if share and part not in given}
    groups: dict[str, dict[str, list[Row]]] = {}
    for row, twin in zip(found.rows, found.twins, strict=True):
        if row["split"] in ("", "train"):
            groups.setdefault(label(row), {}).setdefault(twin, []).append(row)
    rng = np.random.default_rng(seed)
    for name in sorted(groups):
        pictures = [groups[name][twin] for twin in sorted(groups[name])]
        order = [pictures[i] for i in rng.permutation(len(pictures))]
        count = sum(map(len, order))
        for position, (part, share) in enumerate(shares.items(), start=1):
            wanted = max(round(share * count), 1) if len(order) > 1 and count > position else 0
            while wanted > 0 and len(order) > 1:
                taken = order.pop()
                wanted -= len(taken)
                for row in taken:
                    row["split"] = part
        for row in (row for twins in order for row in twins):
            row["split"] = "train"
    return _copies(found, label)


def _copies(found: Found, label: Callable[[Row], str]) -> list[str]:
    """Lines on files of equal bytes."""
    by_twin = collections.defaultdict(list)
    for row, twin in zip(found.rows, found.twins, strict=True):
        by_twin[twin].append(row)
    several = [rows for rows in by_twin.values() if len(rows) > 1]
    across = [rows for rows in several if len({row["split"] for row in rows}) > 1]
    labels = [rows for rows in several if len({label(row) for row in rows}) > 1]
    lines = []
    if several:
        where = f"{len(across)} of them across the split" if across else "none of them across the split"
        one, other = (row["file"] for row in (across or several)[0][:2])
        lines.append(
            f"warning: there more than once: {count(len(several), 'picture')}, {where}, such as {one} and {other}"
        )
    if labels:
        one, other = (row["file"] for row in labels[0][:2])
        lines.append(
            f"warning: there with more than one label: {count(len(labels), 'picture')}, such as {one} and {other}"
        )
    return lines


def read_split(path: pathlib.Path) -> list[Row]:
    """Reads the `split.csv` of a run.

    Raises:
        ValueError: If it is damaged.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, strict=True))
    except (OSError, ValueError, csv.Error) as error:
        raise ValueError(f"{path} is damaged ({error})") from None
    if not rows or any(row.get("split") not in PARTS or not row.get("file") or None in row for row in rows):
        raise ValueError(f"{path} is damaged (it names no pictures)")
    return rows


def count_parts(rows: Iterable[Row]) -> str:
    """How many pictures are in each part, for people."""
    counts = collections.Counter(row["split"] for row in rows)
    verbs = {"train": "to train", "validation": "to validate", "test": "to test"}
    return ", ".join(f"{counts[part]:,} {verb}" for part, verb in verbs.items())
