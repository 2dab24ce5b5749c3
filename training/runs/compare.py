"""Several runs side by side, as a table and a picture."""

import csv
import dataclasses
import math
import os
import pathlib
from typing import Any

import numpy as np
from keras_equivariant.training.files import read_json
from keras_equivariant.training.pictures.curves import draw_over_epochs, save_figure
from keras_equivariant.training.recipes import Recipe
from keras_equivariant.training.runs.finished import read_recipe, run_labels
from keras_equivariant.training.runs.folder import find_finished_run
from keras_equivariant.training.tasks import get_task
from keras_equivariant.training.tasks.task import Task
from matplotlib.figure import Figure


@dataclasses.dataclass(frozen=True)
class ComparedRun:
    """The results of a finished run.

    Attributes:
        path: Its folder.
        recipe: What it was made by.
        metrics: What its `metrics.json` holds.
        history: Rows of its `history.csv`.
    """

    path: str
    recipe: Recipe
    metrics: dict[str, Any]
    history: list[dict[str, float]]


def compare_runs(paths: list[str] | list[pathlib.Path]) -> list[ComparedRun]:
    """Collects the results of finished runs.

    Raises:
        ValueError: If a folder holds no finished run, or a file of it is damaged.
    """
    runs = [find_finished_run(path) for path in paths]
    return [
        ComparedRun(str(run.path), read_recipe(run.path)[0], read_json(run.metrics), _read_history(run.history))
        for run in runs
    ]


def _read_history(path: pathlib.Path) -> list[dict[str, float]]:
    try:
        rows = csv.DictReader(path.read_text().splitlines())
        return [{name: int(value) if name == "epoch" else float(value) for name, value in row.items()} for row in rows]
    except (TypeError, ValueError, csv.Error) as error:  # a TypeError where a line is too short or too long
        raise ValueError(f"{path} is damaged ({error})") from None


def format_table(runs: list[ComparedRun]) -> str:
    """Formats results as a table in Markdown.

    Runs that differ in nothing but the seed share a row, with the mean and the sample standard deviation of each
    figure. The rows of a task are sorted by its first figure, the best first; the paper's stands beside it.

    Raises:
        ValueError: If a `metrics.json` is damaged.
    """
    rows = []
    for task in [get_task(name) for name in dict.fromkeys(run.recipe.task for run in runs)]:
        key, first = next(iter(task.figures.items()))
        sign = -1 if task.higher_is_better else 1
        groups = _groups([run for run in runs if run.recipe.task == task.name])
        means = {id(group): np.mean(values) if (values := _values(group, key)) else sign * math.inf for group in groups}
        for group in sorted(groups, key=lambda group, means=means, sign=sign: sign * means[id(group)]):
            recipe, paths = group[0].recipe, [run.path for run in group]
            common = os.path.commonprefix(paths)
            ends = ",".join(path[len(common) :] for path in paths)
            figures = {figure.title: _cell(group, name, figure.form) for name, figure in task.figures.items()}
            published = [format(recipe.published[name], first.form) for name in {recipe.model} & {*recipe.published}]
            rows.append(
                {
                    "run": common if len(paths) == 1 else f"{common}{{{ends}}}",
                    "model": recipe.model,
                    "parameters": _cell(group[:1], "parameters", ","),
                    "epochs": _cell(group[:1], "epochs", ""),
                    "runs": str(len(group)),
                    "seed": ", ".join(map(str, sorted(run.recipe.seed for run in group))),
                    "time of the fit (s)": _cell(group, "fit_seconds", ".0f"),
                    **{first.title: "", f"the paper's {first.title}": "".join(published), **figures},
                }
            )
    columns = dict.fromkeys(title for row in rows for title in row)
    columns = [title for title in columns if any(row.get(title) for row in rows)]
    cells = [columns, ["---"] * len(columns), *([row.get(title, "") for title in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _groups(runs: list[ComparedRun]) -> list[list[ComparedRun]]:
    """Runs that differ in nothing but the seed; another run with the same seed begins another group."""
    groups: dict[tuple[str, int], list[ComparedRun]] = {}
    for run in runs:
        recipe, number = repr(dataclasses.replace(run.recipe, seed=0, description="", published={})), 0
        while run.recipe.seed in [other.recipe.seed for other in groups.get((recipe, number), [])]:
            number += 1
        groups.setdefault((recipe, number), []).append(run)
    return list(groups.values())


def _values(runs: list[ComparedRun], key: str) -> list[float]:
    for run in runs:
        if not isinstance(run.metrics.get(key, 0), int | float):
            raise ValueError(f"The metrics of {run.path} are damaged ({key} is no number)")
    return [run.metrics[key] for run in runs if key in run.metrics]


def _cell(runs: list[ComparedRun], key: str, form: str) -> str:
    values = _values(runs, key)
    if len(values) < 2:
        return "".join(format(value, form) for value in values)
    return f"{np.mean(values):{form}} ± {np.std(values, ddof=1):{form}}"


def name_and_unit(title: str) -> tuple[str, str]:
    """`"test error (%)"` as `("test error", " %")`."""
    name, _, unit = title.partition(" (")
    return name, f" {unit.removesuffix(')')}".rstrip()


def format_metrics(task: Task, metrics: dict[str, Any]) -> str:
    """Formats what there is of the metrics of one run, one to a line."""
    rows = [
        ("model", metrics.get("model"), "", ""),
        ("trainable parameters", metrics.get("parameters"), ",", ""),
        ("time of the fit", metrics.get("fit_seconds"), ".0f", " s"),
    ]
    for key, figure in task.figures.items():
        name, unit = name_and_unit(figure.title)
        rows.append((name, metrics.get(key), figure.form, unit))
        for kind, values in metrics.items():
            if kind.startswith(f"{key}_by_") and isinstance(values, dict):
                what = kind.removeprefix(f"{key}_by_").replace("_", " ")
                rows += [(f"  {what} {place}", value, figure.form, unit) for place, value in values.items()]
    rows += [
        ("model.keras differs by", metrics.get("keras_difference"), ".1e", ""),
        ("saved_model differs by", metrics.get("saved_model_difference"), ".1e", ""),
    ]
    there = [row for row in rows if row[1] is not None]
    table = task.table(metrics)
    lines = [f"{label:<28} {value:{form}}{unit}" for label, value, form, unit in there]
    return "\n".join([*lines, *(["", table] if table else [])])


def draw_comparison(path: str | pathlib.Path, runs: list[ComparedRun]) -> None:
    """Draws the learning curves of runs of one task in one picture.

    Args:
        path: PNG file to write.
        runs: What `compare_runs` returned.

    Raises:
        ValueError: If the runs are of several tasks, or a history lacks a curve.
    """
    names = sorted({run.recipe.task for run in runs})
    if len(names) > 1:
        raise ValueError(f"The runs must be of one task to share a picture. Received: {', '.join(names)}")
    task = get_task(names[0])
    wanted = [curve.column for curve in task.curves]
    for run in runs:
        if not run.history or not set(wanted) <= set(run.history[0]):
            raise ValueError(f"The history of {run.path} is damaged (it holds no {' and '.join(wanted)})")
    key, figure = next(iter(task.figures.items()))
    labels = [
        f"{label}: {_cell([run], key, figure.form)}"
        for label, run in zip(run_labels([run.path for run in runs]), runs, strict=True)
    ]
    picture = Figure(figsize=(6 * len(wanted), 4.5), layout="constrained")
    for axes, curve in zip(picture.subplots(1, len(wanted), squeeze=False)[0], task.curves, strict=True):
        for i, (label, run) in enumerate(zip(labels, runs, strict=True)):
            for column, style in ((curve.column, "-"), (f"val_{curve.column}", "--")):
                if column in run.history[0]:
                    draw_over_epochs(axes, run.history, {label: lambda row, c=curve, name=column: c.value(row[name])})
                    axes.lines[-1].set(color=f"C{i % 10}", linestyle=style, label=label if style == "-" else "_")
        axes.set(ylabel=curve.label, yscale=curve.scale)
    axes.legend(title=f"run: {figure.title}; dashed: validation")
    save_figure(picture, path)
